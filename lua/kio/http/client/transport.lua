---One request and the head of its response, over connections that are kept. Each is in a pool with
---those that lead to the same place in the same way, and back there only when a response was read
---to its end. Invariant: a connection that has asked for something is given back clean, or closed.
local _ENV = require "kio.core".globals
local core = require "kio.core"
local dial = require "kio.http.client.dial"
local new_shelf = require "kio.pool.shelf".new
local pool = require "kio.pool"
local proxies = require "kio.http.client.proxy"
local sending = require "kio.http.client.sending"

local own = core.own

local ONE_TRY = { timeout = 0 }
local FORGET_AT = 64 -- pools: then those without connections are looked for

---@class kio.http.Transport
---@field settings kio.http.ClientSettings
---@field pools table<string, kio.Pool> by where they lead
---@field count integer of them, at most
---@field forget_at integer
---@field shelf kio.Shelf all that is idle
---@field closed? boolean
local Transport = {}
Transport.__index = Transport

---A connection of a pool.
---@class kio.http.Link
---@field stream kio.Stream
---@field used integer requests so far
---@field due? number when the server will close it, by its own word

-- Drops what its exchange has not come to an end with.
local Guard = { __close = function(guard)
  local lease = guard.lease
  guard.lease = nil
  if lease then lease:drop() end
end }

local function stream_of(link) return link.stream end
local function close_link(link) link.stream:close(ONE_TRY) end

-- ---- pools ----

local function key_of(url, proxy)
  local place = url.scheme .. "://" .. url.address
  if not proxy then return place end
  return place .. " " .. proxy.scheme .. "://" .. (proxy.userinfo or "") .. "@" .. proxy.address
end

-- What goes to a proxy in absolute form may share connections, wherever it leads.
local function place_of(url, proxy)
  return proxy and url.scheme == "http" and proxy or url
end

local function new_pool(self, url, proxy)
  local settings = self.settings
  local used = {
    limits = settings.limits, tls = settings.tls, connect = settings.connect, proxy = proxy,
  }
  local function connect(options)
    local due = options and core.now() + options.timeout
    local stream, message, code = dial.connect(url, used, due)
    if not stream then return nil, message, code end
    return { stream = stream, used = 0 }
  end
  return pool.make({
    connect = connect, close = close_link, stream = stream_of, max = settings.max_per_host,
  }, self.shelf)
end

-- Those that have no connection: who talks to ever new hosts must not remember all of them.
local function forget_empty(self)
  local count = 0
  for key, each in pairs(self.pools) do
    if each.taken == 0 then self.pools[key] = nil else count = count + 1 end
  end
  self.count, self.forget_at = count, math.max(FORGET_AT, 2 * count)
end

local function pool_for(self, url, proxy)
  local key = key_of(place_of(url, proxy), proxy)
  local found = self.pools[key]
  if not found then
    if self.count >= self.forget_at then forget_empty(self) end
    found = new_pool(self, url, proxy)
    self.pools[key] = found
    self.count = self.count + 1
  end
  return found
end

-- ---- one attempt ----

local LAST_WORD = 1 -- seconds at most for an answer from a server that takes no more of the request

local IN_USE = "timed out: all %d connections to its place are in use (a response has one until "
  .. "it is read to its end, or closed)"

-- Why there is none, for people: who forgets responses would not find that by "timed out".
local function explain(from, message, code)
  local is_full = code == "ETIMEDOUT" and string.find(message, "^acquire pool: ")
  return nil, is_full and string.format(IN_USE, from.max) or message, code
end

-- A connection on which nothing has happened, for the guard. What must not be sent twice looks
-- again after the loop has turned: then the kernel has told all that it knew.
local function acquire(from, plan, guard, due)
  while true do
    local lease, message, code = from:acquire(due and { timeout = math.max(0, due - core.now()) })
    if not lease then return explain(from, message, code) end
    guard.lease = lease
    local link = lease.member
    if link.used == 0 then return lease end
    local is_over = link.due and core.now() >= link.due
    if not is_over and not plan.idempotent then
      core.yield()
      is_over = not own.stream_rests(link.stream)
    end
    if not is_over then return lease end
    lease:drop()
  end
end

-- Failures that a connection which had been idle explains.
local STALE = { ECONNRESET = true, EPIPE = true, EBADF = true, ENOTCONN = true }

local CLOSED = "the server has closed the connection instead of answering"

-- Whether it is sure that the server has done nothing, or harmless if it has.
local function may_repeat(plan, link, failure)
  if link.used == 1 or failure.came or not STALE[failure.code] then return false end
  return failure.unsent or plan.idempotent and plan.replayable
end

-- The head of the response, and whether all of the request was sent; nil and what is known of the
-- failure.
local function attempt(self, plan, link, due)
  local stream, started = link.stream, core.now()
  link.used = link.used + 1
  local sent, message, code, unsent = sending.send(plan, stream, due, self.settings)
  if sent and sent ~= true then return sent, false end -- it did not want the body
  if unsent then return nil, { message = message, code = code, unsent = true } end
  if due and plan.streams then due = due + core.now() - started end
  if not sent then due = math.min(due or math.huge, core.now() + LAST_WORD) end
  local head, why, its_code, informed =
    dial.read_head(stream, self.settings.limits, plan.method, due)
  if head then return head, sent == true end
  if sent then message, code = why or CLOSED, its_code or "ECONNRESET" end
  local came = informed or stream:peek(1, ONE_TRY) ~= nil
  return nil, { message = message, code = code, came = came }
end

-- ---- the exchange ----

-- Sends on the lease's connection, and once more on a new one if that may be.
local function exchange(self, plan, lease, due)
  local link = lease.member
  local head, outcome = attempt(self, plan, link, due)
  if head or not may_repeat(plan, link, outcome) then return head, outcome end
  local renewed, message, code = pool.renew(lease, due)
  if not renewed then return nil, { message = message, code = code } end
  return attempt(self, plan, lease.member, due)
end

-- When the server will close the connection, by its own word.
local function note_keep_alive(link, head)
  local seconds = string.match(head.headers["Keep-Alive"] or "", "timeout=(%d+)")
  link.due = seconds and core.now() + tonumber(seconds) - 1 or nil
end

local CHANGED = "the server changes to another protocol, which was not asked for"

---Sends a request and reads the head of its response. The lease is the caller's: it is to be
---released when the body was read to its end and `reusable`, else dropped.
---@async
---@param plan kio.http.Plan
---@param due? number
---@return kio.http.Head|nil head
---@return kio.Lease|string lease or message
---@return boolean|string reusable or code
function Transport:send(plan, due)
  local proxy = proxies.choose(self.settings.proxies, plan.url)
  plan.proxy = proxy
  local from = pool_for(self, plan.url, proxy)
  local guard <close> = setmetatable({}, Guard)
  local lease, message, code = acquire(from, plan, guard, due)
  if not lease then return nil, message, code end
  local head, whole = exchange(self, plan, lease, due)
  if not head then return nil, whole.message, whole.code end
  if head.status == 101 then return nil, CHANGED, "EPROTO" end
  guard.lease = nil
  note_keep_alive(lease.member, head)
  return head, lease, whole and head.keep_alive and not plan.closes
end

---Closes all that is idle, and what is in use when that is over.
function Transport:close()
  self.closed = true
  local all = {}
  for _, each in pairs(self.pools) do all[#all + 1] = each end
  for _, each in ipairs(all) do getmetatable(each).__close(each) end
end

local transport = {}

---@param settings kio.http.ClientSettings
---@return kio.http.Transport
function transport.new(settings)
  return setmetatable({
    settings = settings, pools = {}, count = 0, forget_at = FORGET_AT,
    shelf = new_shelf(settings.max_idle, settings.idle_timeout, pool.discard),
  }, Transport)
end

return transport
