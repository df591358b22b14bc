---WebSockets: res:websocket() on servers, http.websocket(url) for clients. See docs/websocket.md.
local _ENV = require "kio.core".globals
local check = require "kio.check"
local core = require "kio.core"
local dial = require "kio.http.client.dial"
local ending = require "kio.http.ending"
local given_fields = require "kio.http.fields"
local http_core = require "kio.http.core"
local permessage = require "kio.http.permessage"
local proxies = require "kio.http.client.proxy"
local socket = require "kio.http.socket"
local upgrade = require "kio.http.upgrade"
local urls = require "kio.http.url"

local websocket = {}

local MESSAGE_MAX = 1 << 20 -- bytes
local HEARTBEAT = 30 -- seconds
local TIMEOUT = 30 -- seconds, for a client's connection and handshake

---@class kio.http.SocketOptions
---@field protocols? string[] subprotocols, the best first (none)
---@field max_message? integer bytes of a message that is received; more ends the connection (1 MiB)
---@field heartbeat? number|false seconds of silence after which the peer is pinged, and after as
---many more is taken for gone; false: never (30)
---@field compress? boolean permessage-deflate, when the other side takes it; needs kio-zlib (false)

---@class kio.http.AcceptOptions: kio.http.SocketOptions
---@field origins? string[]|"any" whose pages may connect from browsers, "https://example.org"
---(those of the host that the request names)

---@class kio.http.WebSocketOptions: kio.http.SocketOptions
---@field timeout? number seconds for connection and handshake together (30)
---@field headers? table<string, string|string[]> further fields of the request
---@field origin? string the field Origin
---@field tls? kio.tls.Context|kio.tls.Options what "wss:" goes by
---@field proxy? string URL of the proxy to go through

-- ---- options ----

local KNOWN = {
  protocols = "table", max_message = "number", heartbeat = "any", compress = "boolean",
}

local function known_with(more)
  for key, kind in pairs(KNOWN) do more[key] = kind end
  return more
end

local ACCEPT = known_with { origins = "any" }
local CONNECT = known_with {
  timeout = "number", headers = "table", origin = "string", tls = "any", proxy = "string",
}

local function refuse(index, name, option, text)
  check.refuse(index, name, string.format("option '%s' must be %s", option, text))
end

local function check_protocols(list, index, name)
  local seen = {}
  for i, each in ipairs(list) do
    local fits = upgrade.is_protocol(each) and not seen[each]
    if not fits then refuse(index, name, "protocols", "a list of different tokens") end
    seen[each] = i
  end
  if #list == 0 then refuse(index, name, "protocols", "a list of different tokens") end
end

local function is_positive(value)
  return type(value) == "number" and value > 0 and value == value
end

-- Reads what both sides have.
local function read_options(given, index, name, known, ...)
  local options = check.options(given, index, name, known, ...) or {}
  local heartbeat = options.heartbeat
  if options.protocols then check_protocols(options.protocols, index, name) end
  options.max_message = options.max_message or MESSAGE_MAX
  if math.type(options.max_message) ~= "integer" then
    refuse(index, name, "max_message", "an integer")
  end
  if heartbeat == nil then options.heartbeat = HEARTBEAT
  elseif heartbeat and not is_positive(heartbeat) then
    refuse(index, name, "heartbeat", "a number of seconds, or false")
  end
  local why = options.compress and permessage.missing()
  if why then check.refuse(index, name, "option 'compress': " .. why) end
  return options
end

-- "any", nil, or the set of the origins, as they are compared.
local function read_origins(origins)
  if origins == nil or origins == "any" then return origins end
  local set = {}
  for _, each in ipairs(type(origins) == "table" and check.copy_list(origins) or {}) do
    local origin = type(each) == "string" and upgrade.origin(each)
    if not origin then set = {} break end
    set[origin] = true
  end
  if next(set) == nil then
    refuse(1, "websocket", "origins", "\"any\" or a list such as { \"https://example.org\" }")
  end
  return set
end

-- ---- servers ----

-- Answers a request that is no handshake, or none for here.
local function turn_down(res, words, status, field)
  local fields = { ["content-type"] = "text/plain" }
  if field then fields[field[1]] = field[2] end
  local body = words .. "\n"
  fields["content-length"] = #body
  local done, message, code = res:start(status, fields)
  if done then done, message, code = res:write(body) end
  if done then done, message, code = res:finish() end
  if not done then return nil, message, code end
  return nil, string.format("websocket %s: %s", res.connection.peer, words),
    status == 403 and "EACCES" or "EPROTO"
end

---What res:websocket(options) does. `take_over`: sends the fields of an answer with status 101, and
---gives the stream.
---@async
---@param res kio.http.Response
---@param take_over async fun(res: kio.http.Response, fields: table): kio.Stream|nil, string?
---@param options? kio.http.AcceptOptions
---@return kio.http.WebSocket|nil socket
---@return string? message
---@return string? code
function websocket.accept(res, take_over, options, ...)
  options = read_options(options, 1, "websocket", ACCEPT, ...)
  options.origins = read_origins(options.origins)
  if res.framing then check.misuse "the response has been started before" end
  local fields, protocol, compression, field = upgrade.answer(res.request.head, options)
  if not fields then return turn_down(res, protocol, compression, field) end
  local stream, message, code = take_over(res, fields)
  if not stream then return nil, message, code end
  res.socket = socket.new {
    stream = stream, peer = res.connection.peer, client = false, protocol = protocol,
    max_message = options.max_message, heartbeat = options.heartbeat, compress = compression,
  }
  return res.socket
end

-- ---- clients ----

local SCHEMES = { ws = true, wss = true }

-- The request, and its key.
local function request_of(url, options)
  local fields, key = upgrade.request(options)
  local text = string.format("GET %s HTTP/1.1\r\nHost: %s\r\n", url.target, url.authority)
  local more = options.headers and http_core.encode_fields(options.headers) or ""
  return text .. http_core.encode_fields(fields) .. more .. "\r\n", key
end

-- A socket over a stream that is connected; nil, message, code, status.
local function shake(stream, url, options, due)
  local request, key = request_of(url, options)
  local head, message, code = dial.ask(stream, request, options.limits, "GET", due,
    "the server has ended without an answer")
  if not head then return nil, message, code end
  local protocol, compression, wrong = upgrade.verify(head, key, options)
  if wrong then return nil, wrong, "EPROTO", head.status end
  return socket.new {
    stream = stream, peer = stream:peer(), client = true, protocol = protocol,
    max_message = options.max_message, heartbeat = options.heartbeat, compress = compression,
  }
end

local function read_url(text)
  check.type(text, "string", 1, "websocket", "a URL (string)")
  local url, wrong = urls.parse(text, SCHEMES)
  if not url then
    check.refuse(1, "websocket",
      string.format("no URL of a WebSocket: %s (%s)", urls.shown_text(text), wrong))
  end
  return url
end

-- What the connection goes by; nil, message, code.
local function settings_of(url, options)
  local proxy, wrong, context
  if options.proxy then proxy, wrong = proxies.parse(options.proxy) end
  if wrong then refuse(2, "websocket", "proxy", "the URL of a proxy: " .. wrong) end
  if options.tls ~= nil then
    if url.scheme ~= "wss" then refuse(2, "websocket", "tls", "left out: the URL is no wss:") end
    local message, code
    context, message, code = dial.context(options.tls, 2, "websocket")
    if not context then return nil, message, code end
  end
  options.limits = http_core.limits {}
  return { limits = options.limits, proxy = proxy, tls = context }
end

-- Fields that the handshake has: twice, or of another value, they would be read in two ways.
local OURS = {
  host = true, connection = true, upgrade = true, ["content-length"] = true,
  ["transfer-encoding"] = true, ["sec-websocket-key"] = true, ["sec-websocket-version"] = true,
  ["sec-websocket-protocol"] = true, ["sec-websocket-extensions"] = true,
}

local function check_headers(headers)
  local name = given_fields.find(headers, OURS)
  if name then
    refuse(2, "websocket", "headers",
      string.format("fields beside those of the handshake, which has '%s'", name))
  end
  http_core.encode_fields(headers) -- raises for what is wrong
end

---Opens a WebSocket.
---@async
---@param url string "ws://example.org/chat", "wss://..."
---@param options? kio.http.WebSocketOptions
---@return kio.http.WebSocket|nil socket
---@return string? message
---@return string? code "EPROTO": the server does not want it
---@return integer? status of its answer then
function websocket.connect(url, options, ...)
  local place = read_url(url)
  options = read_options(options, 2, "websocket", CONNECT, ...)
  if options.headers then check_headers(options.headers) end
  local due = core.now() + (options.timeout or TIMEOUT)
  local settings, message, code, status = settings_of(place, options)
  local stream, made
  if settings then stream, message, code = dial.connect(place, settings, due) end
  if stream then
    local guard <close> = dial.guard(stream)
    made, message, code, status = shake(stream, place, options, due)
    if made then
      guard.stream = nil
      return made
    end
  end
  return nil, string.format("websocket %s: %s", urls.shown(place), ending.words(message)), code,
    status
end

return websocket
