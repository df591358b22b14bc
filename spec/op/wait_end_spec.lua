-- Ending what is under way on a descriptor: kio.cancel and kio.close (R24). Each operation ends
-- with one clear error, and a descriptor's number is never reused under a request.
local kio = require "kio"
local support = require "spec.support"
local connection = require "spec.net.connection"

-- Every operation that can wait on a socket; each begins to wait on `fd`.
local waiting_on_socket = {
  recv = function(fd) return kio.recv(fd, 10) end,
  read = function(fd) return kio.read(fd, 10) end,
  readv = function(fd) return kio.readv(fd, { 5, 5 }) end,
  recvmsg = function(fd) return kio.recvmsg(fd, 10) end,
  poll = function(fd) return kio.poll(fd, "r") end,
}
local full = ("x"):rep(100000)
local waiting_for_room = {
  send = function(fd) return kio.send(fd, full) end,
  write = function(fd) return kio.write(fd, full) end,
  writev = function(fd) return kio.writev(fd, { full }) end,
  sendmsg = function(fd) return kio.sendmsg(fd, full) end,
  poll = function(fd) return kio.poll(fd, "w") end,
}

-- Starts `f` on a socket where it waits, for so many turns; the task, the socket and its peer.
local function start(f, fill, turns)
  local fd, peer = kio.socketpair()
  if fill then
    while kio.send(fd, full, kio.const.MSG_DONTWAIT) do assert(fd) end
  end
  local task = kio.spawn(f, fd)
  connection.until_waiting(task)
  for _ = 1, turns do kio.yield() end
  return task, fd, peer
end

-- In turn 0 the kernel has not seen the request yet.
local function each(check)
  for turns = 0, 4 do
    for name, f in pairs(waiting_on_socket) do check(name, start(f, false, turns)) end
    for name, f in pairs(waiting_for_room) do check(name, start(f, true, turns)) end
  end
end

local function is_open(fd) return select(3, kio.getsockname(fd)) ~= "EBADF" end

describe("cancel", function()
  it("ends every kind of operation with ECANCELED, and the descriptor goes on", function()
    support.run(function()
      each(function(name, task, fd, peer)
        assert.equal(1, kio.cancel(fd), name)
        local result, message, code = task:await()
        assert.is_nil(result, name)
        assert.equal("ECANCELED", code, name)
        assert.equal(("%s fd %d: operation canceled"):format(name, fd), message)
        kio.send(peer, "x")
        assert.equal("x", kio.recv(fd, 1))
        connection.close(fd, peer)
      end)
    end)
  end)

  it("ends all operations on the descriptor, and on no other", function()
    support.run(function()
      local a, b = connection.tcp()
      local tasks = {}
      for i = 1, 10 do tasks[i] = kio.spawn(kio.recv, a, 10) end
      tasks[11] = kio.spawn(kio.poll, a, "r")
      local other = kio.spawn(kio.recv, b, 10)
      connection.until_waiting(other)
      assert.equal(11, kio.cancel(a))
      for i = 1, 11 do assert.equal("ECANCELED", select(3, tasks[i]:await())) end
      kio.send(a, "x")
      assert.equal("x", other:await())
      connection.close(a, b)
    end)
  end)

  it("ends accept, connect and splice, at either end", function()
    support.run(function()
      local listener = assert(kio.socket("tcp4"))
      kio.bind(listener, "127.0.0.1:0")
      kio.listen(listener)
      local accepting = kio.spawn(kio.accept, listener)
      connection.until_waiting(accepting)
      assert.equal(1, kio.cancel(listener))
      assert.equal("ECANCELED", select(3, accepting:await()))

      local name = connection.abstract_name()
      local unix, first, second = kio.socket("unix"), kio.socket("unix"), kio.socket("unix")
      kio.bind(unix, name)
      kio.listen(unix, 0)
      kio.connect(first, name)
      local connecting = kio.spawn(kio.connect, second, name)
      connection.until_waiting(connecting)
      assert.equal(1, kio.cancel(second))
      assert.equal("ECANCELED", select(3, connecting:await()))
      connection.close(listener, unix, first, second)

      for place = 1, 2 do
        local a, b = kio.socketpair()
        local r, w = kio.pipe()
        local splicing = kio.spawn(kio.splice, a, nil, w, nil, 10)
        connection.until_waiting(splicing)
        assert.equal(1, kio.cancel(place == 1 and a or w))
        assert.equal("ECANCELED", select(3, splicing:await()))
        connection.close(a, b, r, w)
      end
    end)
  end)

  it("finds nothing where nothing is, and ends what the kernel has not seen", function()
    support.run(function()
      local a, b = kio.socketpair()
      assert.equal(0, kio.cancel(a))
      assert.equal(0, kio.cancel(0x7fffffff))
      local task = kio.spawn(kio.recv, a, 1)
      local cancelling = kio.spawn(function() return kio.cancel(a) end)
      assert.equal(1, cancelling:await())
      assert.equal("ECANCELED", select(3, task:await()))
      connection.close(a, b)
      support.expect_error("negative", kio.cancel, -1)
      support.expect_error("number expected", kio.cancel)
    end)
    support.expect_error("outside a task", kio.cancel, 0)
  end)
end)

describe("close", function()
  it("ends every kind of operation with one EBADF, and the peer sees the end", function()
    for _, sqpoll in ipairs { false, support.backend == "uring" or nil } do
      support.run(function()
        each(function(name, task, fd, peer)
          assert.is_true(kio.close(fd))
          local result, message, code = task:await()
          assert.is_nil(result, name)
          assert.equal("EBADF", code, name)
          assert.equal(("%s fd %d: bad file descriptor"):format(name, fd), message)
          repeat
            local data, why = kio.recv(peer, 1 << 20)
            assert.is_nil(why)
          until not data
          connection.close(peer)
        end)
      end, { sqpoll = sqpoll })
    end
  end)

  it("ends accept, connect and splice, at either end", function()
    support.run(function()
      local listener = assert(kio.socket("tcp4"))
      kio.bind(listener, "127.0.0.1:0")
      kio.listen(listener)
      local accepting = kio.spawn(kio.accept, listener)
      connection.until_waiting(accepting)
      connection.close(listener)
      assert.equal("EBADF", select(3, accepting:await()))

      local name = connection.abstract_name()
      local unix, first, second = kio.socket("unix"), kio.socket("unix"), kio.socket("unix")
      kio.bind(unix, name)
      kio.listen(unix, 0)
      kio.connect(first, name)
      local connecting = kio.spawn(kio.connect, second, name)
      connection.until_waiting(connecting)
      connection.close(second)
      assert.equal("EBADF", select(3, connecting:await()))
      connection.close(unix, first)

      for place = 1, 2 do
        local a, b = kio.socketpair()
        local r, w = kio.pipe()
        local splicing = kio.spawn(kio.splice, a, nil, w, nil, 10)
        connection.until_waiting(splicing)
        connection.close(place == 1 and a or w)
        assert.equal("EBADF", select(3, splicing:await()))
        connection.close(b, r, place == 1 and w or a)
      end
    end)
  end)

  it("ends reads from a pipe", function()
    support.run(function()
      local r, w = kio.pipe()
      local reading = kio.spawn(kio.read, r, 10)
      connection.until_waiting(reading)
      connection.close(r)
      assert.equal("EBADF", select(3, reading:await()))
      assert.equal("EPIPE", select(3, kio.write(w, "x")))
      connection.close(w)
    end)
  end)

  it("ends all that wait, seen by the kernel or not, before the number is free", function()
    support.run(function()
      local a, b = kio.socketpair()
      local tasks, ended = {}, 0
      for i = 1, 20 do
        tasks[i] = kio.spawn(function()
          local _, _, code = kio.recv(a, 1)
          ended = ended + 1
          return code
        end)
        if i == 10 then connection.until_waiting(tasks[10]) end
      end
      local closing = kio.spawn(function()
        local ok = kio.close(a)
        return ok, ended
      end)
      local ok, before = closing:await()
      assert.is_true(ok)
      assert.equal(20, before)
      for i = 1, 20 do assert.equal("EBADF", tasks[i]:await()) end
      assert.is_nil(kio.recv(b, 1))
      connection.close(b)
    end)
  end)

  it("refuses what comes while it waits, and a second close", function()
    support.run(function()
      local a, b = kio.socketpair()
      local receiving = kio.spawn(kio.recv, a, 1)
      connection.until_waiting(receiving)
      local closing = kio.spawn(kio.close, a)
      local late = kio.spawn(function()
        return select(3, kio.recv(a, 1)), select(3, kio.close(a))
      end)
      assert.same({ "EBADF", "EBADF" }, { late:await() })
      assert.is_true(closing:await())
      receiving:await()
      assert.equal("EBADF", select(3, kio.close(a)))
      connection.close(b)
    end)
  end)

  it("is done although its task is cancelled, before or meanwhile", function()
    support.run(function()
      for turns = 0, 3 do
        local a, b = kio.socketpair()
        local receiving = kio.spawn(kio.recv, a, 1)
        if turns > 1 then connection.until_waiting(receiving) end
        local closing = kio.spawn(function()
          local held <close> = setmetatable({}, { __close = function() kio.close(a) end })
          for _ = 1, turns do kio.yield() end
          return held
        end)
        local cancelling = kio.spawn(function() closing:cancel() end)
        cancelling:await()
        closing:join()
        assert.is_false(is_open(a))
        assert.equal("EBADF", select(3, receiving:await()))
        assert.is_nil(kio.recv(b, 1))
        connection.close(b)
      end
    end)
  end)

  it("is done although it is cancelled in the very turn it began", function()
    support.run(function()
      local a, b = kio.socketpair()
      local closing = kio.spawn(kio.close, a)
      local cancelling = kio.spawn(function() closing:cancel() end)
      cancelling:await()
      closing:join()
      assert.is_false(is_open(a))
      connection.close(b)
    end)
  end)

  it("of what is not open fails; bad arguments raise", function()
    support.run(function()
      local _, message, code = kio.close(4000)
      assert.equal("EBADF", code)
      assert.equal("close fd 4000: bad file descriptor", message)
      assert.equal("EBADF", select(3, kio.close(0x7fffffff)))
      support.expect_error("negative", kio.close, -1)
      support.expect_error("out of range", kio.close, 1 << 40)
      support.expect_error("number expected", kio.close, "stdin")
    end)
    support.expect_error("outside a task", kio.close, 0)
  end)
end)

describe("a descriptor's number", function()
  it("is out of bounds as soon as its close is queued", function()
    support.run(function()
      local listener <close> = assert(kio.net.listen(connection.abstract_name()))
      for _, f in ipairs { kio.recv, kio.close, kio.send } do
        local client <close> = assert(kio.net.connect(listener:address()))
        client:send("for the server only")
        local a, b = kio.socketpair()
        -- In one turn: the connection accepted takes the number over before the last one runs.
        local closing = kio.spawn(kio.close, a)
        local accepting = kio.spawn(kio.accept, listener:fd())
        local late = f == kio.close and kio.spawn(f, a) or kio.spawn(f, a, "9")
        assert.is_true(closing:await())
        local server = accepting:await()
        assert.equal(a, server)
        assert.equal("EBADF", select(3, late:await()))
        assert.equal("for the server only", kio.recv(server, 100))
        connection.close(server, b)
      end
    end)
  end)

  -- One task closes connections with receives under way or just queued, others open new ones all
  -- the time: a request that reached a reused number would steal bytes or end with a wrong result.
  it("is never reused under a request", function()
    local rounds = support.scale { test = 10000, tsan = 100, rest = 1500 }
    support.run(function()
      local name = connection.abstract_name()
      local listener = assert(kio.socket("unix"))
      assert(kio.bind(listener, name))
      assert(kio.listen(listener))
      local running, served, highest = true, 0, 0
      local accepting = kio.spawn(function()
        while running do
          local fd = assert(kio.accept(listener))
          highest = math.max(highest, fd)
          kio.spawn(function()
            -- Every connection brings its own number, and nobody else takes it away.
            local data = kio.recv(fd, 16, kio.const.MSG_WAITALL)
            assert(not data or #data == 16, "bytes were stolen")
            if data then
              assert(kio.send(fd, data) == 16)
              served = served + 1
            end
            assert(kio.close(fd))
          end)
        end
      end)
      local function client(i)
        local fd, tag = assert(kio.socket("unix")), ("%016d"):format(i)
        assert(kio.connect(fd, name))
        assert(kio.send(fd, tag) == 16)
        assert.equal(tag, kio.recv(fd, 16, kio.const.MSG_WAITALL))
        assert(kio.close(fd))
      end
      local function victim(i)
        local a, b = kio.socketpair()
        local receiving = kio.spawn(kio.recv, a, 16)
        for _ = 0, i % 3 do kio.yield() end -- queued, on its way, waiting
        assert.is_true(kio.close(a))
        assert.equal("EBADF", select(3, receiving:await()))
        assert.is_true(kio.close(b))
      end
      local clients = kio.spawn(function() for i = 1, rounds do client(i) end end)
      local victims = kio.spawn(function() for i = 1, rounds do victim(i) end end)
      clients:await()
      victims:await()
      running = false
      local last = assert(kio.socket("unix"))
      assert(kio.connect(last, name))
      accepting:await()
      connection.close(last, listener)
      assert.equal(rounds, served)
      assert.is_true(highest < 100, "numbers were not reused: " .. highest)
    end)
  end)
end)
