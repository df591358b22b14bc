-- Tables of scenarios whose servers have a yardstick of their own: timed loads in interleaved
-- rounds, and what can be counted. A comparison has servers (names), yardstick, control (a name),
-- unit (what the yardstick is called), loads, and counted: scenarios with run, a function.
local rounds = require "rounds"
local servers = require "servers"

local beside = {}

local function own_plan(plan, comparison)
  local list = {}
  for _, server in ipairs(servers.list(plan.root, plan.core)) do
    for _, name in ipairs(comparison.servers) do
      if server.name == name then list[#list + 1] = server end
    end
  end
  return setmetatable({ servers = list, yardstick = comparison.yardstick }, { __index = plan })
end

local function print_load(plan, comparison, load, figures)
  print(("\n%d connections, %d bytes (%s)"):format(load.conns, load.size, load.name))
  print(("%-22s %9s %7s  x %s [quartiles]"):format("server", "req/s", "CPU ns", comparison.unit))
  for _, server in ipairs(plan.servers) do
    local f = figures[load.name][server.name]
    if f and f.ratio then
      print(("%-22s %9.0f %7.0f  %.2f [%.2f-%.2f]"):format(server.label, f.rps, f.cpu_ns,
        f.ratio.median, f.ratio.low, f.ratio.high))
    end
  end
end

local function print_counts(plan, comparison, scenario)
  local figures, tool = scenario.run(plan, scenario)
  print(("\n%s, %s, by %s"):format(scenario.name, scenario.unit, tool))
  for _, server in ipairs(plan.servers) do
    local figure = figures[server.name]
    if figure and server.name ~= comparison.control then
      print(("%-22s %9.2f"):format(server.label, figure))
    end
  end
end

-- plan as in rounds.lua; prints the tables.
function beside.run(plan, comparison)
  local mine = own_plan(plan, comparison)
  local figures = rounds.run(mine, comparison.loads)
  for _, load in ipairs(comparison.loads) do print_load(mine, comparison, load, figures) end
  for _, scenario in ipairs(comparison.counted) do print_counts(mine, comparison, scenario) end
end

return beside
