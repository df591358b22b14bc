-- timeout: 120
-- flavours: test asan hostile
-- Random programs of peers, run in every way the ring receives and accepts: borrowed buffers, few
-- of them, polled, own; one connection at a time and many; the simulated ring in any order.
-- Whatever the way, every read gives the bytes that were sent, and every connection is served once.
-- KIO_SEED repeats one case; KIO_SEEDS sets how many there are. Each flavour has seeds of its own.
local kio = require "kio"
local core = require "kio.core"
local support = require "spec.support"

local SHARE = support.chunk and { 71, 4 } or support.scale {
  full = { 1, 1000 }, test = { 1, 40 }, asan = { 41, 12 }, hostile = { 56, 15 }, lua55 = { 77, 5 },
  epoll = { 82, 12 }, xor = { 94, 10 }, stutter = { 104, 10 }, tls = { 114, 10 },
}
local FIRST, SEEDS = SHARE[1], tonumber(os.getenv("KIO_SEEDS")) or SHARE[2]
local ONLY = tonumber(os.getenv("KIO_SEED"))
local PEERS = 4

-- ---- what is sent, and how it is read: decided by the seed alone ----

local function random_bytes(size)
  local parts = {}
  for i = 1, size do
    local kind = math.random(12)
    parts[i] = kind == 1 and "\n" or kind == 2 and "\0" or string.char(math.random(97, 122))
  end
  return table.concat(parts)
end

local reads = {
  function(data) return { "line" }, data:match("^([^\n]*)\n"), 1 end,
  function(data)
    local count = math.random(1, 60)
    return { "count", count }, #data >= count and data:sub(1, count) or nil, 0
  end,
  function(data)
    return { "until" }, data:match("^(.-)%z\n"), 2
  end,
  function(data) return { "peek", math.min(#data, 9) }, #data > 0 and data:sub(1, 9) or nil, -1 end,
}

-- A list of reads with what each must give; the rest is read to the end.
local function plan_of(data)
  local plan = {}
  for _ = 1, math.random(0, 30) do
    local read, expected, drop = reads[math.random(#reads)](data)
    if expected then
      read.expected = expected
      plan[#plan + 1] = read
      if drop >= 0 then data = data:sub(#expected + drop + 1) end
    end
  end
  plan.rest = data
  return plan
end

local function pieces_of(data)
  local pieces, at = {}, 1
  local largest = math.random(2) == 1 and 30 or 3000
  while at <= #data do
    local size = math.random(largest)
    pieces[#pieces + 1] = { text = data:sub(at, at + size - 1), turns = math.random(0, 2) }
    at = at + size
  end
  return pieces
end

local function make_program(seed)
  math.randomseed(seed)
  local program = {}
  for i = 1, PEERS do
    local data = random_bytes(math.random(0, math.random(2) == 1 and 300 or 6000))
    program[i] = {
      pieces = pieces_of(data), plan = plan_of(data), data = data, early = math.random(3) == 1,
    }
  end
  return program
end

-- ---- running it ----

local function read_one(stream, read)
  if read[1] == "line" then return stream:read("l") end
  if read[1] == "count" then return stream:read(read[2]) end
  if read[1] == "peek" then return stream:peek(read[2]) end
  return stream:read_until("\0\n")
end

-- Some end their first waits early: nothing may be lost by that.
local function follow(stream, peer)
  if peer.early then
    for _ = 1, 3 do kio.timeout(0, function() stream:peek(1) end) end
  end
  for i, read in ipairs(peer.plan) do
    assert.equal(read.expected, (assert(read_one(stream, read))), "read " .. i .. ", " .. read[1])
  end
  local rest = {}
  while true do
    local part, message = stream:recv()
    if not part then
      assert.is_nil(message)
      break
    end
    rest[#rest + 1] = part
  end
  assert.is_true(table.concat(rest) == peer.plan.rest, "the rest differs")
end

local function send_pieces(address, number, peer)
  local stream = assert(kio.net.connect(address))
  stream:write(string.char(number))
  for _, piece in ipairs(peer.pieces) do
    stream:write(piece.text)
    for _ = 1, piece.turns do kio.yield() end
  end
  assert(stream:shutdown("write"))
  local echo = assert(stream:read("a"))
  stream:close()
  return echo
end

-- Every peer's data comes back by way of what its reader has read.
local function run_program(program)
  local listener = assert(kio.net.listen("127.0.0.1:0"))
  local senders, served = {}, {}
  for i, peer in ipairs(program) do
    senders[i] = kio.spawn(send_pieces, listener:address(), i, peer)
  end
  local accepting = kio.spawn(function()
    for stream in listener:accepts() do
      kio.spawn(function()
        local number = stream:read(1):byte()
        served[number] = (served[number] or 0) + 1
        follow(stream, program[number])
        stream:write(program[number].data)
        stream:close()
      end)
    end
  end)
  for i, peer in ipairs(program) do
    assert.is_true(peer.data == senders[i]:await(), "the echo differs")
  end
  listener:close()
  accepting:await()
  for i = 1, #program do assert.equal(1, served[i]) end
end

local ways = {
  { name = "as kio chooses" },
  { name = "single accepts", multishot = false },
  { name = "one lent buffer", lend_buffers = 1 },
  { name = "two lent buffers, a ring of one", lend_buffers = 2, entries = 1, cq_entries = 2 },
  { name = "polled, single accepts", lend_buffers = 0, multishot = false },
  { name = "polled", lend_buffers = 0 },
  { name = "simulated", backend = "sim" },
}

local function run(program, way, seed)
  local options = {
    multishot = way.multishot, lend_buffers = way.lend_buffers, entries = way.entries,
    cq_entries = way.cq_entries, backend = way.backend,
  }
  if way.backend then core.sim { reorder = seed, short = seed % 3 == 0 and seed % 7 + 1 or nil } end
  support.run(function() run_program(program) end, options)
end

describe("random peers", function()
  for _, way in ipairs(ways) do
    it("are served the same: " .. way.name, function()
      for seed = ONLY or FIRST, ONLY or FIRST + SEEDS - 1 do
        local program = make_program(seed)
        local ok, err = pcall(run, program, way, seed)
        assert(ok, ("with KIO_SEED=%d: %s"):format(seed, tostring(err)))
      end
    end)
  end
end)
