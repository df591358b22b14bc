-- timeout: 180
-- flavours: test asan hostile
-- Cancellations and deadlines that race with what was waited for, in every order, against the same
-- thread, a kernel thread and another process: no byte and no accepted or opened descriptor is
-- lost, none comes twice. A run aborts when its quarantine of freed buffers was written to.
local lfs = require "lfs"
local kio = require "kio"
local support = require "spec.support"
local common = require "spec.task.common"

local SHARE = support.scale { full = 1, test = 2, hostile = 10, rest = 20 }
local function rounds(n) return n // SHARE end

-- ---- what is sent, and a check of what comes ----

local CYCLE = {}
for i = 0, 255 do CYCLE[i + 1] = string.char(i) end
CYCLE = table.concat(CYCLE):rep(600)

-- A stream of bytes that count: `more(n)` are the next n, `take(data)` checks that these follow.
local function counter()
  local sent, got = 0, 0
  local self = {}
  function self.more(n)
    local at = sent % 256
    sent = sent + n
    return CYCLE:sub(at + 1, at + n)
  end
  function self.take(data)
    local at = got % 256
    if data ~= CYCLE:sub(at + 1, at + #data) then
      error(("lost, doubled or moved behind byte %d"):format(got), 2)
    end
    got = got + #data
  end
  function self.left() return sent - got end
  return self
end

-- Numbers without a pattern that a race could follow, the same in every run.
local state = 1
local function random(n)
  state = state * 6364136223846793005 + 1442695040888963407
  return (state >> 33) % n
end

local function turns(n)
  for _ = 1, n do kio.yield() end
end

local function descriptors()
  local count = 0
  for _ in lfs.dir("/proc/self/fd") do count = count + 1 end
  return count
end

-- ---- links: a reading end, and a way to put bytes in without the loop ----

-- Writes to a pipe behind the loop's back, at this very moment.
local function direct(fd)
  local file = assert(io.open("/proc/self/fd/" .. fd, "w"))
  file:setvbuf("no")
  return file
end

local links = {}

function links.read()
  local from, to = kio.pipe()
  local file = direct(to)
  return {
    least = 1,
    wait = function(options) return kio.read(from, 64, options) end,
    put = function(data) assert(file:write(data)) end,
    close = function()
      file:close()
      kio.close(from)
      kio.close(to)
    end,
  }
end

-- Sends through the loop: the send and the cancel leave in the same kernel entry.
function links.recv()
  local near, far = kio.socketpair()
  return {
    least = 1,
    wait = function(options) return kio.recv(near, 64, 0, options) end,
    put = function(data) kio.spawn(function() assert(kio.send(far, data) == #data) end) end,
    close = function()
      kio.close(near)
      kio.close(far)
    end,
  }
end

local function stream_link(least, wait)
  return function()
    local near, far = common.stream_pair()
    return {
      least = least,
      wait = function(options) return wait(near, options) end,
      put = function(data) far:write(data) end,
      close = function()
        near:close()
        far:close()
      end,
    }
  end
end

links["stream:recv"] = stream_link(1, function(stream, options)
  return stream:recv(nil, options)
end)
-- Exact reads: what had come before the cut stays in the stream.
links["stream:read"] = stream_link(3, function(stream, options)
  return stream:read(3, options or {})
end)

-- ---- races for bytes ----

-- Puts and cuts off, one after the other, with no turn between the two, or one, or two.
local function collide(i, put, cut)
  local first, second = put, cut
  if i % 2 == 1 then first, second = cut, put end
  first()
  turns(i // 2 % 3)
  second()
end

-- Takes what nobody has received, so that the next race begins with nothing there; of what comes
-- by exact reads less than one may stay.
local function take_left(link, bytes)
  while bytes.left() >= link.least do
    bytes.take(assert(link.wait { timeout = 20 }, "bytes were lost"))
  end
end

local function race_with_cancel(kind, n)
  local link, bytes = links[kind](), counter()
  local won, lost = 0, 0
  for i = 1, n do
    local task = kio.spawn(link.wait)
    turns(random(4))
    collide(i, function() link.put(bytes.more(1 + random(4))) end,
      function() task:cancel() end)
    local ok, data = task:join()
    if ok then
      bytes.take(data)
      won = won + 1
    else
      assert(kio.is_cancelled(data), data)
      lost = lost + 1
    end
    take_left(link, bytes)
  end
  link.close()
  return won, lost
end

local DEADLINES = { 0, 0, 1e-9, 1e-6, 1e-5, 3e-5, 1e-4 }

local function race_with_deadline(kind, n)
  local link, bytes = links[kind](), counter()
  local won, lost = 0, 0
  for _ = 1, n do
    local task = kio.spawn(link.wait, { timeout = DEADLINES[1 + random(#DEADLINES)] })
    turns(random(5))
    link.put(bytes.more(1 + random(4)))
    local data, message, code = task:await()
    if data then
      bytes.take(data)
      won = won + 1
    else
      assert(code == "ETIMEDOUT", message)
      lost = lost + 1
    end
    take_left(link, bytes)
  end
  link.close()
  return won, lost
end

-- Both ends of the race must have been seen.
local function assert_race(won, lost)
  assert.is_true(won > 0 and lost > 0, ("%d won, %d were cut off"):format(won, lost))
end

describe("bytes that race", function()
  for kind in pairs(links) do
    it("with a cancellation: " .. kind, function()
      assert_race(kio.run(function() return race_with_cancel(kind, rounds(20000)) end))
    end)

    it("with a deadline: " .. kind, function()
      assert_race(kio.run(function() return race_with_deadline(kind, rounds(10000)) end))
    end)
  end

  -- There a result may come between the cancel's start and its end. Who wins is up to the machine.
  it("with a kernel thread that submits", function()
    for kind in pairs(links) do
      local _, reason, code = kio.run(function()
        race_with_cancel(kind, rounds(2000))
        race_with_deadline(kind, rounds(2000))
      end, { sqpoll = 0.001 })
      if code then return pending("no SQPOLL here: " .. reason) end
    end
  end)

  it("on a ring of 2, where cancels queue up", function()
    kio.run(function()
      local tasks = {}
      for i = 1, 20 do
        tasks[i] = kio.spawn(race_with_cancel, i % 2 == 0 and "read" or "recv", rounds(1000))
      end
      for i = 1, 20 do tasks[i]:await() end
    end, { entries = 2, cq_entries = 4 })
  end)
end)

-- ---- races for descriptors ----

local unix_name = require "spec.unix_name"

local acceptors = {}

function acceptors.raw(name)
  local fd = kio.socket("unix")
  assert(kio.bind(fd, name))
  assert(kio.listen(fd))
  return {
    accept = function(options) return kio.accept(fd, options) end,
    drop = kio.close,
    close = function() kio.close(fd) end,
  }
end

function acceptors.listener(name)
  local listener = assert(kio.net.listen(name))
  return {
    accept = function(options) return listener:accept(options) end,
    drop = function(stream) return stream:close() end,
    close = function() listener:close() end,
  }
end

-- Every connection must be handed out exactly once, by an accept that was cut off or a later one.
local function race_for_connections(kind, n, with_deadlines)
  local before = descriptors()
  local name = unix_name()
  local acceptor = acceptors[kind](name)
  local connected, accepted, cut = 0, 0, 0
  local function connect()
    local fd = kio.socket("unix")
    assert(kio.connect(fd, name))
    connected = connected + 1
    kio.close(fd)
  end
  local function count(connection)
    accepted = accepted + 1
    assert(acceptor.drop(connection))
  end
  for i = 1, n do
    local options = with_deadlines and { timeout = DEADLINES[1 + random(#DEADLINES)] } or nil
    local task = kio.spawn(acceptor.accept, options)
    turns(random(3))
    local connecting
    collide(i, function() connecting = kio.spawn(connect) end,
      function() if not with_deadlines then task:cancel() end end)
    local ok, connection, _, code = task:join()
    if ok and connection then count(connection) else cut = cut + 1 end
    assert(not ok or connection or code == "ETIMEDOUT")
    connecting:await()
    if accepted < connected then count((assert(acceptor.accept { timeout = 20 }))) end
  end
  assert.equal(connected, accepted)
  assert.is_nil((acceptor.accept { timeout = 0 }))
  acceptor.close()
  assert.equal(before, descriptors())
  return accepted, cut
end

describe("descriptors that race", function()
  for kind in pairs(acceptors) do
    it("with a cancellation: " .. kind .. " accept", function()
      assert_race(kio.run(function() return race_for_connections(kind, rounds(10000), false) end))
    end)

    it("with a deadline: " .. kind .. " accept", function()
      assert_race(kio.run(function() return race_for_connections(kind, rounds(5000), true) end))
    end)

    it("with a kernel thread that submits: " .. kind .. " accept", function()
      local _, reason, code = kio.run(function()
        race_for_connections(kind, rounds(2000), false)
        race_for_connections(kind, rounds(2000), true)
      end, { sqpoll = 0.001 })
      if code then return pending("no SQPOLL here: " .. reason) end
    end)
  end

  it("with a cancellation: open", function()
    kio.run(function()
      local before, opened, n = descriptors(), 0, rounds(10000)
      for i = 1, n do
        local task = kio.spawn(kio.openat, nil, "/dev/null", kio.const.O_RDONLY)
        turns(i % 3)
        task:cancel()
        local ok, fd = task:join()
        if ok then
          opened = opened + 1
          assert(kio.close(fd))
        end
      end
      assert.is_true(opened > 0 and opened < n)
      assert.equal(before, descriptors())
    end)
  end)

  it("with a cancellation: connect", function()
    kio.run(function()
      local before = descriptors()
      local listener = assert(kio.net.listen("127.0.0.1:0"))
      local serving = kio.spawn(function()
        for stream in listener:accepts() do stream:close() end
      end)
      for i = 1, rounds(5000) do
        local task = kio.spawn(kio.net.connect, listener:address())
        turns(i % 3)
        task:cancel()
        local ok, stream = task:join()
        if ok and stream then stream:close() end
      end
      listener:close()
      serving:await()
      assert.equal(before, descriptors())
    end)
  end)
end)

-- ---- races with another process ----

-- Numbers of 4 bytes, each in a write of its own.
local WRITER = [[
local file <close> = assert(io.open(arg[1], "wb"))
file:setvbuf("no")
for i = 1, tonumber(arg[2]) do file:write(string.pack("<I4", i)) end
]]

-- Starts it in the background; what it has to say is in the file `log` when it has ended.
local function start(program, ...)
  local folder = support.tmpdir()
  local file <close> = assert(io.open(folder .. "/program.lua", "w"))
  file:write(program)
  file:close()
  local words = { support.lua, folder .. "/program.lua", ... }
  local environment = ("LUA_PATH='%s' LUA_CPATH='%s' "):format(package.path, package.cpath)
  assert(os.execute(environment .. table.concat(words, " ") .. " >" .. folder .. "/log 2>&1 &"))
  return folder .. "/log"
end

local function fifo()
  local path = support.tmpdir() .. "/fifo"
  assert(os.execute("mkfifo " .. path))
  return path
end

-- One read that may be cut off in some way: its bytes, or nil when it was.
local function cut_read(fd, i)
  local size = 4 * (1 + random(8))
  if i % 2 == 0 then
    local data, message, code = kio.read(fd, size, { timeout = DEADLINES[1 + random(#DEADLINES)] })
    assert(data or code == "ETIMEDOUT" or not message, message)
    return data, not data and not message
  end
  local task = kio.spawn(kio.read, fd, size)
  turns(random(6))
  task:cancel()
  local ok, data = task:join()
  return ok and data or nil, ok and not data
end

describe("another process that writes", function()
  it("loses no byte to cancellations and deadlines", function()
    local path, n = fifo(), rounds(100000)
    kio.run(function()
      local log = start(WRITER, path, n)
      local fd = assert(kio.openat(nil, path, kio.const.O_RDONLY))
      local expected, cut, i = 1, 0, 0
      while true do
        i = i + 1
        local data, over = cut_read(fd, i)
        if over then break end
        if not data then cut = cut + 1 end
        for at = 1, data and #data or 0, 4 do
          assert(string.unpack("<I4", data, at) == expected, "a number was lost or came twice")
          expected = expected + 1
        end
      end
      kio.close(fd)
      local file <close> = assert(io.open(log))
      assert.equal("", file:read("a"))
      assert.equal(n + 1, expected)
      assert.is_true(cut > n / 1000)
    end)
  end)
end)
