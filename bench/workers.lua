-- Echo with several workers, in interleaved rounds: each run is divided by the one with one worker
-- and a listener of its own in the same round. The server may use every CPU, and the load is bound
-- to the second one that is allowed: with two CPUs they get in each other's way.
--
-- The model beside it: n workers bring min(n, CPUs - what the load takes of them) divided by the
-- processor time of a request with one worker. It has no term for what workers share, for on a
-- connection that lasts they share nothing; what is missing to it is what the machine adds.
local loader = require "loader"
local stats = require "stats"

local workers = {}

local COUNTS <const> = { 1, 2, 4, 8 }
local WAYS <const> = { "reuseport", "spread" }
local METRICS <const> = { "rps", "cpu_ns", "switches", "p50_us", "p99_us", "busy", "load_busy" }

local function all_variants()
  local list = {}
  for _, way in ipairs(WAYS) do
    for _, count in ipairs(COUNTS) do
      list[#list + 1] = { way = way, count = count, label = ("%s, %d"):format(way, count) }
    end
  end
  return list
end

local function server_of(plan)
  return { command = { "lua5.4", plan.root .. "bench/echo_workers.lua" },
    environment = { "env",
      ("LUA_PATH=%slua/?.lua;%slua/?/init.lua;;"):format(plan.root, plan.root),
      ("LUA_CPATH=%s/?.so;;"):format(plan.core) } }
end

local function run_once(plan, scenario, server, variant)
  local options = { conns = scenario.conns, size = scenario.size, seconds = plan.seconds,
    ["warm-seconds"] = plan.warm_seconds, ["server-cpu"] = -1 }
  return loader.run(plan.root, server, options,
    { "workers=" .. variant.count, "by=" .. variant.way, "work=" .. scenario.work })
end

local function run_round(plan, scenario, server, variants)
  local results = {}
  for _, variant in ipairs(stats.shuffled(variants)) do
    local result, message = run_once(plan, scenario, server, variant)
    results[variant] = result
    if result then
      plan.record(("scenario=%s %s %s\n"):format(scenario.name, variant.label, result.line))
    else
      plan.note(("%s failed: %s"):format(variant.label, message))
    end
  end
  return results
end

-- What the model says is in `model`, relative to one worker as `speed` is.
local function collect(samples, results, one, cpus)
  for variant, result in pairs(results) do
    local sample = samples[variant] or { speed = {}, cost = {}, model = {} }
    samples[variant] = sample
    for _, metric in ipairs(METRICS) do
      sample[metric] = sample[metric] or {}
      table.insert(sample[metric], result[metric])
    end
    if one then
      table.insert(sample.speed, result.rps / one.rps)
      table.insert(sample.cost, result.cpu_ns / one.cpu_ns)
      local free = math.min(variant.count, cpus - result.load_busy)
      table.insert(sample.model, free / (one.cpu_ns / 1e9) / one.rps)
    end
  end
end

local function quartiles(list)
  local q = stats.quartiles(list)
  return q and ("%.2f [%.2f-%.2f]"):format(q.median, q.low, q.high) or "-"
end

local function print_row(variant, sample)
  local function median(metric) return stats.quantile(sample[metric], 0.5) end
  print(("%-14s %9.0f  %-18s %6.2f %7.0f  %-18s %8.4f %8.0f %8.0f %6.2f %6.2f"):format(
    variant.label, median "rps", quartiles(sample.speed), median "model", median "cpu_ns",
    quartiles(sample.cost), median "switches", median "p50_us", median "p99_us", median "busy",
    median "load_busy"))
end

-- plan as in rounds.lua; prints its table.
function workers.run(plan, scenario)
  local variants, samples = all_variants(), {}
  local cpus = math.tointeger(tonumber((loader.output { "nproc" })))
  local server = server_of(plan)
  for number = 1, plan.rounds do
    plan.note(("%s: round %d of %d"):format(scenario.name, number, plan.rounds))
    local results = run_round(plan, scenario, server, variants)
    collect(samples, results, results[variants[1]], cpus)
  end
  print(("\n%s (%s); ratios to one worker with its own listener; %d CPUs"):format(scenario.title,
    scenario.name, cpus))
  print(("%-14s %9s  %-18s %6s %7s  %-18s %8s %8s %8s %6s %6s"):format("by, workers", "req/s",
    "x one worker", "model", "CPU ns", "x one worker", "switches", "p50 us", "p99 us", "busy",
    "load"))
  for _, variant in ipairs(variants) do
    if samples[variant] then print_row(variant, samples[variant]) end
  end
end

return workers
