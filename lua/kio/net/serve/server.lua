---The server behind one call of listener:serve: its connections, each in a task and a scope of its
---own, and who may come in. Invariant: `connections` holds those that were accepted and whose
---streams are not closed yet, `live` of them.
local _ENV = require "kio.core".globals
local listener = require "kio.net.listener"
local core = require "kio.core"
local event = require "kio.sync.event"
local print_error = require "kio.net.serve.tell"
local spread = require "kio.net.serve.spread"
local stopping = require "kio.net.serve.stopping"
local watch_idle = require "kio.net.serve.idle"

local own = core.own

local ACCEPTS = 16 -- under way at a time: more gain nothing, one is 8 times slower beside a load
local ACCEPT_BUDGET = 64
local REST_MAX = 1024 -- connections that are still taken from the queue when the server stops
local ONE_TRY = { timeout = 0 }
local RESTING = 1 -- seconds without a request after which a connection can be missed

-- ---- one connection ----

---@class kio.Served a connection, from being accepted to having been closed
---@field server kio.Server
---@field stream kio.Stream
---@field peer kio.Address
---@field task kio.Task
---@field place? kio.ServePlace the worker that serves it, when they are spread
---@field idle? boolean it was ended by idle_timeout
local Connection = {}

local STRAY = "the handler raised kio.Cancelled, but nobody had cancelled it: it awaited what was"

-- The last thing its task does, however the handler ended. Only output of one that returned waits
-- for the peer to take it. A cancellation that is not its own must not reach the server's scope.
function Connection:__close(err)
  self.stream:close(err ~= nil and ONE_TRY or nil)
  local stray = err ~= nil and core.is_cancelled(err) and pcall(own.checkpoint)
  if stray then err = STRAY end
  self.server:lost(self, err)
  if stray then error(STRAY, 0) end
end

local function handle(connection)
  local held <close> = connection
  local server, place = connection.server, connection.place
  if place and not place.own then
    connection.idle = server.spread:call(connection)
  else
    core.scope(function() server.handler(connection.stream, connection.peer) end)
  end
  return held
end

-- ---- errors ----

local function tell(server, peer, err, traceback)
  server.report.failed = server.report.failed + 1
  local ok, failure = pcall(server.on_error, err, peer, traceback)
  if ok then return end
  print_error(err, peer, traceback)
  if not core.is_cancelled(failure) then print_error(failure, peer, "in on_error") end
end

-- ---- the server ----

---@class kio.Server what one call of serve keeps
---@field listener kio.Listener
---@field handler async fun(stream: kio.Stream, peer: kio.Address)
---@field max number of connections at a time
---@field budget integer connections taken before other tasks have a turn
---@field on_error async fun(err: any, peer: kio.Address, traceback?: string)
---@field scope kio.Scope owns the tasks of the connections
---@field connections table<kio.Served, true>
---@field live integer how many they are
---@field accepting integer accepts under way
---@field turn integer of the loop, in which `taken` connections were accepted
---@field taken integer
---@field busy kio.Event there are some
---@field spread? kio.ServeSpread the workers they go to
---@field room kio.Queue who waits until one more may be accepted
---@field over kio.Event it stops, and there are none, or they need not be waited for
---@field stopping boolean
---@field told_to_stop? boolean by a signal, or it stops already
---@field forced? boolean connections are not to be waited for
---@field report kio.ServeReport
local Server = {}
Server.__index = Server

function Server:admit(stream, peer)
  local connection = setmetatable({ server = self, stream = stream, peer = peer }, Connection)
  if self.spread then connection.place = self.spread:choose() end
  self.connections[connection] = true
  stopping.servers[stream] = self
  self.live = self.live + 1
  self.report.accepted = self.report.accepted + 1
  if self.live == 1 then self.busy:set() end
  connection.task = self.scope:spawn {
    handle, connection, name = peer,
    on_error = function(err, traceback) self:failed(connection, err, traceback) end,
  }
end

-- A place has one connection less. Another worker has closed a descriptor that somebody here may
-- wait for.
local function leave(place)
  place.live = place.live - 1
  if not place.own then own.descriptor_freed() end
end

function Server:lost(connection, err)
  local report = self.report
  self.connections[connection] = nil
  self.live = self.live - 1
  if connection.place then leave(connection.place) end
  if connection.idle then report.idle = report.idle + 1
  elseif err ~= nil and core.is_cancelled(err) then report.cut = report.cut + 1 end
  self.room:wake()
  if self.live == 0 then
    self.busy:reset()
    if self.stopping then self.over:set() end
  end
end

function Server:failed(connection, err, traceback)
  if self.connections[connection] then -- there was no memory to call its __close
    connection.stream:close(ONE_TRY)
    self:lost(connection, err)
  end
  tell(self, connection.peer, err, traceback)
end

-- ---- accepting ----

-- Waits until one more may be accepted: in this turn of the loop, and at all; or until the listener
-- is closed.
local function await_room(server)
  while server.taken >= server.budget and server.turn == own.turn() do core.yield() end
  while server.live + server.accepting >= server.max and server.listener:fd() do
    own.wait_any { server.room, server.listener }
  end
end

local function count(server)
  local turn = own.turn()
  if turn ~= server.turn then server.turn, server.taken = turn, 0 end
  server.taken = server.taken + 1
end

-- Until the listener is closed; or message, code of an error.
local function accept_on(server, state)
  while true do
    await_room(server)
    server.accepting = server.accepting + 1
    local stream, peer, code = listener.next(server.listener, state)
    server.accepting = server.accepting - 1
    if not stream then return peer, code end
    count(server)
    server:admit(stream, peer)
  end
end

-- There are no descriptors left: connections that only wait for a next request give theirs up.
local function make_room(server)
  for connection in pairs(server.connections) do
    local is_here = not connection.place or connection.place.own
    if is_here and own.stream_idle(connection.stream) >= RESTING then
      own.stream_hurry(connection.stream)
    end
  end
end

---The same with several accepts under way where each brings one connection in a turn of the loop.
function Server:accept_all()
  local failure = self.spread and self.spread:wait()
  if failure then
    self.forced = true
    error(failure, 0)
  end
  local state = listener.state(function() make_room(self) end)
  local message, code
  core.scope(function(scope)
    local loops = own.accepts_many() and 1 or math.min(ACCEPTS, self.budget, self.max)
    for _ = 1, loops do
      scope:spawn(function()
        message, code = accept_on(self, state)
        scope:cancel()
      end)
    end
  end)
  return message, code
end

---Who has connected before the server stopped is served, and not reset by the listener's closing.
function Server:accept_rest()
  for _ = 1, REST_MAX do
    if self.live >= self.max or self.forced then return end
    local stream, peer, code = self.listener:accept(ONE_TRY)
    if stream then self:admit(stream, peer)
    elseif not listener.of_connection[code] then return end
  end
end

-- ---- ending those that are left ----

---From now on the handlers see that it stops, and none waits any longer for a next request.
function Server:stop()
  self.stopping, self.told_to_stop = true, true
  stopping.hurry(self.connections)
  if self.spread then self.spread:stop(self.scope) end
end

---Ends those whose peers let nothing move for `limit` seconds, for as long as there are others.
function Server:watch_idle(limit)
  self.scope:spawn { watch_idle, self, limit, daemon = true, name = "idle" }
  if self.spread then self.spread:watch_idle(self.scope, limit) end
end

---Nobody is waited for any more.
function Server:force()
  self.forced = true
  self.over:set()
end

---Those whose tasks were cancelled before they had begun: no handler has seen them.
function Server:close_unseen()
  for connection in pairs(self.connections) do
    connection.stream:close(ONE_TRY)
    self.report.cut = self.report.cut + 1
  end
end

---@return kio.Server
return function(served, handler, options)
  return setmetatable({
    listener = served, handler = handler,
    max = options.max_connections or math.huge,
    budget = options.accept_budget or ACCEPT_BUDGET,
    on_error = type(options.on_error) == "function" and options.on_error or print_error,
    connections = {}, live = 0, stopping = false, accepting = 0, turn = 0, taken = 0,
    spread = options.spread and spread.new(handler) or nil,
    busy = event.new(), over = event.new(), room = own.queue "event",
    report = { accepted = 0, failed = 0, idle = 0, cut = 0 },
  }, Server)
end
