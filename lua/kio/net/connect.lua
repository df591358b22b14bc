---Connecting and listening. The core does it for numeric addresses and Unix names, and tells when
---the host is a name: that is looked up here.
local _ENV = require "kio.core".globals
local check = require "kio.check"
local core = require "kio.core"
local eyeballs = require "kio.net.eyeballs"
local names = require "kio.net.names"
local optional = require "kio.optional"

local own = core.own

local by_address = {}

local ATTEMPT_DELAY = 0.25 -- seconds: RFC 8305, section 8

-- Its addresses are tried as RFC 8305 says: the first one that answers wins.
local function connect_to_name(name, options, delay)
  options = options or {}
  local due = options.timeout and core.now() + options.timeout
  local list, message, code = names.resolve(name, { timeout = options.timeout })
  if not list then return names.retell("connect", name, message, code) end
  return eyeballs.connect(name, list, options, delay or ATTEMPT_DELAY, due)
end

-- With TLS; `tls` is true, its options, or a context.
local function connect_by_tls(address, options, ...)
  local wanted = options.tls
  local tls, why = optional.find "tls"
  if not tls then check.refuse(2, "connect", "option 'tls' needs the rock kio-tls: " .. why) end
  local is_table = type(wanted) == "table"
  if not is_table and wanted ~= true and type(wanted) ~= "userdata" then
    check.refuse(2, "connect", "option 'tls' must be true, a table of options or a context")
  end
  options.tls = nil
  if type(wanted) == "userdata" then options.context = wanted end
  for key, value in next, is_table and wanted or {} do options[key] = value end
  return tls.connect(address, options, ...)
end

-- Takes the option that the core does not know out of the options.
local function take_delay(options)
  if type(options) ~= "table" or options.attempt_delay == nil then return nil end
  local delay = options.attempt_delay
  if type(delay) ~= "number" or delay < 0 or delay ~= delay then
    check.refuse(2, "connect", "option 'attempt_delay' must be a number of 0 or more")
  end
  options.attempt_delay = nil
  return delay
end

---A connection. A name is looked up, and of its addresses the first that answers wins.
---@async
---@param address kio.Address "host:port" or "unix:path"
---@param options? kio.ConnectOptions
---@return kio.Stream|nil stream
---@return string? message
---@return string? code
function by_address.connect(address, options, ...)
  check.no_more(2, "connect", ...)
  options = check.copy(options)
  local by_tls = type(options) == "table" and options.tls
  if by_tls then return connect_by_tls(address, options) end
  local delay = take_delay(options)
  local stream, message, code = check.told("connect", 0, own.net_connect, address, options)
  if stream == false then return connect_to_name(address, options, delay) end
  return stream, message, code
end

-- The first of its addresses that can be had.
local function listen_on_name(name, options)
  local list, message, code = names.resolve(name)
  if not list then return names.retell("listen", name, message, code) end
  local listener
  for _, each in ipairs(list) do
    listener, message, code = own.net_listen(each, options)
    if listener then return listener end
  end
  return nil, message, code
end

---A listener. Of a name the first of its addresses that can be had; waits for nothing else.
---@async
---@param address kio.Address "host:port", "unix:path"; port 0: a free one
---@param options? kio.ListenOptions
---@return kio.Listener|nil listener
---@return string? message
---@return string? code
function by_address.listen(address, options, ...)
  check.no_more(2, "listen", ...)
  options = check.copy(options)
  local listener, message, code = check.told("listen", 0, own.net_listen, address, options)
  if listener == false then return listen_on_name(address, options) end
  return listener, message, code
end

return by_address
