---Places of a server's handshakes, on each worker: in a burst those that have begun end before
---others begin, and no more of them than there are places need OpenSSL's memory for that. A peer
---that is waited for longer than PATIENCE loses its place and goes on without: slow ones keep
---nobody out.
local _ENV = require "kio.core".globals
local core = require "kio.core"
local semaphore = require "kio.sync.semaphore"
local transfer = require "kio.bytes.transfer"

local left = transfer.left

local places = {}

local PLACES, PATIENCE = 64, 0.1

-- Kept by those who have a place.
local gates = setmetatable({}, { __mode = "v" })

---@class kio.tls.Place
---@field gate kio.Semaphore
---@field taken boolean
local Place = {}
Place.__index = Place

---Waits for a place, until that time at most: then there is none.
---@async
---@param due table what transfer.deadline_of gives
---@param id? string of a server; nil: what is done by hand has places of its own
---@param most? integer how many that server has
---@return kio.tls.Place
function places.take(due, id, most)
  id = id or ""
  local gate = gates[id] or semaphore.new(most or PLACES)
  gates[id] = gate
  local place = setmetatable({ gate = gate, taken = false }, Place)
  place.taken = gate:acquire(left(due)) ~= nil
  return place
end

function Place:leave()
  if self.taken then self.gate:release() end
  self.taken = false
end

-- A coroutine that an error has ended runs no __close unless somebody closes it.
Place.__close, Place.__gc = Place.leave, Place.leave

---Waits for the peer; gives the place up when that takes long.
---@async
---@param wait async fun(stream: kio.Stream, options?: kio.Options)
---@param stream kio.Stream
---@param due table
function Place:wait(wait, stream, due)
  if not self.taken then return wait(stream, left(due)) end
  local limit = due.at and math.min(PATIENCE, math.max(0, due.at - core.now())) or PATIENCE
  local done, message, code = wait(stream, { timeout = limit })
  if code ~= "ETIMEDOUT" then return done, message, code end
  self:leave()
  return wait(stream, left(due))
end

return places
