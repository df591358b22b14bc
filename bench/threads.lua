-- Messages between two threads: kio's channels beside a queue in C, in interleaved rounds.
local loader = require "loader"
local stats = require "stats"

local threads = {}

local CASES <const> = {
  { mode = "stream", places = 1, count = 20000, title = "one way, 1 place" },
  { mode = "stream", places = 16, count = 100000, title = "one way, 16 places" },
  { mode = "stream", places = 1024, count = 200000, title = "one way, 1024 places" },
  { mode = "trip", places = 1, count = 10000, title = "there and back" },
}

local function programs(plan)
  local paths = { "LUA_PATH=" .. plan.root .. "lua/?.lua;" .. plan.root .. "lua/?/init.lua;;",
    "LUA_CPATH=" .. plan.core .. "/?.so;;" }
  return {
    { name = "kio", command = { "env", paths[1], paths[2], "lua5.4",
      plan.root .. "bench/threads_kio.lua" } },
    { name = "queue", command = { plan.out .. "/threads_queue" } },
  }
end

local function run_once(plan, program, case)
  local words = table.move(program.command, 1, #program.command, 1, {})
  for _, word in ipairs { case.mode, case.places, case.count } do words[#words + 1] = word end
  local text = loader.output(words)
  local real, cpu = text:match "real=(%S+) cpu=(%S+)"
  if not real then error(program.name .. ": " .. (text:match "[^\n]+" or "nothing printed"), 0) end
  plan.record(("scenario=threads program=%s case=%q real=%s cpu=%s\n"):format(program.name,
    case.title, real, cpu))
  return { real = tonumber(real), cpu = tonumber(cpu) }
end

local function run_round(plan, list, case, samples)
  local result = {}
  for _, program in ipairs(stats.shuffled(list)) do
    result[program.name] = run_once(plan, program, case)
  end
  for _, what in ipairs { "real", "cpu" } do
    local kio, queue = result.kio[what], result.queue[what]
    for name, value in pairs { kio = kio, queue = queue, ratio = kio / queue } do
      local key = what .. "_" .. name
      samples[key] = samples[key] or {}
      table.insert(samples[key], value)
    end
  end
end

local function row(title, samples)
  local function median(key) return stats.quantile(samples[key], 0.5) end
  local function ratio(key)
    local r = stats.quartiles(samples[key])
    return ("%5.2f [%.2f-%.2f]"):format(r.median, r.low, r.high)
  end
  print(("%-24s %9.0f %9.0f  %-20s %9.0f %9.0f  %s"):format(title, median "real_kio",
    median "real_queue", ratio "real_ratio", median "cpu_kio", median "cpu_queue",
    ratio "cpu_ratio"))
end

function threads.run(plan)
  local list = programs(plan)
  print "\nMessages between two threads, in ns each: kio's channels, a queue in C, the ratio\n"
  print(("%-24s %9s %9s  %-20s %9s %9s  %s"):format("", "real: kio", "queue", "ratio",
    "CPU: kio", "queue", "ratio"))
  for _, case in ipairs(CASES) do
    local samples = {}
    for number = 1, plan.rounds do
      plan.note(("threads, %s: round %d of %d"):format(case.title, number, plan.rounds))
      run_round(plan, list, case, samples)
    end
    row(case.title, samples)
  end
end

return threads
