---Descriptors from elsewhere: passed over Unix sockets, and handed over by the service manager.
local _ENV = require "kio.core".globals
local check = require "kio.fs.check"
local core = require "kio.core"

---@class kio.Handover
local handover = {}

local TIMEOUT = { timeout = "number" }

---@class kio.Stream
local Stream = core.stream_methods
---@class kio.Udp
local Udp = core.udp_methods

---Makes a listener of a socket that listens, such as one that came by `recv_fds`. The listener owns
---the descriptor from now on; when it fails, the caller still does.
---@param fd kio.Fd
---@return kio.Listener|nil listener
---@return string? message
---@return string? code "EINVAL" when it is another kind of socket, "ENOTSOCK"
function handover.listener(fd, ...)
  check.no_more(1, "listener", ...)
  check.fd(fd, 1, "listener")
  return core.net_adopt(fd, "listener")
end

---Makes a stream of a connected stream socket; likewise.
---@param fd kio.Fd
---@return kio.Stream|nil stream
---@return string? message
---@return string? code
function handover.stream(fd, ...)
  check.no_more(1, "stream", ...)
  check.fd(fd, 1, "stream")
  return core.net_adopt(fd, "stream")
end

---Makes a datagram socket, or a connected socket of packets, of a descriptor; likewise.
---@param fd kio.Fd
---@return kio.Udp|nil udp
---@return string? message
---@return string? code
function handover.datagram(fd, ...)
  check.no_more(1, "datagram", ...)
  check.fd(fd, 1, "datagram")
  return core.net_adopt(fd, "udp")
end

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
    sent, message, code = core.fds_send(self, data, list, options)
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
  local sent, message, code = core.fds_send(self, data, list, options)
  if not sent then return nil, message, code end
  return self
end

---The sockets that the service manager has opened for this process, as sd_listen_fds(3) describes:
---listeners, streams, datagram sockets; what is none of these is its number. The first call takes
---them; the environment does not tell of them any more then.
---@return (kio.Listener|kio.Stream|kio.Udp|kio.Fd)[] handles empty when there are none
---@return string[] names of each, from LISTEN_FDNAMES; "unknown" without
function handover.systemd_listeners(...)
  check.no_more(0, "systemd_listeners", ...)
  local count, text = core.net_activation()
  local handles, names = {}, {}
  for name in string.gmatch((text or "") .. ":", "([^:]*):") do names[#names + 1] = name end
  for i = 1, count do
    local fd = i + 2
    handles[i] = core.net_adopt(fd) or fd
    if (names[i] or "") == "" then names[i] = "unknown" end
  end
  return handles, table.move(names, 1, count, 1, {})
end

---Tells the service manager how the service does: sd_notify(3). `state` has lines such as
---"READY=1", "STOPPING=1", "STATUS=...", "WATCHDOG=1".
---@param state string
---@param list? (kio.Fd|table|userdata)[] descriptors to be kept for a restart, with "FDSTORE=1"
---@return boolean|nil done false when no service manager listens: NOTIFY_SOCKET is not set
---@return string? message
---@return string? code
---@async
function handover.notify(state, list, ...)
  check.no_more(2, "notify", ...)
  if type(state) ~= "string" then
    check.refuse(1, "notify", "a string expected, got " .. type(state))
  end
  local path = os.getenv("NOTIFY_SOCKET")
  if not path or path == "" then return false end
  local socket <close>, message, code = core.net_udp(nil, { peer = "unix:" .. path })
  if not socket then return nil, message, code end
  local sent
  if list then sent, message, code = socket:send_fds(state, list)
  else sent, message, code = socket:send(state) end
  if not sent then return nil, message, code end
  return true
end

return handover
