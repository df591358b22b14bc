-- The life of a stream: what it says of itself, the collector, several runs, the end of a process.
-- The shell that starts one does not run under ThreadSanitizer:
-- flavours: test asan hostile
local kio = require "kio"
local support = require "spec.support"
local connection = require "spec.net.connection"
local child = require "spec.net.child"

local HIGH_WATER = support.flavour == "hostile" and 46 or 65536

local function is_closed(fd) return select(3, kio.getsockname(fd)) == "EBADF" end

describe("a stream", function()
  it("says what it is in every state", function()
    support.run(function()
      local client, server = connection.narrow()
      local filter = os.getenv "KIO_FILTER" or ""
      if filter == "stack" then filter = "xor, stutter, xor" end
      local over = filter ~= "" and ", " .. filter or "" -- what is under it
      local expected = "kio.Stream (fd %d, %s, peer %s" .. over .. ")"
      local fd, peer = client:fd(), client:peer()
      assert.equal(expected:format(fd, "open", peer), tostring(client))
      connection.fill(client, ("x"):rep(HIGH_WATER))
      local closing = kio.spawn(function() return client:close() end)
      connection.until_waiting(closing)
      assert.equal(expected:format(fd, "closing", peer), tostring(client))
      connection.receive_all(server)
      closing:await()
      assert.equal(("kio.Stream (fd -1, closed, peer %s)"):format(peer), tostring(client))
      assert.equal(expected:format(server:fd(), "open", "unix:"), tostring(server))
      server:close()
    end)
  end)

  it("has methods for streams only", function()
    support.run(function()
      local client, server = connection.pair()
      local listener <close> = assert(kio.net.listen("127.0.0.1:0"))
      local methods = "recv write send flush close shutdown address peer fd set_timeout"
      for name in methods:gmatch("%S+") do
        support.expect_error("kio.Stream expected", client[name])
        support.expect_error("kio.Stream expected", client[name], {})
        support.expect_error("kio.Stream expected", client[name], io.stdout)
        support.expect_error("kio.Stream expected", client[name], listener)
      end
      connection.close(client, server)
    end)
  end)

  it("outlives a run, with what has arrived, and works in the next one", function()
    local client, server
    support.run(function()
      client, server = connection.pair()
      client:send("first run")
      assert.equal("f", server:recv(1))
    end)
    support.expect_error("outside a task", server.recv, server)
    support.expect_error("outside a task", server.write, server, "x")
    support.expect_error("outside a task", server.send, server, "x")
    support.expect_error("outside a task", server.flush, server)
    support.expect_error("outside a task", server.shutdown, server)
    assert.equal(client:address(), server:peer())
    assert.matches("open", tostring(server))
    support.run(function()
      assert.equal("irst run", connection.receive(server, 8))
      server:send("second run")
      assert.equal("second run", connection.receive(client, 10))
    end)
    assert.is_true(client:close())
    support.run(function()
      assert.is_nil(server:recv())
      server:close()
    end)
  end)

  it("may be closed after its run, with unread input", function()
    local client, server
    support.run(function()
      client, server = connection.pair()
      client:send("unread")
      assert.equal("u", server:recv(1))
    end)
    assert.is_true(server:close())
    assert.is_true(server:close())
    assert.is_nil(server:fd())
    client:close()
  end)

  it("written to before its run ends is flushed by the end of the run", function()
    local client, server
    support.run(function()
      client, server = connection.pair()
      client:write("goodbye")
    end)
    support.run(function()
      assert.equal("goodbye", connection.receive(server, 7))
      connection.close(client, server)
    end)
  end)

  it("whose output cannot leave by the end of the run tells so later", function()
    local client, server
    support.expect_error("output did not leave within shutdown_timeout", function()
      support.run(function()
        client, server = connection.narrow()
        connection.fill(client, ("x"):rep(HIGH_WATER))
      end, { shutdown_timeout = 0.01 })
    end)
    support.run(function()
      assert.equal("ECANCELED", select(3, client:write("more")))
      assert.equal("ECANCELED", select(3, client:close()))
      assert.matches("^x+$", connection.receive_all(server))
      server:close()
    end)
  end)

  it("whose output is for what is garbage does not hold up the end of the run", function()
    collectgarbage "stop"
    local ok, err = pcall(support.run, function()
      local client, server = connection.narrow()
      connection.fill(client, ("x"):rep(HIGH_WATER))
      server:peek(1)
    end)
    collectgarbage "restart"
    assert(ok, err)
  end)

  it("keeps what was unread of a read that its run has left behind", function()
    local client, server
    support.expect_error("tasks did not end within shutdown_timeout", function()
      support.run(function()
        client, server = connection.pair()
        client:send("abc")
        assert.equal("abc", server:peek(3))
        local reading = kio.spawn(function()
          kio.shield(function() return server:read(10) end)
        end)
        connection.until_waiting(reading)
        error "over"
      end, { shutdown_timeout = 0 })
    end)
    support.run(function()
      assert.equal("abc", server:read(3))
      connection.close(client, server)
    end)
  end)
end)

describe("the collector", function()
  it("closes a forgotten stream, after its output has left", function()
    support.run(function()
      local server, size
      local fd = (function()
        local client
        client, server = connection.narrow()
        size = connection.fill(client, ("x"):rep(HIGH_WATER))
        return client:fd()
      end)()
      collectgarbage()
      assert.is_false(is_closed(fd)) -- it has output under way
      assert.equal(size, #connection.receive_all(server))
      assert.is_true(is_closed(fd))
      server:close()
    end)
  end)

  it("lets what was gathered in this very turn leave too", function()
    support.run(function()
      local server;
      (function()
        local client
        client, server = connection.pair()
        client:write("last words")
      end)()
      collectgarbage()
      assert.equal("last words", connection.receive_all(server))
      server:close()
    end)
  end)

  it("closes at once what has no output, in a run and after it", function()
    support.run(function()
      local server
      local fd = (function()
        local client
        client, server = connection.pair()
        server:send("unread")
        assert.equal("u", client:recv(1))
        return client:fd()
      end)()
      collectgarbage()
      assert.is_true(is_closed(fd))
      server:close()
    end)
    local fds = support.run(function()
      local client, server = connection.pair()
      client:send("unread")
      assert.equal("u", server:recv(1))
      return { client:fd(), server:fd() }
    end)
    collectgarbage()
    for _, fd in ipairs(fds) do assert.is_true(is_closed(fd)) end
  end)

  it("spares a stream that a task waits on", function()
    support.run(function()
      local server, reading;
      (function()
        local client
        client, server = connection.pair()
        reading = kio.spawn(function() return client:read(5) end)
        connection.until_waiting(reading)
      end)()
      collectgarbage()
      server:send("alive")
      assert.equal("alive", reading:await())
      server:close()
    end)
  end)

  it("never raises, nor does closing by hand afterwards from a finalizer", function()
    local closed = 0
    support.run(function()
      local client, server = connection.pair()
      for _ = 1, 3 do
        -- Collected together with the streams it holds, in either order.
        setmetatable({ client, server }, { __gc = function(self)
          for _, stream in ipairs(self) do
            assert(stream:close())
            closed = closed + 1
          end
        end })
      end
      client:write("unsent")
      client, server = nil, nil
      collectgarbage()
      collectgarbage()
      kio.yield()
      assert.is_nil(client or server)
    end)
    collectgarbage()
    assert.equal(6, closed)
  end)
end)

describe("the end of the process", function()
  -- A server that answers and then leaves by `ending` with tasks reading, writing and accepting.
  local function leave(ending)
    local output, how, number = child.run(([[
      local kio = require "kio"
      local connection = require "spec.net.connection"
      print(pcall(kio.run, function()
        local listener = assert(kio.net.listen("127.0.0.1:0"))
        local client, server = connection.narrow()
        local idle, other = connection.pair()
        kio.spawn(function() for stream in listener:accepts() do stream:close() end end)
        kio.spawn(function() client:write(("x"):rep(5000000)) end)
        kio.spawn(function() other:recv() end)
        kio.spawn(function() local held <close> = idle; idle:recv() end)
        kio.spawn(function() kio.net.connect("127.0.0.1:1") end)
        kio.sleep(0.02)
        idle:write("gathered")
        print "leaving"
        %s
      end, { shutdown_timeout = 0.05 }))
      collectgarbage()
      print(kio.run(function() return "and again" end))]]):format(ending))
    return output, how .. " " .. number
  end

  it("by os.exit is quiet, with and without closing the state", function()
    for _, close in ipairs { "false", "true" } do
      local output, ended = leave("os.exit(3, " .. close .. ")")
      assert.equal("leaving\n", output)
      assert.equal("exit 3", ended)
    end
  end)

  it("may come later, after a run that ended with an error", function()
    local output, ended = leave("error('the reason', 0)")
    assert.matches("^leaving\nfalse\tthe reason\n.*\nand again\n$", output)
    assert.equal("exit 0", ended)
  end)
end)
