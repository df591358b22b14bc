-- What Lua code that runs in the middle of a call can change: metamethods of options, methods of
-- what is passed, finalizers that an allocation runs, other tasks while the call waits.
-- flavours: test asan hostile
local connection = require "spec.net.connection"
local kio = require "kio"
local support = require "spec.support"

local PACKETS = { type = "seqpacket" }
local MOMENTS <const> = 12 -- an allocation more than any of the calls makes before it waits

-- Runs f as a task of a loop that must end.
local function within(f)
  return function() support.run(f) end
end

local function pair(options)
  return connection.pair { address = "unix:@", listen = options, connect = options }
end

-- Fills the peer's queue, so that the next packet waits. How many that took.
local function fill(socket)
  local count = 0
  while socket:send("fill", { timeout = 0 }) do count = count + 1 end
  return count
end

-- What a descriptor is of, as the kernel tells it.
local function file_of(fd) return kio.fs.readlink("/proc/self/fd/" .. fd) end

-- ---- options ----

-- A table of options that ends the test if anything but its own fields is looked at.
local function trapped(fields)
  local function trap() error("a metamethod of options ran", 0) end
  return setmetatable(fields or {}, { __index = trap, __pairs = trap, __len = trap })
end

describe("options", function()
  it("are read without their metamethods by operations on descriptors", within(function()
    local r, w = assert(kio.pipe())
    local near, far = assert(kio.socketpair())
    local buffer = kio.buffer(64)
    local path = support.tmpdir() .. "/file"
    local fd = assert(kio.openat(nil, path, kio.const.O_RDWR | kio.const.O_CREAT, 384, trapped()))
    assert.equal(3, kio.write(w, "abc", trapped()))
    assert.equal("a", kio.read(r, 1, trapped()))
    assert.equal(2, kio.read_into(r, buffer, 1, 2, trapped()))
    assert.equal(4, kio.writev(w, { "ab", "cd" }, trapped()))
    assert.same({ "a", "bcd" }, kio.readv(r, { 1, 3 }, trapped()))
    assert.equal(64, kio.pwrite(fd, buffer, 0, trapped()))
    assert.equal("bc", kio.pread(fd, 2, 0, trapped()))
    assert.equal(2, kio.pread_into(fd, buffer, 1, 2, 0, trapped()))
    assert.equal(2, kio.pwritev(fd, { "x", "y" }, 0, trapped()))
    assert.same({ "xy" }, kio.preadv(fd, { 2 }, 0, trapped()))
    assert.equal(1, kio.send(near, "h", 0, trapped()))
    assert.equal("h", kio.recv(far, 10, 0, trapped()))
    assert.equal(1, kio.sendmsg(near, { "i" }, trapped { flags = 0 }))
    assert.equal("i", kio.recvmsg(far, 10, trapped()))
    assert.is_true(kio.fsync(fd, trapped()))
    assert.equal("xy", kio.read_exactly(fd, 2, trapped()))
    assert.equal(1, kio.write_all(fd, "z", trapped()))
    connection.close(r, w, near, far, fd)
  end))

  it("are read without their metamethods by everything else", within(function()
    local folder = support.tmpdir()
    local listener = assert(kio.net.listen("127.0.0.1:0", trapped()))
    local client = assert(kio.net.connect(listener:address(), trapped { nodelay = true }))
    local server = assert(listener:accept(trapped()))
    assert(server:write "a line\n" and server:flush(trapped()))
    assert.equal("a line", client:read("l", trapped { max = 100 }))
    assert.equal("ETIMEDOUT", select(3, client:recv(1, trapped { timeout = 0 })))
    assert(kio.fs.write_file(folder .. "/f", "text", trapped { atomic = true }))
    assert.equal(4, kio.fs.stat(folder .. "/f", trapped()).size)
    local file <close> = assert(kio.fs.open(folder .. "/f", "r", trapped()))
    assert.equal("ex", file:pread(2, 1, trapped()))
    assert.same({ 1, n = 1 }, kio.all({ function() return 1 end }, trapped { limit = 1 }))
    assert.equal("done", kio.spawn(trapped { function() return "done" end, name = "n" }):await())
    local channel = kio.sync.channel(1)
    assert.is_true(channel:send(1, trapped { timeout = 1 }))
    assert.equal("out", kio.process.run(trapped { "printf", "out" }).stdout)
    client:close(trapped())
    connection.close(server, listener)
  end))

  it("of a run and of servers, too", function()
    assert.equal("ran", kio.run(function() return "ran" end, trapped { threads = 1 }))
    support.run(function()
      local listener = assert(kio.net.listen "127.0.0.1:0")
      local serving = kio.spawn(listener.serve, listener, error,
        trapped { stop_signals = trapped { "USR1" }, max_connections = 1 })
      connection.until_waiting(serving)
      listener:close()
      assert.same(0, serving:await().accepted)
    end)
  end)

  it("that close what the call works with are read before that is looked at", within(function()
    for _, name in ipairs { "read_into", "write" } do
      local r, w = assert(kio.pipe())
      local buffer = kio.buffer(16)
      local options = setmetatable({}, { __index = function() buffer:close() end })
      assert.equal(3, kio.write(w, "abc"))
      local arguments = name == "write" and { w, buffer, options } or { r, buffer, 1, 3, options }
      assert.equal(name == "write" and 16 or 3, kio[name](table.unpack(arguments)))
      connection.close(r, w)
    end
  end))
end)

-- ---- lists ----

describe("lists", function()
  -- All that a metamethod answers is wrong, or without end.
  local function trapped_list(list)
    local function endless() return math.maxinteger end
    local function trap() error("a metamethod of a list ran", 0) end
    local meta = { __len = endless, __index = trap, __pairs = trap, __newindex = trap }
    return setmetatable(list, meta)
  end

  it("are read without their metamethods", within(function()
    local function one() return 1 end
    assert.same({ 1, n = 1 }, kio.all(trapped_list { one }))
    assert.same({ 2, n = 1 }, kio.map(trapped_list { 2 }, function(value) return value end))
    assert.equal(1, kio.race(trapped_list { one }))
    local seen = {}
    for i, value in kio.as_completed(trapped_list { one }) do seen[i] = value end
    assert.same({ 1 }, seen)
    local file <close> = assert(kio.fs.open(support.tmpdir() .. "/list", "w+"))
    assert(file:writev(trapped_list { "ab", 3 }))
    assert(file:pwritev(trapped_list { "c" }, 3))
    assert.same({ "a", "b3c" }, file:preadv(trapped_list { 1, 10 }, 0))
    local near, far = pair()
    assert(near:send_fds("x", trapped_list { near }))
    local _, fds = far:recv_fds()
    connection.close(near, far, fds[1])
    assert.equal("out", kio.process.run(trapped_list { "printf", "out" }).stdout)
  end))

  it("that are empty but for their metamethods are empty", within(function()
    assert.same({ n = 0 }, kio.map(trapped_list {}, error))
    assert.error_matches(function() kio.race(trapped_list {}) end, "nothing to race")
  end))
end)

-- Handles of another library, whose method `fd` this is.
local function of_table(fd) return { fd = fd } end

local function of_userdata(fd)
  local userdata = io.tmpfile()
  userdata:close()
  return debug.setmetatable(userdata, { __index = { fd = fd } })
end

describe("a list of descriptors", function()
  it("may grow while send_fds waits", within(function()
    local near, far = pair(PACKETS)
    local r, w = assert(kio.pipe())
    local list, count = { r }, fill(near)
    local sending = kio.spawn(near.send_fds, near, "data", list)
    connection.until_waiting(sending)
    for i = 1, 100000 do list[i] = w end
    for _ = 1, count do far:receive() end
    local data, fds = far:recv_fds()
    assert.equal("data", data)
    assert.equal(1, #fds)
    assert.equal(file_of(r), file_of(fds[1]))
    assert(sending:await())
    connection.close(near, far, r, w, fds[1])
  end))

  it("is what it was when send_fds was called, whatever was closed meanwhile", within(function()
    local near, far = pair(PACKETS)
    local r, w = assert(kio.pipe())
    local count, pipe = fill(near), file_of(r)
    local sending = kio.spawn(near.send_fds, near, "data", { r })
    connection.until_waiting(sending)
    kio.close(r)
    local taken = { assert(kio.socketpair()) }
    assert.equal(r, math.min(taken[1], taken[2]), "the number was to be another's")
    for _ = 1, count do far:receive() end
    local _, fds = far:recv_fds()
    assert.equal(pipe, file_of(fds[1]))
    connection.close(near, far, w, taken[1], taken[2], fds[1])
  end))

  it("may have a handle that closes the socket", within(function()
    local a, b = assert(kio.socketpair())
    local stream = kio.stream(a)
    local taken = {}
    local sneaky = { fd = function()
      stream:close()
      taken = { kio.socketpair() }
      return 0
    end }
    local sent, message, code = stream:send_fds("secret", { sneaky })
    assert.is_nil(sent)
    assert.matches("^send_fds", message)
    assert.equal("EBADF", code)
    for _, fd in ipairs(taken) do
      assert.equal("ETIMEDOUT", select(3, kio.recv(fd, 100, 0, { timeout = 0 })))
    end
    connection.close(b, taken[1], taken[2])
  end))

  it("may have a handle that closes another one of the list", within(function()
    for _, handle in ipairs { of_table, of_userdata } do
      local near, far = pair()
      local r, w = assert(kio.pipe())
      local pipe, taken = file_of(r), {}
      local sneaky = handle(function()
        require("kio.core").own.close_now(r) -- what waits is refused here
        taken = { kio.socketpair() }
        return w
      end)
      assert(near:send_fds("x", { r, sneaky }))
      local _, fds = far:recv_fds()
      assert.equal(2, #fds)
      assert.equal(pipe, file_of(fds[1]))
      connection.close(near, far, w, taken[1], taken[2], fds[1], fds[2])
    end
  end))

  it("may have a number that is none", within(function()
    local near, far = pair()
    for _, number in ipairs { 1 << 32, -1, 1 << 40, math.mininteger } do
      local liar = { fd = function() return number end }
      assert.equal("EBADF", select(3, near:send_fds("x", { liar })))
    end
    connection.close(near, far)
  end))
end)

describe("a list", function()
  it("of functions or values may change while they run", within(function()
    local list = {}
    local function clear() for i = 1, 3 do list[i] = nil end return true end
    for i = 1, 3 do list[i] = clear end
    assert.same({ true, true, true, n = 3 }, kio.all(list, { limit = 1 }))
    local values = { 1, 2, 3 }
    local function twice(value)
      values[3] = "changed"
      return 2 * value
    end
    assert.same({ 2, 4, 6, n = 3 }, kio.map(values, twice, { limit = 1 }))
  end))
end)

describe("a program's descriptors", function()
  it("are those of handles that are open when it starts", within(function()
    local r, w = assert(kio.pipe())
    local stream = kio.stream(w)
    local sneaky = { fd = function()
      stream:close()
      return r
    end }
    support.expect_error("option 'stdout' must be", kio.process.spawn,
      { "true", stdin = sneaky, stdout = stream })
    kio.close(r)
  end))

  it("may be closed by a finalizer", within(function()
    for n = 1, 30 do
      local r, w = assert(kio.pipe())
      local stream <close> = kio.stream(w)
      local ok, process = support.at_moment(n, function() stream:close() end, function()
        return (kio.process.spawn { "true", stdout = stream, clear_env = true })
      end)
      if ok then assert.equal(0, process:wait().code)
      else assert.matches("^%S*between_spec.lua:%d+: kio.process: option 'stdout'", process) end
      kio.close(r)
    end
  end))

  it("are asked of handles of another library once", within(function()
    for _, handle in ipairs { of_table, of_userdata } do
      local answers = { assert(kio.openat(nil, "/dev/null", 0)), "another time" }
      local fd = answers[1]
      local fickle = handle(function() return table.remove(answers, 1) end)
      assert.equal(0, kio.process.run({ "true", stderr = fickle }).code)
      assert.same({ "another time" }, answers)
      kio.close(fd)
    end
  end))
end)

-- ---- finalizers ----

describe("a finalizer in the middle of", function()
  it("a slice or a search may close the buffer", function()
    for n = 1, MOMENTS do
      for _, f in ipairs { "slice", "find", "string" } do
        local buffer = kio.buffer "a buffer of 12"
        local ok, value = support.at_moment(n, function() buffer:close() end, buffer[f], buffer,
          f == "find" and 12 or 1)
        assert.is_true(ok or value:find "a closed buffer" ~= nil, value)
      end
    end
  end)

  it("a write to a file may close the buffer", within(function()
    local calls = {
      function(file, buffer) return file:write(buffer) end,
      function(file, buffer) return file:write("x", buffer) end,
      function(file, buffer) return file:pwrite(buffer, 0) end,
    }
    local path = support.tmpdir() .. "/file"
    for n = 1, 30 do
      for _, call in ipairs(calls) do
        local file <close> = assert(kio.fs.open(path, "w+"))
        local buffer = kio.buffer "0123456789"
        local ok, done, message, code = support.at_moment(n, function() buffer:close() end,
          function() return call(file, buffer) end)
        if not ok then assert.matches("^bad argument #%d to 'p?write' %(a closed buffer%)$", done)
        elseif not done then
          assert.matches("the buffer was closed meanwhile$", message)
          assert.equal("EBADF", code)
        end
      end
    end
  end))

  it("an accept may close the listener", within(function()
    for n = 1, MOMENTS do
      local listener = assert(kio.net.listen "127.0.0.1:0")
      local client <close> = assert(kio.net.connect(listener:address()))
      local ok, stream, _, code = support.at_moment(n, function() listener:close() end,
        n % 2 == 0 and listener.accept or listener:accepts(), listener)
      assert.is_true(ok, stream)
      assert.is_true(stream ~= nil or code == "EBADF" or code == nil, code)
      if stream then stream:close() end
      listener:close()
      client:close()
    end
  end))

  it("recv_fds may close the socket", within(function()
    for n = 1, MOMENTS do
      local near, far = pair()
      near:send "x"
      local ok, data, _, code = support.at_moment(n, function() far:close() end, far.recv_fds, far)
      assert.is_true(ok, data)
      assert.is_true(data == "x" or code == "EBADF", code)
      connection.close(near, far)
    end
  end))
end)
