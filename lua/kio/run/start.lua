---kio.run and kio.runtime: their arguments, for the core, which does the rest.
local _ENV = require "kio.core".globals
local check = require "kio.check"
local options_of = require "kio.run.options"
local own = require "kio.core".own

---@class kio.Starts
local start = {}

---Runs `main` as the root task and returns its results when every task has ended and all output has
---left. Raises main's error, or that of a task nobody took the error of; one that is a string
---carries its traceback. Raises, too, when it cannot start: without a ring what kio.check tells,
---else the worker, the step and the errno. One run per thread at a time. Meanwhile SIGPIPE is held
---off, unless the program handles it.
---@param main async fun(...): ...
---@param options? kio.RunOptions
---@return any ... main's results
function start.run(main, options, ...)
  check.no_more(2, "run", ...)
  if type(main) ~= "function" then
    check.refuse(1, "run", "function expected, got " .. (main == nil and "no value" or type(main)))
  end
  return own.run(main, options_of.read(options, 2, "run"))
end

local RUN_ONLY = { "on_error", "on_watchdog", "interrupt", "testing" }

---Starts workers. Options: those of kio.run that concern workers, rings and the pool.
---@param options? kio.RunOptions
---@return kio.Runtime|nil runtime
---@return string? message names the worker that could not start, and the step
---@return string? code the errno of that; "ECANCELED": none, Lua failed
function start.runtime(options, ...)
  check.no_more(1, "runtime", ...)
  local record = options_of.read(options, 1, "runtime")
  for _, name in ipairs(RUN_ONLY) do
    if record[name] ~= nil then
      check.refuse(1, "runtime", string.format("option '%s' is one of kio.run only", name))
    end
  end
  return own.runtime(record)
end

return start
