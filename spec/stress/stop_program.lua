-- Fills the workers of a run with operations of every kind that end by themselves never, or again
-- and again, and ends the run at a random moment in a random way. Every task counts its own end.
local lfs = require "lfs"
local kio = require "kio"
local kinds = require "spec.stress.stop_kinds"

local program = {}

local FOREVER = 1e6 -- seconds
local random = math.random

local function defer(f) return setmetatable({}, { __close = f }) end

-- ---- a worker ----

-- Writes, when all is over, how many tasks began, ended, and ended twice.
local function report(plan, begun, ends)
  local ended, twice = 0, 0
  for _, n in pairs(ends) do
    ended = ended + 1
    if n > 1 then twice = twice + 1 end
  end
  local file <close> = assert(io.open(plan.report, "a"))
  assert(file:write(begun.n, " ", ended, " ", twice, "\n"))
end

-- One of them, at random; `counts` has how many there are of those that are bounded.
local function choose(counts)
  local at, kind = random(kinds.total), 0
  repeat
    kind = kind + 1
    at = at - kinds.list[kind][1]
  until at <= 0
  local chosen = kinds.list[kind]
  if not chosen.most then return chosen end
  counts[kind] = (counts[kind] or 0) + 1
  return counts[kind] <= chosen.most and chosen or choose(counts)
end

-- Until the run ends: `plan.count` operations, begun in turns of random lengths.
function program.fill(plan, seed)
  math.randomseed(seed)
  local begun, ends, counts, fds = { n = 0 }, {}, {}, {}
  local _ <close> = defer(function() report(plan, begun, ends) end)
  local _ <close> = defer(function() for _, fd in ipairs(fds) do kio.close(fd) end end)
  local env = kinds.open(plan, fds)
  kio.scope(function(scope)
    for i = 1, plan.count do
      local kind = choose(counts)
      scope:spawn(function()
        begun.n = begun.n + 1
        local _ <close> = defer(function() ends[i] = (ends[i] or 0) + 1 end)
        kind[2](env)
        kio.yield() -- raises: the run ends
        error("kind " .. kind.number .. " has ended by itself")
      end)
      if random(100) == 1 then kio.yield() end
    end
    kio.yield()
    plan.filled:send(true)
    kio.sleep(FOREVER)
  end)
end

-- ---- the end ----

local function fill_all(plan)
  for id = 1, plan.threads do
    kio.spawn { daemon = true, kio.scope, function()
      kio.thread.spawn_on(id, program.fill, plan, plan.seed * 64 + id)
    end }
  end
end

-- Somewhere between the first operations and long after the last one.
local function some_moment()
  if random(2) == 1 then kio.sleep(random() ^ 2 * 0.1) end
  for _ = 1, random(20) do kio.yield() end
end

local ways = {}

function ways.error() error("the end", 0) end
function ways.return_() return "main has ended" end

function ways.stop()
  kio.stop()
  kio.sleep(FOREVER)
end

function ways.stop_twice(plan)
  for id = 1, plan.threads do kio.thread.spawn_on(id, kio.stop) end
  kio.sleep(FOREVER)
end

function ways.stop_there(plan)
  kio.thread.spawn_on(random(plan.threads), kio.stop)
  kio.sleep(FOREVER)
end

function ways.error_there(plan)
  kio.thread.spawn_on(random(plan.threads), error, "the end")
  kio.sleep(FOREVER)
end

function ways.signal()
  kio.core.send_signal "INT"
  kio.sleep(FOREVER)
end

program.ways = { "error", "return_", "stop", "stop_twice", "stop_there", "error_there", "signal" }

local expected = {
  error = "^the end", return_ = "^main has ended$", stop = "stopped by kio.stop",
  stop_twice = "stopped by kio.stop", stop_there = "stopped by kio.stop", error_there = "^the end",
  signal = "interrupted!",
}

local function read_reports(path)
  local sum = { workers = 0, begun = 0, ended = 0, twice = 0 }
  local file <close> = io.open(path)
  for line in (file and file:lines() or function() end) do
    local begun, ended, twice = line:match "^(%d+) (%d+) (%d+)$"
    sum.workers = sum.workers + 1
    sum.begun, sum.ended, sum.twice = sum.begun + begun, sum.ended + ended, sum.twice + twice
  end
  return sum
end

-- Runs `count` operations on each of `threads` workers until `way` ends the run, at some moment, or
-- at one when all have begun (`full`). `folder` has "file", with a link and, where programs can be
-- started, a fifo beside it.
-- What the workers report, and how long the end took in seconds.
function program.run(folder, seed, threads, count, way, full)
  math.randomseed(seed)
  local report_path = folder .. "/report"
  os.remove(report_path)
  local asked
  local ok, value, message = pcall(kio.run, function()
    local plan = { seed = seed, threads = threads, count = count, report = report_path,
      path = folder .. "/file", filled = kio.thread.channel(threads),
      channel = kio.thread.channel(64), flag = kio.thread.event(),
      programs = lfs.attributes(folder .. "/file.fifo") ~= nil }
    fill_all(plan)
    if full then
      for _ = 1, threads do plan.filled:receive() end
    end
    some_moment()
    asked = kio.now()
    return ways[way](plan)
  end, { threads = threads, blocking_threads = 2, shutdown_timeout = 60 })
  local over = kio.now()
  local text = tostring(ok and (value or message) or value)
  if not asked or not text:find(expected[way]) then
    error(("seed %d, %s: the run ended with %s"):format(seed, way, text), 0)
  end
  return read_reports(report_path), over - asked
end

return program
