-- HTTP over TLS with kio at both ends: servers on one worker and on several, clients that verify,
-- WebSockets through a proxy's tunnel.
-- flavours: test asan
local common = require "spec.http.server.common"
local http = require "kio.http"
local kio = require "kio"
local material = require "spec.tls.material"
local support = require "spec.support"

local tls, why = material.find()

local function it_with_tls(name, f, threads)
  it(name, function()
    if not tls then return pending(why) end
    support.run(f, { threads = threads })
  end)
end

-- Serves while f(address) runs, with the certificate of `how` (material.leaf); the report.
local function serving(handler, f, options, how)
  options = options or {}
  options.tls = assert(tls.context(material.leaf(how)))
  options.drain_timeout = 5
  local listener = assert(kio.net.listen "127.0.0.1:0")
  local server = kio.spawn(http.serve, listener, handler, options)
  f(listener:address())
  listener:close()
  return server:await()
end

local function trusting() return http.client { tls = { ca = material.ca() } } end

local function tell(req)
  return req.method .. " " .. req.target .. " " .. req.tls.version .. " " .. #assert(req:body())
end

describe("a server with TLS", function()
  it_with_tls("tells its handler of it", function()
    local report = serving(tell, function(address)
      local client <close> = trusting()
      local url = "https://" .. address
      assert.equal("GET /a?b TLSv1.3 0", assert(client:get(url .. "/a?b")):body())
      local long = ("x"):rep(200000)
      assert.equal("POST / TLSv1.3 200000", assert(client:post(url, { body = long })):body())
      assert.equal(1, client.transport.shelf.count)
      client:close()
    end)
    assert.same({ accepted = 1, failed = 0, idle = 0, cut = 0 }, report)
    common.serving(function(req) return tostring(req.tls) end, function(address)
      assert.equal("nil", select(3, common.ask_once(address, common.get())))
    end)
  end)

  it_with_tls("answers in order what comes at once", function()
    serving(function(req) return req.path end, function(address)
      local stream <close> = assert(tls.connect(address, { ca = material.ca() }))
      local last = common.get("/3", "Connection: close\r\n")
      assert(stream:write(common.get "/1", common.get "/2", last))
      for i = 1, 3 do assert.equal("/" .. i, select(3, common.answer(stream))) end
      assert.is_true(common.is_over(stream))
    end)
  end)

  it_with_tls("goes on after one that speaks without", function()
    local told = {}
    local report = serving(tell, function(address)
      local plain <close> = common.connect(address)
      plain:write(common.get())
      assert.is_nil(plain:read("a"):match "HTTP/1.1 200")
      local client <close> = trusting()
      assert.equal(200, assert(client:head("https://" .. address)).status)
    end, { on_error = function(err) told[#told + 1] = err end })
    assert.equal(1, #told)
    assert.equal(2, report.accepted)
  end)

  it_with_tls("hands connections to all workers", function()
    local function on_worker(req)
      local thread = require "kio".thread.id()
      return 200, { ["X-Worker"] = thread, ["X-Version"] = req.tls.version }, req:body()
    end
    local report = serving(on_worker, function(address)
      local seen, body = {}, ("y"):rep(100000)
      kio.scope(function(scope)
        for _ = 1, 8 do
          scope:spawn(function()
            local client <close> = trusting()
            for _ = 1, 3 do
              local res = assert(client:post("https://" .. address, { body = body }))
              seen[res.headers["x-worker"]] = res.headers["x-version"]
              assert.is_true(res:body() == body)
            end
          end)
        end
      end)
      assert.same({ ["1"] = "TLSv1.3", ["2"] = "TLSv1.3" }, seen)
    end, { spread = true })
    assert.same({ accepted = 8, failed = 0, idle = 0, cut = 0 }, report)
  end, 2)
end)

describe("a client with TLS", function()
  it_with_tls("refuses whom it does not trust, and whose name is another", function()
    local options = { on_error = function() end }
    serving(tell, function(address)
      local distrusting <close> = http.client { tls = {} }
      local res, message = distrusting:get("https://" .. address)
      assert.is_nil(res)
      assert.matches("certificate", message)
    end, options)
    serving(tell, function(address)
      local client <close> = trusting()
      local res, message = client:get("https://" .. address)
      assert.is_nil(res)
      assert.matches("certificate", message)
    end, { on_error = function() end }, { names = "DNS:example.org" })
  end)
end)

-- A proxy that opens tunnels to `address`; f(url, log) with what it was asked.
local function with_tunnels(address, f)
  local log = {}
  local function relay(from, to)
    for piece in from:chunks() do to:write(piece) end
    to:shutdown "write"
  end
  local listener = assert(kio.net.listen "127.0.0.1:0")
  local serving_it = kio.spawn(listener.serve, listener, function(stream)
    log[#log + 1] = assert(stream:read_until "\r\n\r\n"):match "^[^\r]+"
    local other <close> = assert(kio.net.connect(address))
    stream:write "HTTP/1.1 200 Connection established\r\n\r\n"
    kio.all { function() pcall(relay, stream, other) end,
      function() pcall(relay, other, stream) end }
  end, { drain_timeout = 5 })
  f("http://" .. listener:address(), log)
  listener:close()
  serving_it:await()
end

describe("a WebSocket over TLS", function()
  it_with_tls("goes through a proxy's tunnel", function()
    local function echo(req, res)
      local ws = assert(res:websocket())
      ws:send(req.tls.version)
      for message in ws:messages() do ws:send(message) end
    end
    serving(echo, function(address)
      with_tunnels(address, function(proxy, log)
        local host = "localhost:" .. address:match ":(%d+)$"
        local ws <close> = assert(http.websocket("wss://" .. host .. "/chat",
          { proxy = proxy, tls = { ca = material.ca() } }))
        assert.equal("TLSv1.3", ws:receive { timeout = 10 })
        local text = ("é"):rep(50000)
        assert(ws:send(text))
        assert.is_true(ws:receive { timeout = 10 } == text)
        assert.is_true(ws:close())
        assert.same({ "CONNECT " .. host .. " HTTP/1.1" }, log)
        local none, message = http.websocket("wss://" .. host, { proxy = proxy, tls = {} })
        assert.is_nil(none)
        assert.matches("certificate", message)
      end)
    end, { on_error = function() end })
  end)
end)
