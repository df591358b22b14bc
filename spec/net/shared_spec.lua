-- A socket that somebody else has as well: closing it here, also while a task waits for it, leaves
-- the connection to the others; the peer sees the end when the last of them closes.
-- The child is started by a shell: flavours: test asan hostile
local kio = require "kio"
local support = require "spec.support"
local common = require "spec.process.common"
local connection = require "spec.net.connection"

-- What waits for a stream, and what it is told.
local waits = {
  ["a recv"] = { function(s) return s:recv() end, "EBADF" },
  ["a read"] = { function(s) return s:read "l" end, "EBADF" },
  ["a raw recv"] = { function(s) return kio.recv(s:fd(), 10) end, "EBADF" },
  ["a raw read"] = { function(s) return kio.read(s:fd(), 10) end, "EBADF" },
  ["a poll"] = { function(s) return kio.poll(s:fd(), "r") end, "EBADF" },
  ["recv_fds"] = { function(s) return s:recv_fds() end, "EBADF" },
  ["a send"] = { function(s) return s:send(("x"):rep(1 << 22)) end, "EBADF" },
}

local ways = {
  ["close"] = function(s) return s:close { timeout = 0 } end,
  ["kio.close"] = function(s) return kio.close(s:fd()) end,
  ["close_now"] = function(s) return kio.core.own.close_now(s:fd()) end,
}

-- A copy of a stream's socket that has come by a Unix socket.
local function passed_on(stream)
  local a, b = kio.socketpair()
  local here <close> = assert(kio.stream(a))
  local there <close> = assert(kio.stream(b))
  assert(here:send_fds("x", { stream }))
  local _, fds = assert(there:recv_fds())
  return assert(kio.net.stream(fds[1]))
end

describe("closing one copy of a socket", function()
  for waiter, what in pairs(waits) do
    for name, close in pairs(ways) do
      it("by " .. name .. " under " .. waiter .. " leaves the other one", function()
        support.run(function()
          local peer, stream = connection.narrow()
          local copy = passed_on(stream)
          local waiting = kio.spawn(what[1], stream)
          for _ = 1, 3 do kio.yield() end
          close(stream)
          assert.equal(what[2], select(3, waiting:await()))
          stream:close()
          assert(peer:send "to the copy")
          assert.equal("to the copy", copy:read(11))
          assert(copy:send "from the copy")
          local all = kio.spawn(connection.receive_all, peer)
          assert.is_true(copy:close())
          assert.equal("from the copy", all:await():match "from the copy$")
          peer:close()
        end)
      end)
    end
  end

  it("leaves a child that has the other one", function()
    support.run(function()
      local peer, stream = connection.pair()
      local p <close> = assert(common.spawn { "cat", stdin = stream, stdout = stream })
      local waiting = kio.spawn(stream.recv, stream)
      kio.yield()
      kio.yield()
      assert.is_true(stream:close())
      assert.equal("EBADF", select(3, waiting:await()))
      peer:send "there and back\n"
      assert.equal("there and back", peer:read "l")
      peer:shutdown "write"
      assert.equal(0, p:wait().code)
      assert.is_nil(peer:read "l")
      peer:close()
    end)
  end)

  it("leaves a worker that has the other one", function()
    if support.chunk then pending "KIO_CHUNK knows one thread" end
    support.run(function()
      local peer, stream = connection.pair()
      local copy = passed_on(stream)
      local echo = kio.thread.spawn_on(2, function(s)
        s:send(s:read "l", "\n")
        s:close()
      end, copy)
      local waiting = kio.spawn(stream.recv, stream)
      kio.yield()
      kio.yield()
      assert.is_true(stream:close())
      assert.equal("EBADF", select(3, waiting:await()))
      peer:send "there and back\n"
      assert.equal("there and back", peer:read "l")
      echo:await()
      assert.is_nil(peer:read "l")
      peer:close()
    end, { threads = 2 })
  end)

  it("by the collector leaves the other one", function()
    support.run(function()
      local peer, stream = connection.pair()
      local copy = passed_on(stream)
      local waiting = kio.spawn(function(s) return s:recv() end, stream)
      kio.yield()
      waiting:cancel()
      waiting:join()
      waiting, stream = nil, nil
      collectgarbage()
      collectgarbage()
      assert.is_nil(waiting or stream)
      kio.yield()
      peer:send "x"
      assert.equal("x", copy:read(1))
      copy:close()
      assert.is_nil(peer:read(1))
      peer:close()
    end)
  end)
end)

describe("closing the only copy of a socket", function()
  for waiter, what in pairs(waits) do
    for name, close in pairs(ways) do
      it("by " .. name .. " under " .. waiter .. " is seen by the peer", function()
        support.run(function()
          local peer, stream = connection.narrow()
          local waiting = kio.spawn(what[1], stream)
          for _ = 1, 3 do kio.yield() end
          close(stream)
          assert.equal(what[2], select(3, waiting:await()))
          stream:close()
          assert.is_string(connection.receive_all(peer))
          peer:close()
        end)
      end)
    end
  end
end)
