-- timeout: 120
-- flavours: test asan hostile
-- Several faults at once, at random: wrong results, short transfers, delays, second completions, a
-- full queue, any order. A program may end in any error, but it ends, and nothing is left behind.
-- KIO_SEED repeats one case; KIO_SEEDS sets how many there are.
local core = require "kio.core"
local lfs = require "lfs"
local programs = require "spec.fault.programs"

local NAMES = { "echo", "twice_in_one_run", "raw_sockets", "files", "file_objects", "scopes",
  "caught", "tasks", "jobs" }
local CODES = { "EIO", "ECONNRESET", "EMFILE", "ENOBUFS", "ECANCELED", "EINTR", "EAGAIN", "EPIPE" }
local OPERATIONS = { "read", "write", "open", "close", "accept", "connect", "recv", "send", "poll" }

local SEEDS = tonumber(os.getenv("KIO_SEEDS")) or 1000
local ONLY = tonumber(os.getenv("KIO_SEED"))

local function pick(list) return list[math.random(#list)] end

local function maybe(n, value) return math.random(n) == 1 and value or nil end

-- A ring that does not let go of a request while the run unwinds, and as long again, keeps it: no
-- delay is that long.
local LONGEST_DELAY, SHUTDOWN = 20, 21

local function random_rule()
  return {
    op = maybe(2, pick(OPERATIONS)), nth = math.random(3) > 1 and math.random(8) or nil,
    result = maybe(3, pick(CODES)), short = maybe(3, math.random(5)),
    delay = maybe(2, math.random() * LONGEST_DELAY), twice = maybe(3, true),
  }
end

local function random_script()
  local script = {
    short = maybe(3, math.random(8)), full = maybe(3, math.random(3)),
    reorder = maybe(2, math.random(1 << 30)),
  }
  for i = 1, math.random(0, 4) do script[i] = random_rule() end
  return script
end

local function descriptors()
  local count = 0
  for _ in lfs.dir("/proc/self/fd") do count = count + 1 end
  return count
end

local function run(name, options)
  local ok, result = pcall(programs[name], options)
  for i, fd in ipairs(programs.fds) do
    if fd then core.own.close_now(fd) end
    programs.fds[i] = false
  end
  collectgarbage()
  collectgarbage()
  return ok and result
end

describe("random faults", function()
  it("end every program, and leave nothing behind", function()
    local world, whole = descriptors(), 0
    for seed = ONLY or 1, ONLY or SEEDS do
      math.randomseed(seed)
      local name = pick(NAMES)
      core.sim(random_script())
      local result = run(name, { backend = "sim", shutdown_timeout = maybe(2, SHUTDOWN) })
      local where = ("%s with KIO_SEED=%d"):format(name, seed)
      assert.equal(world, descriptors(), where)
      assert.same({ blocks = 0, schedulers = 0, scripts = 0 }, core.world(), where)
      if result == programs.expected then whole = whole + 1 end
    end
    assert.equal(programs.expected, run("echo", { backend = "sim" }))
    if not ONLY then assert.is_true(whole > SEEDS / 10, whole) end
  end)
end)
