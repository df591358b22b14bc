---What kio.net.connect and kio.net.listen do when the host is a name.
local _ENV = require "kio.core".globals
local check = require "kio.check"
local core = require "kio.core"
local eyeballs = require "kio.net.eyeballs"
local names = require "kio.net.names"

local own = core.own

local ATTEMPT_DELAY = 0.25 -- seconds: RFC 8305, section 8

-- Its addresses are tried as RFC 8305 says: the first one that answers wins.
local function connect_by_name(address, options)
  options = check.copy(options or {})
  local due = options.timeout and core.now() + options.timeout
  local list, message, code = names.resolve(address, { timeout = options.timeout })
  if not list then return names.retell("connect", address, message, code) end
  local delay = options.attempt_delay or ATTEMPT_DELAY
  options.attempt_delay = nil
  return eyeballs.connect(address, list, options, delay, due)
end

-- The first of its addresses that can be had.
local function listen_by_name(address, options)
  options = check.copy(options)
  local list, message, code = names.resolve(address)
  if not list then return names.retell("listen", address, message, code) end
  local listener
  for _, each in ipairs(list) do
    listener, message, code = own.net_listen(each, options)
    if listener then return listener end
  end
  return nil, message, code
end

return { connect = connect_by_name, listen = listen_by_name }
