---Serving the connections of a listener: limits, and an orderly end. See docs/serve.md.
local _ENV = require "kio.core".globals
local check = require "kio.check"
local core = require "kio.core"
local optional = require "kio.optional"
local options_of = require "kio.net.serve.options"
local new_server = require "kio.net.serve.server"
local signal = require "kio.signal"
local spread = require "kio.net.serve.spread"

local own = core.own

local DRAIN_TIMEOUT = 10
local SAME_SIGNAL = 0.75 -- seconds in which a repetition is the same order, sent along two ways

-- ---- from the first connection to the last ----

-- The first signal is for the acceptor; one that comes while the server stops is for all that is
-- left, unless it only repeats the first: npm, timeout(1) and others signal the process and its
-- group.
local function watch_signals(server, acceptor, names)
  local list, first, first_at = table.move(names, 1, #names, 1, {}), nil, nil
  list[#list + 1] = function(name)
    local repeated = name == first and core.now() - first_at < SAME_SIGNAL
    if repeated then return end
    if server.told_to_stop then return server:force() end
    server.told_to_stop, first, first_at = true, name, core.now()
    acceptor:cancel()
  end
  signal.on(table.unpack(list))
end

local function drain(server, options)
  server:stop()
  server:accept_rest()
  server.listener:close()
  if options.drain_idle then server:watch_idle(options.drain_idle) end
  if server.live > 0 and not server.forced then
    server.over:wait(options.drain_timeout or DRAIN_TIMEOUT)
  end
  if server.live > 0 then server.scope:cancel() end
end

-- Until the acceptor has ended and every connection, too; message, code of what ended it, if that
-- was an error.
local function serve_all(server, acceptor, options)
  if options.stop_signals then watch_signals(server, acceptor, options.stop_signals) end
  if options.idle_timeout then server:watch_idle(options.idle_timeout) end
  local ok, message, code = acceptor:join()
  drain(server, options)
  if ok then return message, code end
  if not core.is_cancelled(message) then acceptor:await() end -- raises
end

-- The acceptor is what the outside may cancel, as a daemon: its end is not that of the scope. The
-- connections are shielded until they have drained.
local function run(server, options)
  local message, code = core.scope(function(outside)
    local acceptor = outside:spawn {
      server.accept_all, server, daemon = true, name = "accepting " .. server.listener:address(),
    }
    local function serve_here()
      return core.scope(function(connections)
        server.scope = connections
        return serve_all(server, acceptor, options)
      end)
    end
    if not server.spread then return core.shield(serve_here) end
    return core.shield(server.spread.around, server.spread, serve_here)
  end)
  server:close_unseen()
  if message then return nil, message, code, server.report end
  return server.report
end

-- The listener is served until this is closed.
local Mark = { __close = function(self) own.listener_served(self[1], false) end }

local function mark(listener)
  own.listener_served(listener, true)
  return setmetatable({ listener }, Mark)
end

-- ---- serve ----

---@class kio.ServeReport
---@field accepted integer connections
---@field failed integer of these, handlers that raised
---@field idle integer ended by idle_timeout
---@field cut integer cut off by the end of the server

-- Connections shake hands before the handler has them.
local function with_tls(handler, options)
  local serving, why = optional.find "tls.serving"
  if not serving then check.refuse(2, "serve", "option 'tls' needs the rock kio-tls: " .. why) end
  local stays = options.spread and serving.stays(options.tls)
  if stays then check.refuse(2, "serve", stays) end
  return serving.wrap(handler, options)
end

-- A listener that was closed before it could serve, in the words of accept.
local function refused(listener)
  local _, message, code = listener:accept { timeout = 0 }
  return nil, (string.gsub(message, "^accept", "serve", 1)), code
end

---Accepts connections and calls handler(stream, peer) for each, in a task and a scope of its own,
---which end with the stream closed. Serves until the listener is closed or this task is cancelled;
---then closes the listener, waits for the handlers, cuts off those that take too long, and returns
---what became of all.
---@async
---@param listener kio.Listener
---@param handler async fun(stream: kio.Stream, peer: kio.Address)
---@param options? kio.ServeOptions
---@return kio.ServeReport|nil report nil when accepting failed for good
---@return string? message
---@return string? code "EBADF": the listener was closed before
---@return kio.ServeReport? report of a server that failed
return function(listener, handler, options, ...)
  check.self(listener, "kio.Listener", "serve")
  check.type(handler, "function", 1, "serve")
  options = options_of.read(options, 2, "serve", ...) or {}
  if options.tls and own.listener_packets(listener) then
    check.refuse(2, "serve", "option 'tls' is for streams, and this listener gives packets")
  end
  if options.tls then handler = with_tls(handler, options) end
  if options.spread then
    local argument, message = spread.refusal(listener, handler)
    if argument then check.refuse(argument, "serve", message) end
  end
  local _, spent = own.checkpoint()
  if not listener:fd() then
    if spent then own.let_turn() end
    return refused(listener)
  end
  local _ <close> = mark(listener)
  return run(new_server(listener, handler, options), options)
end
