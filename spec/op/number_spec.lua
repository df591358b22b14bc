-- Descriptors by number: what is kio's own cannot be named by any script, on whatever thread; and a
-- handle whose number was closed without it says so, and leaves alone who has the number now.
local lfs = require "lfs"
local kio = require "kio"
local support = require "spec.support"

local core, const = kio.core, kio.const

local LOST = "its descriptor was closed by its number"

-- ---- kio's own ----

local OWN = { "io_uring", "eventpoll", "eventfd", "signalfd", "pidfd" }

-- The numbers of this process's rings, wake-ups and the like.
local function own_numbers()
  local list = {}
  for name in lfs.dir("/proc/self/fd") do
    local target = lfs.symlinkattributes("/proc/self/fd/" .. name, "target")
    for _, kind in ipairs(OWN) do
      if tonumber(name) and target and target:find(kind, 1, true) then
        list[#list + 1] = math.tointeger(name)
      end
    end
  end
  return list
end

-- Everything a script may do with a number; `other` is one of its own, a socket.
local function ways(fd, other)
  return {
    close = function() return kio.close(fd) end,
    close_now = function() return core.own.close_now(fd) end,
    read = function() return kio.read(fd, 8) end,
    pread = function() return kio.pread(fd, 8, 0) end,
    read_into = function() return kio.read_into(fd, kio.buffer(8)) end,
    readv = function() return kio.readv(fd, { 8 }) end,
    write = function() return kio.write(fd, "12345678") end,
    writev = function() return kio.writev(fd, { "12345678" }) end,
    poll = function() return kio.poll(fd, "r") end,
    fsync = function() return kio.fsync(fd) end,
    ftruncate = function() return kio.ftruncate(fd, 0) end,
    fallocate = function() return kio.fallocate(fd, 0, 0, 1) end,
    lseek = function() return core.own.lseek(fd, "cur") end,
    splice_from = function() return kio.splice(fd, nil, other, nil, 8) end,
    splice_to = function() return kio.splice(other, nil, fd, nil, 8) end,
    statx = function() return core.statx(fd, "", const.AT_EMPTY_PATH) end,
    openat = function() return core.openat(fd, "x", const.O_RDONLY) end,
    unlinkat = function() return core.unlinkat(fd, "x") end,
    renameat = function() return core.renameat(nil, "x", fd, "y") end,
    accept = function() return kio.accept(fd) end,
    connect = function() return kio.connect(fd, "127.0.0.1:1") end,
    recv = function() return kio.recv(fd, 8) end,
    send = function() return kio.send(fd, "x") end,
    sendmsg = function() return kio.sendmsg(fd, "x") end,
    recvmsg = function() return kio.recvmsg(fd, 8) end,
    shutdown = function() return kio.shutdown(fd) end,
    bind = function() return kio.bind(fd, "127.0.0.1:0") end,
    listen = function() return kio.listen(fd) end,
    getsockname = function() return kio.getsockname(fd) end,
    getpeername = function() return kio.getpeername(fd) end,
    stream = function() return kio.stream(fd) end,
    net_stream = function() return kio.net.stream(fd) end,
    net_listener = function() return kio.net.listener(fd) end,
    net_datagram = function() return kio.net.datagram(fd) end,
    sendfile_from = function() return kio.sendfile(other, fd) end,
    sendfile_to = function() return kio.sendfile(fd, other) end,
    read_exactly = function() return kio.read_exactly(fd, 8) end,
    write_all = function() return kio.write_all(fd, "12345678") end,
    stdin = function() return kio.process.spawn { "true", stdin = fd } end,
    stderr = function() return kio.process.spawn { "true", stderr = fd } end,
    send_fds = function()
      local a, b = kio.socketpair()
      local sender <close> = assert(kio.stream(a))
      local result, message, code = sender:send_fds("x", { fd })
      assert(kio.close(b))
      return result, message, code
    end,
  }
end

-- Tries all of them; a line for each that was not refused.
local function refusals(numbers)
  local other, end_of_other = kio.socketpair()
  local wrong = {}
  for _, fd in ipairs(numbers) do
    for name, way in pairs(ways(fd, other)) do
      assert(kio.write(end_of_other, "x")) -- for whoever reads before it looks at the other one
      local result, message, code = way()
      if result ~= nil or code ~= "EBADF" then
        wrong[#wrong + 1] = ("%s %d: %s %s"):format(name, fd, result, message)
      end
    end
  end
  kio.close(other)
  kio.close(end_of_other)
  return table.concat(wrong, "\n")
end

describe("kio's own descriptors", function()
  for _, threads in ipairs { 1, 2, 4 } do
    it(("cannot be used by their numbers, with %d workers"):format(threads), function()
      support.run(function()
        local p <close> = assert(kio.process.spawn { "sleep", "600", env = { LD_PRELOAD = false } })
        kio.signal.on("USR1", function() end)
        kio.fs.readdir "/" -- a thread of the pool, and the inbox for its answers
        local numbers = own_numbers()
        assert.is_true(#numbers >= threads * 2 + 2, #numbers)
        assert.equal("", refusals(numbers))
        for worker = 1, threads do -- all can be reached, and can answer
          assert.equal(worker, kio.thread.spawn_on(worker, kio.thread.id):await())
        end
        assert(kio.fs.readdir "/")
        assert.is_true(#own_numbers() >= #numbers)
        assert(p:kill("KILL"))
        assert.equal("KILL", p:wait().signal)
      end, { threads = threads })
    end)
  end

  it("nor on another worker, nor in a blocking function", function()
    support.run(function()
      local numbers = own_numbers()
      local function close_them()
        local own = require("kio.core").own
        local done = {}
        for _, fd in ipairs(numbers) do done[#done + 1] = tostring(select(3, own.close_now(fd))) end
        return table.concat(done, " ")
      end
      local expected = ("EBADF "):rep(#numbers):sub(1, -2)
      assert.equal(expected, kio.thread.spawn_on(2, close_them):await())
      assert.equal(expected, kio.spawn_blocking(close_them):await())
      assert.equal(2, kio.thread.spawn_on(2, kio.thread.id):await())
    end, { threads = 2 })
  end)

  it("are named in the refusal", function()
    support.run(function()
      local fd = own_numbers()[1]
      local _, message = kio.close(fd)
      assert.equal(("close fd %d: the descriptor is kio's own"):format(fd), message)
      _, message = kio.stream(fd)
      assert.equal(("stream fd %d: the descriptor is kio's own"):format(fd), message)
    end)
  end)

  it("are anybody's numbers again afterwards", function()
    local numbers
    support.run(function() numbers = own_numbers() end)
    local pairs_made = {}
    repeat
      local r, w = kio.pipe()
      pairs_made[#pairs_made + 1] = { r, w }
    until w > numbers[1]
    for _, pair in ipairs(pairs_made) do
      for _, fd in ipairs(pair) do assert.is_true(core.own.close_now(fd)) end
    end
  end)
end)

-- ---- handles whose number was closed ----

-- A pipe one of whose ends has this number.
local function reuse(fd)
  local held, ends = {}, nil
  repeat
    local r, w = kio.pipe()
    if r == fd or w == fd then ends = { r, w } else held[#held + 1], held[#held + 2] = r, w end
  until ends
  for _, other in ipairs(held) do assert(core.own.close_now(other)) end
  return ends
end

-- Nobody has touched it.
local function assert_whole(ends)
  assert.equal(2, kio.write(ends[2], "ok"))
  assert.equal("ok", kio.read(ends[1], 10))
  for _, fd in ipairs(ends) do assert.is_true(kio.close(fd)) end
end

local function connected()
  local listener <close> = assert(kio.net.listen "127.0.0.1:0")
  local client = assert(kio.net.connect(listener:address()))
  return client, assert(listener:accept())
end

-- Each kind: how it is made, with what else must be closed; what it waits for; what is tried.
local kinds = {
  stream = {
    make = connected,
    wait = function(s) return s:recv() end,
    calls = {
      read = function(s) return s:read(1) end,
      line = function(s) return s:read "l" end,
      recv = function(s) return s:recv() end,
      recv_into = function(s) return s:recv_into(kio.buffer(1)) end,
      read_until = function(s) return s:read_until "\n" end,
      peek = function(s) return s:peek() end,
      unread = function(s) return s:unread "x" end,
      write = function(s) return s:write "x" end,
      send = function(s) return s:send "x" end,
      flush = function(s) return s:flush() end,
      shutdown = function(s) return s:shutdown() end,
      shutdown_read = function(s) return s:shutdown "read" end,
      address = function(s) return s:address() end,
      option = function(s) return s:option "nodelay" end,
      send_fds = function(s) return s:send_fds("x", { 0 }) end,
      recv_fds = function(s) return s:recv_fds() end,
      buffer = function(s) return s:buffer(10) end,
    },
  },
  pipe = {
    make = function()
      local r, w = kio.pipe()
      return kio.stream(r), kio.stream(w)
    end,
    wait = function(s) return s:recv() end,
    calls = {
      read = function(s) return s:read(1) end,
      write = function(s) return s:write "x" end,
      flush = function(s) return s:flush() end,
      shutdown = function(s) return s:shutdown() end,
    },
  },
  process = {
    make = function()
      local p = assert(kio.process.spawn { "cat", stdin = "pipe", stdout = "pipe",
        env = { LD_PRELOAD = false } })
      return p.stdout, p
    end,
    wait = function(s) return s:recv() end,
    calls = {
      read = function(s) return s:read(1) end,
      shutdown = function(s) return s:shutdown() end,
    },
  },
  listener = {
    make = function() return assert(kio.net.listen "127.0.0.1:0") end,
    wait = function(l) return l:accept() end,
    calls = {
      accept = function(l) return l:accept() end,
      option = function(l) return l:option "reuseport" end,
    },
  },
  loop = {
    make = function() return assert(kio.net.listen "127.0.0.1:0") end,
    wait = function(l)
      local ok, err = pcall(function() for _ in l:accepts() do error "nobody connects" end end)
      return nil, err, ok and "EBADF" or err:match "%((E%u+)%)$" -- quietly: its own close was first
    end,
    calls = { accept = function(l) return l:accept() end },
  },
  udp = {
    make = function() return assert(kio.net.udp "127.0.0.1:0") end,
    wait = function(u) return u:receive_from() end,
    calls = {
      receive = function(u) return u:receive() end,
      receive_from = function(u) return u:receive_from() end,
      send_to = function(u) return u:send_to("x", "127.0.0.1:9") end,
      connect = function(u) return u:connect "127.0.0.1:9" end,
      join = function(u) return u:join "224.0.0.251" end,
      option = function(u) return u:option "reuseport" end,
      recv_fds = function(u) return u:recv_fds() end,
    },
  },
  file = {
    make = function() return assert(kio.fs.open(support.tmpdir() .. "/file", "w+")) end,
    calls = {
      read = function(f) return f:read(1) end,
      pread = function(f) return f:pread(1, 0) end,
      write = function(f) return f:write "x" end,
      pwrite = function(f) return f:pwrite("x", 0) end,
      stat = function(f) return f:stat() end,
      sync = function(f) return f:sync() end,
      truncate = function(f) return f:truncate(0) end,
    },
  },
  watch = {
    make = function() return assert(kio.fs.watch(support.tmpdir())) end,
    wait = function(w) return w:next() end,
    calls = { next = function(w) return w:next() end },
  },
}

local function number_of(handle) return handle.fd and type(handle.fd) == "number" and handle.fd
  or handle:fd() end

local function shut(...)
  for _, handle in ipairs { ... } do assert.is_true(handle:close()) end
end

for kind, what in pairs(kinds) do
  describe("a " .. kind .. " whose number was closed", function()
    for name, call in pairs(what.calls) do
      it("refuses " .. name .. ", and leaves the next one alone", function()
        support.run(function()
          local handle, rest = what.make()
          local fd = number_of(handle)
          assert.is_true(kio.close(fd))
          local ends = reuse(fd)
          local result, message, code = call(handle)
          assert.is_nil(result)
          assert.equal("EBADF", code)
          assert.is_truthy(message:find(LOST, 1, true) or message:find("closed", 1, true), message)
          assert.is_true(handle:close())
          assert.is_true(handle:close())
          handle = nil
          collectgarbage()
          collectgarbage()
          assert.is_nil(handle)
          assert_whole(ends)
          shut(rest)
        end)
      end)
    end

    it("is collected without closing the next one", function()
      support.run(function()
        local handle, rest = what.make()
        local fd = number_of(handle)
        assert.is_true(core.own.close_now(fd))
        local ends = reuse(fd)
        assert.is_true(handle ~= nil)
        handle = nil
        collectgarbage()
        collectgarbage()
        assert.is_nil(handle)
        kio.yield()
        assert_whole(ends)
        shut(rest)
      end)
    end)

    for _, by in ipairs { "close", "close_now" } do
      it("tells who waits for it, and closes at any moment: kio." .. by, function()
        if not what.wait then return end
        for moment = 0, 4 do
          support.run(function()
            local handle, rest = what.make()
            local waiting = kio.spawn(what.wait, handle)
            kio.yield()
            local closing = kio.spawn(kio[by] or core.own[by], number_of(handle))
            for _ = 1, moment do kio.yield() end
            assert.is_true(handle:close())
            local code = select(3, waiting:await())
            assert.equal("EBADF", code)
            local done, _, why = closing:await()
            assert.is_true(done or why == "EBADF")
            shut(rest)
          end)
        end
      end)
    end
  end)
end

describe("two handles of one number", function()
  for _, kind in ipairs { "stream", "listener", "udp" } do
    it("close it once, also at the same time: " .. kind, function()
      for moment = 0, 3 do
        support.run(function()
          local what = kinds[kind]
          local first, rest = what.make()
          local second = assert(kio.net[kind == "udp" and "datagram" or kind](first:fd()))
          local waiting = { kio.spawn(what.wait, first), kio.spawn(what.wait, second) }
          kio.yield()
          kio.yield()
          local fd = first:fd()
          local closing = kio.spawn(first.close, first)
          for _ = 1, moment do kio.yield() end
          assert.is_true(second:close())
          assert.is_true(closing:await())
          for _, task in ipairs(waiting) do assert.equal("EBADF", select(3, task:await())) end
          assert.equal("EBADF", select(3, kio.getsockname(fd)))
          shut(rest)
        end)
      end
    end)
  end
end)

describe("a number that is closed", function()
  it("takes what was gathered for it along", function()
    support.run(function()
      local client, server = connected()
      client:write "meant for the server"
      local fd = client:fd()
      assert.is_true(kio.close(fd))
      local ends = reuse(fd)
      kio.yield()
      kio.yield()
      local _, message, code = client:close()
      assert.equal("EBADF", code)
      assert.is_truthy(message:find(LOST, 1, true), message)
      assert_whole(ends)
      server:close()
    end)
  end)

  it("while its output waits for room, ends the wait", function()
    support.run(function()
      local client, server = connected()
      local writing = kio.spawn(function()
        local result, message, code
        repeat result, message, code = client:send(("x"):rep(1 << 18)) until not result
        return message, code
      end)
      for _ = 1, 20 do kio.yield() end
      assert.is_true(kio.close(client:fd()))
      local message, code = writing:await()
      assert.equal("EBADF", code)
      assert.is_truthy(message:find(LOST, 1, true), message)
      client:close()
      server:close()
    end)
  end)

  it("is not taken over by a handle meanwhile", function()
    support.run(function()
      local r, w = kio.pipe()
      local reading = kio.spawn(kio.read, r, 1)
      kio.yield()
      local closing = kio.spawn(kio.close, r)
      kio.yield()
      local stream, _, code = kio.stream(r)
      assert.is_nil(stream)
      assert.equal("EBADF", code)
      assert.is_true(closing:await())
      assert.equal("EBADF", select(3, reading:await()))
      kio.close(w)
    end)
  end)

  it("by another worker is lost for the handle here", function()
    support.run(function()
      local client, server = connected()
      local fd = client:fd()
      assert.is_true(kio.thread.spawn_on(2, function(number)
        return require("kio").close(number)
      end, fd):await())
      local ends = reuse(fd)
      assert.equal("EBADF", select(3, client:write "x"))
      assert.is_true(client:close())
      assert_whole(ends)
      server:close()
    end, { threads = 2 })
  end)

  it("cannot be handed to another worker as a handle", function()
    support.run(function()
      for _, make in ipairs { kinds.stream.make, kinds.udp.make, kinds.listener.make } do
        local handle, rest = make()
        assert.is_true(kio.close(handle:fd()))
        support.expect_error("closed", function()
          kio.thread.spawn_on(2, function() end, handle):await()
        end)
        shut(handle, rest)
      end
    end, { threads = 2 })
  end)
end)
