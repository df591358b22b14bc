---Connecting and shaking hands in one call, within one deadline.
local _ENV = require "kio.core".globals
local by_address = require "kio.net.connect"
local check = require "kio.check"
local handshake = require "kio.tls.handshake"
local transfer = require "kio.bytes.transfer"

---@class kio.tls.ConnectOptions: kio.tls.ClientOptions, kio.ConnectOptions
---@field name? string (the host of the address)

-- "[::1]:443" and "example.org:443".
local function host_of(address)
  if string.find(address, "^unix:") then return nil end
  return string.match(address, "^%[(.*)%]:[^:]*$") or string.match(address, "^(.*):[^:]*$")
end

-- What concerns TLS, and what concerns the connection.
local function split(options)
  local ours, theirs = {}, {}
  for key, value in pairs(options) do
    if handshake.client_known[key] and key ~= "timeout" then ours[key] = value
    else theirs[key] = value end
  end
  return ours, theirs
end

---A connection that speaks TLS with the host of that name, whose certificate is verified.
---@async
---@param address kio.Address "host:port" or "unix:path"
---@param options? kio.tls.ConnectOptions
---@return kio.Stream|nil stream
---@return string? message
---@return string? code
return function(address, options, ...)
  check.no_more(2, "connect", ...)
  if options ~= nil then check.type(options, "table", 2, "connect", "a table of options") end
  check.type(address, "string", 1, "connect", "an address")
  local ours, theirs = split(check.copy(options) or {})
  ours = check.options(ours, 2, "connect", handshake.client_known)
  ours.name = ours.name or host_of(address)
  local due = transfer.deadline_of { timeout = check.seconds(theirs.timeout, 2, "connect") }
  local filter, message, code, used = handshake.client_filter(ours, 2, "connect", address)
  if not filter then return nil, message, code end
  local stream
  stream, message, code = by_address.connect(address, theirs)
  if not stream then return nil, message, code end
  stream, message, code = handshake.as_client(stream, used, filter, due)
  if stream then return stream end
  message = string.match(message, "^%a+ .-: (.*)$") or message
  return nil, string.format("connect %s: %s", address, message), code
end
