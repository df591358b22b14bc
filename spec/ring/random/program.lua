-- What random programs share: numbers that a seed decides, results as text, and tasks that wait
-- while the program goes on. Each step is noted, and what it gave.
local kio = require "kio"

local program = {}
program.__index = program

local SETTLE <const> = 12 -- turns in which what can end does: within one process nobody is late

-- Numbers from 1 to n.
local function dice(seed)
  local state = seed * 2654435769 & 0xffffffff
  return function(n)
    state = state ~ (state << 13 & 0xffffffff)
    state = state ~ state >> 17
    state = state ~ (state << 5 & 0xffffffff)
    state = (state + 0x9e3779b9) & 0xffffffff
    return (state >> 8) % n + 1
  end
end

function program.new(seed)
  return setmetatable({ roll = dice(seed), log = {}, waiters = {}, busy = {} }, program)
end

function program:one_of(list) return list[self.roll(#list)] end

-- ---- results ----

local function word(value)
  if type(value) == "string" and #value > 24 then
    return ("%d bytes %s..%s"):format(#value, value:sub(1, 4), value:sub(-4))
  elseif type(value) == "table" then
    local list = {}
    for i, one in ipairs(value) do list[i] = word(one) end
    return "{" .. table.concat(list, " ") .. "}"
  elseif type(value) == "userdata" then
    return kio.is_cancelled(value) and "cancelled" or "handle"
  end
  return tostring(value)
end

-- Messages name numbers, which differ.
local function words(first, ...)
  local list = table.pack(first, ...)
  for i = 1, list.n do
    local failed = not first and i == 2 and type(list[i]) == "string"
    list[i] = failed and list[i]:gsub("%d+", "N") or word(list[i])
  end
  return table.concat(list, " ", 1, list.n)
end

function program:note(text, ...)
  local results = select("#", ...) > 0 and ": " .. words(...) or ""
  self.log[#self.log + 1] = text .. results
end

-- ---- tasks that wait ----

function program:is_busy(...)
  for _, key in ipairs { ... } do
    if self.busy[key] then return true end
  end
end

-- f(...) in a task of its own. Nothing else may need what `keys` name until it has ended.
function program:start(text, keys, f, ...)
  for _, key in ipairs(keys) do self.busy[key] = true end
  table.insert(self.waiters, { task = kio.spawn(f, ...), text = text, keys = keys })
  self:note(text .. " begins")
end

local function tell_end(self, waiter)
  self:note(waiter.text .. " ends", select(2, waiter.task:join()))
  for _, key in ipairs(waiter.keys) do self.busy[key] = nil end
end

-- Until all has happened that the last step has brought about.
function program:settle()
  if #self.waiters == 0 then return end
  for _ = 1, SETTLE do kio.yield() end
  for i = #self.waiters, 1, -1 do
    local status = self.waiters[i].task:status()
    if status ~= "waiting" and status ~= "ready" then
      tell_end(self, table.remove(self.waiters, i))
    end
  end
end

function program:cancel_one()
  if #self.waiters == 0 then return end
  local waiter = self:one_of(self.waiters)
  self:note("cancel " .. waiter.text)
  waiter.task:cancel()
end

-- Ends what waits; the program as a text.
function program:finish()
  for _, waiter in ipairs(self.waiters) do waiter.task:cancel() end
  for _, waiter in ipairs(self.waiters) do tell_end(self, waiter) end
  self.waiters = {}
  return table.concat(self.log, "\n")
end

return program
