-- timeout: 110
-- without: lua55
-- Copies a large file and hashes both by pread at 64 offsets at once, while an echo server keeps
-- answering; tells the longest time the loop did not turn. An eighth of the source is data, the
-- rest is holes that the copy fills. With KIO_FULL=1 it has 1 GiB, which takes 1.2 GiB of disk.
local kio = require "kio"
local support = require "spec.support"

local fs = kio.fs

local MIB = 1 << 20
local SIZE = support.scale { full = 1024, test = 256, rest = 128 } * MIB
local DATA_EVERY = 8 -- one MiB in so many is data
local OFFSETS = 64
local CHUNK = 256 << 10
local CLIENTS = 4

-- ---- data ----

-- One MiB that differs from all others and repeats nothing within.
local function block(index)
  local words, word = {}, index * 0x9E3779B97F4A7C15 + 1
  for i = 1, MIB / 64 do
    word = word * 6364136223846793005 + 1442695040888963407
    words[i] = string.pack("<i8i8i8i8i8i8i8i8", word, index, i, word >> 7, ~word, i ~ word,
      index ~ i, word << 3)
  end
  return table.concat(words)
end

local function make_source(path)
  local file <close> = assert(fs.open(path, "w"))
  assert(file:truncate(SIZE))
  for index = 0, SIZE // MIB - 1, DATA_EVERY do assert(file:pwrite(block(index), index * MIB)) end
end

-- ---- hashing ----

local WORDS = "<" .. ("i8"):rep(32)

-- A checksum in which every bit of every word counts, and its place.
local function checksum(data)
  local sum = #data
  for at = 1, #data, 256 do
    local a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, a2, b2, c2, d2, e2, f2, g2, h2, i2, j2,
      k2, l2, m2, n2, o2, p2 = WORDS:unpack(data, at)
    sum = sum * 31 + (a + 3 * b + 5 * c + 7 * d) ~ (e + 11 * f + 13 * g + 17 * h)
    sum = sum * 31 + (i + 3 * j + 5 * k + 7 * l) ~ (m + 11 * n + 13 * o + 17 * p)
    sum = sum * 31 + (a2 + 3 * b2 + 5 * c2 + 7 * d2) ~ (e2 + 11 * f2 + 13 * g2 + 17 * h2)
    sum = sum * 31 + (i2 + 3 * j2 + 5 * k2 + 7 * l2) ~ (m2 + 11 * n2 + 13 * o2 + 17 * p2)
  end
  return sum
end

-- Most of the file is holes: what they give is computed once.
local ZEROS = ("\0"):rep(CHUNK)
local zeros_sum = checksum(ZEROS)

-- The checksums of all chunks, by 64 tasks that each read their own part of the file.
local function hash(path)
  local file <close> = assert(fs.open(path))
  local sums, tasks, part = {}, {}, SIZE // OFFSETS
  for i = 1, OFFSETS do
    tasks[i] = kio.spawn(function()
      for at = (i - 1) * part, i * part - 1, CHUNK do
        local data = assert(kio.pread_exactly(file:fd(), CHUNK, at))
        sums[at // CHUNK + 1] = data == ZEROS and zeros_sum or checksum(data)
      end
    end)
  end
  for i = 1, OFFSETS do tasks[i]:await() end
  return sums
end

-- What the checksums must be.
local function expected()
  local sums = {}
  for index = 0, SIZE // MIB - 1 do
    local data = index % DATA_EVERY == 0 and block(index)
    for at = 0, MIB - 1, CHUNK do
      sums[#sums + 1] = data and checksum(data:sub(at + 1, at + CHUNK)) or zeros_sum
    end
  end
  return sums
end

-- ---- copying ----

local function copy(from, to)
  local source <close> = assert(fs.open(from))
  local target <close> = assert(fs.open(to, "w"))
  local parts, tasks, part = 4, {}, SIZE // 4
  for i = 1, parts do
    tasks[i] = kio.spawn(function()
      for at = (i - 1) * part, i * part - 1, CHUNK do
        assert(target:pwrite(assert(source:pread(CHUNK, at)), at))
      end
    end)
  end
  for i = 1, parts do tasks[i]:await() end
end

-- ---- meanwhile ----

local function echo(stream)
  local data = stream:recv()
  while data do
    stream:write(data)
    data = stream:recv()
  end
  stream:close()
end

local function talk(address, state)
  local stream <close> = assert(kio.net.connect(address))
  while not state.done do
    local text = ("%d "):format(state.count):rep(50)
    assert(stream:write(text))
    local got = ""
    while #got < #text do got = got .. assert(stream:recv()) end
    assert(got == text, "the echo differs")
    state.count = state.count + 1
  end
end

-- Starts an echo server and clients that talk to it; a function that ends them, and the state.
local function start_echo()
  local listener = assert(kio.net.listen("127.0.0.1:0"))
  local accepting = kio.spawn(function()
    for stream in listener:accepts() do kio.spawn(echo, stream) end
  end)
  local state, clients = { done = false, count = 0 }, {}
  for i = 1, CLIENTS do clients[i] = kio.spawn(talk, listener:address(), state) end
  return state, function()
    state.done = true
    for i = 1, CLIENTS do clients[i]:await() end
    listener:close()
    accepting:await()
  end
end

local function tell(began, copied, hashed, count)
  print(("copy %d MiB: %.2f s, hash both at %d offsets: %.2f s, %d echoes meanwhile, "
    .. "longest turn %.1f ms"):format(SIZE // MIB, copied - began, OFFSETS, hashed - copied, count,
    kio.stats().longest_turn * 1000))
end

describe("a large file", function()
  it("is copied and hashed while an echo server answers", function()
    local folder = support.tmpdir()
    local from, to = folder .. "/from", folder .. "/to"
    support.run(function() make_source(from) end)
    local source_sums, sums = support.run(function()
      local state, stop = start_echo()
      local began = kio.now()
      copy(from, to)
      local copied, answered = kio.now(), state.count
      assert.is_true(answered > 0)
      local source_sums, sums = hash(from), hash(to)
      assert.is_true(state.count > answered)
      tell(began, copied, kio.now(), state.count)
      stop()
      assert.equal(SIZE, fs.stat(to).size)
      return source_sums, sums
    end)
    local wanted = expected()
    for i = 1, SIZE // CHUNK do
      assert(source_sums[i] == wanted[i], "the source differs in chunk " .. i)
      assert(sums[i] == wanted[i], "the copy differs in chunk " .. i)
    end
  end)
end)
