---http.serve and http.handler: a function of requests becomes one of connections.
local _ENV = require "kio.core".globals
local check = require "kio.check"
local core_own = require "kio.core".own
local connection = require "kio.http.connection"
local net = require "kio.net"
local options_of = require "kio.http.options"
local serve_options = require "kio.net.serve.options"

local server = {}

---What handlers of requests are, and what they return: nothing when they have started a response
---themselves; a body; or a status, fields and a body.
---@alias kio.http.Body string|number|kio.Buffer|kio.File|async fun(): string?
---@alias kio.http.Handler async fun(req: kio.http.Request, res: kio.http.Response):
---integer|kio.http.Body|nil, table?, kio.http.Body?

-- It crosses to other workers when servers are spread: by the name of `serve`, and with copies of
-- the handler and the options.
local function make(handler, options)
  local serve = connection.serve
  return function(stream, peer) return serve(stream, peer, handler, options) end
end

---A handler of connections, for listener:serve, that serves requests by this one.
---@param handler kio.http.Handler
---@param options? kio.http.HandlerOptions
---@return async fun(stream: kio.Stream, peer: kio.Address)
function server.handler(handler, options, ...)
  check.type(handler, "function", 1, "handler")
  return make(handler, options_of.read(options, 2, "handler", ...))
end

---@class kio.http.ServeOptions: kio.http.HandlerOptions, kio.ServeOptions, kio.ListenOptions

-- Seconds for which an answer may not move at least, and longer than any other wait here takes.
local IDLE, LONGER = 120, 15

local function idle_timeout(own)
  local longest = math.max(own.header_timeout, own.body_timeout, own.keepalive_timeout)
  return math.max(IDLE, longest + LONGER)
end

-- The options of handlers, of serving, and of listening: what is left.
local function split(options)
  local own, serving, listening = {}, {}, {}
  for key, value in next, options or {} do
    if options_of.known[key] then own[key] = value
    elseif serve_options.known[key] then serving[key] = value
    else listening[key] = value end
  end
  return own, serving, listening
end

---Listens and serves requests by `handler`, until it is stopped as listener:serve is.
---@async
---@param address kio.Address|kio.Listener
---@param handler kio.http.Handler
---@param options? kio.http.ServeOptions
---@return kio.ServeReport|nil report
---@return string? message
---@return string? code
---@return kio.ServeReport? report of a server that failed
function server.serve(address, handler, options, ...)
  check.type(handler, "function", 2, "serve")
  if options ~= nil then check.type(options, "table", 3, "serve", "a table of options") end
  check.no_more(3, "serve", ...)
  local own, serving, listening = split(options)
  own = options_of.read(own, 3, "serve")
  serving = serve_options.read(serving, 3, "serve") or {}
  if not serving.idle_timeout then serving.idle_timeout = idle_timeout(own) end
  local listener = address
  if type(address) == "string" then
    local message, code
    listener, message, code = check.told("serve", -1, net.listen, address, listening)
    if not listener then return nil, message, code end
  else
    check.self(address, "kio.Listener", "serve")
    local unknown = next(listening)
    if unknown ~= nil then
      check.refuse(3, "serve", string.format("unknown option '%s'", unknown))
    end
  end
  if core_own.listener_packets(listener) then
    check.refuse(1, "serve", "HTTP goes over streams, and this listener gives packets")
  end
  return listener:serve(make(handler, own), serving)
end

return server
