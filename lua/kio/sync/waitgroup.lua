---Counts what is under way, and lets tasks wait until that is nothing.
local _ENV = require "kio.core".globals
local check = require "kio.check"
local own = require "kio.core".own
local outcome = require "kio.sync.outcome"

local getmetatable = getmetatable -- asked in every method

---@class kio.Waitgroup
---@field package count integer
---@field package waiters kio.Queue
local Waitgroup = { __name = "kio.Waitgroup" }
Waitgroup.__index = Waitgroup

---@param n? integer how many more are under way (1)
function Waitgroup:add(n, ...)
  if getmetatable(self) ~= Waitgroup then check.bad_self(self, "kio.Waitgroup", "add") end
  if select("#", ...) > 0 then check.no_more(1, "add", ...) end
  self.count = self.count + check.count(n or 1, 1, "add", "a number to add")
end

---One less; the last one wakes every task that waits.
function Waitgroup:done(...)
  if getmetatable(self) ~= Waitgroup then check.bad_self(self, "kio.Waitgroup", "done") end
  if select("#", ...) > 0 then check.no_more(0, "done", ...) end
  if self.count == 0 then check.misuse "done: called more often than was added" end
  self.count = self.count - 1
  while self.count == 0 and self.waiters:wake() do end
end

---Waits until nothing is under way.
---@async
---@param timeout? number|kio.Options seconds
---@return true|nil idle nil when the time is over
---@return string? message
---@return "ETIMEDOUT"? code
function Waitgroup:wait(timeout, ...)
  if getmetatable(self) ~= Waitgroup then check.bad_self(self, "kio.Waitgroup", "wait") end
  if select("#", ...) > 0 then check.no_more(1, "wait", ...) end
  if timeout ~= nil then timeout = check.timeout(timeout, 1, "wait") end
  local _, spent = own.checkpoint()
  if self.count == 0 then
    if spent then own.let_turn() end
    return true
  end
  if self.waiters:wait(timeout) then return true end
  return outcome.late "wait waitgroup"
end

function Waitgroup:__tostring()
  if getmetatable(self) ~= Waitgroup then check.bad_self(self, "kio.Waitgroup", "__tostring") end
  return string.format("kio.Waitgroup (%d under way, %d waiting)", self.count,
    self.waiters:length())
end

local waitgroup = {}

---@return kio.Waitgroup
function waitgroup.new(...)
  if select("#", ...) > 0 then check.no_more(0, "waitgroup", ...) end
  return setmetatable({ count = 0, waiters = own.queue "waitgroup" }, Waitgroup)
end

return waitgroup
