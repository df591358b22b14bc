---What one worker does for servers of others (spread.lua): it keeps a copy of each one's handler,
---calls it for the connections it is sent, and watches which are idle. These functions are called
---from there, by their names in this module. Invariant: a host is in `hosts` while its `keep` runs,
---or from when something waits for that.
local _ENV = require "kio.core".globals
local core = require "kio.core"
local event = require "kio.sync.event"
local stopping = require "kio.net.serve.stopping"
local watch_idle = require "kio.net.serve.idle"

local guest = {}

local ONE_TRY = { timeout = 0 }

---@class kio.ServeHost: kio.IdleWatched
---@field handler? async fun(stream: kio.Stream, peer: kio.Address)
---@field ready kio.Event the handler has come
---@field live integer connections
---@field stopping boolean the server stops

---@type table<string, kio.ServeHost>
local hosts = {}

local function host_of(id)
  local host = hosts[id]
  if not host then
    host = { connections = {}, live = 0, stopping = false, busy = event.new(), ready = event.new() }
    hosts[id] = host
  end
  return host
end

---Keeps the handler of server `id` until it is cancelled.
---@async
---@param id string
---@param handler function
function guest.keep(id, handler)
  local host = host_of(id)
  local held <close> = setmetatable({}, { __close = function() hosts[id] = nil end })
  host.handler = handler
  host.ready:set()
  event.new():wait()
  return held
end

---Waits until the handler is there.
---@async
---@param id string
function guest.ready(id) host_of(id).ready:wait() end

---Ends connections of that server that have been idle for `limit` seconds, until it is cancelled.
---@async
---@param id string
---@param limit number
function guest.watch(id, limit) watch_idle(host_of(id), limit) end

---The server stops: what its handlers are to know.
---@param id string
function guest.stop(id)
  local host = host_of(id)
  host.stopping = true
  stopping.hurry(host.connections)
end

-- ---- one connection ----

local Connection = {}

local function open(host, stream)
  local connection = setmetatable({ host = host, stream = stream }, Connection)
  host.connections[connection] = true
  stopping.servers[stream] = host
  host.live = host.live + 1
  if host.live == 1 then host.busy:set() end
  return connection
end

function Connection:__close(err)
  local host = self.host
  self.stream:close((self.idle or err ~= nil) and ONE_TRY or nil)
  host.connections[self] = nil
  host.live = host.live - 1
  if host.live == 0 then host.busy:reset() end
end

---Calls the handler, in a scope of the connection's own, and closes the stream.
---@async
---@param id string
---@param stream kio.Stream
---@param peer kio.Address
---@return boolean idle it was ended for being that
function guest.serve(id, stream, peer)
  local host = host_of(id)
  local connection <close> = open(host, stream)
  local ended = core.scope(function(scope)
    connection.task = scope
    host.handler(stream, peer)
    return true
  end)
  return not ended
end

return guest
