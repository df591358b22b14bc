---Values from task to task, in order. A channel of capacity n holds n values that nobody has yet
---received; one of capacity 0 is a rendezvous. The sending side closes it: what it holds can still
---be received, then `receive` gives nil. Therefore nil cannot be sent.
---Invariants: senders wait only while the channel is full, receivers only while it is empty and no
---sender waits; nobody waits on a closed one.
local _ENV = require "kio.core".globals
local check = require "kio.check"
local own = require "kio.core".own
local outcome = require "kio.sync.outcome"

local getmetatable = getmetatable -- asked in every method

---@class kio.Channel
---@field package capacity integer
---@field package items any[] a ring of at most `capacity` values
---@field package first integer where the oldest of them is
---@field package count integer
---@field package closed boolean
---@field package senders kio.Queue their cells are the values they send
---@field package receivers kio.Queue
local Channel = { __name = "kio.Channel" }
Channel.__index = Channel

local CLOSED = {} -- what a closing channel gives to those who wait

local function push(self, value)
  self.items[(self.first + self.count - 1) % self.capacity + 1] = value
  self.count = self.count + 1
end

local function pop(self)
  local value = self.items[self.first]
  self.items[self.first] = nil
  self.first = self.first % self.capacity + 1
  self.count = self.count - 1
  return value
end

-- ---- without waiting ----

local function can_put(self)
  return self.count < self.capacity or not self.receivers:empty()
end

-- Hands a value over, or keeps it; false when there is no room.
local function put(self, value)
  if self.count == 0 and self.receivers:wake(value) then return true end
  if self.count == self.capacity then return false end
  push(self, value)
  return true
end

local function can_take(self)
  return self.count > 0 or self.closed or not self.senders:empty()
end

-- The oldest value, nil when there is none; the sender that has waited longest can go on.
local function take(self)
  local sender, waiting
  if self.count == self.capacity then sender, waiting = self.senders:wake(true) end
  if self.count == 0 then return waiting end
  local value = pop(self)
  if sender then push(self, waiting) end
  return value
end

-- What the wait of a receiver came to.
local function received(given)
  if given == CLOSED then return nil end
  return given
end

-- ---- sending ----

local SEND_CLOSED = "send on a closed channel"
local CLOSED_IN_SEND = "the channel was closed while a task waited to send"
local SEND_NIL = "a channel cannot carry nil"

---Hands a value to a receiver, or leaves it in the channel; waits for either. Raises when the
---channel is closed, also while it waits.
---@async
---@param value any but nil
---@param timeout? number|kio.Options seconds
---@return true|nil sent nil when the time is over: nobody will receive the value
---@return string? message
---@return "ETIMEDOUT"? code
function Channel:send(value, timeout, ...)
  if getmetatable(self) ~= Channel then check.bad_self(self, "kio.Channel", "send") end
  if select("#", ...) > 0 then check.no_more(2, "send", ...) end
  if timeout ~= nil then timeout = check.timeout(timeout, 2, "send") end
  if value == nil then check.misuse(SEND_NIL) end
  local _, spent = own.checkpoint()
  if self.closed then check.misuse(SEND_CLOSED) end
  if put(self, value) then
    if spent then own.let_turn() end
    return true
  end
  local woken, given = self.senders:wait(timeout, value)
  if given == CLOSED then check.misuse(CLOSED_IN_SEND) end
  if woken then return true end
  return outcome.late "send channel"
end

---The same without waiting.
---@param value any but nil
---@return true|nil sent
---@return string? message
---@return "EAGAIN"? code
function Channel:try_send(value, ...)
  if getmetatable(self) ~= Channel then check.bad_self(self, "kio.Channel", "try_send") end
  if select("#", ...) > 0 then check.no_more(1, "try_send", ...) end
  if value == nil then check.misuse(SEND_NIL) end
  if self.closed then check.misuse(SEND_CLOSED) end
  if put(self, value) then return true end
  return outcome.busy("try_send channel", "no room, and nobody waits to receive")
end

-- ---- receiving ----

---Waits for the next value.
---@async
---@param timeout? number|kio.Options seconds
---@return any value nil and nothing else when the channel is closed and empty
---@return string? message
---@return "ETIMEDOUT"? code
function Channel:receive(timeout, ...)
  if getmetatable(self) ~= Channel then check.bad_self(self, "kio.Channel", "receive") end
  if select("#", ...) > 0 then check.no_more(1, "receive", ...) end
  if timeout ~= nil then timeout = check.timeout(timeout, 1, "receive") end
  local _, spent = own.checkpoint()
  if can_take(self) then
    local value = take(self)
    if spent then own.let_turn() end
    return value
  end
  local woken, given = self.receivers:wait(timeout)
  if woken then return received(given) end
  return outcome.late "receive channel"
end

---The same without waiting.
---@return any value nil and nothing else when the channel is closed and empty
---@return string? message
---@return "EAGAIN"? code
function Channel:try_receive(...)
  if getmetatable(self) ~= Channel then check.bad_self(self, "kio.Channel", "try_receive") end
  if select("#", ...) > 0 then check.no_more(0, "try_receive", ...) end
  if can_take(self) then return take(self) end
  return outcome.busy("try_receive channel", "it is empty")
end

---Iterates over the values until the channel is closed and empty.
---@return async fun(): any
function Channel:iter(...)
  if getmetatable(self) ~= Channel then check.bad_self(self, "kio.Channel", "iter") end
  if select("#", ...) > 0 then check.no_more(0, "iter", ...) end
  return function() return (self:receive()) end
end

-- ---- closing ----

---Ends the channel: what it holds can still be received. Raises in tasks that wait to send. Closing
---it again does nothing.
function Channel:close(...)
  if getmetatable(self) ~= Channel then check.bad_self(self, "kio.Channel", "close") end
  if select("#", ...) > 0 then check.no_more(0, "close", ...) end
  self.closed = true
  while self.senders:wake(CLOSED) or self.receivers:wake(CLOSED) do end
end

function Channel:__close()
  if getmetatable(self) ~= Channel then check.bad_self(self, "kio.Channel", "__close") end
  Channel.close(self)
end

function Channel:__tostring()
  if getmetatable(self) ~= Channel then check.bad_self(self, "kio.Channel", "__tostring") end
  local state = self.closed and "closed, " or ""
  return string.format("kio.Channel (%s%d of %d, %d sending, %d receiving)", state, self.count,
    self.capacity, self.senders:length(), self.receivers:length())
end

local channel = { Channel = Channel, SEND_NIL = SEND_NIL }

---@param capacity? integer (0)
---@return kio.Channel
function channel.new(capacity, ...)
  if select("#", ...) > 0 then check.no_more(1, "channel", ...) end
  return setmetatable({
    capacity = check.count(capacity or 0, 1, "channel", "a capacity"),
    items = {}, first = 1, count = 0, closed = false,
    senders = own.queue "channel send", receivers = own.queue "channel receive",
  }, Channel)
end

---Receiving from a channel as an alternative of kio.select.
channel.receiving = {
  queue = function(self) return self.receivers end,
  ready = can_take,
  take = take,
  given = function(_, given) return received(given) end,
}

---Sending.
channel.sending = {
  queue = function(self) return self.senders end,
  ready = can_put,
  take = put,
  given = function(_, given)
    if given == CLOSED then check.misuse(CLOSED_IN_SEND) end
    return true
  end,
  wrong = function(self, value)
    return value == nil and SEND_NIL or self.closed and SEND_CLOSED
  end,
}

return channel
