-- Operations that wait for somebody else hold nothing meanwhile: no lock of a pipe that others
-- touch, no thread of the kernel's that files need, and no place that the next one needs.
-- flavours: test asan hostile
local kio = require "kio"
local connection = require "spec.net.connection"
local support = require "spec.support"

local c = kio.const

-- More than the kernel has threads of either kind.
local MANY = 20

local NOCTTY = tonumber("400", 8) -- O_NOCTTY

local function terminal() return assert(kio.openat(nil, "/dev/ptmx", c.O_RDWR | NOCTTY)) end

local function fifo()
  local path = support.tmpdir() .. "/fifo"
  assert(os.execute("mkfifo " .. path))
  return path
end

-- What brings nothing: descriptors, the first of which is the source.
local silent = {
  ["a socket"] = function() return kio.socketpair() end,
  ["a TCP connection"] = function() return connection.tcp() end,
  ["a pipe"] = function() return kio.pipe() end,
  ["a fifo"] = function() return assert(kio.openat(nil, fifo(), c.O_RDWR)) end,
  ["a terminal"] = terminal,
}

-- What may be done to a pipe that a transfer waits for.
local function touch(r, w)
  assert.equal("ETIMEDOUT", select(3, kio.poll(r, "r", { timeout = 0.001 })))
  assert.equal("fifo", kio.statx(r, "", c.AT_EMPTY_PATH).type)
  assert.equal(2, kio.write(w, "my"))
  assert.equal("my", kio.read(r, 10))
  assert.equal("ETIMEDOUT", select(3, kio.read(r, 1, { timeout = 0.001 })))
  local stream <close> = assert(kio.stream(r))
  assert.equal("ETIMEDOUT", select(3, stream:recv(1, { timeout = 0.001 })))
end

for name, make in pairs(silent) do
  it("splice from " .. name .. " that is silent leaves its pipe to others", function()
    support.run(function()
      local fds = { make() }
      local r, w = kio.pipe()
      local moving = kio.spawn(kio.splice, fds[1], nil, w, nil, 100)
      connection.until_waiting(moving)
      touch(r, w)
      moving:cancel()
      assert.is_false((moving:join()))
      connection.close(w, table.unpack(fds))
    end)
  end)
end

-- What takes little or nothing: a descriptor, and others that hold it open.
local deaf = {
  ["a socket"] = function()
    local a, b = kio.socketpair()
    kio.send(a, ("x"):rep(8 << 20), c.MSG_DONTWAIT)
    return a, b
  end,
  ["a pipe"] = function()
    local r, w = kio.pipe()
    while kio.write(w, ("x"):rep(4096), { timeout = 0 }) do end
    return w, r
  end,
}

for name, make in pairs(deaf) do
  it("splice to " .. name .. " that is full leaves others its pipe and the bytes in it", function()
    support.run(function()
      local fds = { make() }
      local r, w = kio.pipe()
      kio.write(w, "stays")
      local moving = kio.spawn(kio.splice, r, nil, fds[1], nil, 100)
      connection.until_waiting(moving)
      assert.equal("r", kio.poll(r, "r"))
      assert.equal(1, kio.write(w, "!"))
      moving:cancel()
      assert.is_false((moving:join()))
      assert.equal("stays!", kio.read(r, 10))
      connection.close(r, w, table.unpack(fds))
    end)
  end)
end

describe("splice", function()
  it("by two tasks from one pipe into two files gives each byte to one of them", function()
    support.run(function()
      local dir = support.tmpdir()
      local r, w = kio.pipe()
      local text = {}
      for i = 1, 8000 do text[i] = ("%07d\n"):format(i) end
      local writing = kio.spawn(function()
        kio.write_all(w, table.concat(text))
        kio.close(w)
      end)
      local function drain(i)
        local fd = assert(kio.openat(nil, dir .. "/" .. i, c.O_WRONLY | c.O_CREAT))
        repeat local n = assert(kio.splice(r, nil, fd, nil, 800)) until n == 0
        kio.close(fd)
      end
      local moved = { kio.spawn(drain, 1), kio.spawn(drain, 2) }
      for _, task in ipairs(moved) do task:await() end
      writing:await()
      local all = {}
      for i = 1, 2 do
        for line in io.lines(dir .. "/" .. i, "L") do all[#all + 1] = line end
      end
      table.sort(all)
      assert.same(text, all)
      kio.close(r)
    end)
  end)

  it("takes nothing from its source for a pipe that does not take it", function()
    support.run(function()
      local a, b = kio.socketpair()
      kio.send(a, "stays")
      local full = assert(kio.openat(nil, fifo(), c.O_RDWR | c.O_NONBLOCK))
      while kio.write(full, ("x"):rep(4096), { timeout = 0 }) do end
      assert.equal("EAGAIN", select(3, kio.splice(b, nil, full, nil, 100)))
      local r, w = kio.pipe()
      kio.close(r)
      assert.equal("EPIPE", select(3, kio.splice(b, nil, w, nil, 100)))
      assert.equal("stays", kio.recv(b, 100))
      connection.close(a, b, full, w)
    end)
  end)

  it("moves between a pipe and a terminal", function()
    support.run(function()
      local r, w = kio.pipe()
      local master = terminal()
      kio.write(w, "typed")
      assert.equal(5, kio.splice(r, nil, master, nil, 100))
      connection.close(r, w, master)
    end)
  end)
end)

it("a write that a terminal does not take leaves the loop alone, and can be cancelled", function()
  support.run(function()
    local master = terminal()
    for _, data in ipairs { ("x"):rep(1 << 20), { ("x"):rep(1 << 20) } } do
      local write = type(data) == "table" and kio.writev or kio.write
      local count, _, code = write(master, data, { timeout = 0.01 }) -- what it took, if anything
      assert.is_true(code == "ETIMEDOUT" or count < 1 << 20)
      local writing = kio.spawn(write, master, data)
      connection.until_waiting(writing)
      writing:cancel()
      writing:join()
    end
    local r, w = kio.pipe()
    kio.write(w, ("x"):rep(10000))
    local moving = kio.spawn(kio.splice, r, nil, master, nil, 10000)
    connection.until_waiting(moving)
    assert.equal("r", kio.poll(r, "r"))
    moving:cancel()
    moving:join()
    connection.close(r, w, master)
  end)
end)

-- ---- what holds places ----

local held = {}

function held.uploads()
  local fds = {}
  local file = assert(kio.openat(nil, support.tmpdir() .. "/upload", c.O_RDWR | c.O_CREAT))
  local tasks = {}
  for i = 1, MANY do
    local a, b = kio.socketpair()
    fds[#fds + 1], fds[#fds + 2] = a, b
    tasks[i] = kio.spawn(kio.sendfile, file, a, nil, 1000)
  end
  fds[#fds + 1] = file
  return tasks, fds
end

function held.connects()
  local listener = assert(kio.net.listen(connection.abstract_name(), { backlog = 0 }))
  local first = assert(kio.net.connect(listener:address()))
  local tasks = {}
  for i = 1, MANY do tasks[i] = kio.spawn(kio.net.connect, listener:address()) end
  return tasks, { first, listener }
end

function held.raw_connects()
  local listener = assert(kio.net.listen(connection.abstract_name(), { backlog = 0 }))
  local fds, tasks = { assert(kio.net.connect(listener:address())), listener }, {}
  for i = 1, MANY do
    local fd = assert(kio.socket("unix"))
    fds[#fds + 1] = fd
    tasks[i] = kio.spawn(kio.connect, fd, listener:address())
  end
  return tasks, fds
end

-- Datagrams to somebody whose queue is full, by those who are not connected to him.
function held.datagrams()
  local full = assert(kio.net.udp "unix:@")
  local address, tasks, sockets = full:address(), {}, { full }
  for i = 1, MANY do
    local sender = assert(kio.net.udp "unix:@")
    sockets[#sockets + 1] = sender
    tasks[i] = kio.spawn(function()
      while true do assert(sender:send_to("x", address)) end
    end)
  end
  return tasks, sockets
end

function held.fifos_created()
  local tasks = {}
  for i = 1, MANY do tasks[i] = kio.spawn(kio.fs.open, fifo(), "w") end
  return tasks, {}
end

function held.fifos_opened()
  local tasks = {}
  for i = 1, MANY do tasks[i] = kio.spawn(kio.openat, nil, fifo(), c.O_WRONLY) end
  return tasks, {}
end

-- What everybody else still does.
local function work()
  local dir = support.tmpdir()
  local path = dir .. "/file"
  assert(kio.fs.write_file(path, "text"))
  assert.equal("text", kio.fs.read_file(path))
  assert.equal(4, kio.fs.stat(path).size)
  local from = assert(kio.openat(nil, path, c.O_RDONLY))
  local to = assert(kio.openat(nil, dir .. "/copy", c.O_WRONLY | c.O_CREAT))
  assert.equal(4, kio.sendfile(to, from))
  assert(kio.fsync(to))
  connection.close(from, to)
  assert(kio.fs.rename(dir .. "/copy", dir .. "/other"))
  assert(kio.fs.unlink(dir .. "/other"))
  assert.equal(1, #kio.fs.readdir(dir))
  local a, b = kio.socketpair()
  local r, w = kio.pipe()
  kio.send(a, "through")
  assert.equal(7, kio.splice(b, nil, w, nil, 100))
  assert.equal("through", kio.read(r, 100))
  connection.close(a, b, r, w)
  local name = fifo()
  local opening = kio.spawn(kio.fs.open, name, "w")
  local reader <close> = assert(kio.fs.open(name))
  local writer <close> = assert(opening:await())
  assert(writer:write "line\n")
  assert.equal("line", reader:read())
end

for name, hold in pairs(held) do
  it("files, sockets and fifos go on beside many waiting " .. name:gsub("_", " "), function()
    support.run(function()
      local tasks, handles = hold()
      for _, task in ipairs(tasks) do connection.until_waiting(task) end
      work()
      for _, task in ipairs(tasks) do assert.equal("waiting", task:status()) end
      for _, task in ipairs(tasks) do task:cancel() end
      for _, task in ipairs(tasks) do assert.is_true(kio.is_cancelled(select(2, task:join()))) end
      connection.close(table.unpack(handles))
    end)
  end)
end

-- ---- and what they wait for comes ----

describe("who waits without an event", function()
  it("connects when the backlog has room, in any number", function()
    support.run(function()
      local listener <close> = assert(kio.net.listen(connection.abstract_name(), { backlog = 0 }))
      local tasks = {}
      for i = 1, MANY do tasks[i] = kio.spawn(kio.net.connect, listener:address()) end
      for _ = 1, MANY do assert(listener:accept()):close() end
      for _, task in ipairs(tasks) do assert(task:await()):close() end
    end)
  end)

  it("is told when nobody listens any more", function()
    support.run(function()
      local listener = assert(kio.net.listen(connection.abstract_name(), { backlog = 0 }))
      local _ <close> = assert(kio.net.connect(listener:address()))
      local connecting = kio.spawn(kio.net.connect, listener:address())
      connection.until_waiting(connecting)
      listener:close()
      assert.equal("ECONNREFUSED", select(3, connecting:await()))
    end)
  end)

  it("keeps its deadline, and a timeout of 0 tries once", function()
    support.run(function()
      local listener <close> = assert(kio.net.listen(connection.abstract_name(), { backlog = 0 }))
      local _ <close> = assert(kio.net.connect(listener:address(), { timeout = 0 }))
      for _, timeout in ipairs { 0, 0.03 } do
        local _, _, code = kio.net.connect(listener:address(), { timeout = timeout })
        assert.equal("ETIMEDOUT", code)
        assert.equal("ETIMEDOUT", select(3, kio.fs.open(fifo(), "w", { timeout = timeout })))
      end
    end)
  end)

  it("ends with its descriptor", function()
    support.run(function()
      local listener <close> = assert(kio.net.listen(connection.abstract_name(), { backlog = 0 }))
      local _ <close> = assert(kio.net.connect(listener:address()))
      local fd = assert(kio.socket("unix"))
      local connecting = kio.spawn(kio.connect, fd, listener:address())
      connection.until_waiting(connecting)
      assert(kio.close(fd))
      assert.equal("EBADF", select(3, connecting:await()))
    end)
  end)

  it("gives a full receiver each of its datagrams", function()
    support.run(function()
      local receiver <close> = assert(kio.net.udp "unix:@")
      local sender <close> = assert(kio.net.udp "unix:@")
      local sending = kio.spawn(function()
        for i = 1, 100 do assert(sender:send_to(tostring(i), receiver:address())) end
      end)
      connection.until_waiting(sending)
      for i = 1, 100 do assert.equal(tostring(i), (receiver:receive_from())) end
      sending:await()
    end)
  end)

  it("opens a fifo that another program reads, and leaves no O_NONBLOCK behind", function()
    support.run(function()
      local name = fifo()
      local opening = kio.spawn(kio.fs.open, name, "w")
      connection.until_waiting(opening)
      local cat <close> = assert(kio.process.spawn { "cat", name, stdout = "pipe",
        env = { LD_PRELOAD = false } })
      local writer = assert(opening:await())
      local info = io.open("/proc/self/fdinfo/" .. writer:fd()):read "a"
      assert.equal(0, tonumber(info:match "flags:%s*(%d+)", 8) & c.O_NONBLOCK)
      assert(writer:write "to the cat")
      assert(writer:close())
      assert.equal("to the cat", cat.stdout:read "a")
      assert.equal(0, cat:wait().code)
    end)
  end)
end)
