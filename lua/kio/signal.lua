---Signals that come to tasks. While somebody waits for one, or loops over it, it is blocked in this
---thread and kept for them; see docs/signal.md.
local _ENV = require "kio.core".globals
local check = require "kio.check"
local core = require "kio.core"

local own = core.own

local signal = {}

signal.wait = own.signal_wait
signal.each = own.signal_each

local function run(handler, next_signal, watch)
  for name in next_signal, watch, nil, watch do handler(name) end
end

---Runs a handler for each of these signals that comes, one after the other, in a daemon task of the
---current scope. They are watched from now on, until the task ends or is cancelled.
---@param ... string|fun(name: string) names as for `wait`, then the handler
---@return kio.Task
function signal.on(...)
  local arguments = table.pack(...)
  local handler = arguments[arguments.n]
  if type(handler) ~= "function" then
    check.refuse(math.max(arguments.n, 1), "on", "function expected, got " .. type(handler))
  end
  local next_signal, watch = check.told("on", 0, own.signal_each,
    table.unpack(arguments, 1, arguments.n - 1))
  local name = "signal " .. table.concat(arguments, " ", 1, arguments.n - 1)
  return core.spawn { run, handler, next_signal, watch, name = name, daemon = true }
end

return signal
