-- Cookies are kept and sent back as RFC 6265 says, and to nobody else.
-- flavours: test
local common = require "spec.http.client.common"
local http = require "kio.http"
local support = require "spec.support"
local url = require "kio.http.url"

local function parse(text) return assert(url.parse(text, { http = true, https = true })) end

-- What a jar that got these fields from `from` sends to `to`.
local function sent(from, fields, to, options)
  local jar = http.jar(options)
  jar:take(parse(from), fields)
  return jar:field(parse(to or from)), jar
end

describe("a jar", function()
  local A = "http://www.example.org/a/b"
  local cases = {
    { "what was set", A, { "x=1", "y=2; HttpOnly" }, A, "x=1; y=2" },
    { "the last of a name", A, { "x=1", "x=2" }, A, "x=2" },
    { "values as they are", A, { 'x="a b"; Path=/', "y=", "z=a=b" }, A, 'y=; z=a=b; x="a b"' },
    { "nothing without a name", A, { "=1", "x", "", ";" }, A, nil },
    { "nothing with control characters", A, { "x=a\0b", "y=a\tb" }, A, nil },
    { "nothing too long", A, { "x=" .. ("a"):rep(5000) }, A, nil },
    { "only to the host", A, { "x=1" }, "http://example.org/a/b", nil },
    { "not to hosts below", "http://example.org/a/b", { "x=1" }, A, nil },
    { "to hosts below a domain", A, { "x=1; Domain=example.org" },
      "http://b.example.org/a/", "x=1" },
    { "to a domain itself", A, { "x=1; domain=.Example.ORG" }, "http://example.org/a/", "x=1" },
    { "not to look-alikes", A, { "x=1; Domain=example.org" }, "http://notexample.org/a/", nil },
    { "nothing for others' domains", A, { "x=1; Domain=example.com" },
      "http://example.com/a/", nil },
    { "nothing for a domain below", A, { "x=1; Domain=a.www.example.org" },
      "http://a.www.example.org/a/", nil },
    { "nothing for top-level domains", A, { "x=1; Domain=org" }, A, nil },
    { "of a single label to it alone", "http://localhost/", { "x=1; Domain=localhost" },
      "http://a.localhost/", nil },
    { "of a single label to it", "http://localhost/", { "x=1; Domain=localhost" },
      "http://localhost/", "x=1" },
    { "of an address to it", "http://127.0.0.1/", { "x=1; Domain=127.0.0.1" },
      "http://127.0.0.1/", "x=1" },
    { "nothing for parts of addresses", "http://127.0.0.1/", { "x=1; Domain=0.0.1" },
      "http://127.0.0.1/", nil },
    { "below the path of the URL", A, { "x=1" }, "http://www.example.org/a/c", "x=1" },
    { "not outside of it", A, { "x=1" }, "http://www.example.org/ab", nil },
    { "below a given path", A, { "x=1; Path=/q" }, "http://www.example.org/q/r", "x=1" },
    { "to a given path", A, { "x=1; Path=/q" }, "http://www.example.org/q?z", "x=1" },
    { "not beside a given path", A, { "x=1; Path=/q" }, "http://www.example.org/qr", nil },
    { "longer paths first", A, { "x=1; Path=/", "y=2; Path=/a" }, A, "y=2; x=1" },
    { "secure ones over TLS", "https://a.b/", { "x=1; Secure" }, "https://a.b/", "x=1" },
    { "no secure ones in the clear", "https://a.b/", { "x=1; Secure" }, "http://a.b/", nil },
    { "no secure ones that came in the clear", "http://a.b/", { "x=1; Secure" },
      "https://a.b/", nil },
    { "__Host- ones that keep their promise", "https://a.b/",
      { "__Host-x=1; Secure; Path=/", "__Host-y=1; Secure", "__Host-z=1; Path=/",
        "__Host-v=1; Secure; Path=/; Domain=a.b", "__Secure-w=1" }, "https://a.b/", "__Host-x=1" },
    { "what has not expired", A, { "x=1; Max-Age=1000" }, A, "x=1" },
    { "nothing that has", A, { "x=1; Max-Age=0", "y=1; Max-Age=-5",
      "z=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT" }, A, nil },
    { "Max-Age before Expires", A, { "x=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=9" },
      A, "x=1" },
    { "dates of any form", A, { "x=1; Expires=Wednesday, 09-Nov-2098 23:12:40 GMT",
      "y=1; Expires=Wed Nov  9 23:12:40 2098", "z=1; Expires=rubbish" }, A, "x=1; y=1; z=1" },
    { "nothing that was removed", A, { "x=1", "x=; Max-Age=0" }, A, nil },
  }
  for _, case in ipairs(cases) do
    it("sends " .. case[1], function()
      assert.equal(case[5], (sent(case[2], case[3], case[4])))
    end)
  end

  it("asks whether a domain is public", function()
    local options = { is_public = function(domain) return domain == "co.uk" end }
    assert.is_nil((sent("http://a.co.uk/", { "x=1; Domain=co.uk" }, nil, options)))
    assert.equal("x=1", (sent("http://a.co.uk/", { "x=1; Domain=a.co.uk" }, nil, options)))
  end)

  it("is bounded", function()
    local fields = {}
    for i = 1, 200 do fields[i] = ("x%d=1"):format(i) end
    local text, jar = sent(A, fields)
    assert.equal(50, select(2, text:gsub("=", "")))
    assert.equal(50, #jar:list())
    assert.equal("x200", jar:list()[50].name)
    for i = 1, 100 do jar:take(parse(("http://h%d.example.org/"):format(i)), fields) end
    assert.equal("kio.http.Jar (3000 cookies)", tostring(jar))
    jar:clear()
    assert.same({}, jar:list())
  end)

  it("serves a client, also on its way through redirects", function()
    common.with_server(function(req)
      if req.target == "/login" then
        return "HTTP/1.1 302 Found\r\nLocation: /\r\nSet-Cookie: id=1; Path=/\r\n"
          .. "Set-Cookie: b=2; Path=/\r\nContent-Length: 0\r\n\r\n"
      end
      return common.ok(req.fields.cookie or "none")
    end, function(server)
      local client <close> = http.client { jar = true }
      assert.equal("none", assert(client:get(server)):body())
      assert.equal("id=1; b=2", assert(client:get(server .. "/login")):body())
      assert.equal("id=1; b=2", assert(client:get(server)):body())
      assert.equal("own", assert(client:get(server, { headers = { Cookie = "own" } })):body())
      local jar = http.jar()
      local one <close> = http.client { jar = jar }
      assert(one:get(server .. "/login"))
      assert.equal(2, #jar:list())
    end)
  end)

  it("refuses what makes no sense", function()
    support.expect_error("unknown option 'public'", http.jar, { public = 1 })
    support.expect_error("'is_public' must be a function", http.jar, { is_public = 1 })
    support.expect_error("bad self", http.jar().list, {})
  end)
end)
