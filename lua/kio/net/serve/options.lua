---The options of listener:serve.
local _ENV = require "kio.core".globals
local check = require "kio.check"

local options = {}

---@class kio.ServeOptions
---@field max_connections? integer at most so many at a time; others wait unaccepted (no limit)
---@field idle_timeout? number seconds after which a connection ends whose peer is waited for and
---lets nothing move (never)
---@field drain_timeout? number seconds that handlers have to finish once the server stops (10)
---@field drain_idle? number idle_timeout for that time (idle_timeout)
---@field accept_budget? integer connections taken before other tasks have a turn (64)
---@field stop_signals? string[] names for kio.signal; the first that comes stops the server, the
---next one cuts off who is left, but for a repetition within 0.75 s (none)
---@field spread? boolean connections go to the workers with the fewest, this one included (false)
---@field on_error? true|async fun(err: any, peer: kio.Address, traceback?: string) is told what a
---handler raised; true: stderr is (true)
---@field tls? kio.tls.Context connections speak TLS by this; handlers see those that have agreed
---@field handshake_timeout? number seconds for that (10)
---@field max_handshakes? integer at most so many are under way at a time (64)

---Each with its type.
options.known = {
  max_connections = "number", idle_timeout = "number", drain_timeout = "number",
  drain_idle = "number", accept_budget = "number", on_error = "any", stop_signals = "table",
  spread = "boolean", tls = "any", handshake_timeout = "number", max_handshakes = "number",
}

local function is_count(value)
  return value == nil or math.type(value) == "integer" and value >= 1
end

-- What is wrong with options whose types are right; nil: nothing.
local function wrong_options(given)
  for _, name in ipairs { "max_connections", "accept_budget", "max_handshakes" } do
    if not is_count(given[name]) then
      return string.format("option '%s' must be an integer of 1 or more", name)
    end
  end
  for _, name in ipairs { "idle_timeout", "drain_idle" } do
    if given[name] == 0 then return string.format("option '%s' cannot be 0", name) end
  end
  if given.stop_signals and #given.stop_signals == 0 then
    return "option 'stop_signals' must be a list of names"
  end
  if given.tls ~= nil and check.kind(given.tls) ~= "kio.tls.Context" then
    return "option 'tls' must be a kio.tls.Context, which kio.tls.context makes"
  end
  if not given.tls and (given.handshake_timeout or given.max_handshakes) then
    return "options for handshakes need 'tls'"
  end
  local on_error = given.on_error
  if on_error ~= nil and on_error ~= true and type(on_error) ~= "function" then
    return "option 'on_error' must be a function or true"
  end
end

---Reads them, the argument at `index` of the public function `name`. Returns a copy; nil for nil.
---@param given table|nil
---@return kio.ServeOptions|nil
function options.read(given, index, name, ...)
  given = check.options(given, index, name, options.known, ...)
  local wrong = given and wrong_options(given)
  if wrong then check.refuse(index, name, wrong) end
  return given
end

return options
