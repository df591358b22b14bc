---Taking connections from a listener: which errors of accept(2) pass, and how to wait for that.
local core = require "kio.core"

local accept = {}

local FIRST_PAUSE, LONGEST_PAUSE = 0.005, 1

---Errors that pass when somebody lets go of something.
local exhausted = { EMFILE = true, ENFILE = true, ENOBUFS = true, ENOMEM = true }
---Errors of one connection that died before it was accepted (accept(2), "Error handling").
accept.of_connection = {
  ECONNABORTED = true, EPROTO = true, ENETDOWN = true, ENOPROTOOPT = true, EHOSTDOWN = true,
  ENONET = true, EHOSTUNREACH = true, EOPNOTSUPP = true, ENETUNREACH = true, EPERM = true,
  EINTR = true, EAGAIN = true,
}

---What a loop over one listener keeps from call to call.
function accept.state() return { pause = FIRST_PAUSE } end

-- As soon as a descriptor of this thread is free; else after pauses that get longer, for those of
-- others tell nobody.
local function wait_out(state)
  if core.descriptor_wait(state.pause) then return end
  state.pause = math.min(state.pause * 2, LONGEST_PAUSE)
end

---The next connection, however long that takes.
---@return kio.Stream? stream nil and nothing else when the listener is closed
---@return kio.Address|string? peer or the message of an error that does not pass
---@return string? code
function accept.next(listener, state)
  while true do
    local stream, peer, code = listener:accept()
    if stream then
      state.pause = FIRST_PAUSE
      return stream, peer
    elseif exhausted[code] then
      wait_out(state)
    elseif code == "EBADF" then
      return nil
    elseif not accept.of_connection[code] then
      return nil, peer, code
    end
  end
end

return accept
