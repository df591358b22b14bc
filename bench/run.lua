-- Runs the benchmarks and prints tables; draws charts into build/bench. What the figures mean is
-- in bench/README.md.
--
--   lua5.4 bench/run.lua [scenario...|group...|all] [--rounds N] [--seconds S] [--servers a,b,...]
--                        [--core DIR] [--bytes N] [--charts DIR] [--check]
local root = arg[0]:match "^(.*)bench/run%.lua$" or error("run as: lua5.4 bench/run.lua", 0)
package.path = root .. "bench/?.lua;" .. package.path

local bounds = require "bounds"
local charts = require "charts"
local counts = require "counts"
local epoll = require "epoll"
local idle = require "idle"
local loader = require "loader"
local programs = require "programs"
local report = require "report"
local rounds = require "rounds"
local scenarios = require "scenarios"
local servers = require "servers"
local steps = require "steps"
local tls = require "tls"
local workers = require "workers"

local ROUNDS <const> = 11
local TABLE_ROUNDS <const> = 20
local SECONDS <const> = 0.25
local WARM_SECONDS <const> = 0.1
local BYTES <const> = 2 << 30 -- of a run of `bulk`

local function words_of(text)
  local words = {}
  for word in text:gmatch "[^,]+" do words[#words + 1] = word end
  return words
end

local function parse_options(list)
  local options = { names = {}, seconds = SECONDS, bytes = BYTES, core = root .. "build/release" }
  local i = 1
  local function value()
    i = i + 1
    return list[i] or error(list[i - 1] .. " needs a value", 0)
  end
  local take = {
    ["--rounds"] = function() options.rounds = math.tointeger(tonumber(value())) end,
    ["--seconds"] = function() options.seconds = tonumber(value()) end,
    ["--servers"] = function() options.servers = words_of(value()) end,
    ["--core"] = function() options.core = value() end,
    ["--bytes"] = function() options.bytes = math.tointeger(tonumber(value())) end,
    ["--charts"] = function() options.charts = value() end,
    ["--check"] = function() options.check = true end,
  }
  while list[i] do
    local word = list[i]
    if take[word] then take[word]()
    elseif word:match "^%-" then error("unknown option " .. word, 0)
    else table.insert(options.names, word) end
    if word == "table" then options.table = true end
    i = i + 1
  end
  if options.check then options.names, options.table = { "table" }, true end
  return options
end

-- Kinds that are not about the servers, and print their own tables.
local own_tables = { epoll = epoll.run, programs = programs.run, steps = steps.run,
  tls = tls.run, workers = workers.run }

-- Runs and takes out the scenarios of these kinds; gives their figures by name.
local function run_apart(plan)
  local rest, figures = {}, {}
  for _, scenario in ipairs(plan.scenarios) do
    local run = own_tables[scenario.kind]
    if run then figures[scenario.name] = run(plan, scenario) else rest[#rest + 1] = scenario end
  end
  plan.scenarios = rest
  return figures
end

-- What is not said on the command line, and all that a run needs to know.
local function make_plan(options)
  local all = servers.list(root, options.core)
  local names = #options.names > 0 and options.names or { "all" }
  local wanted = options.servers or options.table and bounds.servers
  return {
    root = root,
    out = root .. "build/bench",
    core = options.core,
    charts = options.charts or root .. "build/bench",
    rounds = options.rounds or options.table and TABLE_ROUNDS or ROUNDS,
    seconds = options.seconds,
    warm_seconds = WARM_SECONDS,
    bytes = options.bytes,
    scenarios = scenarios.select(names),
    servers = wanted and servers.select(all, wanted) or servers.usual(all),
    note = function(line) io.stderr:write("bench: ", line, "\n") end,
  }
end

-- Leaves out what does not work here, and says why.
local function probe(plan)
  local working, apart = {}, true
  for _, server in ipairs(plan.servers) do
    local result, message = loader.probe(plan.root, server)
    if result then
      working[#working + 1] = server
      apart = apart and result.pinned == 1
    else
      local hint = server.needs and ("; it needs %s"):format(server.needs) or ""
      print(("skipped: %s: %s%s"):format(server.label, message, hint))
    end
  end
  if not apart then print "void: server and load share a CPU; read the counts only" end
  plan.servers = working
end

local function write_file(path, text)
  local file = assert(io.open(path, "w"))
  file:write(text)
  file:close()
  print("wrote " .. path)
end

local function by_kind(list, kind)
  local chosen = {}
  for _, scenario in ipairs(list) do
    if scenario.kind == kind then chosen[#chosen + 1] = scenario end
  end
  return chosen
end

-- Adds the figures of all scenarios about the servers.
local function measure(plan, figures)
  local timed = rounds.run(plan, by_kind(plan.scenarios, "load"))
  for name, of_scenario in pairs(timed) do figures[name] = of_scenario end
  for _, scenario in ipairs(by_kind(plan.scenarios, "counts")) do
    local run = scenario.counter == "idle" and idle.run or counts.run
    figures[scenario.name], scenario.tool = run(plan, scenario)
  end
end

local function show(plan, figures)
  for _, scenario in ipairs(by_kind(plan.scenarios, "load")) do
    io.write(report.details(scenario, plan.servers, figures[scenario.name]))
    if scenario.message then
      io.write(report.speeds(scenario, plan.servers, figures[scenario.name]))
    end
  end
  io.write(report.overview(plan.scenarios, plan.servers, figures), "\n")
  for _, scenario in ipairs(by_kind(plan.scenarios, "counts")) do
    print(("%s: %s, by %s"):format(scenario.name, scenario.title, scenario.tool))
  end
  charts.draw(plan.scenarios, plan.servers, figures, function(name, document)
    write_file(("%s/%s.svg"):format(plan.charts, name), document)
  end)
end

local function main()
  io.stdout:setvbuf "line"
  local options = parse_options(arg)
  local plan = make_plan(options)
  local log = io.open(plan.out .. "/runs.txt", "w")
  if not log then error("nothing is built in " .. plan.out .. ": run make bench-build", 0) end
  plan.record = function(line) log:write(line) end
  local figures = run_apart(plan)
  if #plan.scenarios > 0 then
    probe(plan)
    measure(plan, figures)
    show(plan, figures)
  end
  log:close()
  local missed = options.table and bounds.print(figures) or 0
  return not options.check or missed == 0
end

local ok, result = pcall(main)
if not ok then io.stderr:write("bench: ", tostring(result), "\n") end
os.exit(ok and result)
