-- A close that cuts off a send of which a part has left: nothing more is sent, the closer is told
-- once, the peer sees the end.
local kio = require "kio"
local support = require "spec.support"

-- A Unix socket is full when it is full: TCP goes on probing and takes a little now and then.
local function connection()
  local name = "unix:@kio-close-" .. support.free_port()
  local listener = assert(kio.net.listen(name))
  local accepted = kio.spawn(function() return (listener:accept()) end)
  local client = assert(kio.net.connect(listener:address(), { send_buffer = 4096 }))
  local server = accepted:await()
  listener:close()
  return client, server
end

-- Writes until nothing at all fits any more: a send is in flight, and more is gathered behind it.
local function fill(stream)
  stream:set_timeout(0.01)
  local chunk, stuck = ("x"):rep(1 << 20), 0
  repeat
    local _, _, code, taken = stream:write(chunk)
    assert(not code or code == "ETIMEDOUT")
    stuck = taken == 0 and stuck + 1 or 0
  until stuck == 3
end

local function drain(stream)
  local total, data = 0, stream:recv()
  while data do
    total = total + #data
    data = stream:recv()
  end
  return total
end

for _, backend in ipairs { "uring", "sim" } do
  describe("on " .. backend .. ", close with a part of the output sent", function()
    it("fails with ETIMEDOUT at its deadline, and the peer sees the end", function()
      support.run(function()
        local client, server = connection()
        fill(client)
        local ok, message, code = client:close { timeout = 0.01 }
        assert.is_nil(ok)
        assert.equal("ETIMEDOUT", code)
        assert.matches("^close ", message)
        assert.is_true(drain(server) > 0)
        assert.is_true(client:close())
        server:close()
      end, { backend = backend })
    end)

    it("waits for no output in a cancelled task", function()
      support.run(function()
        local client, server = connection()
        local closer = kio.spawn(function()
          local stream <close> = client
          fill(stream)
          kio.sleep(1000)
        end)
        kio.sleep(0.05)
        closer:cancel()
        assert.is_false((closer:join()))
        assert.equal("cancelled", closer:status())
        assert.is_true(drain(server) > 0)
        server:close()
      end, { backend = backend })
    end)

    it("by the collector lets the output leave first", function()
      support.run(function()
        local client, server = connection()
        local size = 3 << 20
        local writer = kio.spawn(function()
          client:write(("y"):rep(size))
          client = nil
          collectgarbage()
        end)
        assert.equal(size, drain(server))
        writer:await()
        server:close()
      end, { backend = backend })
    end)
  end)
end
