---Datagram sockets whose addresses are names: they are looked up, and the first of their addresses
---that can be had is taken. Where no name is, this is the core's call.
local _ENV = require "kio.core".globals
local check = require "kio.check"
local own = require "kio.core".own
local names = require "kio.net.names"

---@class kio.Udp
local Udp = {}

local connect = own.udp_methods.connect -- of this name until there is the one below

local TIMEOUT = { timeout = "number" }

local function is_name(address)
  return type(address) == "string" and own.net_parse(address) == "name"
end

-- What open(address) gives for the first address of the name for which it gives something.
local function first_of(what, name, timeout, open)
  local list, message, code = names.resolve(name, { type = "datagram", timeout = timeout })
  if not list then return names.retell(what, name, message, code) end
  local opened
  for _, address in ipairs(list) do
    opened, message, code = open(address)
    if opened then return opened end
  end
  return nil, message, code
end

---The peer is where `send` goes, and the only one whose messages come; nil: anybody's again. Waits
---for nothing, unless the host is a name.
---@async
---@param address kio.Address|nil
---@param options? kio.Options for a name
---@return kio.Udp|nil self
---@return string? message
---@return string? code
function Udp:connect(address, options, ...)
  check.self(self, "kio.Udp", "connect")
  if address ~= nil then check.type(address, "string", 1, "connect") end
  options = check.options(options, 2, "connect", TIMEOUT, ...)
  if not is_name(address) then return connect(self, address) end
  return first_of("connect", address, options and options.timeout, function(each)
    return connect(self, each)
  end)
end

---A datagram socket: bound to an address, or to a free port as soon as it sends. Waits for nothing,
---unless its address or its peer is a name.
---@async
---@param address? kio.Address "host:port", "unix:path"; "unix:@": a free abstract name
---@param options? kio.UdpOptions
---@return kio.Udp|nil udp
---@return string? message
---@return string? code
local function udp(address, options, ...)
  check.no_more(2, "udp", ...)
  options = check.copy(options)
  local peer = type(options) == "table" and options.peer
  if is_name(address) then
    return first_of("udp", address, nil, function(each) return udp(each, options) end)
  elseif is_name(peer) then
    return first_of("udp", peer, nil, function(each)
      options.peer = each
      return own.net_udp(address, options)
    end)
  end
  local socket, message, code = check.told("udp", 0, own.net_udp, address, options)
  return socket, message, code
end

return { open = udp, methods = Udp }
