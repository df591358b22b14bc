-- What is made of strings alone: forms, cookies, dates, log lines, addresses, conditions, ranges.
-- flavours: test
local support = require "spec.support"

local compress = require "kio.http.compress"
local conditional = require "kio.http.conditional"
local cookies = require "kio.http.cookies"
local date = require "kio.http.date"
local form = require "kio.http.form"
local forwarded = require "kio.http.forwarded"
local log = require "kio.http.log"
local network = require "kio.http.network"
local place = require "kio.http.place"
local types = require "kio.http.types"

describe("a form", function()
  it("is read as browsers write it", function()
    local fields, list = form.parse "a=1&b=two+words&a=3&empty=&bare&%C3%A4=%26%3D&&x=%zz%"
    assert.same({
      a = "1", b = "two words", empty = "", bare = "", ["\xc3\xa4"] = "&=", x = "%zz%",
    }, fields)
    assert.same({ "a", "3" }, list[3])
    assert.equal(7, #list)
    assert.same({}, (form.parse(nil)))
    assert.same({}, (form.parse ""))
  end)

  it("has so many fields at most", function()
    local text = ("a=1&"):rep(1001)
    assert.equal("EMSGSIZE", select(3, form.parse(text)))
    assert.equal("1", form.parse(text, { max = 1001 }).a)
    assert.equal("1", form.parse(text, { max = math.huge }).a)
    for _, name in ipairs { "decode", "escape" } do
      support.expect_error("bad argument #2 to '" .. name .. "' .too many", form[name], "a", 1)
    end
    support.expect_error("bad argument #2 to 'parse' .option 'max'", form.parse, text,
      { max = 0.5 })
  end)

  it("is written so that it can be read", function()
    local text = form.encode { b = "ä &=+%", a = { 1, "two" } }
    assert.equal("a=1&a=two&b=%C3%A4+%26%3D%2B%25", text)
    assert.same({ a = "1", b = "ä &=+%" }, (form.parse(text)))
    assert.equal("x=1&a=2&x=3", form.encode { { "x", 1 }, { "a", "2" }, { "x", 3 } })
    assert.equal("", form.encode {})
    for byte = 0, 255 do
      local char = string.char(byte)
      local _, list = form.parse(form.encode { [char] = char .. "+" })
      assert.same({ { char, char .. "+" } }, list)
      assert.equal(char, form.decode(form.escape(char)))
    end
    support.expect_error("names and values must be strings", form.encode, { a = true })
    support.expect_error("names must be strings", form.encode, { [1] = "a" })
  end)
end)

describe("a date", function()
  it("is what HTTP says", function()
    assert.equal("Sun, 06 Nov 1994 08:49:37 GMT", date.format(784111777))
    assert.equal(784111777, date.parse "Sun, 06 Nov 1994 08:49:37 GMT")
    for _, time in ipairs { 0, 951782400, 951868799, 4107542400, 68169600, 2147483648 } do
      assert.equal(time, date.parse(date.format(time)))
    end
    for _, text in ipairs { "", "yesterday", "Sun, 06 Now 1994 08:49:37 GMT",
      "Sun, 06 Nov 1994 28:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT" } do
      assert.is_nil(date.parse(text))
    end
    assert.is_nil(date.parse(nil))
  end)
end)

describe("cookies", function()
  it("of a request are found by name, the first of each", function()
    assert.same({ a = "1", b = "x=y", c = "", q = "quoted" },
      cookies.parse ' a=1;b = x=y ; c=; a=2; =none; bare; q="quoted";')
    assert.same({}, cookies.parse(nil))
  end)

  it("of a response are safe unless it is said", function()
    assert.equal("id=1; Path=/; Secure; HttpOnly; SameSite=Lax", cookies.format("id", "1"))
    assert.equal("id=; Path=/a; Domain=a.org; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; "
      .. "SameSite=Strict", cookies.format("id", "", {
        path = "/a", domain = "a.org", max_age = 0, expires = 0, secure = false, http_only = false,
        same_site = "strict",
      }))
  end)

  it("that could not be sent raise", function()
    for _, case in ipairs {
      { "a b", "1", nil, "no name of a cookie" }, { "", "1", nil, "no name of a cookie" },
      { "a", "1;", nil, "cannot contain" }, { "a", "1\r\n", nil, "cannot contain" },
      { "a", 'x"', nil, "cannot contain" }, { "a", "\xff", nil, "cannot contain" },
      { "a", "1", { path = "x" }, "option 'path'" }, { "a", "1", { path = "/;" }, "option 'path'" },
      { "a", "1", { path = "/\n" }, "option 'path'" },
      { "a", "1", { domain = "a;b" }, "option 'domain'" },
      { "a", "1", { same_site = "any" }, "option 'same_site'" },
      { "a", "1", { same_site = "none", secure = false }, "must be secure" },
      { "__Host-a", "1", { path = "/x" }, "has the path '/'" },
      { "__Secure-a", "1", { secure = false }, "must be secure" },
      { "a", "1", { max_age = 1.5 }, "option 'max_age' %(an integer%) expected" },
      { "a", "1", { colour = 1 }, "unknown option 'colour'" }, { "a", 1, nil, "string expected" },
    } do
      support.expect_error(case[4], cookies.format, case[1], case[2], case[3])
    end
  end)
end)

describe("a line of a log", function()
  local record = {
    peer = "[::1]:4711", method = "GET", target = '/"\27\255\\', version = "1.1", status = 200,
    sent = 5, seconds = 0.25,
    headers = { referer = "http://a/", ["user-agent"] = "x\r\n" },
  }

  it("is in the Common Log Format", function()
    assert.equal([[::1 - - [06/Nov/1994:08:49:37 +0000] "GET /\x22\x1b\xff\x5c HTTP/1.1" 200 5]],
      log.common(record, 784111777))
    assert.equal([[unix:/x - - [06/Nov/1994:08:49:37 +0000] "-" 400 0]],
      log.common({ peer = "unix:/x", status = 400, sent = 0 }, 784111777))
    assert.equal(log.common(record, 784111777) .. [[ "http://a/" "x\x0d\x0a"]],
      log.combined(record, 784111777))
    assert.matches('^127.0.0.1 .* "%-" "%-"$',
      log.combined { peer = "127.0.0.1:1", status = 400, sent = 0 })
  end)

  it("is an object of JSON", function()
    assert.equal([[{"time":"1994-11-06T08:49:37Z","peer":"[::1]:4711","method":"GET",]]
      .. [["target":"/\u0022\u001b\u00ff\u005c","version":"1.1","status":200,"bytes":5,]]
      .. [["seconds":0.250000,"referer":"http://a/","agent":"x\u000d\u000a"}]],
      log.json(record, 784111777))
  end)
end)

describe("an address", function()
  it("is four or sixteen bytes", function()
    for text, bytes in pairs {
      ["127.0.0.1"] = "\127\0\0\1", ["::1"] = ("\0"):rep(15) .. "\1", ["::"] = ("\0"):rep(16),
      ["::ffff:1.2.3.4"] = "\1\2\3\4", ["fe80::1%eth0"] = "\xfe\x80" .. ("\0"):rep(13) .. "\1",
      ["1:2:3:4:5:6:7:8"] = "\0\1\0\2\0\3\0\4\0\5\0\6\0\7\0\8",
      ["64:ff9b::1.2.3.4"] = "\0\x64\xff\x9b" .. ("\0"):rep(8) .. "\1\2\3\4",
    } do
      assert.equal(bytes, network.address(text), text)
    end
    for _, text in ipairs { "", "1.2.3", "1.2.3.256", "01.2.3.4", "1.2.3.4.5", ":1", "1:2:3", "x",
      "::1::", "1:2:3:4:5:6:7:8:9", "12345::", "1.2.3.4::", "localhost", ":::" } do
      assert.is_nil(network.address(text), text)
    end
  end)

  it("lies in a network, or not", function()
    for _, case in ipairs {
      { "10.0.0.0/8", "10.255.0.1", true }, { "10.0.0.0/8", "11.0.0.1", false },
      { "192.168.1.64/26", "192.168.1.127", true }, { "192.168.1.64/26", "192.168.1.128", false },
      { "0.0.0.0/0", "1.2.3.4", true }, { "0.0.0.0/0", "::1", false },
      { "fd00::/7", "fdff::1", true }, { "fd00::/7", "fbff::1", false },
      { "::1", "::1", true }, { "::ffff:10.0.0.0/104", "10.1.1.1", true },
    } do
      local net, bytes = network.parse(case[1]), network.address(case[2])
      assert.equal(case[3], network.contains(net, bytes), case[1] .. " " .. case[2])
    end
    for _, text in ipairs { "10.0.0.0/33", "::/129", "10.0.0.0/", "/8", "x/8" } do
      assert.is_nil(network.parse(text))
    end
  end)
end)

describe("who has asked", function()
  local trusted = forwarded.trusted { "127.0.0.1", "10.0.0.0/8", "::1", "unix" }
  local function origin(peer, headers)
    local found = forwarded.origin(peer, headers, trusted)
    return found.address, found.proto, found.host, found.hops
  end

  it("is the peer, whatever strangers say", function()
    assert.same({ "1.2.3.4:5", n = 4, [4] = 0 }, table.pack(origin("1.2.3.4:5", {
      ["x-forwarded-for"] = "9.9.9.9", forwarded = "for=9.9.9.9",
    })))
  end)

  it("is who the last trusted host has seen", function()
    for _, case in ipairs {
      { { ["x-forwarded-for"] = "9.9.9.9" }, "9.9.9.9" },
      { { ["x-forwarded-for"] = "6.6.6.6, 9.9.9.9, 10.1.1.1" }, "9.9.9.9" },
      { { ["x-forwarded-for"] = "10.1.1.2,10.1.1.1" }, "10.1.1.2" },
      { { ["x-forwarded-for"] = "9.9.9.9, unknown" }, "127.0.0.1:80" },
      { { ["x-forwarded-for"] = "2001:db8::1" }, "2001:db8::1" },
      { { forwarded = "for=9.9.9.9" }, "9.9.9.9" },
      { { forwarded = 'For="[2001:db8::1]:4711"' }, "[2001:db8::1]:4711" },
      { { forwarded = 'for=6.6.6.6, for="9.9.9.9:80";proto=https, for=10.0.0.1' }, "9.9.9.9:80" },
      { { forwarded = "for=_hidden" }, "127.0.0.1:80" },
      { { forwarded = "nonsense" }, "127.0.0.1:80" },
      { { forwarded = 'for="9.9.9.9' }, "127.0.0.1:80" }, { { forwarded = "" }, "127.0.0.1:80" },
      { { forwarded = "for=_x", ["x-forwarded-for"] = "9.9.9.9" }, "127.0.0.1:80" },
      { {}, "127.0.0.1:80" },
    } do
      assert.equal(case[2], (origin("127.0.0.1:80", case[1])))
    end
    assert.equal("9.9.9.9", (origin("unix:", { ["x-forwarded-for"] = "9.9.9.9" })))
  end)

  it("has asked for a host, by a protocol", function()
    local address, proto, host, hops = origin("10.0.0.9:1", {
      forwarded = "for=9.9.9.9;proto=https;host=a.org:8443, for=10.0.0.1;proto=http",
    })
    assert.same({ "9.9.9.9", "https", "a.org:8443", 2 }, { address, proto, host, hops })
    address, proto, host = origin("10.0.0.9:1", {
      ["x-forwarded-for"] = "9.9.9.9", ["x-forwarded-proto"] = "https",
      ["x-forwarded-host"] = "a.org",
    })
    assert.same({ "9.9.9.9", "https", "a.org" }, { address, proto, host })
    address, proto, host = origin("10.0.0.9:1", { forwarded = 'for=9.9.9.9;proto=ftp;host="a b"' })
    assert.same({ "9.9.9.9", nil, nil }, { address, proto, host })
  end)

  it("is trusted only by what is an address", function()
    support.expect_error("'nonsense' is no address", forwarded.trusted, { "nonsense" })
    support.expect_error("a list of addresses expected", forwarded.trusted, "10.0.0.1")
    local req = { peer = "127.0.0.1:1", headers = { ["x-forwarded-for"] = "9.9.9.9" } }
    assert.equal("9.9.9.9", forwarded.of(req, { "127.0.0.1" }).address)
    support.expect_error("bad argument #2 to 'of'", forwarded.of, req, { 5 })
  end)
end)

describe("gzip", function()
  it("is what a client takes, or not", function()
    for text, takes in pairs {
      ["gzip"] = true, ["deflate, gzip;q=0.5"] = true, ["*"] = true, ["x-gzip"] = true,
      ["gzip;q=0"] = false, ["identity"] = false, ["gzip;q=0.5, identity"] = false,
      ["br"] = false, ["*;q=0"] = false, ["GZIP ; q=1.0"] = true, [""] = false, ["gzip;x"] = false,
    } do
      assert.equal(takes, compress.accepts(text), text)
    end
    assert.is_false(compress.accepts(nil))
  end)
end)

describe("a condition", function()
  local about = { size = 100, etag = '"a-b"', mtime = 784111777 }
  local WHEN, BEFORE, LATER = "Sun, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:36 GMT",
    "Sun, 06 Nov 1994 08:49:38 GMT"

  it("leads to a status", function()
    for _, case in ipairs {
      { {}, nil }, { { ["if-none-match"] = '"a-b"' }, 304 },
      { { ["if-none-match"] = 'W/"a-b", "x"' }, 304 }, { { ["if-none-match"] = "*" }, 304 },
      { { ["if-none-match"] = '"x"' }, nil }, { { ["if-modified-since"] = WHEN }, 304 },
      { { ["if-modified-since"] = BEFORE }, nil }, { { ["if-modified-since"] = LATER }, 304 },
      { { ["if-modified-since"] = "soon" }, nil },
      { { ["if-none-match"] = '"x"', ["if-modified-since"] = WHEN }, nil },
      { { ["if-match"] = '"x"' }, 412 }, { { ["if-match"] = '"a-b"' }, nil },
      { { ["if-match"] = 'W/"a-b"' }, 412 }, { { ["if-match"] = "*" }, nil },
      { { ["if-unmodified-since"] = BEFORE }, 412 }, { { ["if-unmodified-since"] = WHEN }, nil },
    } do
      assert.equal(case[2], conditional.status(case[1], about))
    end
  end)

  it("is one of a range, too", function()
    for _, case in ipairs {
      { "bytes=0-9", 0, 10 }, { "bytes=90-", 90, 10 }, { "bytes=-10", 90, 10 },
      { "bytes=-1000", 0, 100 }, { "bytes=99-1000", 99, 1 }, { "BYTES=5-5", 5, 1 },
      { "bytes=100-", false }, { "bytes=-0", false }, { "bytes=9-5", nil }, { "bytes=-", nil },
      { "bytes=0-1,5-6", nil }, { "lines=0-1", nil }, { "bytes=a-b", nil }, { "bytes=0x1-5", nil },
      { "bytes=0-99999999999999999999999", 0, 100 }, { "bytes=99999999999999999999-", false },
    } do
      assert.same({ case[2], case[3], n = 2 },
        table.pack((conditional.range({ range = case[1] }, about)),
          (select(2, conditional.range({ range = case[1] }, about)))), case[1])
    end
    assert.is_false(conditional.range({ range = "bytes=0-" }, { size = 0 }))
    for condition, whole in pairs { ['"a-b"'] = false, ['"x"'] = true, ['W/"a-b"'] = true,
      [WHEN] = false, [LATER] = true, [BEFORE] = true, soon = true } do
      local offset = conditional.range({ range = "bytes=5-", ["if-range"] = condition }, about)
      assert.equal(whole and 0 or 5, offset or 0, condition)
    end
  end)
end)

describe("a path", function()
  it("is taken apart, or refused", function()
    for path, expected in pairs {
      ["/"] = {}, ["/a/b.txt"] = { "a", "b.txt" }, ["//a///b/"] = { "a", "b" },
      ["/%41%20b"] = { "A b" }, ["/a%5cb"] = { "a\\b" },
    } do
      assert.same(expected, (place.parts(path)), path)
    end
    for _, path in ipairs { "/..", "/a/../b", "/%2e%2e/b", "/a%2fb", "/a%00", "/.git", "/a/.b/c",
      "/.", "/%2e", "/a/./b" } do
      assert.is_nil(place.parts(path), path)
    end
    assert.same({ ".git" }, (place.parts("/.git", true)))
    assert.is_nil(place.parts("/..", true))
    assert.is_true(select(2, place.parts "/a/"))
    assert.is_false(select(2, place.parts "/a"))
  end)

  it("of a target is what stands before its question mark", function()
    for target, path in pairs {
      ["/a?b"] = "/a", ["http://h:1/a/b?c"] = "/a/b", ["http://h"] = "/", ["*"] = "/", ["/"] = "/",
    } do
      assert.equal(path, place.path_of(target), target)
    end
    assert.equal("/%2F%20x/y", place.url { "/ x", "y" })
  end)

  it("has a type by its ending", function()
    assert.equal("text/html; charset=utf-8", types.of "a.b/INDEX.HTML")
    assert.equal("application/octet-stream", types.of "a.html/none")
    assert.equal("application/octet-stream", types.of "Makefile")
  end)
end)

describe("what is no argument of helpers", function()
  local http = require "kio.http"
  local mistakes = {
    { http.compress.accepts, 5, "accepts" },
    { http.compress.body, {}, "body" },
    { http.compress.chunks, {}, "chunks" },
    { http.forwarded.origin, {}, "origin" },
    { http.forwarded.trusts, {}, "trusts" },
    { http.log.common, { sent = 3 }, "common" },
    { http.log.json, { status = 200, sent = 1, peer = {} }, "json" },
    { http.client, { max_head = 10 }, "client" },
    { require "kio.http.cookies".format, "a", "format", "b", { expires = math.maxinteger } },
  }

  it("is told with the line of who has called", function()
    for _, mistake in ipairs(mistakes) do
      local f, argument, name = table.unpack(mistake)
      local fine, message = pcall(function() return (f(argument, table.unpack(mistake, 4))) end)
      assert.falsy(fine)
      assert.truthy(message:find("^spec/http/extras/values_spec%.lua:%d+: bad argument #%d to '"
        .. name), message)
    end
  end)
end)
