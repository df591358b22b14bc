-- Breaks one line of csrc at a time and tells whom of the specs that troubles.
--   lua5.4 spec/mutate/mutate.lua [--seed n] [--count n] [--jobs n] [--limit seconds]
--                                 [--only pattern] [--state folder] [--whole 0] [--part i/n]
-- Works in copies below the state folder (build/mutate), never in the checkout. Stopped, and begun
-- again with the same seed, it goes on where it was. --jobs runs so many copies side by side,
-- --whole 0 only the specs of the room.
-- Status 0: none has survived.
package.path = "./?.lua;" .. package.path
local changes = require "spec.mutate.changes"
local exec = require "spec.runner.exec"
local random_of = require "spec.fuzz.interface.random"
local source = require "spec.tidy.source"
local trial = require "spec.mutate.trial"

local DEFAULTS = {
  seed = 1, count = 10, jobs = 1, limit = 900, whole = 1, state = "build/mutate", only = "",
}
local NOT_OURS = "^csrc/test/" -- what only specs need

local function parse(args)
  local options = {}
  for name, value in pairs(DEFAULTS) do options[name] = value end
  for i = 1, #args, 2 do
    local name = args[i]:match("^%-%-(%l+)$")
    assert(name == "part" or DEFAULTS[name], "unknown argument: " .. args[i])
    local value = assert(args[i + 1], args[i] .. " needs a value")
    options[name] = math.type(DEFAULTS[name]) and assert(math.tointeger(value)) or value
  end
  return options
end

local function files(only)
  local list = {}
  for _, path in ipairs(source.files("^csrc/.*%.c$")) do
    if not path:match(NOT_OURS) and path:find(only) then list[#list + 1] = path end
  end
  return list
end

local function place_of(mutant) return ("%s:%d"):format(mutant.path, mutant.line) end

local function diff(mutant)
  return ("  %s\n  -%s\n  +%s"):format(place_of(mutant), mutant.before, mutant.after)
end

-- ---- what is known from earlier ----

local function key(mutant) return ("%s\t%s"):format(place_of(mutant), mutant.after) end

local function read_verdicts(path, whole)
  local verdicts = {}
  for line in exec.read_file(path):gmatch("[^\n]+") do
    local place, after, verdict = line:match("^(.-)\t(.-)\t(.*)$")
    local is_final = verdict ~= trial.unknown or whole == 0
    if place and is_final then verdicts[place .. "\t" .. after] = verdict end
  end
  return verdicts
end

local function append(path, line)
  local file <close> = assert(io.open(path, "a"))
  assert(file:write(line, "\n"))
end

-- ---- one copy ----

local function run_part(options, mutants)
  local part, parts = (options.part or "1/1"):match("^(%d+)/(%d+)$")
  local folder = ("%s/copy-%s"):format(options.state, part)
  local results = ("%s/verdicts-%d"):format(options.state, options.seed)
  trial.copy(folder)
  trial.prepare(folder, options.limit)
  local known = {} -- jobs that fail without any change
  for i, mutant in ipairs(mutants) do
    local mine = i % tonumber(parts) == tonumber(part) % tonumber(parts)
    if mine and not read_verdicts(results, options.whole)[key(mutant)] then
      local verdict = trial.of(folder, mutant, options, known)
      append(results, ("%s\t%s"):format(key(mutant), verdict))
      print(("%d %s\n%s"):format(i, verdict, diff(mutant)))
      io.stdout:flush()
    end
  end
  for label in pairs(known) do print("fails anyway: " .. label) end
end

local function run_parts(options, args)
  local pipes = {}
  local words = { "lua5.4 spec/mutate/mutate.lua" }
  for _, word in ipairs(args) do words[#words + 1] = exec.quote(word) end
  local command = table.concat(words, " ")
  for i = 1, options.jobs do
    pipes[i] = io.popen(("%s --part %d/%d"):format(command, i, options.jobs))
  end
  for _, pipe in ipairs(pipes) do
    for line in pipe:lines() do print(line) end
    pipe:close()
  end
end

-- ---- the list at the end ----

local SURVIVING = { SURVIVED = true, [trial.unknown] = true, ["killed by luck"] = true }

local function conclude(options, mutants)
  local verdicts = read_verdicts(("%s/verdicts-%d"):format(options.state, options.seed))
  local counts, survivors = {}, {}
  for _, mutant in ipairs(mutants) do
    local verdict = verdicts[key(mutant)] or "not tried"
    local kind = verdict:match("^killed by luck") or verdict:match("^killed elsewhere")
      or verdict:match("^killed") or verdict
    counts[kind] = (counts[kind] or 0) + 1
    if SURVIVING[kind] then survivors[#survivors + 1] = diff(mutant) end
  end
  print(("seed %d, %d mutants:"):format(options.seed, #mutants))
  for kind, count in pairs(counts) do print(("  %d %s"):format(count, kind)) end
  if #survivors > 0 then print("survivors:\n" .. table.concat(survivors, "\n")) end
  return #survivors == 0 and not counts["not tried"] and not counts[trial.unknown]
end

local function main(args)
  local options = parse(args)
  assert(os.execute("mkdir -p " .. options.state))
  local mutants = changes.choose(files(options.only), random_of(options.seed, 0), options.count)
  if options.part then
    run_part(options, mutants)
    return true
  end
  run_parts(options, args)
  return conclude(options, mutants)
end

os.exit(main(arg), true)
