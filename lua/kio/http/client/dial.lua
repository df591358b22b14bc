---Connections to where a URL leads: straight, or by way of a proxy, with TLS where that is asked
---for. The stream that comes of it speaks to the URL's host (or to its proxy, in absolute form).
local _ENV = require "kio.core".globals
local by_address = require "kio.net.connect"
local check = require "kio.check"
local core = require "kio.http.core"
local kio_core = require "kio.core"
local optional = require "kio.optional"
local proxies = require "kio.http.client.proxy"

local dial = {}

local ONE_TRY = { timeout = 0 }
local INFORMATIONAL_MAX = 10 -- responses with 1xx in front of the one that counts

local function left(due) return due and { timeout = math.max(0, due - kio_core.now()) } end

local Guard = { __close = function(guard)
  if guard.stream then guard.stream:close(ONE_TRY) end
end }

---What closes the stream at the end of its block, unless that was taken out of it.
---@param stream kio.Stream
---@return { stream: kio.Stream? }
function dial.guard(stream) return setmetatable({ stream = stream }, Guard) end

---The first response that is not only information.
---@async
---@param stream kio.Stream
---@param limits kio.http.Limits
---@param method string
---@param due? number
---@param on_continue? fun(): boolean whether "100 Continue" is what is waited for
---@return kio.http.Head|nil head
---@return string? message
---@return string? code
---@return boolean? informed something had come before that
function dial.read_head(stream, limits, method, due, on_continue)
  for i = 0, INFORMATIONAL_MAX do
    local timeout = due and math.max(0, due - kio_core.now())
    local head, message, code = core.read_response(stream, limits, method, timeout)
    if not head then return nil, message, code, i > 0 end
    local status = head.status
    if status >= 200 or status == 101 then return head end
    if status == 100 and on_continue and on_continue() then return head end
  end
  return nil, "the server only informs, and does not answer", "EPROTO", true
end

---Sends a request without a body, and reads the head of what answers it.
---@async
---@param stream kio.Stream
---@param request string|string[]
---@param limits kio.http.Limits
---@param method string
---@param due? number
---@param silent string what it means when the other side ends without a word
---@return kio.http.Head|nil head
---@return string? message
---@return string? code
function dial.ask(stream, request, limits, method, due, silent)
  local sent, message, code = stream:write(request)
  if not sent then return nil, message, code end
  local head
  head, message, code = dial.read_head(stream, limits, method, due)
  if not head then return nil, message or silent, code or "ECONNRESET" end
  return head
end

local REFUSED = "the proxy refuses the connection: %d %s"

-- Has the proxy connect the stream to the host.
local function tunnel(stream, url, settings, due)
  local place = url.address
  local text = { "CONNECT ", place, " HTTP/1.1\r\nHost: ", place, "\r\n",
    proxies.authorization(settings.proxy), "\r\n" }
  local head, message, code = dial.ask(stream, text, settings.limits, "CONNECT", due,
    "the proxy has closed the connection")
  if not head then return nil, message, code end
  if head.status >= 200 and head.status < 300 then return true end
  code = head.status == 407 and "EACCES" or "ECONNREFUSED"
  return nil, string.format(REFUSED, head.status, head.reason or ""), code
end

---The context that an option 'tls', which is there, names or makes; it is the argument at `index`
---of the public function `name`.
---@param wanted kio.tls.Context|kio.tls.Options
---@param index integer
---@param name string
---@return kio.tls.Context|nil context
---@return string? message what it names cannot be used
---@return string? code
function dial.context(wanted, index, name)
  local tls, why = optional.find "tls"
  if not tls then check.refuse(index, name, "option 'tls' needs the rock kio-tls: " .. why) end
  if type(wanted) == "table" then return tls.context(check.copy(wanted)) end
  if check.kind(wanted) == "kio.tls.Context" then return wanted end
  check.refuse(index, name, "option 'tls' must be a context or a table of options")
end

-- From now on the stream speaks TLS with that host.
local function encrypt(stream, host, context, due)
  local tls, why = optional.find "tls"
  if not tls then return nil, "https needs the rock kio-tls: " .. why, "ENOTSUP" end
  local options = left(due) or {}
  options.name, options.context = host, context
  return tls.client(stream, options)
end

-- What the program connects with gives a stream, or a failure.
local function by_program(connect, place, options)
  local stream, message, code = connect(place, options)
  if stream == nil then
    return nil, message or "the option 'connect' has given nothing", code or "ENODATA"
  end
  if not check.is_stream(stream) then
    check.misuse("the option 'connect' must give a kio.Stream, not a " .. check.kind(stream))
  end
  return stream
end

local function open(place, settings, due)
  if settings.connect then return by_program(settings.connect, place, left(due)) end
  return by_address.connect(place, left(due))
end

local TWICE = "a proxy that speaks TLS itself cannot be a tunnel for more TLS"

---@class kio.http.Settings what connections go by
---@field limits kio.http.Limits
---@field proxy? kio.http.Url
---@field tls? kio.tls.Context
---@field connect? async fun(address: kio.Address, options?: kio.Options): kio.Stream

---@async
---@param url kio.http.Url
---@param settings kio.http.Settings
---@param due? number
---@return kio.Stream|nil stream
---@return string? message
---@return string? code
function dial.connect(url, settings, due)
  local proxy, is_secure = settings.proxy, url.scheme == "https" or url.scheme == "wss"
  local tunnels = proxy and (is_secure or url.scheme == "ws")
  if tunnels and proxy.scheme == "https" then return nil, TWICE, "ENOTSUP" end
  local stream, message, code = open((proxy or url).address, settings, due)
  if not stream then return nil, message, code end
  local guard <close> = dial.guard(stream)
  local fine = stream
  if tunnels then fine, message, code = tunnel(stream, url, settings, due)
  elseif proxy and proxy.scheme == "https" then
    fine, message, code = encrypt(stream, proxy.host, settings.tls, due)
  end
  if fine and is_secure then
    fine, message, code = encrypt(stream, url.host, settings.tls, due)
  end
  if not fine then return nil, message, code end
  guard.stream = nil
  return stream
end

return dial
