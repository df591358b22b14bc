---The options of kio.run and kio.runtime: read raw and once, checked, and made into the record that
---the core takes. What is not named there is the core's default.
local _ENV = require "kio.core".globals
local check = require "kio.check"
local own = require "kio.core".own

local ENTRIES_MAX, LENT_MAX, THREADS_MAX = own.run_limits()
local CPUS_MAX = 1024

local options = {}

-- ---- checks of one value: what is wrong with it; nil: nothing ----

local function integer(min, max)
  return function(value)
    local n = type(value) == "number" and math.tointeger(value)
    if not n then return "must be an integer" end
    if n < min or n > max then return string.format("must be from %d to %d", min, max) end
  end
end

local function number(min, max)
  return function(value)
    if type(value) ~= "number" then return "must be a number" end
    if not (value >= min and value <= max) then return "is out of range" end
  end
end

local function boolean(value)
  if type(value) ~= "boolean" then return "must be true or false" end
end

local function text(value)
  if type(value) ~= "string" then return "must be a string" end
end

local function takes_error(value)
  local kind = type(value)
  if kind ~= "boolean" and kind ~= "function" then return "must be a function or a boolean" end
end

local function takes_report(value)
  if type(value) ~= "function" then return "must be a function" end
end

local function end_or_not(value)
  if value ~= "stop" and value ~= "keep" then return 'must be "stop" or "keep"' end
end

local seconds = number(0.001, 3600)

local function idle(value)
  if type(value) ~= "boolean" then return seconds(value) end
end

local function cpus(list)
  if type(list) == "boolean" then return nil end
  local wrong = "must be true or a list of CPU numbers"
  if type(list) ~= "table" then return wrong end
  if rawlen(list) == 0 or rawlen(list) > CPUS_MAX then return "lists no CPU" end
  for i = 1, rawlen(list) do
    local cpu = math.type(rawget(list, i)) and math.tointeger(rawget(list, i))
    if not cpu or cpu < 0 or cpu >= CPUS_MAX then return wrong end
  end
end

local function rig(value)
  if type(value) ~= "table" then return "must be a table" end
end

local known = {
  entries = integer(1, ENTRIES_MAX), cq_entries = integer(1, ENTRIES_MAX),
  lend_buffers = integer(0, LENT_MAX), multishot = boolean,
  sqpoll = idle, busy_poll = number(0, 3600), backend = text,
  threads = integer(1, THREADS_MAX), pin = cpus, on_worker_error = end_or_not,
  blocking_threads = integer(1, THREADS_MAX), blocking_queue = integer(0, 0x7fffffff),
  shutdown_timeout = number(0, 1e9), watchdog = number(0, 1e9), on_watchdog = takes_report,
  on_error = takes_error, interrupt = boolean, testing = rig,
}

-- ---- what kio.testing asks for ----

local RIG = { clock = true, settle = true, timeout = true, seed = true }

local function misuse(text_of_it, ...)
  check.misuse(string.format("testing: option " .. text_of_it, ...))
end

local function rig_seconds(asked, name)
  local value = asked[name]
  if value ~= nil and (type(value) ~= "number" or (value < 0 or value ~= value)) then
    misuse("'%s' must be a number of 0 or more", name)
  end
  return value
end

-- The simulated ring of test builds has a clock of its own that jumps.
local function read_rig(record, asked, refuse)
  for key in next, asked do
    if not RIG[key] then refuse(string.format("unknown option '%s'", own.text_of(key))) end
  end
  local clock = asked.clock
  if clock == nil then clock = "virtual" end
  if clock ~= "virtual" and clock ~= "real" then
    misuse [['clock' must be "virtual" or "real"]]
  end
  if asked.seed ~= nil and math.type(asked.seed) ~= "integer" then
    misuse "'seed' must be an integer"
  end
  record.rig, record.jump = true, clock == "virtual" and record.backend ~= "sim"
  record.settle, record.limit = rig_seconds(asked, "settle"), rig_seconds(asked, "timeout")
  record.seed = asked.seed
end

-- ---- all of them ----

-- A Lua without `os` has no environment.
local getenv = rawget(_ENV, "os") and os.getenv or function() end

-- nil for a variable that is empty.
local function environment(name)
  local value = getenv(name)
  return value ~= "" and value or nil
end

-- Every receive and send of every run moves so many bytes at most.
local function read_chunk(record)
  local value = environment "KIO_CHUNK"
  local chunk = value and string.find(value, "^%s*%+?%d+$") and math.tointeger(tonumber(value))
  if value and (not chunk or chunk < 1) then
    check.misuse(string.format("KIO_CHUNK must be an integer of 1 or more, not '%s'", value))
  end
  record.chunk, record.rig = chunk, record.rig or chunk ~= nil
end

-- What a run is to have that does not say.
local function usual() return environment "KIO_BACKEND" or "auto" end

-- Which ring it is to be. Only io_uring has a kernel thread that submits.
local function read_backend(record, refuse)
  local name = record.backend
  if name == nil then
    name = usual()
    refuse = function(wrong) check.misuse("KIO_BACKEND: " .. wrong) end
  end
  record.backend = own.ring_named(name)
  if not record.backend then
    refuse(string.format("there is no backend '%s' in this build, but auto, uring and epoll",
      own.text_of(name)))
  end
  if record.backend == "epoll" and record.sqpoll then
    check.misuse "option 'sqpoll' needs io_uring, and this run is to have epoll"
  end
end

---The name of the ring that a run gets which does not say; nil: KIO_BACKEND names none.
function options.usual_ring() return own.ring_named(usual()) end

local function check_each(record, refuse)
  for name, value in next, record do
    local wrong_with = known[name]
    if not wrong_with then refuse(string.format("unknown option '%s'", own.text_of(name))) end
    local wrong = wrong_with(value)
    if wrong then refuse(string.format("option '%s' %s", name, wrong)) end
  end
  if record.on_watchdog and (record.watchdog or 0) == 0 then
    refuse "option 'on_watchdog' without 'watchdog'"
  end
end

---The record for options that were given as the argument of that number to kio.run or kio.runtime.
function options.read(given, index, name)
  local function refuse(wrong) check.refuse(index, name, wrong) end
  if given ~= nil and type(given) ~= "table" then
    refuse("table expected, got " .. type(given))
  end
  local record = check.copy(given or {})
  record.testing, record.pin = check.copy(record.testing), check.copy_list(record.pin)
  check_each(record, refuse)
  read_backend(record, refuse)
  if record.testing then read_rig(record, record.testing, refuse) end
  read_chunk(record)
  if (record.threads or 1) > 1 and (record.rig or (record.seed or 0) ~= 0) then
    refuse "option 'threads' must be 1 under kio.testing and KIO_CHUNK: they know one thread"
  end
  if record.sqpoll == true then record.sqpoll = 1 end
  record.keep = record.on_worker_error == "keep"
  -- On the rig accepts are single unless asked for: faults are told by their number.
  if record.multishot == nil then record.multishot = not record.rig end
  return record
end

return options
