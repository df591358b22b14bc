-- Streams on what is no socket, in this process: pipes, terminals, files.
local kio = require "kio"
local support = require "spec.support"

local run = support.run

-- Closes two streams where it goes out of scope.
local function both(a, b)
  return setmetatable({}, { __close = function()
    a:close()
    b:close()
  end })
end

-- Both ends of a pipe, as streams.
local function pipe()
  local from, to = assert(kio.pipe())
  return assert(kio.stream(from)), assert(kio.stream(to))
end

for _, backend in ipairs { "uring", "sim" } do
  describe("a stream over a pipe, on " .. backend, function()
    local opts = { backend = backend }
    it("reads by every format what is written, and ends", function()
      run(function()
        local from, to = pipe()
        local _ <close> = both(from, to)
        local writing = kio.spawn(function()
          assert(to:write("line 1\nline 2\n", 12, "34", { "until;", "rest" }))
          assert(to:close())
        end)
        assert.equal("line 1", from:read())
        assert.equal("line 2\n", from:read "L")
        assert.equal("123", from:peek(3))
        assert.equal("1234", from:read(4))
        assert.equal("until", from:read_until ";")
        from:unread "the "
        assert.equal("the rest", from:read "a")
        assert.is_nil(from:read())
        assert.is_nil(from:recv())
        writing:await()
      end, opts)
    end)

    it("moves more than the pipe holds, with a slow reader", function()
      run(function()
        local from, to = pipe()
        local _ <close> = both(from, to)
        local data = ("0123456789abcdef"):rep(support.flavour == "hostile" and 5000 or 40000)
        local writing = kio.spawn(function()
          assert(to:send(data))
          to:close()
        end)
        local parts = {}
        for part in from:chunks(50000) do
          parts[#parts + 1] = part
          kio.yield()
        end
        assert.is_true(table.concat(parts) == data)
        writing:await()
      end, opts)
    end)

    it("times out and is cancelled without losing a byte", function()
      run(function()
        local from, to = pipe()
        local _ <close> = both(from, to)
        assert.equal("ETIMEDOUT", select(3, from:read("l", { timeout = 0.01 })))
        assert.equal("ETIMEDOUT", select(3, from:recv(nil, { timeout = 0 })))
        to:send "a"
        assert.equal("ETIMEDOUT", select(3, from:read(2, { timeout = 0.01 })))
        local task = kio.spawn(from.read, from, 3)
        kio.yield()
        task:cancel()
        assert.is_true(kio.is_cancelled(select(2, task:join())))
        to:send "b"
        assert.equal("ab", from:read(2))
        to:send "c"
        assert.equal("c", from:recv(nil, { timeout = 0 }))
      end, opts)
    end)

    it("blocks a writer past the mark, who times out, and tells EPIPE", function()
      run(function()
        local from, to = pipe()
        local _ <close> = both(from, to)
        local data = ("x"):rep(200000)
        to:set_timeout(0.02)
        assert.equal("ETIMEDOUT", select(3, to:send(data)))
        from:close()
        to:set_timeout(nil)
        local ok, code
        repeat
          local outcome = table.pack(to:send "more")
          ok, code = outcome[1], outcome[3]
        until not ok
        assert.equal("EPIPE", code)
        assert.equal("EPIPE", select(3, to:close()))
      end, opts)
    end)

    it("is closed while a task reads, or writes", function()
      run(function()
        local from, to = pipe()
        local reading = kio.spawn(from.read, from)
        kio.yield()
        kio.yield()
        assert(from:close())
        assert.same({ nil, "read pipe: the stream is closed", "EBADF" }, { reading:await() })
        to:close()
        from, to = pipe()
        local writing = kio.spawn(to.send, to, ("x"):rep(300000))
        kio.yield()
        kio.yield()
        to:close { timeout = 0 }
        assert.equal("EBADF", select(3, writing:await()))
        from:close()
      end, opts)
    end)

    it("has no halves: shutdown of writing closes it, of reading is refused", function()
      run(function()
        local from, to = pipe()
        local _ <close> = both(from, to)
        assert(to:write "the end")
        assert(to:shutdown "write")
        assert.is_nil(to:fd())
        assert.equal("EBADF", select(3, to:write "x"))
        assert.equal("the end", from:read "a")
        assert.equal("ENOTSOCK", select(3, from:shutdown "read"))
        assert.equal("ENOTSOCK", select(3, from:peer()))
        assert.equal("ENOTSOCK", select(3, from:address()))
        assert.matches("^kio.Stream %(fd %d+, open, pipe%)$", tostring(from))
      end, opts)
    end)

    it("refuses the wrong direction", function()
      run(function()
        local from, to = pipe()
        local _ <close> = both(from, to)
        local expected = { nil, "read pipe: the descriptor is not open for that", "EBADF" }
        assert.same(expected, { to:read() })
        assert.equal("EBADF", select(3, from:send "x"))
      end, opts)
    end)

    it("waits although the descriptor is set not to", function()
      run(function()
        local from, to = kio.pipe()
        kio.core.set_nonblock(from)
        kio.core.set_nonblock(to)
        local reader, writer = kio.stream(from), kio.stream(to)
        local _ <close> = both(reader, writer)
        local data = ("y"):rep(150000)
        local writing = kio.spawn(function() assert(writer:send(data)):close() end)
        assert.is_true(reader:read "a" == data)
        writing:await()
      end, opts)
    end)
  end)
end


describe("a stream over a pipe", function()
  it("outlives a run with what is unread", function()
    local from, to
    run(function()
      from, to = pipe()
      to:send "one\ntwo\n"
      assert.equal("one", from:read())
    end)
    run(function()
      assert.equal("two", from:read())
      from:close()
      to:close()
    end)
  end)

  it("is collected with a read under way in a cancelled task", function()
    run(function()
      local from, to = pipe()
      local task = kio.spawn(from.read, from)
      kio.yield()
      task:cancel()
      task:join()
      from, task = nil, nil -- luacheck: ignore
      collectgarbage()
      to:close()
    end)
  end)

  it("survives memory that runs out, and loses nothing", function()
    for n = 1, 12 do
      run(function()
        local from, to = pipe()
        local _ <close> = both(from, to)
        to:send "data\n"
        kio.core.fail_memory(n)
        local ok, line, _, code = pcall(from.read, from)
        kio.core.fail_memory(0)
        if ok and not line then
          assert.equal("ENOMEM", code)
          line = from:read()
        elseif not ok then
          line = from:read()
        end
        assert.equal("data", line)
      end)
    end
  end)
end)

describe("a stream over a file", function()
  it("reads from where it stands to the end, and writes", function()
    run(function()
      local path = support.tmpdir() .. "/file"
      local out <close> = assert(kio.stream(kio.openat(nil, path,
        kio.const.O_WRONLY | kio.const.O_CREAT)))
      for i = 1, 100 do assert(out:write(i, "\n")) end
      assert(out:close())
      local fd = kio.openat(nil, path, kio.const.O_RDONLY)
      kio.read(fd, 2)
      local from <close> = assert(kio.stream(fd))
      local n = 1
      for line in from:lines() do
        n = n + 1
        assert.equal(tostring(n), line)
      end
      assert.equal(100, n)
      assert.matches("open, file%)$", tostring(from))
    end)
  end)
end)

describe("a stream over a terminal", function()
  -- A master and its slave.
  local function terminal()
    local master, slave = assert(kio.core.terminal())
    return assert(kio.stream(master)), assert(kio.stream(slave))
  end

  it("reads lines and the end of input, and writes", function()
    run(function()
      local master, slave = terminal()
      local _ <close> = both(master, slave)
      assert.matches("open, terminal%)$", tostring(slave))
      local reading = kio.spawn(slave.read, slave)
      kio.yield()
      master:send "typed\n"
      assert.equal("typed", reading:await())
      assert.equal("typed\r\n", master:read(7))
      slave:send "answer\n"
      assert.equal("answer\r\n", master:read(8))
      master:send "\4"
      assert.is_nil(slave:read())
    end)
  end)

  it("has ended when nobody has the other end open any more", function()
    run(function()
      local master, slave = terminal()
      local _ <close> = both(master, slave)
      local lines = kio.spawn(function()
        local list = {}
        for line in master:lines() do list[#list + 1] = line end
        return list
      end)
      slave:send "one\ntwo"
      slave:close()
      assert.same({ "one\r", "two" }, lines:await())
      assert.same({ n = 1 }, table.pack(master:recv()))
      assert.equal("", master:read "a")
    end)
  end)

  it("that is read by number has ended then, too", function()
    run(function()
      local master, slave = assert(kio.core.terminal())
      assert(kio.write(slave, "last words"))
      assert(kio.close(slave))
      assert.equal("last", kio.read(master, 4))
      assert.same({ " words" }, kio.readv(master, { 50 }))
      local buffer = kio.buffer(10)
      local r, w = assert(kio.pipe())
      assert.same({ n = 1 }, table.pack(kio.read(master, 4)))
      assert.same({ n = 1 }, table.pack(kio.read_into(master, buffer)))
      assert.same({ n = 1 }, table.pack(kio.readv(master, { 4, 4 })))
      assert.equal(0, kio.splice(master, nil, w, nil, 10))
      assert.same({ n = 1 }, table.pack(kio.read_exactly(master, 4)))
      for _, fd in ipairs { master, r, w } do assert(kio.close(fd)) end
    end)
  end)

  it("fails with EIO where that is no end", function()
    kio.testing.run(function()
      local master, slave = terminal()
      local _ <close> = both(master, slave)
      assert.equal("EIO", select(3, slave:recv()))
    end, { faults = { { op = "read", error = "EIO" }, { op = "poll", error = "EIO" } } })
  end)

  it("holds no kernel thread while it waits, and is cancelled", function()
    run(function()
      local master, slave = terminal()
      local _ <close> = both(master, slave)
      local before = support.kernel_threads()
      local task = kio.spawn(slave.read, slave)
      kio.sleep(0.01) -- long enough for a thread to be made, if one is
      assert.is_true(support.kernel_threads() <= before)
      task:cancel()
      assert.is_true(kio.is_cancelled(select(2, task:join())))
      master:send "later\n"
      assert.equal("later", slave:read())
    end)
  end)
end)

describe("kio.stream", function()
  it("takes sockets as well", function()
    run(function()
      local a, b = kio.socketpair()
      local left, right = assert(kio.stream(a)), assert(kio.stream(b))
      local _ <close> = both(left, right)
      left:send "x"
      assert.equal("x", right:read(1))
      assert.matches("peer unix:", tostring(left))
    end)
  end)

  it("refuses what is no descriptor, or a folder", function()
    assert.same({ nil, "stream fd 999: bad file descriptor", "EBADF" }, { kio.stream(999) })
    run(function()
      local fd = kio.openat(nil, "/", kio.const.O_RDONLY)
      assert.same({ nil, ("stream fd %d: is a directory"):format(fd), "EISDIR" },
        { kio.stream(fd) })
      kio.close(fd)
    end)
    support.expect_error("descriptor expected", kio.stream, "x")
    support.expect_error("descriptor", kio.stream, -1)
  end)

  it("leaves the descriptor to the caller when memory is out", function()
    run(function()
      local from, to = kio.pipe()
      kio.core.fail_memory(1)
      assert.equal("ENOMEM", select(3, kio.stream(from)))
      kio.core.fail_memory(0)
      kio.close(from)
      kio.close(to)
    end)
  end)
end)
