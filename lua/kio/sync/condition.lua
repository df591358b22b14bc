---A place to wait until something that a mutex protects has changed.
local _ENV = require "kio.core".globals
local check = require "kio.check"
local own = require "kio.core".own
local Mutex = require "kio.sync.mutex".Mutex
local outcome = require "kio.sync.outcome"

local getmetatable = getmetatable -- asked in every method

---@class kio.Condition
---@field package waiters kio.Queue
local Condition = { __name = "kio.Condition" }
Condition.__index = Condition

-- Passes on what a protected wait came to, with the mutex held again.
local function relocked(mutex, ok, woken)
  mutex:relock()
  if not ok then error(woken, 0) end
  if woken then return true end
  return outcome.late "wait condition"
end

---Unlocks the mutex, waits for a notification, and locks the mutex again. The calling task holds it
---in every outcome: notified, timed out, cancelled.
---@async
---@param mutex kio.Mutex which the calling task holds
---@param timeout? number|kio.Options seconds; locking again may take longer
---@return true|nil notified nil when the time is over
---@return string? message
---@return "ETIMEDOUT"? code
function Condition:wait(mutex, timeout, ...)
  if getmetatable(self) ~= Condition then check.bad_self(self, "kio.Condition", "wait") end
  if select("#", ...) > 0 then check.no_more(2, "wait", ...) end
  if getmetatable(mutex) ~= Mutex then
    check.refuse(1, "wait", "kio.Mutex expected, got " .. check.kind(mutex, "kio.Mutex"))
  end
  if timeout ~= nil then timeout = check.timeout(timeout, 2, "wait") end
  own.checkpoint()
  if not mutex:is_mine() then check.misuse "wait: the calling task does not hold the mutex" end
  mutex:unlock()
  return relocked(mutex, pcall(self.waiters.wait, self.waiters, timeout))
end

---Wakes the task that has waited longest, if any waits.
function Condition:notify(...)
  if getmetatable(self) ~= Condition then check.bad_self(self, "kio.Condition", "notify") end
  if select("#", ...) > 0 then check.no_more(0, "notify", ...) end
  self.waiters:wake()
end

---Wakes every task that waits now.
function Condition:notify_all(...)
  if getmetatable(self) ~= Condition then check.bad_self(self, "kio.Condition", "notify_all") end
  if select("#", ...) > 0 then check.no_more(0, "notify_all", ...) end
  while self.waiters:wake() do end
end

function Condition:__tostring()
  if getmetatable(self) ~= Condition then check.bad_self(self, "kio.Condition", "__tostring") end
  return string.format("kio.Condition (%d waiting)", self.waiters:length())
end

local condition = {}

---@return kio.Condition
function condition.new(...)
  if select("#", ...) > 0 then check.no_more(0, "condition", ...) end
  return setmetatable({ waiters = own.queue "condition" }, Condition)
end

return condition
