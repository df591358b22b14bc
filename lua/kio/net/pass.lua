---Descriptors over Unix sockets: the methods that send copies of them.
local _ENV = require "kio.core".globals
local check = require "kio.check"
local own = require "kio.core".own

local TIMEOUT = { timeout = "number" }

---@class kio.Stream
local Stream = {}
---@class kio.Udp
local Udp = {}

---Sends bytes, and copies of descriptors with the first of them: unix(7), SCM_RIGHTS. Output that
---was written before leaves before. What was passed stays open here.
---@param data string at least one byte
---@param list (kio.Fd|table|userdata)[] numbers, or handles that have a method `fd`; at most 253
---@param options? kio.Options
---@return kio.Stream|nil self
---@return string? message
---@return string? code "EOPNOTSUPP" or "EINVAL" over anything but a Unix socket
---@async
function Stream:send_fds(data, list, options, ...)
  check.self(self, "kio.Stream", "send_fds")
  list = check.passed(data, list, "send_fds")
  if data == "" then
    check.refuse(1, "send_fds", "a stream passes descriptors with a byte at least")
  end
  options = check.options(options, 3, "send_fds", TIMEOUT, ...)
  local sent, message, code
  repeat
    local flushed
    flushed, message, code = self:flush(options)
    if not flushed then return nil, string.gsub(message, "^flush", "send_fds", 1), code end
    sent, message, code = own.fds_send(self, data, list, options)
  until sent ~= false
  if not sent then return nil, message, code end
  if sent < #data then return self:send(string.sub(data, sent + 1)) end
  return self
end

---Sends a message with copies of descriptors to the peer.
---@param data string
---@param list (kio.Fd|table|userdata)[] as for streams
---@param options? kio.Options
---@return kio.Udp|nil self
---@return string? message
---@return string? code
---@async
function Udp:send_fds(data, list, options, ...)
  check.self(self, "kio.Udp", "send_fds")
  list = check.passed(data, list, "send_fds")
  options = check.options(options, 3, "send_fds", TIMEOUT, ...)
  local sent, message, code = own.fds_send(self, data, list, options)
  if not sent then return nil, message, code end
  return self
end

return { Stream = Stream, Udp = Udp }
