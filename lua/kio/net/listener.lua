---Taking connections from a listener, in loops: which errors of accept(2) pass, and how to wait for
---that; and the methods of listeners that are written in Lua.
local _ENV = require "kio.core".globals
local check = require "kio.check"
local own = require "kio.core".own

---@class kio.Listener
local Listener = {}

local listener = { methods = Listener }

local FIRST_BACKOFF, LONGEST_BACKOFF = 0.005, 1

---Errors that pass when somebody frees something: then accepting goes on after a backoff.
local exhausted = { EMFILE = true, ENFILE = true, ENOBUFS = true, ENOMEM = true }
---Errors of one connection that died before it was accepted (accept(2), "Error handling").
listener.of_connection = {
  ECONNABORTED = true, EPROTO = true, ENETDOWN = true, ENOPROTOOPT = true, EHOSTDOWN = true,
  ENONET = true, EHOSTUNREACH = true, EOPNOTSUPP = true, ENETUNREACH = true, EPERM = true,
  EINTR = true, EAGAIN = true,
}

---What loops over one listener share, and keep from call to call: the next backoff, whether one of
---them tries whether there are descriptors again, and the others, who wait for that.
---@param make_room? fun() lets go of descriptors that can be missed
function listener.state(make_room)
  return {
    backoff = FIRST_BACKOFF, trying = false, waiting = own.queue "event", make_room = make_room,
  }
end

local Trying = { __close = function(trying) trying.state.trying = false end }

-- As soon as a descriptor of this thread is free; else after backoffs that get longer, for those of
-- others tell nobody.
local function wait_out(state)
  if state.trying then return state.waiting:wait() end
  local trying <close> = setmetatable({ state = state }, Trying)
  state.trying = true
  if state.make_room then state.make_room() end
  if not own.descriptor_wait(state.backoff) then
    state.backoff = math.min(state.backoff * 2, LONGEST_BACKOFF)
  end
  return trying
end

---The next connection, however long that takes.
---@return kio.Stream? stream nil and nothing else when the listener's own close has closed it
---@return kio.Address|string? peer or the message of an error that does not pass
---@return string? code
function listener.next(self, state)
  while true do
    local stream, peer, code = own.listener_next(self)
    if exhausted[code] then
      wait_out(state)
    elseif not listener.of_connection[code] then
      if stream then state.backoff = FIRST_BACKOFF end
      state.waiting:wake() -- one more can try; it wakes the next
      if code == "EBADF" and own.listener_closed(self) then return nil end
      return stream, peer, code
    end
  end
end

---Iterates over connections until `close` of the listener. Waits out a lack of descriptors or
---memory, passes over connections that died in the queue, and raises any other error: also that
---its descriptor was closed by its number, or that it was handed over to another thread.
---@return async fun(): kio.Stream?, kio.Address?
function Listener:accepts(...)
  check.self(self, "kio.Listener", "accepts")
  check.no_more(0, "accepts", ...)
  local state = listener.state()
  return function()
    local stream, peer, code = listener.next(self, state)
    if not stream and peer then own.raise(peer, code) end
    return stream, peer
  end
end

return listener
