---The PROXY protocol, versions 1 and 2: what a load balancer that passes bytes on says first about
---the client. It is read where connections come from trusted hosts, and nowhere else.
local _ENV = require "kio.core".globals
local check = require "kio.check"
local forwarded = require "kio.http.forwarded"
local network = require "kio.http.network"

local proxy_line = {}

local SIGNATURE = "\r\n\r\n\0\r\nQUIT\n"
local LINE_MAX = 107 -- bytes of version 1, with its end
local MORE_MAX = 4096 -- bytes behind the head of version 2
local TIMEOUT = 5

local function fail(peer, text)
  return nil, string.format("read %s: PROXY protocol: %s", peer, text), "EPROTO"
end

-- ---- version 1 ----

local function valid_port(text)
  local port = #text <= 5 and tonumber(text)
  return port and port <= 65535 and not string.find(text, "^0%d")
end

---The client's address that a line says; false: it says that it knows none; nil: it is wrong.
---@param line string without its end
---@return string|false|nil
function proxy_line.parse(line)
  if string.find(line, "^PROXY UNKNOWN") then return false end
  local family, from, to, port, to_port =
    string.match(line, "^PROXY (TCP[46]) (%S+) (%S+) (%d+) (%d+)$")
  if not family or not valid_port(port) or not valid_port(to_port) then return nil end
  local is_six = family == "TCP6"
  for _, address in ipairs { from, to } do
    local six = string.find(address, ":", 1, true) ~= nil
    if not network.address(address) or six ~= is_six then return nil end
  end
  return network.join(from, port)
end

-- ---- version 2 ----

local function ipv6_text(bytes)
  local groups = table.pack(string.unpack(">I2I2I2I2I2I2I2I2", bytes))
  return string.format("%x:%x:%x:%x:%x:%x:%x:%x", table.unpack(groups, 1, 8))
end

---The same of what stands behind the signature: version and command, family, length, and the rest.
---@param command integer
---@param family integer
---@param rest string
---@return string|false|nil
function proxy_line.unpack(command, family, rest)
  if command == 0x20 then return false end -- the balancer's own, such as a health check
  if command ~= 0x21 then return nil end
  if family == 0x11 then
    if #rest < 12 then return nil end
    local a, b, c, d, port = string.unpack(">BBBBxxxxI2", rest)
    return string.format("%d.%d.%d.%d:%d", a, b, c, d, port)
  elseif family == 0x21 then
    if #rest < 36 then return nil end
    return network.join(ipv6_text(rest), tostring((string.unpack(">I2", rest, 33))))
  end
  return false
end

-- ---- reading it ----

local function read_old(stream, peer, options)
  local line, message, code = stream:read_until("\r\n", options)
  if not line then
    if message and code ~= "EMSGSIZE" and code ~= "ENODATA" then return nil, message, code end
    return fail(peer, "no line that ends")
  end
  local client = proxy_line.parse(line)
  if client == nil then return fail(peer, "a line that is none of it") end
  return client or peer
end

local function read_new(stream, peer)
  local head, message, code = stream:read(16)
  if not head or #head < 16 then
    if message then return nil, message, code end
    return fail(peer, "it ends too soon")
  end
  local command, family, size = string.unpack(">BBI2", head, 13)
  if size > MORE_MAX then return fail(peer, "too long") end
  local rest = ""
  if size > 0 then rest, message, code = stream:read(size) end
  if not rest or #rest < size then
    if message then return nil, message, code end
    return fail(peer, "it ends too soon")
  end
  local client = proxy_line.unpack(command, family, rest)
  if client == nil then return fail(peer, "a head that is none of it") end
  return client or peer
end

---Reads what a trusted host says of its client: the client's address, or the peer's own.
---@async
---@param stream kio.Stream
---@param peer kio.Address
---@return kio.Address|nil client
---@return string? message
---@return string? code "EPROTO": it says nothing of the kind
function proxy_line.read(stream, peer)
  local first, message, code = stream:peek(#SIGNATURE)
  if not first then
    if message then return nil, message, code end
    return fail(peer, "it ends too soon")
  end
  if first == SIGNATURE then return read_new(stream, peer) end
  return read_old(stream, peer, { max = LINE_MAX })
end

---A handler of connections, for listener:serve, before another one, such as http.handler gives:
---those from `trusted` hosts begin with the PROXY protocol, and the handler gets the client's
---address. Others are as they are.
---@param handler async fun(stream: kio.Stream, peer: kio.Address, ...): ...
---@param trusted string[] addresses, networks and "unix"
---@return async fun(stream: kio.Stream, peer: kio.Address, ...): ...
function proxy_line.handler(handler, trusted, ...)
  check.type(handler, "function", 1, "proxied")
  check.no_more(2, "proxied", ...)
  trusted = check.told("proxied", -1, forwarded.trusted, trusted)
  local read, trusts, seconds = proxy_line.within, forwarded.trusts, TIMEOUT
  return function(stream, peer, ...)
    if not trusts(trusted, peer) then return handler(stream, peer, ...) end
    local client, message = read(stream, peer, seconds)
    if not client then error(message, 0) end
    return handler(stream, client, ...)
  end
end

---`read` with a deadline.
---@async
function proxy_line.within(stream, peer, seconds)
  return require "kio.core".timeout(seconds, proxy_line.read, stream, peer)
end

return proxy_line
