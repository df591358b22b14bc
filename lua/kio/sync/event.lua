---A flag to wait for.
local _ENV = require "kio.core".globals
local check = require "kio.check"
local own = require "kio.core".own
local outcome = require "kio.sync.outcome"

local getmetatable = getmetatable -- asked in every method

---@class kio.Event
---@field package is_on boolean
---@field package waiters kio.Queue
local Event = { __name = "kio.Event" }
Event.__index = Event

---Sets the flag and wakes every task that waits now, also when it is reset before they run.
function Event:set(...)
  if getmetatable(self) ~= Event then check.bad_self(self, "kio.Event", "set") end
  if select("#", ...) > 0 then check.no_more(0, "set", ...) end
  self.is_on = true
  while self.waiters:wake() do end
end

---Clears the flag: from now on tasks wait again.
function Event:reset(...)
  if getmetatable(self) ~= Event then check.bad_self(self, "kio.Event", "reset") end
  if select("#", ...) > 0 then check.no_more(0, "reset", ...) end
  self.is_on = false
end

---@return boolean
function Event:is_set(...)
  if getmetatable(self) ~= Event then check.bad_self(self, "kio.Event", "is_set") end
  if select("#", ...) > 0 then check.no_more(0, "is_set", ...) end
  return self.is_on
end

---Waits until the flag is set.
---@async
---@param timeout? number|kio.Options seconds
---@return true|nil set nil when the time is over
---@return string? message
---@return "ETIMEDOUT"? code
function Event:wait(timeout, ...)
  if getmetatable(self) ~= Event then check.bad_self(self, "kio.Event", "wait") end
  if select("#", ...) > 0 then check.no_more(1, "wait", ...) end
  if timeout ~= nil then timeout = check.timeout(timeout, 1, "wait") end
  local _, spent = own.checkpoint()
  if self.is_on then
    if spent then own.let_turn() end
    return true
  end
  if self.waiters:wait(timeout) then return true end
  return outcome.late "wait event"
end

function Event:__tostring()
  if getmetatable(self) ~= Event then check.bad_self(self, "kio.Event", "__tostring") end
  local state = self.is_on and "set" or "not set"
  return string.format("kio.Event (%s, %d waiting)", state, self.waiters:length())
end

local event = { Event = Event }

---@return kio.Event
function event.new(...)
  if select("#", ...) > 0 then check.no_more(0, "event", ...) end
  return setmetatable({ is_on = false, waiters = own.queue "event" }, Event)
end

---Waiting for an event as an alternative of kio.select.
event.waiting = {
  queue = function(self) return self.waiters end,
  ready = function(self) return self.is_on end,
  take = function() return true end,
  given = function() return true end,
}

return event
