---A number of permits. `acquire` gives the semaphore itself, whose __close releases one permit:
---`local _ <close> = semaphore:acquire()` holds it to the end of the block.
---Invariant: while tasks wait no permit is free; a released one belongs to the first of them.
local _ENV = require "kio.core".globals
local check = require "kio.check"
local own = require "kio.core".own
local outcome = require "kio.sync.outcome"

local getmetatable = getmetatable -- asked in every method

---@class kio.Semaphore
---@field package free integer
---@field package waiters kio.Queue
local Semaphore = { __name = "kio.Semaphore" }
Semaphore.__index = Semaphore

---Waits for a permit and takes it.
---@async
---@param timeout? number|kio.Options seconds
---@return kio.Semaphore|nil self nil when the time is over
---@return string? message
---@return "ETIMEDOUT"? code
function Semaphore:acquire(timeout, ...)
  if getmetatable(self) ~= Semaphore then check.bad_self(self, "kio.Semaphore", "acquire") end
  if select("#", ...) > 0 then check.no_more(1, "acquire", ...) end
  if timeout ~= nil then timeout = check.timeout(timeout, 1, "acquire") end
  local _, spent = own.checkpoint()
  if self.free > 0 then
    self.free = self.free - 1
    if spent then own.let_turn() end
    return self
  end
  if self.waiters:wait(timeout) then return self end
  return outcome.late "acquire semaphore"
end

---Takes a permit if one is free.
---@return kio.Semaphore|nil self
---@return string? message
---@return "EAGAIN"? code
function Semaphore:try_acquire(...)
  if getmetatable(self) ~= Semaphore then check.bad_self(self, "kio.Semaphore", "try_acquire") end
  if select("#", ...) > 0 then check.no_more(0, "try_acquire", ...) end
  if self.free == 0 then return outcome.busy("try_acquire semaphore", "no permit is free") end
  self.free = self.free - 1
  return self
end

---Gives a permit back, or a new one: whoever calls it need not have acquired one.
function Semaphore:release(...)
  if getmetatable(self) ~= Semaphore then check.bad_self(self, "kio.Semaphore", "release") end
  if select("#", ...) > 0 then check.no_more(0, "release", ...) end
  if not self.waiters:wake() then self.free = self.free + 1 end
end

function Semaphore:__close()
  if getmetatable(self) ~= Semaphore then check.bad_self(self, "kio.Semaphore", "__close") end
  self:release()
end

function Semaphore:__tostring()
  if getmetatable(self) ~= Semaphore then check.bad_self(self, "kio.Semaphore", "__tostring") end
  return string.format("kio.Semaphore (%d free, %d waiting)", self.free, self.waiters:length())
end

local semaphore = {}

---@param permits integer how many there are at the start
---@return kio.Semaphore
function semaphore.new(permits, ...)
  if select("#", ...) > 0 then check.no_more(1, "semaphore", ...) end
  permits = check.count(permits, 1, "semaphore", "a number of permits")
  return setmetatable({ free = permits, waiters = own.queue "semaphore" }, Semaphore)
end

return semaphore
