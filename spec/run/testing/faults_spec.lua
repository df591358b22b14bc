-- kio.testing.faults: errors and short transfers, at exactly the requests they are meant for.
local kio = require "kio"
local support = require "spec.support"
local common = require "spec.task.common"

local testing = kio.testing
local c = kio.const

-- A file with the text in it; its descriptor, for reading and writing.
local function file_with(text)
  local path = support.tmpdir() .. "/file"
  local fd = assert(kio.openat(nil, path, c.O_RDWR | c.O_CREAT))
  kio.pwrite(fd, text, 0)
  return fd
end

-- What an operation returned: its value, or "nil CODE".
local function outcome(a, _, code)
  if a == nil and code then return "nil " .. code end
  return a
end

-- A pair of connected sockets in a scope of f.
local function with_sockets(f)
  local a, b = kio.socketpair()
  f(a, b)
  kio.close(a)
  kio.close(b)
end

local function failing(pattern, list)
  support.expect_error(pattern, testing.run, function() testing.faults(list) end, { seed = 0 })
end

for _, backend in ipairs { "uring", "sim" } do
  describe("a fault over " .. backend, function()
    local function run(f, faults) return testing.run(f, { backend = backend, faults = faults }) end

    it("befalls the nth request of its kind, and that one alone", function()
      for nth = 1, 4 do
        run(function()
          local fd, expected, got = file_with("abcd"), {}, {}
          local faults = testing.faults { { op = "read", nth = nth, error = "ENOBUFS" } }
          local text = ("abcd"):gmatch(".")
          for i = 1, 5 do
            got[i] = outcome(kio.read(fd, 1))
            expected[i] = i == nth and "nil ENOBUFS" or text()
          end
          assert.same(expected, got)
          assert.equal(1, faults:hits())
          kio.close(fd)
        end)
      end
    end)

    it("befalls every one without a number", function()
      run(function()
        local fd = file_with("abc")
        local faults = testing.faults { { op = "read", error = "EIO" } }
        for _ = 1, 3 do assert.equal("nil EIO", outcome(kio.read(fd, 1))) end
        assert.equal(3, faults:hits())
        faults:clear()
        assert.equal("a", kio.read(fd, 1))
        assert.equal(3, faults:hits())
        kio.close(fd)
      end)
    end)

    it("counts the requests of all kinds when none is named", function()
      run(function()
        local fd = file_with("")
        testing.faults { { nth = 2, error = "EIO" } }
        assert.same({ 2, "nil EIO", true },
          { outcome(kio.write(fd, "ab")), outcome(kio.fsync(fd)), outcome(kio.fsync(fd)) })
        kio.close(fd)
      end)
    end)

    it("takes a request that two match once, and both have counted it", function()
      run(function()
        local fd = file_with("abcd")
        local faults = testing.faults {
          { op = "read", nth = 1, error = "EIO" },
          { nth = 1, error = "EPERM" },
          { nth = 2, error = "EACCES" },
        }
        assert.equal("nil EIO", outcome(kio.read(fd, 1)))
        assert.equal("nil EACCES", outcome(kio.read(fd, 1)))
        local hits = { faults:hits(1), faults:hits(2), faults:hits(3), faults:hits() }
        assert.same({ 1, 0, 1, 2 }, hits)
        kio.close(fd)
      end)
    end)

    it("has not done what failed", function()
      run(function()
        local fd = file_with("old")
        testing.faults { { op = "write", error = "ENOSPC" } }
        assert.equal("nil ENOSPC", outcome(kio.pwrite(fd, "new", 0)))
        assert.equal("old", kio.pread(fd, 10, 0))
        kio.close(fd)
      end)
    end)

    it("of a close has closed all the same", function()
      run(function()
        local fd = file_with("")
        testing.faults { { op = "close", nth = 1, error = "EIO" } }
        assert.equal("nil EIO", outcome(kio.close(fd)))
        assert.equal("nil EBADF", outcome(kio.fsync(fd)))
      end)
    end)

    it("reaches streams", function()
      run(function()
        local near, far = common.stream_pair()
        testing.faults {
          { op = "recv", nth = 1, error = "ECONNRESET" },
          { op = "send", nth = 2, error = "EPIPE" },
        }
        assert.equal("nil ECONNRESET", outcome(near:read(1)))
        assert.equal(near, near:send("one"))
        assert.equal("nil EPIPE", outcome(near:send("two")))
        assert.equal("one", far:read(3))
        near:close()
        far:close()
      end)
    end)

    it("may refuse connections and descriptors", function()
      run(function()
        local listener = assert(kio.net.listen("127.0.0.1:0"))
        testing.faults {
          { op = "connect", nth = 1, error = "ECONNREFUSED" },
          { op = "accept", nth = 1, error = "EMFILE" },
          { op = "open", error = "ENFILE" },
        }
        assert.equal("nil ECONNREFUSED", outcome(kio.net.connect(listener:address())))
        assert.equal("nil EMFILE", outcome(listener:accept()))
        assert.equal("nil ENFILE", outcome(kio.openat(nil, "/dev/null", c.O_RDONLY)))
        listener:close()
      end)
    end)

    it("may be given as an option, from the first request on", function()
      local got = run(function()
        return outcome(kio.openat(nil, "/dev/null", c.O_RDONLY))
      end, { { op = "open", nth = 1, error = "EMFILE" } })
      assert.equal("nil EMFILE", got)
    end)

    it("ends with its run", function()
      local faults = run(function()
        return testing.faults { { op = "open", error = "EMFILE" } }
      end)
      run(function()
        local fd = assert(kio.openat(nil, "/dev/null", c.O_RDONLY))
        kio.close(fd)
      end)
      assert.equal(0, faults:hits())
      faults:clear()
    end)

    it("may be found by trying each number until none is hit", function()
      local outcomes = {}
      for nth = 1, 100 do
        local faults
        outcomes[nth] = run(function()
          local path = support.tmpdir() .. "/file"
          faults = testing.faults { { nth = nth, error = "EIO" } }
          local fd, _, code = kio.openat(nil, path, c.O_RDWR | c.O_CREAT)
          if not fd then return "open " .. code end
          local wrote = outcome(kio.write(fd, "x"))
          local closed = outcome(kio.close(fd))
          return ("%s %s"):format(wrote, closed)
        end)
        if faults:hits() == 0 then break end
      end
      assert.same({ "open EIO", "nil EIO true", "1 nil EIO", "1 true" }, outcomes)
    end)
  end)

  describe("a short transfer over " .. backend, function()
    local function run(f) return testing.run(f, { backend = backend }) end

    it("moves so many bytes at most", function()
      run(function()
        with_sockets(function(a, b)
          local faults = testing.faults { { short = 2 } }
          assert.equal(2, kio.send(a, "abcdef", c.MSG_WAITALL))
          assert.equal(2, kio.write(a, "cdef"))
          assert.equal(2, kio.writev(a, { "e", "fg" }))
          assert.equal(2, kio.sendmsg(a, { "g", "", "hi" }))
          assert.equal("ab", kio.recv(b, 10))
          assert.equal("cd", kio.read(b, 10))
          assert.same({ "e", "f" }, kio.readv(b, { 1, 5 }))
          assert.equal("gh", (kio.recvmsg(b, 100)))
          assert.equal(8, faults:hits())
          faults:clear()
        end)
      end)
    end)

    it("is that of the nth only", function()
      run(function()
        with_sockets(function(a)
          testing.faults { { op = "send", nth = 2, short = 1 } }
          local moved = {}
          for i = 1, 3 do moved[i] = kio.send(a, "abc") end
          assert.same({ 3, 1, 3 }, moved)
        end)
      end)
    end)

    it("loses nothing that a stream has to send, nor its order", function()
      run(function()
        local near, far = common.stream_pair()
        local faults = testing.faults {
          { op = "send", nth = 1, short = 1 },
          { op = "send", nth = 2, short = 1000 },
          { op = "recv", short = 700 },
        }
        local data = {}
        for i = 1, 2000 do data[i] = ("%08d"):format(i) end
        local text = table.concat(data)
        local writer = kio.spawn(function()
          for _, word in ipairs(data) do near:write(word) end
          near:close()
        end)
        assert.equal(text, far:read("a"))
        writer:await()
        assert.same({ 1, 1 }, { faults:hits(1), faults:hits(2) })
        assert.is_true(faults:hits(3) >= #text // 700)
        far:close()
      end)
    end)

    it("never cuts a datagram", function()
      run(function()
        local a, b = assert(kio.socket("unixgram")), assert(kio.socket("unixgram"))
        assert(kio.bind(b, "unix:@kio-fault-" .. support.free_port()))
        testing.faults { { op = "sendmsg", short = 1 }, { op = "recvmsg", short = 1 } }
        assert.equal(6, kio.sendmsg(a, "abcdef", { to = kio.getsockname(b) }))
        assert.equal("abcdef", (kio.recvmsg(b, 100)))
        kio.close(a)
        kio.close(b)
      end)
    end)
  end)
end

describe("a fault behind a full submission queue", function()
  it("counts what waits there once", function()
    kio.core.sim { full = 1 }
    testing.run(function()
      local fd, tasks, got = file_with("abcdef"), {}, {}
      local faults = testing.faults { { op = "read", nth = 7, error = "EIO" } }
      for i = 1, 6 do tasks[i] = kio.spawn(kio.pread, fd, 1, i - 1) end
      for i = 1, 6 do got[i] = outcome(tasks[i]:await()) end
      assert.same({ "a", "b", "c", "d", "e", "f" }, got)
      assert.equal(0, faults:hits())
      assert.equal("nil EIO", outcome(kio.pread(fd, 1, 0)))
      kio.close(fd)
    end, { backend = "sim", seed = 0 })
  end)
end)

describe("a failed allocation", function()
  it("leaves nothing behind, whichever it is", function()
    local core, failed = kio.core, 0
    local fd = support.run(function() return assert(kio.openat(nil, "/dev/zero", c.O_RDONLY)) end)
    for nth = 1, 40 do
      core.fail_memory(nth)
      local ok = pcall(testing.run, function()
        testing.faults { { op = "read", short = 1 } }
        local task = kio.spawn(kio.sleep, 10)
        for _ = 1, 6 do kio.read(fd, 10) end
        task:await()
      end)
      core.fail_memory(0)
      if not ok then failed = failed + 1 end
    end
    support.run(function() assert(kio.close(fd)) end)
    assert.is_true(failed > 0)
  end)
end)

describe("faults", function()
  it("are refused when they say what nobody knows", function()
    failing("an empty list", {})
    failing("table expected", nil)
    for _, none in ipairs { {}, "EIO" } do
      support.expect_error("faults_spec.lua:%d+: option 'faults' must be a list",
        function() testing.run(print, { faults = none }) end)
    end
    failing("each must be a table", { 1 })
    failing("unknown option 'opp'", { { opp = "read" } })
    failing("there is no operation 'raed'", { { op = "raed", error = "EIO" } })
    failing("there is no operation 'table", { { op = {}, error = "EIO" } })
    failing("there is no error 'EWHAT'", { { error = "EWHAT" } })
    failing("needs 'error' or 'short', not both", { { op = "read" } })
    failing("needs 'error' or 'short', not both", { { op = "read", error = "EIO", short = 1 } })
    failing("'nth' must be an integer of 1 or more", { { nth = 0, error = "EIO" } })
    failing("'short' must be an integer of 1 or more", { { short = 0 } })
    failing("'open' moves no bytes", { { op = "open", short = 1 } })
  end)

  it("are refused outside a run, and in one that is no test", function()
    support.expect_error("operation outside a task", testing.faults, { { error = "EIO" } })
    support.run(function()
      support.expect_error("only in a function that kio.testing.run has called", testing.faults,
        { { error = "EIO" } })
    end)
  end)

  it("tell what they are", function()
    testing.run(function()
      local faults = testing.faults { { error = "EIO", nth = 99 }, { short = 1, nth = 99 } }
      assert.equal("kio.Faults (2, active)", tostring(faults))
      faults:clear()
      faults:clear()
      assert.equal("kio.Faults (2, cleared)", tostring(faults))
      support.expect_error("there is no such fault", faults.hits, faults, 3)
    end)
  end)
end)
