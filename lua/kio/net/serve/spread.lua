---The workers that one server hands its connections to. A worker gets a copy of the handler once,
---and is then sent streams; the server's own worker is one of them, with the handler itself.
---Invariant: `live` of a place counts its connections from being given to it to having been closed.
local _ENV = require "kio.core".globals
local core = require "kio.core"
local event = require "kio.sync.event"
local guest = require "kio.net.serve.guest"

local own = core.own

---@class kio.ServePlace a worker
---@field worker integer its number
---@field live integer connections it has now
---@field open boolean it takes more
---@field own boolean it is the server's

---@class kio.ServeSpread
---@field id string names the server on all workers
---@field handler function
---@field places kio.ServePlace[]
---@field last integer the place of the last connection
---@field missing integer places that may still open
---@field settled kio.Event none is missing
---@field failure? any why a place could not open
local Spread = {}
Spread.__index = Spread

local made = 0

-- ---- opening ----

-- One more place is known to be open, or never to be.
local function settle(spread, failure)
  spread.failure = spread.failure or failure
  spread.missing = spread.missing - 1
  if spread.missing == 0 then spread.settled:set() end
end

-- Until it is cancelled, or that worker ends. One that has broken down before is not missed.
local function keep(spread, place)
  local opened = false
  local function await_ready()
    if not own.thread_call(place.worker, guest.ready, spread.id) then return end
    opened, place.open = true, true
    settle(spread)
  end
  local ok, err = pcall(core.scope, function(scope)
    scope:spawn(await_ready)
    own.thread_call(place.worker, guest.keep, spread.id, spread.handler)
  end)
  place.open = false
  if not opened then settle(spread, err) end
  if not ok and core.is_cancelled(err) then error(err, 0) end
end

---Calls f while the other workers have the handler, and returns what it returns.
---@async
function Spread:around(f)
  return core.scope(function(scope)
    for _, place in ipairs(self.places) do
      if not place.own then
        local name = "serving on worker " .. place.worker
        scope:spawn { keep, self, place, daemon = true, name = name }
      end
    end
    return f()
  end)
end

---Waits until connections can go everywhere.
---@async
---@return any failure why they cannot
function Spread:wait()
  self.settled:wait()
  return self.failure
end

-- ---- one connection ----

---The least busy place; the next one in turn when several are.
---@return kio.ServePlace
function Spread:choose()
  local places, best = self.places, nil
  for i = 1, #places do
    local at = (self.last + i - 1) % #places + 1
    local place = places[at]
    if place.open and (not best or place.live < places[best].live) then best = at end
  end
  self.last = best
  places[best].live = places[best].live + 1
  return places[best]
end

---Has the connection served where it was placed.
---@async
---@return boolean idle it was ended for being that
function Spread:call(connection)
  local here, idle = own.thread_call(connection.place.worker, guest.serve, self.id,
    connection.stream, connection.peer)
  if not here then error(idle, 0) end
  return idle
end

-- Has each other worker call a function of guest.lua, in tasks that nobody waits for.
local function tell_others(spread, scope, name, f, limit)
  for _, place in ipairs(spread.places) do
    if not place.own then
      scope:spawn { own.thread_call, place.worker, f, spread.id, limit, daemon = true, name = name }
    end
  end
end

---The others are told that the server stops.
function Spread:stop(scope) tell_others(self, scope, "stopping", guest.stop) end

---Watches there, too, for connections that are idle for `limit` seconds.
function Spread:watch_idle(scope, limit)
  tell_others(self, scope, "idle", guest.watch, limit)
end

---Why the listener's connections or the handler cannot be spread; nil: they can.
---@return integer? argument of serve that is wrong
---@return string? message
local function refusal(listener, handler)
  if own.listener_packets(listener) then
    return 2, "option 'spread' is for streams, and this listener accepts packets"
  end
  local why = own.thread_copies(handler)
  if why then return 1, (string.gsub(why, "^handler 1", "the handler")) end
end

local spread = { refusal = refusal }

---@return kio.ServeSpread
function spread.new(handler)
  made = made + 1
  local here = own.thread_id()
  local places = {}
  for i = 1, own.thread_count() do
    places[i] = { worker = i, live = 0, open = i == here, own = i == here }
  end
  local self = setmetatable({
    id = here .. ":" .. made, handler = handler, places = places, last = here,
    missing = #places - 1, settled = event.new(),
  }, Spread)
  if self.missing == 0 then self.settled:set() end
  return self
end

return spread
