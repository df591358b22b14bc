---What the service manager and this program tell each other: sd_listen_fds(3), sd_notify(3).
local _ENV = require "kio.core".globals
local check = require "kio.check"
local own = require "kio.core".own

---@class kio.Systemd
local systemd = {}

---The sockets that the service manager has opened for this process, as sd_listen_fds(3) describes:
---listeners, streams, datagram sockets; what is none of these is its number. The first call takes
---them; the environment does not tell of them any more then.
---@return (kio.Listener|kio.Stream|kio.Udp|kio.Fd)[]|nil handles empty when there are none
---@return string[]|string names of each, from LISTEN_FDNAMES; "unknown" without. Or the message
---@return string? code "EBADF": one of them is not open
function systemd.systemd_listeners(...)
  check.no_more(0, "systemd_listeners", ...)
  local count, text = own.net_activation()
  local handles, names = {}, {}
  for name in string.gmatch((text or "") .. ":", "([^:]*):") do names[#names + 1] = name end
  for i = 1, count do
    local fd = i + 2
    local handle, message, code = own.net_adopt(fd)
    if code == "EBADF" then
      return nil, (string.gsub(message, "^adopt", "systemd_listeners")), code
    end
    handles[i] = handle or fd
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
function systemd.notify(state, list, ...)
  check.no_more(2, "notify", ...)
  check.type(state, "string", 1, "notify")
  local path = os.getenv("NOTIFY_SOCKET")
  if not path or path == "" then return false end
  local socket <close>, message, code = own.net_udp(nil, { peer = "unix:" .. path })
  if not socket then return nil, message, code end
  local sent
  if list then sent, message, code = socket:send_fds(state, list)
  else sent, message, code = socket:send(state) end
  if not sent then return nil, message, code end
  return true
end

return systemd
