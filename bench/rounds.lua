-- Timed runs in interleaved rounds: in every round each server runs once, in random order, and is
-- compared with the yardstick of the same round, because the machine's speed drifts.
local loader = require "loader"
local servers = require "servers"
local stats = require "stats"

local rounds = {}

local METRICS <const> = { "rps", "cpu_ns", "p50_us", "p99_us", "p999_us", "late_us", "busy",
  "switches", "rss_kib", "conn_bytes", "threads", "user_ticks", "system_ticks" }

local function run_once(plan, scenario, server)
  local options = { conns = scenario.conns, size = scenario.size, depth = scenario.depth,
    seconds = math.max(plan.seconds, scenario.seconds or 0), rate = scenario.rate,
    ["warm-seconds"] = plan.warm_seconds, storm = scenario.storm }
  local told = scenario.message and not server.chunks
  local contract = told and { "message=" .. scenario.message } or {}
  return loader.run(plan.root, server, options, contract)
end

-- One round: the figures by server name.
local function run_round(plan, scenario, number)
  local results = {}
  for _, server in ipairs(stats.shuffled(plan.servers)) do
    local result, message
    if servers.takes_part(server, scenario) then
      result, message = run_once(plan, scenario, server)
    end
    if result then
      results[server.name] = result
      plan.record(("round=%d scenario=%s server=%s %s\n"):format(number, scenario.name,
        server.name, result.line))
    elseif message then
      plan.note(("%s: %s failed: %s"):format(scenario.name, server.name, message))
    end
  end
  return results
end

local function collect(samples, results, yardstick)
  local best, bound = results[yardstick], results[servers.bound]
  for name, result in pairs(results) do
    local sample = samples[name] or { ratio = {}, speed = {}, of_bound = {} }
    samples[name] = sample
    for _, metric in ipairs(METRICS) do
      sample[metric] = sample[metric] or {}
      table.insert(sample[metric], result[metric])
    end
    if best then table.insert(sample.ratio, result.cpu_ns / best.cpu_ns) end
    if best then table.insert(sample.speed, result.rps / best.rps) end
    if bound then table.insert(sample.of_bound, result.rps / bound.rps) end
  end
end

local function sum(list)
  local total = 0
  for _, value in ipairs(list) do total = total + value end
  return total
end

-- The kernel tells user from system time by looking at each tick of its clock, so a single run has
-- too few looks for it: the share is that of all of them.
local function share_of_user(sample)
  local user, system = sum(sample.user_ticks), sum(sample.system_ticks)
  return user + system > 0 and user / (user + system) or nil
end

local function summary(sample)
  local figures = { ratio = stats.quartiles(sample.ratio) }
  figures.speed = stats.quantile(sample.speed, 0.5)
  figures.of_bound = #sample.of_bound > 0 and stats.quantile(sample.of_bound, 0.5) or nil
  for _, metric in ipairs(METRICS) do figures[metric] = stats.quantile(sample[metric], 0.5) end
  local user = share_of_user(sample)
  figures.user_ns = user and figures.cpu_ns * user
  figures.system_ns = user and figures.cpu_ns * (1 - user)
  return figures
end

-- A function that gives the quartiles of one server's metric divided by another's, round by round.
local function ratios_of(all_results)
  return function(metric, name, other)
    local list = {}
    for _, results in ipairs(all_results) do
      local a, b = results[name], results[other]
      if a and b then list[#list + 1] = a[metric] / b[metric] end
    end
    return stats.quartiles(list)
  end
end

-- Runs the scenarios plan.rounds times. plan: root, servers, seconds, warm_seconds, record(line),
-- note(line), yardstick (another one than usual). Gives figures[scenario name][server name]:
-- medians, `ratio` with its quartiles, `speed` and `of_bound`: requests per second relative to the
-- yardstick and to the bound. What is called `ratios` there is no server:
-- ratios(metric, server, other).
function rounds.run(plan, list)
  local samples, figures, results = {}, {}, {}
  for _, scenario in ipairs(list) do samples[scenario.name], results[scenario.name] = {}, {} end
  for number = 1, plan.rounds do
    plan.note(("round %d of %d"):format(number, plan.rounds))
    for _, scenario in ipairs(list) do
      local result = run_round(plan, scenario, number)
      table.insert(results[scenario.name], result)
      collect(samples[scenario.name], result, plan.yardstick or servers.yardstick)
    end
  end
  for name, by_server in pairs(samples) do
    figures[name] = { ratios = ratios_of(results[name]) }
    for server, sample in pairs(by_server) do figures[name][server] = summary(sample) end
  end
  return figures
end

return rounds
