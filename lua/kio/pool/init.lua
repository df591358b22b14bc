---Pools: a bounded number of what is costly to make and used by one task at a time, such as
---connections to a database. See docs/pool.md.
---Invariants: `taken` is the number of places that are taken, by leases and by idle members, and at
---most `max`; tasks wait only while all are taken and none is idle. A place is in one lease, or on
---the shelf, or nowhere: then it is garbage, and collecting it frees it. So nothing is lost with a
---task that never goes on.
local _ENV = require "kio.core".globals
local check = require "kio.check"
local core = require "kio.core"
local new_shelf = require "kio.pool.shelf".new

local own = core.own
local getmetatable, select = getmetatable, select -- asked in every method

---@class kio.Pool
---@field package connect async fun(options?: kio.Options): any
---@field package test? async fun(member: any): any
---@field package close_member async fun(member: any)
---@field package stream_of fun(member: any): kio.Stream?
---@field package max integer
---@field package taken integer
---@field package idle kio.Place[] the newest last
---@field package shelf kio.Shelf where they are
---@field package waiters kio.Queue their cells are their leases
---@field package closers kio.Queue who waits until it is empty
---@field package closed boolean
---@field package counts table<string, integer>
local Pool = { __name = "kio.Pool" }
Pool.__index = Pool

---One of `max`, and the member that has it.
---@class kio.Place
---@field pool kio.Pool
---@field taken boolean it counts
---@field member? any nil: it is being connected
---@field stream? kio.Stream on which nothing may come while it is idle
---@field due? number while it is idle: when that ends
---@field older? kio.Place on the shelf
---@field newer? kio.Place
local Place = {}

---What `acquire` gives: the member is the caller's until `release` or `drop`. As a to-be-closed
---variable it is dropped at the end of its block unless it has been released.
---@class kio.Lease
---@field member any nil when the lease has ended
---@field package place kio.Place|false
local Lease = { __name = "kio.Lease" }
Lease.__index = Lease

local CLOSED = {} -- what a closing pool gives to those who wait
local ONE_TRY = { timeout = 0 }

-- ---- places ----

-- The place is free: who has waited longest takes it, to connect by itself.
local function leave(place)
  if not place.taken then return end
  local pool = place.pool
  place.taken = false
  local woken, lease = pool.waiters:wake(true)
  if woken then
    lease.place.taken = true
    return
  end
  pool.taken = pool.taken - 1
  while pool.taken == 0 and pool.closers:wake() do end
end

-- Closes the member, whatever comes of that.
local function close_member(place)
  local member = place.member
  place.member, place.stream = nil, nil
  if member ~= nil then pcall(place.pool.close_member, member) end
end

local function discard(place)
  close_member(place)
  leave(place)
end

Place.__gc = discard

-- The member is free: who has waited longest takes it.
local function give(place)
  local pool = place.pool
  local useless = pool.closed or place.stream and not own.stream_rest(place.stream)
  if useless then return discard(place) end
  local woken, lease = pool.waiters:wake(true)
  if woken then lease.place = place
  else pool.shelf:put(place) end
end

-- Whether an idle member can still be used.
local function passes(place)
  local stream, test = place.stream, place.pool.test
  if stream and not own.stream_rouse(stream) then return false end
  return not test or test(place.member)
end

-- ---- leases ----

---Gives the member back, for the next task. Nothing may be left over of what was done with it. A
---second time does nothing.
---@async
function Lease:release(...)
  if getmetatable(self) ~= Lease then check.bad_self(self, "kio.Lease", "release") end
  if select("#", ...) > 0 then check.no_more(0, "release", ...) end
  local place = self.place
  self.place, self.member = false, nil
  if place then give(place) end
end

---Closes the member: nobody knows what is left over in it.
---@async
function Lease:drop(...)
  if getmetatable(self) ~= Lease then check.bad_self(self, "kio.Lease", "drop") end
  if select("#", ...) > 0 then check.no_more(0, "drop", ...) end
  local place = self.place
  self.place, self.member = false, nil
  if not place then return end
  local counts = place.pool.counts
  counts.dropped = counts.dropped + 1
  discard(place)
end

function Lease:__close()
  if getmetatable(self) ~= Lease then check.bad_self(self, "kio.Lease", "__close") end
  if self.place then Lease.drop(self) end
end

function Lease:__tostring()
  if getmetatable(self) ~= Lease then check.bad_self(self, "kio.Lease", "__tostring") end
  return self.place and "kio.Lease (held)" or "kio.Lease (ended)"
end

-- ---- acquiring ----

local function seconds_left(due) return due and math.max(due - core.now(), 0) end

local function refuse_closed() return nil, "acquire pool: the pool is closed", "EBADF" end

-- Gives up what a lease has that does not come to anything.
local Attempt = { __close = function(attempt)
  if attempt.place then discard(attempt.place) end
end }

-- Waits for a place, with or without a member, if none is free; nil, message, code: there is none.
local function await_place(pool, lease, due)
  local place = setmetatable({ pool = pool, taken = false }, Place)
  local idle = pool.shelf:take(pool) -- a finalizer may have released one
  lease.place = idle or place
  if idle then return idle end
  if pool.taken < pool.max then
    place.taken = true
    pool.taken = pool.taken + 1
    return place
  end
  local woken, given = pool.waiters:wait(seconds_left(due), lease)
  if not woken then return nil, "acquire pool: timed out", "ETIMEDOUT" end
  if given == CLOSED then return refuse_closed() end
  return lease.place
end

-- A place whose member can be used, or that has none. The first one's may be of no use any more:
-- then the next idle one's may be.
local function usable_place(pool, attempt)
  while attempt.place.member ~= nil and not passes(attempt.place) do
    pool.counts.lost = pool.counts.lost + 1
    local other = pool.shelf:take(pool)
    if not other then
      close_member(attempt.place)
      break
    end
    local useless = attempt.place
    attempt.place = other
    discard(useless)
  end
  return attempt.place
end

local function connect(pool, place, due)
  local member, message, code = pool.connect(due and { timeout = seconds_left(due) })
  if not member then
    pool.counts.failed = pool.counts.failed + 1
    return nil, message or "acquire pool: 'connect' has given nothing", code or "ENODATA"
  end
  pool.counts.connected = pool.counts.connected + 1
  place.member = member
  if pool.closed then return refuse_closed() end
  local stream = pool.stream_of(member)
  if stream ~= nil and not check.is_stream(stream) then
    check.misuse("the pool's option 'stream' has given a " .. check.kind(stream)
      .. " in place of a kio.Stream or nil")
  end
  place.stream = stream
  return place
end

-- Gives the lease a member; the place it has may be an idle one's. `spent`: the loop is to turn.
local function fill(pool, lease, due, spent)
  local attempt <close> = setmetatable({ place = lease.place }, Attempt)
  local message, code
  if not attempt.place then attempt.place, message, code = await_place(pool, lease, due) end
  if spent then own.let_turn() end
  if not attempt.place then return nil, message, code end
  local place = usable_place(pool, attempt)
  if place.member == nil then place, message, code = connect(pool, place, due) end
  if not place then return nil, message, code end
  attempt.place = nil
  lease.place, lease.member = place, place.member
  return lease
end

local ACQUIRE = { timeout = "number" }

---A member for the calling task alone: the one that has been idle for the shortest time, or a new
---one, or, when there are `max`, the next to be released; who has waited longest gets it.
---@async
---@param options? kio.Options for waiting and connecting together
---@return kio.Lease|nil lease
---@return string? message
---@return string? code what `connect` has failed with; "ETIMEDOUT"; "EBADF": the pool is closed
function Pool:acquire(options, ...)
  if getmetatable(self) ~= Pool then check.bad_self(self, "kio.Pool", "acquire") end
  if options ~= nil or select("#", ...) > 0 then
    options = check.options(options, 1, "acquire", ACQUIRE, ...)
  end
  local _, spent = own.checkpoint()
  if self.closed then
    if spent then own.let_turn() end
    return refuse_closed()
  end
  local place = self.shelf:take(self)
  local lease = setmetatable({ place = place or false }, Lease)
  local quick = place and not self.test and (not place.stream or own.stream_rouse(place.stream))
  if not quick then
    return fill(self, lease, options and options.timeout and core.now() + options.timeout, spent)
  end
  lease.member = place.member
  if spent then own.let_turn() end
  return lease
end

-- ---- the pool ----

-- How many members are idle and of use; those whose stream has ended are closed already.
local function count_idle(pool)
  local count = 0
  for _, place in ipairs(pool.idle) do
    if not place.stream or own.stream_rests(place.stream) then count = count + 1 end
  end
  return count
end

---@class kio.PoolStats
---@field max integer
---@field leased integer now: places of tasks that have a member, or connect one
---@field idle integer now: members that nobody has
---@field waiting integer now: tasks that wait for one
---@field connected integer members made so far
---@field failed integer attempts to make one
---@field dropped integer members that their tasks have given up
---@field lost integer idle ones that were of no use when they were needed

---@return kio.PoolStats
function Pool:stats(...)
  if getmetatable(self) ~= Pool then check.bad_self(self, "kio.Pool", "stats") end
  if select("#", ...) > 0 then check.no_more(0, "stats", ...) end
  local counts = self.counts
  return {
    max = self.max, leased = self.taken - #self.idle, idle = count_idle(self),
    waiting = self.waiters:length(), connected = counts.connected, failed = counts.failed,
    dropped = counts.dropped, lost = counts.lost,
  }
end

-- Nobody gets a member any more, and none stays idle.
local function shut(self)
  self.closed = true
  while self.waiters:wake(CLOSED) do end
  local place = self.shelf:take(self)
  while place do
    discard(place)
    place = self.shelf:take(self)
  end
end

---Ends the pool: idle members are closed, tasks that wait get "EBADF". Waits until those that are
---in use have been given back, which closes them. Closing again waits likewise.
---@async
---@param options? kio.Options
---@return true|nil closed nil when the time is over
---@return string? message
---@return "ETIMEDOUT"? code
function Pool:close(options, ...)
  if getmetatable(self) ~= Pool then check.bad_self(self, "kio.Pool", "close") end
  options = check.options(options, 1, "close", ACQUIRE, ...)
  local due = options and options.timeout and core.now() + options.timeout
  shut(self)
  if self.taken == 0 then own.done_at_once() end
  while self.taken > 0 do
    if not self.closers:wait(seconds_left(due)) then
      return nil, "close pool: members are still in use", "ETIMEDOUT"
    end
  end
  return true
end

-- Does not wait: those who have a member may be further out.
function Pool:__close()
  if getmetatable(self) ~= Pool then check.bad_self(self, "kio.Pool", "__close") end
  shut(self)
end

function Pool:__tostring()
  if getmetatable(self) ~= Pool then check.bad_self(self, "kio.Pool", "__tostring") end
  local state = self.closed and "closed, " or ""
  return string.format("kio.Pool (%s%d in use, %d idle, %d waiting)", state,
    self.taken - #self.idle, #self.idle, self.waiters:length())
end

-- ---- making one ----

local function close_at_once(member) member:close(ONE_TRY) end

local function stream_itself(member)
  return check.is_stream(member) and member or nil
end

local pool = { discard = discard, Lease = Lease }

---Another member in place of one that has turned out to be of no use.
---@async
---@param lease kio.Lease which is held
---@param due? number
---@return kio.Lease|nil lease nil, message, code: it holds a place without a member, to be dropped
function pool.renew(lease, due)
  local place = lease.place
  close_member(place)
  local fine, message, code = connect(place.pool, place, due)
  if not fine then return nil, message, code end
  lease.member = place.member
  return lease
end

---A pool of options that are right.
---@param options table
---@param shelf? kio.Shelf which it shares with others
---@return kio.Pool
function pool.make(options, shelf)
  local max = options.max or 10
  return setmetatable({
    connect = options.connect, test = options.test, stream_of = options.stream or stream_itself,
    close_member = options.close or close_at_once, max = max, taken = 0, idle = {},
    shelf = shelf or new_shelf(options.idle or max, options.idle_timeout, discard),
    waiters = own.queue "pool", closers = own.queue "pool", closed = false,
    counts = { connected = 0, failed = 0, dropped = 0, lost = 0 },
  }, Pool)
end

---@class kio.PoolOptions
---@field connect async fun(options?: kio.Options): member: any, message: string?, code: string?
---makes a member; its options are the time that is left
---@field max? integer members at a time (10)
---@field idle? integer of these, idle ones that are kept (max)
---@field idle_timeout? number seconds for which one is kept (for ever)
---@field test? async fun(member: any): boolean whether an idle one can be used; may wait
---@field close? async fun(member: any) ends one; it should not wait (member:close { timeout = 0 })
---@field stream? fun(member: any): kio.Stream? its connection: what comes there while the member is
---idle, or the end, closes it (the member, if it is a kio.Stream)

local KNOWN = {
  connect = "function", max = "number", idle = "number", idle_timeout = "number",
  test = "function", close = "function", stream = "function",
}

-- What is wrong with options whose types are right; nil: nothing.
local function wrong_options(options)
  if not options.connect then return "option 'connect' is needed" end
  if options.max and (math.type(options.max) ~= "integer" or options.max < 1) then
    return "option 'max' must be an integer of 1 or more"
  end
  if options.idle and math.type(options.idle) ~= "integer" then
    return "option 'idle' must be an integer of 0 or more"
  end
  if options.idle_timeout == 0 then return "option 'idle_timeout' cannot be 0" end
end

---A pool of what `connect` makes. It makes none before one is asked for.
---@param options kio.PoolOptions
---@return kio.Pool
function pool.new(options, ...)
  check.type(options, "table", 1, "pool", "a table of options")
  options = check.options(options, 1, "pool", KNOWN, ...)
  local wrong = wrong_options(options)
  if wrong then check.refuse(1, "pool", wrong) end
  return pool.make(options)
end

return pool
