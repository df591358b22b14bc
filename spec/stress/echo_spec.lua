-- Thousands of connections at once, in one process with one thread: every byte comes back, and
-- nothing stays behind.
-- flavours: test asan hostile
-- timeout: 120
local kio = require "kio"
local support = require "spec.support"
local lfs = require "lfs"

local SCALE = support.scale {
  test = { connections = 5000, messages = 20, largest = 1 << 20 },
  asan = { connections = 300, messages = 20, largest = 1 << 20 },
  hostile = { connections = 100, messages = 20, largest = 1 << 15 },
  rest = { connections = 1000, messages = 20, largest = 1 << 20 },
}
local SLACK = 64 -- KiB of Lua memory that may remain; one connection takes about 2
local CONNECTING = 50 -- clients that connect side by side; all at once would overflow the backlog

-- Bytes without a period that a shifted, doubled or swapped piece could hide in.
local function random_bytes(size)
  local parts = {}
  for i = 1, size // 8 do parts[i] = string.pack("<i8", math.random(0)) end
  return table.concat(parts)
end

-- One in two thousand is as large as can be, one in fifty middling, the others small.
local function random_size()
  local kind = math.random(2000)
  if kind == 1 then return SCALE.largest end
  return math.random(kind <= 40 and 32768 or 256)
end

local function echo(stream)
  local data = stream:recv()
  while data do
    assert(stream:write(data))
    data = stream:recv()
  end
  assert(stream:close())
end

local function server(listener, open)
  for stream in listener:accepts() do
    kio.spawn(function()
      open.now = open.now + 1
      open.most = math.max(open.most, open.now)
      echo(stream)
      open.now = open.now - 1
    end)
  end
end

-- A message larger than what all buffers hold must be read while it is still being written.
local function converse(stream, bytes, sizes)
  local spread, total = #bytes - SCALE.largest, 0
  for _ = 1, SCALE.messages do
    local size, at = random_size(), math.random(spread)
    local message = bytes:sub(at, at + size - 1)
    local writing = size > 16384 and kio.spawn(stream.write, stream, message)
    if not writing then assert(stream:write(message)) end
    assert(stream:read(size) == message, "the echo differs")
    if writing then assert(writing:await()) end
    total = total + size
    sizes.largest = math.max(sizes.largest, size)
  end
  assert(stream:close())
  sizes.total = sizes.total + total
end

local function together(count, f)
  local tasks = {}
  for i = 1, count do tasks[i] = kio.spawn(f, i) end
  for i = 1, count do tasks[i]:await() end
end

local function load(connections, bytes)
  local open, sizes, streams = { now = 0, most = 0 }, { total = 0, largest = 0 }, {}
  local listener = assert(kio.net.listen("127.0.0.1:0"))
  local serving = kio.spawn(server, listener, open)
  together(CONNECTING, function(first)
    for i = first, connections, CONNECTING do
      streams[i] = assert(kio.net.connect(listener:address()))
    end
  end)
  while open.now < connections do kio.yield() end -- the last ones are still in the backlog
  local began = kio.now()
  together(connections, function(i) converse(streams[i], bytes, sizes) end)
  local took = kio.now() - began
  assert(listener:close())
  serving:await()
  return open, sizes, took
end

local function descriptors()
  local count = 0
  for _ in lfs.dir("/proc/self/fd") do count = count + 1 end
  return count
end

-- Collects until it makes no difference any more: tables of strings shrink by halves.
local function lua_memory()
  local last = math.huge
  while true do
    collectgarbage()
    local now = collectgarbage("count")
    if now >= last then return now end
    last = now
  end
end

local function status(name)
  for line in io.lines("/proc/self/status") do
    local value = line:match("^" .. name .. ":%s*(%d+)")
    if value then return tonumber(value) end
  end
end

describe("an echo server", function()
  it("with thousands of clients brings every byte back and leaves nothing behind", function()
    local able, reason = support.allow_descriptors(2 * SCALE.connections + 200)
    if not able then pending(reason) end
    local seed = tonumber(os.getenv("KIO_SEED")) or os.time()
    math.randomseed(seed)
    local bytes = random_bytes(SCALE.largest + 65536)
    -- Lua's tables do not shrink: the one that anchors the tasks gets its size now.
    support.run(function()
      load(10, bytes)
      together(3 * SCALE.connections, function() kio.yield() end)
    end)
    local fds, memory = descriptors(), lua_memory()
    local open, sizes, took = support.run(function() return load(SCALE.connections, bytes) end)
    local left = lua_memory() - memory
    print(("%d connections, %d messages, %d MiB each way, %.1f s, %d messages/s; peak %d MiB; "
      .. "%.1f KiB of Lua memory left; seed %d"):format(open.most,
      SCALE.connections * SCALE.messages, sizes.total >> 20, took,
      SCALE.connections * SCALE.messages // took, status("VmHWM") >> 10, left, seed))
    assert.equal(SCALE.connections, open.most)
    assert.equal(0, open.now)
    assert.equal(fds, descriptors())
    assert.is_true(left < SLACK, left)
    for name, count in pairs(kio.core.world()) do assert.equal(0, count, name) end
  end)
end)
