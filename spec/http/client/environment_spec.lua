-- Which proxy a URL goes through: by the environment, but for what is excepted.
-- flavours: test
local support = require "spec.support"

local OURS = ("LUA_PATH='./lua/?.lua;./lua/?/init.lua' LUA_CPATH='./build/%s/?.so'")
  :format(support.build)

describe("a proxy", function()
  local proxies = require "kio.http.client.proxy"
  local url = require "kio.http.url"

  it("is chosen by the environment only for who asks for that", function()
    local function chosen(environment, target)
      local program = [[
        local proxies, url = require "kio.http.client.proxy", require "kio.http.url"
        local found, wrong = proxies.of_environment()
        local target = url.parse(..., { http = true, https = true })
        local proxy = found and proxies.choose(found, target)
        print(found and (proxy and proxy.authority or "none") or wrong)]]
      local path = support.tmpdir() .. "/program.lua"
      local file <close> = assert(io.open(path, "w"))
      file:write(program)
      file:close()
      local out <close> = io.popen(("env -u no_proxy -u all_proxy -u http_proxy -u https_proxy "
        .. "-u NO_PROXY -u ALL_PROXY -u HTTP_PROXY -u HTTPS_PROXY %s %s %s %s '%s'")
        :format(OURS, environment, support.lua, path, target))
      return out:read "l"
    end
    assert.equal("p:1", chosen("http_proxy=http://p:1", "http://a/"))
    assert.equal("none", chosen("http_proxy=http://p:1", "https://a/"))
    assert.equal("none", chosen("HTTP_PROXY=http://p:1", "http://a/"))
    assert.equal("p:1", chosen("HTTPS_PROXY=p:1", "https://a/"))
    assert.equal("p:1", chosen("all_proxy=http://p:1", "https://a/"))
    assert.equal("none", chosen("http_proxy=p:1 no_proxy=b,.a", "http://x.a/"))
    assert.equal("none", chosen("http_proxy=p:1 no_proxy='*'", "http://x.a/"))
    assert.matches("http_proxy is no proxy", chosen("http_proxy=socks5://p", "http://a/"))
  end)

  it("is not used for what is excepted", function()
    local set = proxies.of_option(assert(proxies.parse "http://p"),
      { "example.org", "*.b", "c:81", "[::1]", "10.0.0.1" })
    for text, straight in pairs {
      ["http://example.org/"] = true, ["http://a.example.org/"] = true,
      ["http://notexample.org/"] = false, ["http://a.b/"] = true, ["http://c/"] = false,
      ["http://c:81/"] = true, ["http://[::1]:5/"] = true, ["http://10.0.0.1/"] = true,
      ["http://1.10.0.0.1.x/"] = false,
    } do
      local target = assert(url.parse(text, { http = true }))
      assert.equal(straight, proxies.choose(set, target) == nil, text)
    end
  end)
end)
