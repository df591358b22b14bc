-- URLs are read strictly: each that is refused is one that some program reads differently.
-- flavours: test
local url = require "kio.http.url"

local SCHEMES = { http = true, https = true }

local function parse(text, userinfo) return url.parse(text, SCHEMES, userinfo) end

describe("a URL", function()
  local good = {
    { "http://example.org", "http", "example.org", 80, "/", "example.org" },
    { "HTTP://Example.ORG:80/", "http", "example.org", 80, "/", "example.org" },
    { "https://example.org", "https", "example.org", 443, "/", "example.org" },
    { "https://example.org:/x", "https", "example.org", 443, "/x", "example.org" },
    { "http://a.b:8080/p/q?x=1&y[]=2#part", "http", "a.b", 8080, "/p/q?x=1&y[]=2", "a.b:8080" },
    { "http://a?x", "http", "a", 80, "/?x", "a" },
    { "http://a/?", "http", "a", 80, "/?", "a" },
    { "http://a#x/y", "http", "a", 80, "/", "a" },
    { "http://127.0.0.1:1/%7Ea", "http", "127.0.0.1", 1, "/%7Ea", "127.0.0.1:1" },
    { "http://[::1]:65535/", "http", "::1", 65535, "/", "[::1]:65535" },
    { "http://[2001:DB8::1]/", "http", "2001:db8::1", 80, "/", "[2001:db8::1]" },
    { "http://[::ffff:1.2.3.4]/", "http", "::ffff:1.2.3.4", 80, "/", "[::ffff:1.2.3.4]" },
    { "http://[1:2:3:4:5:6:7:8]/", "http", "1:2:3:4:5:6:7:8", 80, "/", "[1:2:3:4:5:6:7:8]" },
    { "http://[1:2:3:4:5:6:1.2.3.4]/", "http", "1:2:3:4:5:6:1.2.3.4", 80, "/",
      "[1:2:3:4:5:6:1.2.3.4]" },
    { "http://xn--bcher-kva.example./", "http", "xn--bcher-kva.example.", 80, "/",
      "xn--bcher-kva.example." },
    { "http://a_b.c-d/", "http", "a_b.c-d", 80, "/", "a_b.c-d" },
    { "http://1.2.3.4.example/", "http", "1.2.3.4.example", 80, "/", "1.2.3.4.example" },
  }
  for _, case in ipairs(good) do
    it("is taken apart: " .. case[1], function()
      local got = assert(parse(case[1]))
      assert.same({ table.unpack(case, 2) },
        { got.scheme, got.host, got.port, got.target, got.authority })
    end)
  end

  local bad = {
    { "", "not absolute" }, { "/path", "not absolute" }, { "example.org/", "not absolute" },
    { "http:/a", "not absolute" }, { "//a/", "not absolute" }, { "ftp://a/", "scheme" },
    { "file:///etc/passwd", "scheme" }, { "javascript://a/", "scheme" },
    { "http://", "host is missing" }, { "http:///a", "host is missing" },
    { "http://:80/", "host is missing" },
    { "http://a b/", "a space" }, { "http://a/b c", "a space" }, { " http://a/", "a space" },
    { "http://a/\r\nX: y", "control" }, { "http://a/\0", "control" },
    { "http://a/\127", "control" },
    { "http://a\\@b/", "backslash" }, { "http://a/\\b", "backslash" },
    { "http://bücher.example/", "encoded form" }, { "http://a/ü", "percent%-encoded" },
    { "http://a%2eb/", "no name of a host" }, { "http://a,b/", "no name of a host" },
    { "http://a..b/", "empty part" }, { "http://.a/", "empty part" }, { "http://./", "empty part" },
    { "http://" .. ("a"):rep(64) .. ".b/", "too long" },
    { "http://" .. ("a."):rep(130) .. "b/", "too long" },
    { "http://127.1/", "no IPv4" }, { "http://2130706433/", "no IPv4" },
    { "http://0x7f.0.0.1/", nil }, { "http://127.0.0.0x1/", "no IPv4" },
    { "http://127.0.0.01/", "no IPv4" }, { "http://1.2.3.256/", "no IPv4" },
    { "http://1.2.3.4.5/", "no IPv4" },
    { "http://[::1/", "no name" }, { "http://[]/", "no IPv6" }, { "http://[1::2::3]/", "no IPv6" },
    { "http://[1:2:3:4:5:6:7]/", "no IPv6" }, { "http://[1:2:3:4:5:6:7:8:9]/", "no IPv6" },
    { "http://[fe80::1%25eth0]/", "no IPv6" }, { "http://[12345::]/", "no IPv6" },
    { "http://[::1.2.3]/", "no IPv6" }, { "http://[:1::]/", "no IPv6" },
    { "http://[1::2:]/", "no IPv6" },
    { "http://[::1]80/", "port" }, { "http://::1/", "host is missing" },
    { "http://a:0/", "port" }, { "http://a:65536/", "port" }, { "http://a:-1/", "port" },
    { "http://a:80x/", "port" }, { "http://a:8 0/", "space" }, { "http://a:80:80/", "port" },
    { "http://a:123456/", "port" }, { "http://a:+80/", "port" },
    { "http://a/%", "percent sign" }, { "http://a/%2", "percent sign" },
    { "http://a/%zz", "percent sign" },
    { "http://a/<b>", "percent%-encoded" }, { 'http://a/"', "percent%-encoded" },
    { "http://user@a/", "user's name" }, { "http://user:pw@a/", "user's name" },
    { "http://a@b@c/", "user's name" },
    { "http://a/" .. ("x"):rep(70000), "too long" },
  }
  for _, case in ipairs(bad) do
    if case[2] then
      it("is refused: " .. case[1]:sub(1, 40):gsub("%c", "?"), function()
        local got, wrong = parse(case[1])
        assert.is_nil(got)
        assert.matches(case[2], wrong)
      end)
    end
  end

  it("has a user's name where that is asked for", function()
    local got = assert(parse("http://me:pass%40@a:81/", true))
    assert.same({ "me:pass%40", "a:81" }, { got.userinfo, got.authority })
    assert.equal("b", assert(parse("http://a@x@b/", true)).host)
  end)

  it("shows no secrets", function()
    assert.equal("https://a:1/b?...", url.shown(assert(parse "https://a:1/b?token=1#x")))
    assert.equal("http://a/b", url.shown_text "http://me:secret@a/b?token=1")
    assert.equal(103, #url.shown_text("http://a/" .. ("x"):rep(1000)))
  end)
end)

describe("a reference", function()
  local base = assert(parse "http://a/b/c/d?q")
  -- RFC 3986, section 5.4, without what HTTP has no use for.
  local cases = {
    { "http://x:1/y", "http://x:1/y" }, { "https://x", "https://x" }, { "g", "http://a/b/c/g" },
    { "./g", "http://a/b/c/g" }, { "g/", "http://a/b/c/g/" }, { "/g", "http://a/g" },
    { "//g", "http://g" }, { "?y", "http://a/b/c/d?y" }, { "g?y", "http://a/b/c/g?y" },
    { "#s", "http://a/b/c/d?q" }, { "g#s", "http://a/b/c/g" }, { "g?y#s", "http://a/b/c/g?y" },
    { "", "http://a/b/c/d?q" }, { ".", "http://a/b/c/" }, { "./", "http://a/b/c/" },
    { "..", "http://a/b/" }, { "../", "http://a/b/" }, { "../g", "http://a/b/g" },
    { "../..", "http://a/" }, { "../../g", "http://a/g" }, { "../../../g", "http://a/g" },
    { "/./g", "http://a/g" }, { "/../g", "http://a/g" }, { "g.", "http://a/b/c/g." },
    { "..g", "http://a/b/c/..g" }, { "./g/.", "http://a/b/c/g/" }, { "g/./h", "http://a/b/c/g/h" },
    { "g/../h", "http://a/b/c/h" }, { "g?y/../x", "http://a/b/c/g?y/../x" },
    { "/a b", "http://a/a%20b" }, { "/\xc3\xbc{}", "http://a/%C3%BC%7B%7D" },
    { "mailto:x", "mailto:x" },
  }
  for _, case in ipairs(cases) do
    it(("%q stands for %s"):format(case[1], case[2]), function()
      assert.equal(case[2], url.resolve(base, case[1]))
    end)
  end
end)
