---Tests of programs that use kio: a clock that jumps, an order that a seed decides, faults, and a
---look at what was left behind. Works in every build. See docs/testing.md.
local _ENV = require "kio.core".globals
local check = require "kio.check"
local core = require "kio.core"
local start = require "kio.run.start"

local own = core.own

local testing = {}

local TIMEOUT, GRACE = 60, 1 -- on the clock of the run
local WATCHDOG, SHUTDOWN = 10, 5

---@class kio.testing.Options
---@field timeout? number seconds on the run's clock after which it fails (60)
---@field seed? integer decides the order of ready tasks; 0: first come; default $KIO_SEED or chance
---@field clock? "virtual"|"real" a virtual one jumps where the loop would sleep ("virtual")
---@field settle? number real seconds that what is on its way gets before the clock jumps (0.01)
---@field grace? number seconds on the run's clock that tasks get to end when f has returned (1)
---@field watchdog? number|false real seconds a task may hold the loop before it is failed (10)
---@field faults? kio.testing.Fault[] from the start: see kio.testing.faults
---@field leaks? boolean whether what is left behind is a failure (true)
---@field backend? string and all other options of kio.run

---A fault that one request meets, or all of a kind. Needs one of `error` and `short`.
---@class kio.testing.Fault
---@field op? string the kind, as kio.stats().ops names it; none: any
---@field nth? integer the n-th of that kind, counted from now; none: every one
---@field error? string the errno's name it fails with
---@field short? integer how many bytes it moves at most; datagrams are never cut

---@class kio.testing.Faults: userdata
---@field hits fun(self, i?: integer): integer how many requests have met the i-th, or any
---@field clear fun(self) no request meets them any more

---The run that is under way in this Lua state.
local current

-- ---- options ----

local own_options = {
  timeout = true, seed = true, clock = true, settle = true, grace = true, watchdog = true,
  faults = true, leaks = true,
}

local function number_option(options, name, otherwise)
  local value = options[name]
  if value == nil then return otherwise end
  if type(value) ~= "number" or value ~= value or value < 0 then
    check.misuse(string.format("option '%s' must be a number of 0 or more", name))
  end
  return value
end

local function chance()
  local file <close> = io.open("/dev/urandom", "rb")
  if not file then return os.time() end
  file:setvbuf("no")
  return string.unpack("<I4", file:read(4)) | 1
end

local function seed_option(options)
  local text = os.getenv("KIO_SEED")
  local seed = options.seed
  if seed == nil and (not text or text == "") then return chance() end
  local number = math.tointeger(tonumber(seed or text))
  if not number then
    check.misuse("the seed must be an integer, not " .. own.text_of(seed or text))
  end
  return number
end

local function faults_option(options)
  local list = options.faults
  if list ~= nil and (type(list) ~= "table" or rawlen(list) == 0) then
    check.misuse("option 'faults' must be a list of at least one fault")
  end
  return list
end

local function read(options)
  local run = {}
  for name, value in pairs(options) do
    if not own_options[name] then run[name] = value end
  end
  if run.shutdown_timeout == nil then run.shutdown_timeout = SHUTDOWN end
  local seed = seed_option(options)
  run.testing = {
    seed = seed,
    clock = options.clock,
    settle = options.settle,
    timeout = number_option(options, "timeout", TIMEOUT),
  }
  return run, {
    seed = seed,
    grace = number_option(options, "grace", GRACE),
    watchdog = options.watchdog ~= false and number_option(options, "watchdog", WATCHDOG) or 0,
    leaks = options.leaks ~= false,
    faults = faults_option(options),
    anchors = {},
  }
end

-- ---- what is left behind ----

---The live tasks that will not end with the rest: neither daemons nor in a daemon's scope.
local function left_behind()
  local entries, left = {}, {}
  for _, entry in ipairs(core.tasks()) do entries[entry.task] = entry end
  for task, entry in pairs(entries) do
    local at = entry
    while at and not at.daemon do at = at.parent and entries[at.parent] end
    if not at and entry.parent then left[#left + 1] = task end
  end
  return left
end

---Lets what is about to end by itself do so. Whether nothing is left within `grace` seconds.
local function settled(grace, is_over)
  local pause, due = 0.001, core.now() + grace
  while not is_over() do
    if core.now() >= due then return false end
    core.sleep(math.min(pause, math.max(due - core.now(), 0)))
    pause = pause * 2
  end
  return true
end

local function no_tasks()
  return core.stats().tasks == 1 or #left_behind() == 0
end

local function nothing_pending()
  return core.stats().pending == 0
end

local function plural(n, what)
  return string.format("%d %s%s", n, what, n == 1 and " was" or "s were")
end

local function leaked_tasks()
  return string.format("%s left behind when the test had returned\n%s",
    plural(#left_behind(), "task"), own.report())
end

local function leaked_requests()
  local list = {}
  for i, request in ipairs(own.requests()) do
    list[i] = request.op .. (request.fd and " on fd " .. request.fd or "")
  end
  return plural(#list, "operation") .. " left under way: " .. table.concat(list, ", ")
end

local function leaked_buffers()
  local format = "%s left lent: a stream with unread or unsent bytes was not closed"
  return string.format(format, plural(core.stats().buffers, "buffer"))
end

local function leaked_descriptors(before)
  local list = {}
  for fd, what in pairs(own.descriptors()) do
    if before[fd] ~= what then list[#list + 1] = string.format("fd %d (%s)", fd, what) end
  end
  table.sort(list)
  if #list == 0 then return nil end
  return plural(#list, "descriptor") .. " left open: " .. table.concat(list, ", ")
end

-- ---- running ----

---Runs the test in a scope of its own; what it spawns belongs there.
local function supervised(run, f)
  local results
  core.scope(function(scope)
    if run.faults then testing.faults(run.faults) end
    results = table.pack(f())
    if run.leaks and not settled(run.grace, no_tasks) then
      run.leak = leaked_tasks()
      scope:cancel()
    end
  end)
  if run.leaks and not run.leak then
    if not settled(run.grace, nothing_pending) then run.leak = leaked_requests()
    elseif core.stats().buffers > 0 then run.leak = leaked_buffers()
    end
  end
  return table.unpack(results, 1, results.n)
end

---Fails a task that holds the loop, or else remembers that it has.
local function on_watchdog(run)
  return function(hog)
    local text = string.format("kio.testing: %s held the loop for %.3f s", hog.name, hog.seconds)
    run.hog = text .. "\n" .. hog.traceback
    if hog.running then error(text, 0) end
  end
end

---Strings carry the seed; other errors stay what they are, and it is printed, with the traceback.
local function fail(run, err)
  if run.seed == 0 then error(err, 0) end
  local note = string.format("kio.testing: the seed was %d; KIO_SEED=%d repeats it", run.seed,
    run.seed)
  if type(err) == "string" then error(err .. "\n" .. note, 0) end
  local _ = io.stderr and io.stderr:write(note, "\n", core.traceback(err) or "", "\n")
  error(err, 0)
end

local function finish(run, before, ok, ...)
  if run.leak then fail(run, "kio.testing: " .. run.leak) end
  if not ok then fail(run, (...)) end
  if run.hog then fail(run, run.hog) end
  local leak = run.leaks and leaked_descriptors(before)
  if leak then fail(run, "kio.testing: " .. leak) end
  return ...
end

---Runs f as the main task of a loop of its own and returns its results. Raises what f, or a task
---that nobody took the error of, has raised; and when time is up, when every task waits and nothing
---can wake one, or when f leaves a task, an operation, a buffer or a descriptor behind. An error
---that is a string ends with the seed; with others the seed is printed to stderr.
---@param f async fun(): ...
---@param options? kio.testing.Options
---@return any ... f's results
function testing.run(f, options, ...)
  check.no_more(2, "run", ...)
  if type(f) ~= "function" then check.misuse "kio.testing.run needs a function" end
  if options ~= nil then check.type(options, "table", 2, "run", "a table of options") end
  local run_options, run = read(check.copy(options or {}))
  if run.watchdog > 0 then
    run_options.watchdog, run_options.on_watchdog = run.watchdog, on_watchdog(run)
  end
  local before, outer = run.leaks and own.descriptors(), current
  current = run
  local function main() return supervised(run, f) end
  local results = table.pack(pcall(start.run, main, run_options))
  current = outer
  return finish(run, before, table.unpack(results, 1, results.n))
end

---Injects faults into the requests of this run, counted from now; of several that match one request
---the first takes it. To be called in the function given to kio.testing.run.
---@param list kio.testing.Fault[]
---@return kio.testing.Faults
function testing.faults(list, ...)
  check.no_more(1, "faults", ...)
  local faults = check.told("faults", 0, own.rig_faults, list)
  table.insert(current.anchors, faults)
  return faults
end

---The seed of the run that is under way.
---@return integer
function testing.seed(...)
  check.no_more(0, "seed", ...)
  if not current then check.misuse "kio.testing.seed outside kio.testing.run" end
  return current.seed
end

return testing
