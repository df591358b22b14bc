-- The ways to a server: TLS, proxies, and bodies that come compressed.
-- flavours: test asan
local common = require "spec.http.client.common"
local kio = require "kio"
local http = require "kio.http"
local material = require "spec.tls.material"
local support = require "spec.support"

local ok, with_server = common.ok, common.with_server

local function code(...)
  local value, message, why = ...
  assert(value == nil and type(message) == "string", "no failure: " .. tostring(value))
  return why, message
end

-- A proxy that opens tunnels, and answers for servers in absolute form; f(url, log).
local function with_proxy(f)
  local function relay(from, to)
    for piece in from:chunks() do to:write(piece) end
    to:shutdown "write"
  end
  local listener = assert(kio.net.listen "127.0.0.1:0")
  local log = { all = {} }
  local serving = kio.spawn(function()
    return listener:serve(function(stream)
      for req in common.read_request, stream do
        log.all[#log.all + 1] = req
        if req.method ~= "CONNECT" then
          stream:write(ok("by proxy: " .. req.target))
        elseif req.target:find "^forbidden" then
          stream:write(ok("no", "", "403 Forbidden"))
        elseif req.target:find "^closed" then return
        else
          local other <close> = assert(kio.net.connect(log.target or req.target))
          stream:write "HTTP/1.1 200 Connection established\r\n\r\n"
          kio.all { function() pcall(relay, stream, other) end,
            function() pcall(relay, other, stream) end }
          return
        end
      end
    end, { drain_timeout = 0, on_error = function() end })
  end)
  local results = table.pack(pcall(f, "http://" .. listener:address(), log))
  serving:cancel()
  serving:join()
  if not results[1] then error(results[2], 0) end
end

local tls = material.find()
local describe_tls = tls and describe or pending

describe_tls("https", function()
  local context, trust
  local function with_tls_server(answer, f)
    context = context or assert(tls.context(material.options()))
    trust = trust or { ca = material.ca() }
    with_server(answer, f, context)
  end

  it("verifies whom it talks to, and keeps connections", function()
    with_tls_server(function(req) return ok(req.target) end, function(url, log)
      local client <close> = assert(http.client { tls = trust })
      for i = 1, 3 do
        assert.equal("/" .. i, assert(client:get(url .. "/" .. i)):body())
        kio.sleep(0.002) -- session tickets that come while it is idle are no stray bytes
      end
      assert.equal("/x", assert(client:post(url .. "/x", { body = "y" })):body())
      assert.equal(1, log.connections)
      local distrusting <close> = assert(http.client { tls = {} })
      local res, message = distrusting:get(url)
      assert.is_nil(res)
      assert.matches("^GET https://127.0.0.1:%d+/: .*certificate", message)
    end)
  end)

  it("is not left by a redirect", function()
    with_tls_server(function(req)
      return ("HTTP/1.1 302 F\r\nLocation: http://%s/\r\nContent-Length: 0\r\n\r\n")
        :format(req.fields.host)
    end, function(url)
      local client <close> = assert(http.client { tls = trust })
      assert.equal("EPERM", (code(client:get(url))))
    end)
  end)

  it("goes through a tunnel", function()
    with_tls_server(function(req) return ok(req.target) end, function(url, log)
      with_proxy(function(proxy, seen)
        local by_user = proxy:gsub("//", "//me:secret@")
        local client <close> = assert(http.client { tls = trust, proxy = by_user })
        for i = 1, 3 do assert.equal("/" .. i, assert(client:get(url .. "/" .. i)):body()) end
        assert.same({ 1, 1 }, { log.connections, #seen.all })
        assert.equal(url:match "//(.*)", seen.all[1].target)
        assert.equal("Basic bWU6c2VjcmV0", seen.all[1].fields["proxy-authorization"])
        assert.is_nil(log.all[1].fields["proxy-authorization"])
        local why, message = code(client:get "https://forbidden/x")
        assert.equal("ECONNREFUSED", why)
        assert.matches("the proxy refuses the connection: 403 Forbidden", message)
        assert.equal("ECONNRESET", (code(client:get "https://closed/")))
      end)
    end)
  end)

  it("has no tunnel through TLS", function()
    support.run(function()
      local client <close> = http.client {
        proxy = "https://127.0.0.1:1", connect = function() error "not reached" end,
      }
      assert.equal("ENOTSUP", (code(client:get "https://a/")))
    end)
  end)
end)

describe("a proxy", function()
  it("is asked in absolute form, over one connection for all hosts", function()
    support.run(function()
      with_proxy(function(proxy, seen)
        local client <close> = http.client {
          proxy = proxy:gsub("//", "//me:pw@"), no_proxy = { "b.example", "127.0.0.1:1" },
        }
        assert.equal("by proxy: http://a.example/x?y",
          assert(client:get "http://a.example/x?y"):body())
        assert.equal("by proxy: http://c.example:81/",
          assert(client:get "http://c.example:81"):body())
        assert.equal("c.example:81", seen.all[2].fields.host)
        assert.equal("Basic bWU6cHc=", seen.all[1].fields["proxy-authorization"])
        assert.equal(1, client.transport.shelf.count)
        assert.equal("ECONNREFUSED", (code(client:get "http://127.0.0.1:1/")))
      end)
    end)
  end)
end)

local zlib = pcall(require, "kio.zlib") and require "kio.zlib"
local describe_zlib = zlib and describe or pending

describe_zlib("a body that comes compressed", function()
  local function serve(bytes, coding, f, options)
    with_server(function(req)
      return ok(bytes, "Content-Encoding: " .. coding .. "\r\nX-Accepted: "
        .. (req.fields["accept-encoding"] or "none") .. "\r\n")
    end, function(url, log)
      local client <close> = http.client(options)
      f(client, url, log)
    end)
  end

  it("is inflated as it comes", function()
    local text = ("all work and no play\n"):rep(10000)
    for _, coding in ipairs { "gzip", "deflate" } do
      local packed = zlib.compress(text, { format = coding == "gzip" and "gzip" or "zlib" })
      serve(packed, coding, function(client, url, log)
        local res = assert(client:get(url))
        assert.equal("gzip, deflate", res.headers["x-accepted"])
        assert.equal(text, res:body())
        local count = 0
        for line in assert(client:get(url)):lines() do count = count + #line + 1 end
        assert.equal(#text, count)
        assert.equal(1, log.connections)
      end)
    end
  end)

  it("stays as it is for who wants that", function()
    local packed = zlib.compress "text"
    serve(packed, "gzip", function(client, url)
      local res = assert(client:get(url))
      assert.same({ "none", packed }, { res.headers["x-accepted"], res:body() })
    end, { decompress = false })
    serve(packed, "gzip", function(client, url)
      assert.equal(packed, assert(client:get(url, { decompress = false })):body())
      local own = { ["Accept-Encoding"] = "gzip" }
      assert.equal(packed, assert(client:get(url, { headers = own })):body())
    end)
    serve("as it is", "br", function(client, url)
      assert.equal("as it is", assert(client:get(url)):body())
    end)
  end)

  it("is counted as it comes out, and refused when it is broken", function()
    local bomb = zlib.compress(("\0"):rep(1 << 22), { level = 9 })
    serve(bomb, "gzip", function(client, url)
      assert.equal("EMSGSIZE", (code(assert(client:get(url)):body { max = 1 << 20 })))
      assert.equal("EMSGSIZE", (code(assert(client:get(url)):body { max = (1 << 22) - 1 })))
    end)
    serve(zlib.compress("some text"):sub(1, -9), "gzip", function(client, url)
      assert.equal("ENODATA", (code(assert(client:get(url)):body())))
    end)
    serve("nothing like gzip", "gzip", function(client, url)
      assert.equal("EBADMSG", (code(assert(client:get(url)):body())))
    end)
    serve("", "gzip", function(client, url)
      assert.equal("", assert(client:get(url)):body())
    end)
  end)
end)
