-- Places of a server's handshakes: how many are under way at a time, and who keeps nobody out.
-- flavours: test asan
local kio = require "kio"
local connection = require "spec.net.connection"
local material = require "spec.tls.material"

local MOST = 2

-- Without waiting for the clock: it jumps when everybody waits.
local function it_alone(name, f)
  it(name, function()
    if os.getenv "KIO_FILTER" then return pending("KIO_FILTER: it has a filter already") end
    kio.testing.run(f)
  end)
end

describe("places of handshakes", function()
  local tls, why = material.find()
  if not tls then return it("is skipped", function() pending(why) end) end

  -- Serves f(address) with few places; handled(stream) is told of each that has agreed.
  local function serve(handled, f)
    local listener = assert(kio.net.listen "127.0.0.1:0")
    local options = { tls = assert(tls.context(material.leaf())), max_handshakes = MOST,
      on_error = function() end }
    local serving = kio.spawn(function() return listener:serve(handled, options) end)
    f(listener:address())
    listener:close()
    serving:await()
  end

  local function greet(stream) stream:send "hello" end

  local function is_greeted(address)
    local options = { ca = material.ca(), name = "localhost", timeout = 5 }
    local client <close> = assert(tls.connect(address, options))
    assert.equal("hello", client:read "a")
  end

  -- What a client says first.
  local function hello()
    local client, server = connection.pair()
    local shaking = kio.spawn(tls.client, client, { ca = material.ca(), name = "localhost" })
    local bytes = server:recv()
    server:close()
    shaking:await()
    return bytes
  end

  it_alone("are not more than they should be, and all have their turn", function()
    local core = require "kio.tls.loaded"
    local make, made, handled, peak = core.server, 0, 0, 0
    local _ <close> = setmetatable({}, { __close = function() core.server = make end })
    core.server = function(...)
      made = made + 1
      peak = math.max(peak, made - handled)
      return make(...)
    end
    local function handle(stream)
      handled = handled + 1
      greet(stream)
    end
    serve(handle, function(address)
      kio.scope(function(scope)
        for _ = 1, 20 do scope:spawn(is_greeted, address) end
      end)
    end)
    assert.equal(20, handled)
    assert.equal(MOST, peak)
  end)

  for what, part in pairs { ["nothing"] = 0, ["part of a hello"] = 1 / 2, ["no more"] = 1 } do
    it_alone("are not kept by clients that say " .. what, function()
      local bytes, silent = hello(), {}
      serve(greet, function(address)
        for i = 1, 3 * MOST do
          silent[i] = assert(kio.net.connect(address))
          silent[i]:send(bytes:sub(1, #bytes * part // 1))
        end
        is_greeted(address)
        for _, stream in ipairs(silent) do stream:close() end
      end)
    end)
  end

  it_alone("do not let a peer fill memory while a function is asked and somebody reads", function()
    local asked, over = kio.sync.event(), kio.sync.event()
    local function never()
      asked:set()
      over:wait()
    end
    local context = assert(tls.context(material.options(nil, { sni = never })))
    local bytes, client, server = hello(), connection.pair()
    local shaking = kio.spawn(tls.server, server, context)
    client:send(bytes)
    asked:wait()
    local flooding = kio.spawn(function() return client:send(("x"):rep(1 << 24)) end)
    local data, message, code = server:recv()
    assert.is_nil(data)
    assert.equal("EPROTO", code)
    assert.matches("the filter made no progress$", message)
    server:close()
    over:set()
    assert.is_nil((shaking:await()))
    assert.is_nil((flooding:await()))
    client:close()
  end)

  it_alone("make nothing for a client that is silent", function()
    local core = require "kio.tls.loaded"
    local make, made = core.server, 0
    local _ <close> = setmetatable({}, { __close = function() core.server = make end })
    core.server = function(...)
      made = made + 1
      return make(...)
    end
    serve(greet, function(address)
      local silent = assert(kio.net.connect(address))
      is_greeted(address)
      assert.equal(1, made)
      silent:close()
    end)
  end)
end)
