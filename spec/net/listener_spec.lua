-- Listeners: options, accepting, and every way an accept may end.
local kio = require "kio"
local core = require "kio.core"
local support = require "spec.support"
local connection = require "spec.net.connection"

local LOCAL = "127.0.0.1:0"

local function is_closed(fd)
  local _, _, code = kio.getsockname(fd)
  return code == "EBADF"
end

local function connect_until_refused(address)
  local clients = {}
  while true do
    local client, _, code = kio.net.connect(address, { timeout = 0.01 })
    if not client then return clients, code end
    clients[#clients + 1] = client
  end
end

describe("listen", function()
  it("raises on an option it does not know, or of a wrong type", function()
    support.run(function()
      local listen = kio.net.listen
      support.expect_error("unknown option 'color'", listen, LOCAL, { color = 1 })
      support.expect_error("unknown option 'timeout'", listen, LOCAL, { timeout = 1 })
      support.expect_error("unknown option", listen, LOCAL, { "backlog" })
      support.expect_error("table expected", listen, LOCAL, 5)
      for _, name in ipairs { "backlog", "send_buffer", "receive_buffer", "keepalive" } do
        local must, range = "'" .. name .. "' must be a number", "'" .. name .. "' is out of range"
        support.expect_error(must, listen, LOCAL, { [name] = "1" })
        support.expect_error(must, listen, LOCAL, { [name] = true })
        support.expect_error(range, listen, LOCAL, { [name] = -1 })
        support.expect_error(range, listen, LOCAL, { [name] = 1 << 40 })
        support.expect_error(range, listen, LOCAL, { [name] = 0 / 0 })
      end
      for _, name in ipairs { "nodelay", "reuseaddr", "reuseport", "v6only" } do
        local must = "'" .. name .. "' must be true or false"
        support.expect_error(must, listen, LOCAL, { [name] = 1 })
        support.expect_error(must, listen, LOCAL, { [name] = "true" })
      end
    end)
  end)

  it("needs no task", function()
    local listener = assert(kio.net.listen(LOCAL))
    assert.matches("^127%.0%.0%.1:%d+$", listener:address())
    assert.is_true(listener:close())
  end)

  it("tells what the kernel refuses", function()
    support.run(function()
      local _, message, code = kio.net.listen("192.0.2.1:0") -- reserved for documentation
      assert.equal("EADDRNOTAVAIL", code)
      assert.matches("^listen 192%.0%.2%.1:0: ", message)
      _, message, code = kio.net.listen("unix:/nonexistent-folder/socket")
      assert.equal("ENOENT", code)
      assert.matches("^listen unix:/nonexistent%-folder/socket: ", message)
    end)
  end)

  it("on a port that is taken fails with EADDRINUSE", function()
    support.run(function()
      local listener <close> = assert(kio.net.listen(LOCAL))
      local second, message, code = kio.net.listen(listener:address())
      assert.is_nil(second)
      assert.equal("EADDRINUSE", code)
      assert.truthy(message:find(listener:address(), 1, true))
    end)
  end)

  it("with reuseport shares a port; each connection goes to one of the listeners", function()
    support.run(function()
      local first <close> = assert(kio.net.listen(LOCAL, { reuseport = true }))
      local second <close> = assert(kio.net.listen(first:address(), { reuseport = true }))
      local counts = { 0, 0 }
      for i, listener in ipairs { first, second } do
        kio.spawn(function()
          for stream in listener:accepts() do
            counts[i] = counts[i] + 1
            stream:close()
          end
        end)
      end
      for _ = 1, 64 do
        local client <close> = assert(kio.net.connect(first:address()))
        assert.is_nil(client:recv())
      end
      assert.equal(64, counts[1] + counts[2])
      assert.is_true(counts[1] > 0 and counts[2] > 0)
    end)
  end)

  it("with v6only leaves the port's IPv4 half to others", function()
    if not io.open("/proc/net/if_inet6") then pending("this machine has no IPv6") end
    support.run(function()
      local port = support.free_port()
      local six <close> = assert(kio.net.listen("[::]:" .. port, { v6only = true }))
      local four <close> = assert(kio.net.listen("0.0.0.0:" .. port))
      assert.truthy(six and four)
      local both <close> = assert(kio.net.listen("[::]:0"))
      local taken = both:address():match("%d+$")
      local _, _, code = kio.net.listen("0.0.0.0:" .. taken)
      assert.equal("EADDRINUSE", code)
    end)
  end)

  it("after a restart may bind the port at once", function()
    support.run(function()
      local listener = assert(kio.net.listen(LOCAL))
      local address = listener:address()
      local accepting = kio.spawn(function() return assert(listener:accept()) end)
      local client = assert(kio.net.connect(address))
      connection.close(accepting:await(), client, listener) -- the server's end is in TIME_WAIT
      listener = assert(kio.net.listen(address))
      listener:close()
      local _, _, code = kio.net.listen(address, { reuseaddr = false })
      assert.equal("EADDRINUSE", code)
    end)
  end)

  it("leaves the file of a Unix socket to its owner", function()
    local path = support.tmpdir() .. "/socket"
    support.run(function()
      assert(kio.net.listen("unix:" .. path)):close()
      local _, _, code = kio.net.listen("unix:" .. path)
      assert.equal("EADDRINUSE", code)
      _, _, code = kio.net.connect("unix:" .. path)
      assert.equal("ECONNREFUSED", code)
      assert(kio.unlinkat(nil, path))
      assert(kio.net.listen("unix:" .. path)):close()
    end)
  end)

  it("with a backlog keeps the others waiting", function()
    support.run(function()
      local listener <close> = assert(kio.net.listen(connection.abstract_name(), { backlog = 2 }))
      local clients, code = connect_until_refused(listener:address())
      assert.equal("ETIMEDOUT", code)
      assert.equal(3, #clients) -- the kernel counts from 0
      connection.close(table.unpack(clients))
    end)
  end)
end)

describe("accept", function()
  it("gives the connection and the peer's address", function()
    support.run(function()
      local client, server, peer = connection.pair()
      assert.equal(client:address(), peer)
      assert.equal(peer, server:peer())
      connection.close(client, server)
    end)
  end)

  it("ends at its deadline, and a timeout of 0 takes what is there", function()
    support.run(function()
      local listener <close> = assert(kio.net.listen(LOCAL))
      local stream, message, code = listener:accept { timeout = 0.01 }
      assert.is_nil(stream)
      assert.equal("ETIMEDOUT", code)
      assert.equal("accept " .. listener:address() .. ": timed out", message)
      assert.equal("ETIMEDOUT", select(3, listener:accept { timeout = 0 }))
      local client <close> = assert(kio.net.connect(listener:address()))
      local server <close> = assert(listener:accept { timeout = 0 })
      assert.truthy(client and server)
    end)
  end)

  it("raises on a bad option", function()
    support.run(function()
      local listener <close> = assert(kio.net.listen(LOCAL))
      support.expect_error("unknown option", listener.accept, listener, { timout = 1 })
      support.expect_error("negative", listener.accept, listener, { timeout = -1 })
      support.expect_error("number", listener.accept, listener, { timeout = "soon" })
      support.expect_error("table expected", listener.accept, listener, 1)
    end)
  end)

  it("by several tasks gives each its own connection, first come first served", function()
    support.run(function()
      local listener <close> = assert(kio.net.listen(LOCAL))
      local order, clients = {}, {}
      for i = 1, 10 do
        kio.spawn(function()
          local stream <close> = assert(listener:accept())
          order[#order + 1] = i
          stream:send(i)
        end)
      end
      for i = 1, 10 do
        clients[i] = assert(kio.net.connect(listener:address()))
        assert.equal(tostring(i), connection.receive_all(clients[i]))
      end
      assert.same({ 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 }, order)
      connection.close(table.unpack(clients))
    end)
  end)

  it("raises Cancelled in a cancelled task, and leaves the next connection to others", function()
    support.run(function()
      local listener <close> = assert(kio.net.listen(LOCAL))
      local first = kio.spawn(function() return listener:accept() end)
      connection.until_waiting(first)
      first:cancel()
      local ok, err = first:join()
      assert.is_false(ok)
      assert.is_true(kio.is_cancelled(err))
      local client <close> = assert(kio.net.connect(listener:address()))
      local server <close> = assert(listener:accept())
      assert.equal(client:address(), server:peer())
    end)
  end)

  it("races with cancellation without losing a connection or a descriptor", function()
    local rounds = support.flavour == "test" and 2000 or 300
    support.run(function()
      local listener <close> = assert(kio.net.listen(LOCAL))
      local given, left = 0, 0
      for i = 1, rounds do
        local accepting = kio.spawn(function()
          local stream <close> = assert(listener:accept())
          given = given + 1
          stream:send("x")
        end)
        local client <close> = assert(kio.net.connect(listener:address(), { timeout = 10 }))
        for _ = 1, i % 3 do kio.yield() end
        accepting:cancel()
        accepting:join()
        do
          local late <close> = listener:accept { timeout = 0 }
          if late then
            left = left + 1
            late:send("x")
          end
        end
        -- The connection was given to somebody: it brings a byte, or has been closed.
        local _, _, code = client:recv(1, { timeout = 10 })
        assert.is_true(code == nil or code == "ECONNRESET", code)
      end
      assert.is_true(given > 0 and left > 0, ("given %d, left %d"):format(given, left))
    end)
  end)

  it("meets a client that has gone: the stream ends", function()
    support.run(function()
      local listener <close> = assert(kio.net.listen(LOCAL))
      local client = assert(kio.net.connect(listener:address()))
      client:send("last words")
      client:close()
      local server <close> = assert(listener:accept())
      assert.equal("last words", connection.receive_all(server))
      assert.is_true(server:close())
    end)
  end)
end)

describe("closing a listener", function()
  it("ends every accept under way with one EBADF, and the run ends", function()
    support.run(function()
      local listener = assert(kio.net.listen(LOCAL))
      local fd, tasks = listener:fd(), {}
      for i = 1, 20 do tasks[i] = kio.spawn(function() return listener:accept() end) end
      connection.until_waiting(tasks[20])
      assert.is_true(listener:close())
      for i = 1, 20 do
        local stream, message, code = tasks[i]:await()
        assert.is_nil(stream)
        assert.equal("EBADF", code)
        assert.equal("accept " .. listener:address() .. ": the listener is closed", message)
      end
      assert.is_true(is_closed(fd))
    end)
  end)

  it("ends accepts that the kernel has not seen yet", function()
    support.run(function()
      local listener = assert(kio.net.listen(LOCAL))
      local accepting = kio.spawn(function() return listener:accept() end)
      local closing = kio.spawn(function() return listener:close() end)
      assert.is_true(closing:await())
      assert.equal("EBADF", select(3, accepting:await()))
    end)
  end)

  it("refuses what comes after, and may be done twice", function()
    support.run(function()
      local listener = assert(kio.net.listen(LOCAL))
      local address = listener:address()
      assert.is_true(listener:close())
      assert.is_true(listener:close())
      assert.equal("EBADF", select(3, listener:accept()))
      assert.equal(address, listener:address())
      assert.is_nil(listener:fd())
      assert.equal("ECONNREFUSED", select(3, kio.net.connect(address)))
    end)
  end)

  it("works where Lua cannot yield", function()
    support.run(function()
      local listener = assert(kio.net.listen(LOCAL))
      local fd, accepting = listener:fd(), kio.spawn(function() return listener:accept() end)
      connection.until_waiting(accepting)
      table.sort({ 1, 2 }, function() listener:close() end)
      assert.is_true(is_closed(fd))
      assert.equal("EBADF", select(3, accepting:await()))
    end)
  end)

  it("works in a cancelled task", function()
    support.run(function()
      local listener = assert(kio.net.listen(LOCAL))
      local accepting = kio.spawn(function() return listener:accept() end)
      local owner = kio.spawn(function()
        local held <close> = listener
        kio.sleep(1000)
        return held
      end)
      connection.until_waiting(owner)
      owner:cancel()
      owner:join()
      assert.is_nil(listener:fd())
      assert.equal("EBADF", select(3, accepting:await()))
    end)
  end)

  it("is done by <close> and by the collector", function()
    support.run(function()
      local fd
      do
        local listener <close> = assert(kio.net.listen(LOCAL))
        fd = listener:fd()
      end
      assert.is_true(is_closed(fd));
      (function() fd = assert(kio.net.listen(LOCAL)):fd() end)()
      collectgarbage()
      assert.is_true(is_closed(fd))
    end)
  end)
end)

describe("accepts", function()
  it("iterates until the listener is closed", function()
    support.run(function()
      local listener = assert(kio.net.listen(LOCAL))
      local serving = kio.spawn(function()
        local count = 0
        for stream, peer in listener:accepts() do
          count = count + 1
          assert.equal(peer, stream:peer())
          stream:close()
        end
        return count
      end)
      for _ = 1, 10 do
        local client <close> = assert(kio.net.connect(listener:address()))
        assert.is_nil(client:recv())
      end
      listener:close()
      assert.equal(10, serving:await())
    end)
  end)

  it("raises what is no connection's fault", function()
    support.run(function()
      local listener <close> = assert(kio.net.listen(LOCAL))
      local serving = kio.spawn(function() for _ in listener:accepts() do end end)
      connection.until_waiting(serving)
      assert.equal(1, kio.cancel(listener:fd()))
      local ok, err = serving:join()
      assert.is_false(ok)
      assert.matches("accept 127.*canceled", err)
    end)
  end)

  -- Each ends the listener without its close; `waits`: while a task waits in the loop.
  local LOST = "its descriptor was closed by its number"
  local others = {
    { "its number is closed", function(l) assert(kio.close(l:fd())) end, LOST, waits = true },
    { "its number is closed at once", function(l) assert(core.own.close_now(l:fd())) end, LOST },
    { "another handle of its number closes", function(_, other) other:close() end, LOST,
      waits = true },
    { "it is handed over", function(l) assert(kio.thread.channel(1):try_send(l)) end,
      "the listener was handed over to another thread" },
  }
  for _, multishot in ipairs { true, false } do
    for _, other in ipairs(others) do
      it(("raise when %s, multishot = %s"):format(other[1], multishot), function()
        support.run(function()
          local listener = assert(kio.net.listen(LOCAL))
          local address, twin = listener:address(), assert(kio.net.listener(listener:fd()))
          local looping = kio.spawn(pcall, function()
            if not other.waits then other[2](listener, twin) end
            for _ in listener:accepts() do end
          end)
          if other.waits then
            connection.until_waiting(looping)
            other[2](listener, twin)
          end
          local ok, err = looping:await()
          assert.is_false(ok)
          local expected = ("accept %s: %s (EBADF)"):format(address, other[3])
          assert.equal(expected, err:sub(-#expected))
          assert.is_true(listener:close())
          assert.is_true(twin:close())
          local again = listener:accepts()
          assert.is_false(pcall(again)) -- a close that had nothing to close changes nothing
        end, { multishot = multishot })
      end)
    end
  end
end)

describe("a listener", function()
  it("says what it is", function()
    support.run(function()
      local listener = assert(kio.net.listen(LOCAL))
      local expected = "kio.Listener (fd %d, %s, %s)"
      assert.equal(expected:format(listener:fd(), "open", listener:address()), tostring(listener))
      listener:close()
      assert.equal(expected:format(-1, "closed", listener:address()), tostring(listener))
    end)
  end)

  it("outlives a run and works in the next one", function()
    local listener = assert(kio.net.listen(LOCAL))
    for i = 1, 3 do
      support.run(function()
        local accepting = kio.spawn(function() return assert(listener:accept()) end)
        local client = assert(kio.net.connect(listener:address()))
        local server = accepting:await()
        server:send(i)
        server:close()
        assert.equal(tostring(i), connection.receive_all(client))
        client:close()
      end)
      support.expect_error("outside a task", listener.accept, listener)
    end
    assert.is_true(listener:close())
    assert.is_true(listener:close())
  end)

  it("has methods for listeners only", function()
    support.run(function()
      local listener <close> = assert(kio.net.listen(LOCAL))
      support.expect_error("kio.Listener expected", listener.accept, {})
      support.expect_error("kio.Listener expected", listener.address, io.stdout)
      support.expect_error("kio.Listener expected", listener.close)
    end)
  end)
end)
