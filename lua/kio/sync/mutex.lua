---A lock held by one task at a time. `lock` gives the mutex itself, whose __close unlocks it:
---`local _ <close> = mutex:lock()` holds it to the end of the block, whatever happens there.
---Invariant: while tasks wait the mutex has an owner; unlocking makes the first of them the owner
---before anybody else can run.
local _ENV = require "kio.core".globals
local check = require "kio.check"
local own = require "kio.core".own
local outcome = require "kio.sync.outcome"

local getmetatable = getmetatable -- asked in every method

---@class kio.Mutex
---@field package owner kio.Task?
---@field package waiters kio.Queue
local Mutex = { __name = "kio.Mutex" }
Mutex.__index = Mutex

local ended = { done = true, failed = true, cancelled = true }

-- Nobody will ever unlock a mutex whose owner has ended: waiting for it would be a silent deadlock.
local function left_locked(self)
  return ended[self.owner:status()]
end

local LEFT_LOCKED = "the mutex was left locked by a task that has ended"

---Waits until the mutex is free, and holds it.
---@async
---@param timeout? number|kio.Options seconds
---@return kio.Mutex|nil self nil when the time is over
---@return string? message
---@return "ETIMEDOUT"? code
function Mutex:lock(timeout, ...)
  if getmetatable(self) ~= Mutex then check.bad_self(self, "kio.Mutex", "lock") end
  if select("#", ...) > 0 then check.no_more(1, "lock", ...) end
  if timeout ~= nil then timeout = check.timeout(timeout, 1, "lock") end
  local me, spent = own.checkpoint()
  if not self.owner then
    self.owner = me
    if spent then own.let_turn() end
    return self
  elseif self.owner == me then
    check.misuse "lock: the calling task holds the mutex already"
  elseif left_locked(self) then
    check.misuse("lock: " .. LEFT_LOCKED)
  end
  if self.waiters:wait(timeout) then return self end
  return outcome.late "lock mutex"
end

---Holds the mutex if that needs no waiting.
---@return kio.Mutex|nil self
---@return string? message
---@return "EAGAIN"? code
function Mutex:try_lock(...)
  if getmetatable(self) ~= Mutex then check.bad_self(self, "kio.Mutex", "try_lock") end
  if select("#", ...) > 0 then check.no_more(0, "try_lock", ...) end
  local me = own.current()
  if not me then check.misuse "try_lock: only a task can hold a mutex" end
  if self.owner then return outcome.busy("try_lock mutex", "another task holds it") end
  self.owner = me
  return self
end

---Hands the mutex to the task that has waited longest. Never waits, and works in cancelled tasks.
function Mutex:unlock(...)
  if getmetatable(self) ~= Mutex then check.bad_self(self, "kio.Mutex", "unlock") end
  if select("#", ...) > 0 then check.no_more(0, "unlock", ...) end
  if not self.owner then check.misuse "unlock: the mutex is not locked" end
  if self.owner ~= own.current() then check.misuse "unlock: another task holds the mutex" end
  self.owner = self.waiters:wake()
end

---Whether the calling task holds it.
---@package
function Mutex:is_mine()
  local me = own.current()
  return me ~= nil and self.owner == me
end

---Holds the mutex again, for `condition:wait`: whatever happens to the calling task meanwhile.
---@package
function Mutex:relock()
  if not self.owner then
    self.owner = own.current()
  elseif left_locked(self) then
    check.misuse("wait: " .. LEFT_LOCKED)
  else
    self.waiters:wait_shielded()
  end
end

-- A block may have unlocked it before its end.
function Mutex:__close()
  if getmetatable(self) ~= Mutex then check.bad_self(self, "kio.Mutex", "__close") end
  if Mutex.is_mine(self) then self:unlock() end
end

function Mutex:__tostring()
  if getmetatable(self) ~= Mutex then check.bad_self(self, "kio.Mutex", "__tostring") end
  local state = not self.owner and "free" or "locked, %d waiting"
  return string.format("kio.Mutex (" .. state .. ")", self.waiters:length())
end

local mutex = { Mutex = Mutex }

---@return kio.Mutex
function mutex.new(...)
  if select("#", ...) > 0 then check.no_more(0, "mutex", ...) end
  return setmetatable({ owner = nil, waiters = own.queue "mutex" }, Mutex)
end

return mutex
