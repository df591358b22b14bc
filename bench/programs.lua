-- Programs that each do the same work and print what an item of it cost them, real=NS cpu=NS, and
-- p99=US if they know how long the slowest of a hundred took. They run in interleaved rounds: each
-- is divided by the first one of the case, its base, in the same round.
local loader = require "loader"
local stats = require "stats"

local programs = {}

-- The words before and of a Lua program that uses kio.
function programs.kio(plan, name)
  return { "env", ("LUA_PATH=%slua/?.lua;%slua/?/init.lua;;"):format(plan.root, plan.root),
    ("LUA_CPATH=%s/?.so;;"):format(plan.core), "lua5.4", plan.root .. "bench/" .. name .. ".lua" }
end

local function run_once(plan, scenario, case, program)
  local words = table.move(program.command, 1, #program.command, 1, {})
  table.move(case.arguments, 1, #case.arguments, #words + 1, words)
  local text = loader.output(words)
  local real, cpu = text:match "real=(%S+) cpu=(%S+)"
  if not real then return nil, text:match "[^\n]+" or "nothing printed" end
  plan.record(("scenario=%s case=%q program=%s %s\n"):format(scenario.name, case.title,
    program.name, text:match "real=[^\n]*"))
  return { real = tonumber(real), cpu = tonumber(cpu), p99 = tonumber(text:match "p99=(%S+)") }
end

local function add(samples, result, base)
  for _, what in ipairs { "real", "cpu" } do
    table.insert(samples[what], result[what])
    if base then table.insert(samples[what .. "_ratio"], result[what] / base[what]) end
  end
  if result.p99 then table.insert(samples.p99, result.p99) end
end

local function run_round(plan, scenario, case, samples)
  local results = {}
  for _, program in ipairs(stats.shuffled(case.programs)) do
    local message
    results[program.name], message = run_once(plan, scenario, case, program)
    if message then plan.note(("%s: %s failed: %s"):format(case.title, program.name, message)) end
  end
  for name, result in pairs(results) do
    add(samples[name], result, results[case.programs[1].name])
  end
end

local function ratio(list)
  local r = stats.quartiles(list)
  return r and ("%.2f [%.2f-%.2f]"):format(r.median, r.low, r.high) or "-"
end

local function print_case(case, samples)
  print(("\n%-44s %10s  %-18s %10s  %-18s"):format(case.title, "real ns", "ratio", "CPU ns",
    "ratio"))
  for _, program in ipairs(case.programs) do
    local s = samples[program.name]
    if #s.real > 0 then
      local p99 = stats.quantile(s.p99, 0.5)
      print(("  %-42s %10.0f  %-18s %10.0f  %-18s%s"):format(program.label,
        stats.quantile(s.real, 0.5), ratio(s.real_ratio), stats.quantile(s.cpu, 0.5),
        ratio(s.cpu_ratio), p99 and ("  p99 %.0f us"):format(p99) or ""))
    end
  end
end

-- plan as in rounds.lua; scenario.cases(plan) gives the cases: name, title, arguments, and programs
-- with name, label and command. Prints its tables. Gives figures[case][program]: quartiles of
-- real, cpu, real_ratio and cpu_ratio.
function programs.run(plan, scenario)
  print(("\n%s (%s)"):format(scenario.title, scenario.name))
  local figures = {}
  for _, case in ipairs(scenario.cases(plan)) do
    local samples, of_case = {}, {}
    for _, program in ipairs(case.programs) do
      samples[program.name] = { real = {}, cpu = {}, real_ratio = {}, cpu_ratio = {}, p99 = {} }
    end
    local rounds = math.min(plan.rounds, scenario.rounds_most or math.huge)
    for number = 1, rounds do
      plan.note(("%s, %s: round %d of %d"):format(scenario.name, case.title, number, rounds))
      run_round(plan, scenario, case, samples)
    end
    print_case(case, samples)
    for name, sample in pairs(samples) do
      of_case[name] = {}
      for what, list in pairs(sample) do of_case[name][what] = stats.quartiles(list) end
    end
    figures[case.name] = of_case
  end
  return figures
end

return programs
