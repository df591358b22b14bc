-- User instructions of single steps in the release build, counted by callgrind: those of a long run
-- less those of a short one, so that start and end cancel out. They hardly depend on the machine's
-- load; Lua seeds its hashes anew in each process, which is worth a percent or two.
local cases = require "step_cases"

local steps = {}

local function quoted(text) return "'" .. text:gsub("'", "'\\''") .. "'" end

-- Counts of the files that callgrind has written: the n-th is of what came before the n-th mark.
local function read_counts(base, count)
  local list = {}
  for i = 1, count do
    local file = assert(io.open(base .. "." .. i))
    list[i] = assert(tonumber(file:read "a":match "\ntotals: (%d+)"))
    file:close()
  end
  return list
end

local function remove_files(base, count)
  for i = 1, count do os.remove(base .. "." .. i) end
  os.remove(base)
end

local function command(root, core, base, names)
  local words = { "LUA_PATH=" .. quoted(("%slua/?.lua;%slua/?/init.lua;;"):format(root, root)),
    "LUA_CPATH=" .. quoted(core .. "/?.so;;"), "valgrind --tool=callgrind --dump-before=difftime",
    "--callgrind-out-file=" .. base, "lua5.4 " .. quoted(root .. "bench/steps_kio.lua"),
    table.concat(names, " "), "2>&1" }
  return table.concat(words, " ")
end

-- Instructions per step by name, of the cases called `names` (all of them when it is nil); nil and
-- why not where they cannot be counted.
function steps.count(root, core, names)
  local chosen, wanted = {}, {}
  for _, name in ipairs(names or {}) do wanted[name] = true end
  for _, case in ipairs(cases) do
    if not names or wanted[case.name] then chosen[#chosen + 1] = case.name end
  end
  local base = os.tmpname()
  local marks = 4 * #chosen
  local pipe = assert(io.popen(command(root, core, base, chosen)))
  local printed, ended = pipe:read "a", pipe:close()
  if not ended then
    remove_files(base, marks)
    return nil, printed
  end
  local counts, result, at = read_counts(base, marks), {}, 0
  for _, case in ipairs(cases) do
    if not names or wanted[case.name] then
      result[case.name] = (counts[at + 4] - counts[at + 2]) / (case.long - case.short)
      at = at + 4
    end
  end
  remove_files(base, marks)
  return result
end

-- plan as in rounds.lua; prints its table and gives the counts by name.
function steps.run(plan, scenario)
  plan.note(scenario.name)
  local counts, message = steps.count(plan.root, plan.core, scenario.names)
  print(("\n%s (%s)"):format(scenario.title, scenario.name))
  if not counts then
    print("could not be counted: " .. message)
    return nil
  end
  for _, case in ipairs(cases) do
    local figure = counts[case.name]
    if figure then
      print(("%-64s %7.0f"):format(case.title, figure))
      plan.record(("scenario=%s step=%s instructions=%.0f\n"):format(scenario.name, case.name,
        figure))
    end
  end
  return counts
end

return steps
