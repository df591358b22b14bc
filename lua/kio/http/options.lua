---The options of HTTP servers: what they may be, and what holds where nothing is said.
local _ENV = require "kio.core".globals
local check = require "kio.check"
local core = require "kio.http.core"

local options = {}

---@class kio.http.HandlerOptions
---@field max_head? integer bytes of a request's head; more is answered with 431 (16384)
---@field max_fields? integer header fields of it; more: 431 (100)
---@field max_target? integer bytes of its target; more: 414 (8192)
---@field max_body? integer bytes of its body, unless who reads it says otherwise; more: 413 (1 MiB)
---@field header_timeout? number seconds for a head, from its first byte to its last (30)
---@field body_timeout? number seconds in which a body that is read must go on (30)
---@field keepalive_timeout? number seconds that a connection may wait for its next request (75)
---@field max_requests? integer of one connection (no limit)
---@field cancel_on_disconnect? boolean a handler is cancelled when its client resets the connection
---(false)
---@field server? string the field Server of every response (none)
---@field log? async fun(record: kio.http.Record) is told of each request when it was answered

local LIMITS = { max_head = 16384, max_fields = 100, max_target = 8192 }
local COUNTS = { max_head = 1, max_fields = 1, max_target = 1, max_body = 0, max_requests = 1 }

local KNOWN = {
  max_head = "number", max_fields = "number", max_target = "number", max_body = "number",
  header_timeout = "number", body_timeout = "number", keepalive_timeout = "number",
  max_requests = "number", cancel_on_disconnect = "boolean", server = "string", log = "function",
}

---Whether an option is one of handlers.
options.known = KNOWN

local function wrong_count(value, least)
  return value ~= nil and value ~= math.huge
    and (math.type(value) ~= "integer" or value < least)
end

---Reads them, the argument at `index` of the public function `name`; what is not said is there
---then, too.
---@param given table|nil
---@return kio.http.HandlerOptions
function options.read(given, index, name, ...)
  local own = check.options(given, index, name, KNOWN, ...) or {}
  for key, least in pairs(COUNTS) do
    if wrong_count(own[key], least) then
      local text = "option '%s' must be an integer of %d or more"
      check.refuse(index, name, string.format(text, key, least))
    end
  end
  if own.server and string.find(own.server, "[%c]") then
    check.refuse(index, name, "option 'server' cannot contain control characters")
  end
  for key, value in pairs(LIMITS) do own[key] = own[key] or value end
  check.told(name, 1 - index, core.limits, options.limits(own))
  own.max_body = own.max_body or 1 << 20
  own.header_timeout = own.header_timeout or 30
  own.body_timeout = own.body_timeout or 30
  own.keepalive_timeout = own.keepalive_timeout or 75
  return own
end

---What core.limits takes of them.
function options.limits(own)
  local limits = {}
  for key in pairs(LIMITS) do limits[key] = own[key] end
  return limits
end

return options
