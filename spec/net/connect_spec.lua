-- kio.net.connect: what it refuses, how it fails, how it ends early.
local kio = require "kio"
local support = require "spec.support"
local connection = require "spec.net.connection"

-- A Unix listener whose backlog is full: a further connect waits until somebody accepts.
local function full_listener()
  local listener = assert(kio.net.listen(connection.abstract_name(), { backlog = 0 }))
  return listener, assert(kio.net.connect(listener:address()))
end

describe("connect", function()
  it("raises on an option it does not know, or of a wrong type", function()
    support.run(function()
      local connect, address = kio.net.connect, "127.0.0.1:1"
      support.expect_error("unknown option 'backlog'", connect, address, { backlog = 1 })
      support.expect_error("unknown option 'reuseaddr'", connect, address, { reuseaddr = true })
      support.expect_error("table expected", connect, address, "fast")
      support.expect_error("'timeout'", connect, address, { timeout = -1 })
      support.expect_error("'timeout'", connect, address, { timeout = "1" })
      support.expect_error("'timeout'", connect, address, { timeout = 0 / 0 })
      support.expect_error("'nodelay'", connect, address, { nodelay = 1 })
      for _, name in ipairs { "keepalive", "send_buffer", "receive_buffer" } do
        support.expect_error("'" .. name .. "'", connect, address, { [name] = -1 })
        support.expect_error("'" .. name .. "'", connect, address, { [name] = {} })
      end
    end)
  end)

  it("outside a task raises", function()
    support.expect_error("outside a task", kio.net.connect, "127.0.0.1:1")
  end)

  it("to a port nobody listens on fails with ECONNREFUSED", function()
    support.run(function()
      local address = "127.0.0.1:" .. support.free_port()
      local stream, message, code = kio.net.connect(address)
      assert.is_nil(stream)
      assert.equal("ECONNREFUSED", code)
      assert.equal("connect " .. address .. ": connection refused", message)
    end)
  end)

  it("to a Unix name nobody listens on fails", function()
    local path = "unix:" .. support.tmpdir() .. "/nothing"
    support.run(function()
      local _, message, code = kio.net.connect(path)
      assert.equal("ENOENT", code)
      assert.equal("connect " .. path .. ": no such file or directory", message)
      local name = connection.abstract_name()
      _, message, code = kio.net.connect(name)
      assert.equal("ECONNREFUSED", code)
      assert.equal("connect " .. name .. ": connection refused", message)
    end)
  end)

  it("to a file that is no socket fails with ECONNREFUSED", function()
    local path = support.tmpdir() .. "/file"
    assert(io.open(path, "w")):close()
    support.run(function()
      assert.equal("ECONNREFUSED", select(3, kio.net.connect("unix:" .. path)))
    end)
  end)

  it("ends at its deadline", function()
    support.run(function()
      local listener <close>, client = full_listener()
      local first <close> = client
      local stream, message, code = kio.net.connect(listener:address(), { timeout = 0.01 })
      assert.is_nil(stream)
      assert.equal("ETIMEDOUT", code)
      assert.equal("connect " .. listener:address() .. ": timed out", message)
      assert.equal("ETIMEDOUT", select(3, kio.net.connect(listener:address(), { timeout = 0 })))
      assert.truthy(first)
    end)
  end)

  it("with a timeout of 0 takes a connection that is made at once", function()
    support.run(function()
      local listener <close> = assert(kio.net.listen(connection.abstract_name()))
      local client <close> = assert(kio.net.connect(listener:address(), { timeout = 0 }))
      assert.truthy(client)
    end)
  end)

  it("waits as long as it takes", function()
    support.run(function()
      local listener <close>, client = full_listener()
      local first <close> = client
      local connecting = kio.spawn(kio.net.connect, listener:address())
      connection.until_waiting(connecting)
      local server <close> = assert(listener:accept())
      local second <close> = assert(connecting:await())
      first:send("1")
      assert.equal("1", server:recv())
      assert.truthy(second)
    end)
  end)

  it("raises Cancelled in a cancelled task, and its descriptor is closed", function()
    support.run(function()
      local listener <close>, client = full_listener()
      local first <close> = client
      local connecting = kio.spawn(kio.net.connect, listener:address())
      connection.until_waiting(connecting)
      connecting:cancel()
      local ok, err = connecting:join()
      assert.is_false(ok)
      assert.is_true(kio.is_cancelled(err))
      local server <close> = assert(listener:accept())
      assert.truthy(first and server)
      assert.equal("ETIMEDOUT", select(3, listener:accept { timeout = 0.01 }))
    end)
  end)

  it("races with cancellation without leaving a connection behind", function()
    local rounds = support.flavour == "test" and 1000 or 200
    support.run(function()
      local listener <close> = assert(kio.net.listen("127.0.0.1:0"))
      local serving = kio.spawn(function()
        for stream in listener:accepts() do
          kio.spawn(function()
            assert(not stream:recv(1, { timeout = 10 }))
            stream:close()
          end)
        end
      end)
      for i = 1, rounds do
        local connecting = kio.spawn(function()
          assert(kio.net.connect(listener:address())):close()
        end)
        for _ = 1, i % 4 do kio.yield() end
        connecting:cancel()
        connecting:join()
      end
      listener:close()
      serving:await()
    end)
  end)
end)
