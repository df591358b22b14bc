---TCP and Unix streams: listening, connecting, accepting.
local core = require "kio.core"

local net = {}

net.listen = core.net_listen
net.connect = core.net_connect

local Listener = core.listener_methods

local FIRST_PAUSE, LONGEST_PAUSE = 0.005, 1

---Errors of accept(2) that pass by themselves when others let go of something.
local exhausted = { EMFILE = true, ENFILE = true, ENOBUFS = true, ENOMEM = true }
---Errors of one connection that died before it was accepted (accept(2), "Error handling").
local of_connection = {
  ECONNABORTED = true, EPROTO = true, ENETDOWN = true, ENOPROTOOPT = true, EHOSTDOWN = true,
  ENONET = true, EHOSTUNREACH = true, EOPNOTSUPP = true, ENETUNREACH = true, EPERM = true,
  EINTR = true, EAGAIN = true,
}

---Iterates over connections until the listener is closed. Waits out a lack of descriptors or
---memory, passes over connections that died in the queue, and raises any other error.
---@return async fun(): kio.Stream?, kio.Address?
function Listener:accepts()
  local pause = FIRST_PAUSE
  return function()
    while true do
      local stream, peer, code = self:accept()
      if stream then
        pause = FIRST_PAUSE
        return stream, peer
      elseif exhausted[code] then
        core.sleep(pause)
        pause = math.min(pause * 2, LONGEST_PAUSE)
      elseif code == "EBADF" then
        return nil
      elseif not of_connection[code] then
        error(peer, 2)
      end
    end
  end
end

return net
