---Handles for sockets from elsewhere: such as came over a Unix socket, and those that the service
---manager has opened.
local _ENV = require "kio.core".globals
local check = require "kio.check"
local own = require "kio.core".own

---@class kio.Adopt
local adopt = {}

---Makes a listener of a socket that listens, such as one that came by `recv_fds`. The listener owns
---the descriptor from now on; when it fails, the caller still does.
---@param fd kio.Fd
---@return kio.Listener|nil listener
---@return string? message
---@return string? code "EINVAL" when it is another kind of socket, "ENOTSOCK"
function adopt.listener(fd, ...)
  check.no_more(1, "listener", ...)
  check.fd(fd, 1, "listener")
  return own.net_adopt(fd, "listener")
end

---Makes a stream of a connected stream socket, whose descriptor it owns from then on.
---@param fd kio.Fd
---@return kio.Stream|nil stream
---@return string? message
---@return string? code
function adopt.stream(fd, ...)
  check.no_more(1, "stream", ...)
  check.fd(fd, 1, "stream")
  return own.net_adopt(fd, "stream")
end

---Makes a datagram socket, or a connected socket of packets, of a descriptor, which it owns from
---then on.
---@param fd kio.Fd
---@return kio.Udp|nil udp
---@return string? message
---@return string? code
function adopt.datagram(fd, ...)
  check.no_more(1, "datagram", ...)
  check.fd(fd, 1, "datagram")
  return own.net_adopt(fd, "udp")
end

return adopt
