---What is idle, of one pool or of several: a pool takes its newest first, and the oldest of all
---ends when there are too many, or after its time. Invariant: a place is in the list and among the
---idle ones of its pool, or in neither.
local _ENV = require "kio.core".globals
local core = require "kio.core"

local own = core.own

---@class kio.Shelf
---@field package max number of idle places
---@field package timeout? number seconds for which one stays
---@field package discard async fun(place: kio.Place)
---@field package count integer
---@field package oldest? kio.Place of a list in the order of coming
---@field package newest? kio.Place
---@field package sweeper? kio.Task ends those whose time is over
local Shelf = {}
Shelf.__index = Shelf

-- ---- the list ----

local function link(self, place)
  place.older = self.newest
  if self.newest then self.newest.newer = place else self.oldest = place end
  self.newest = place
  self.count = self.count + 1
end

local function unlink(self, place)
  local older, newer = place.older, place.newer
  if older then older.newer = newer else self.oldest = newer end
  if newer then newer.older = older else self.newest = older end
  place.older, place.newer = nil, nil
  self.count = self.count - 1
end

---The pool's newest; nil: none of it is idle.
---@param pool kio.Pool
---@return kio.Place|nil
function Shelf:take(pool)
  local idle = pool.idle
  local place = idle[#idle]
  if not place then return nil end
  idle[#idle] = nil
  unlink(self, place)
  return place
end

---The oldest of all.
---@return kio.Place|nil
function Shelf:take_oldest()
  local place = self.oldest
  if not place then return nil end
  table.remove(place.pool.idle, 1) -- what is the oldest of all is so of its pool
  unlink(self, place)
  return place
end

-- ---- time ----

-- The oldest with a stream, which is not worth anything in another run.
local function take_stream(self)
  local place = self.oldest
  while place and not place.stream do place = place.newer end
  if not place then return nil end
  local idle, i = place.pool.idle, 1
  while idle[i] ~= place do i = i + 1 end
  table.remove(idle, i)
  unlink(self, place)
  return place
end

local Sweep = { __close = function(sweep)
  for place in take_stream, sweep.shelf do sweep.shelf.discard(place) end
end }

-- Until nothing is idle, or the run ends.
local function sweep(self)
  local _ <close> = setmetatable({ shelf = self }, Sweep)
  while self.oldest do
    local left = self.oldest.due - core.now()
    if left > 0 then core.sleep(left) else self.discard(self:take_oldest()) end
  end
end

local ended = { done = true, failed = true, cancelled = true }

local function see_to_sweeping(self)
  if self.sweeper and not ended[self.sweeper:status()] then return end
  self.sweeper = own.spawn_root { sweep, self, daemon = true, name = "idle pool members" }
end

---@param place kio.Place
---@async
function Shelf:put(place)
  local idle = place.pool.idle
  place.due = self.timeout and core.now() + self.timeout or math.huge
  idle[#idle + 1] = place
  link(self, place)
  if self.timeout then see_to_sweeping(self) end
  if self.count > self.max then self.discard(self:take_oldest()) end
end

local shelf = {}

---@param max number
---@param timeout number|nil
---@param discard async fun(place: kio.Place)
---@return kio.Shelf
function shelf.new(max, timeout, discard)
  return setmetatable({ max = max, timeout = timeout, discard = discard, count = 0 }, Shelf)
end

return shelf
