---The handshake of WebSockets (RFC 6455, section 4), both sides of it: what heads must say, and
---what is said in return. Memory only.
local _ENV = require "kio.core".globals
local core = require "kio.http.core"
local permessage = require "kio.http.permessage"
local trim = require "kio.http.trim"

local upgrade = {}

local VERSION = "13"
local TOKEN = "^[%w!#$%%&'*+.^_`|~-]+$"

-- Whether a list such as "keep-alive, Upgrade" has this token.
local function has_token(list, token)
  for each in string.gmatch(list or "", "[^,]+") do
    if string.lower(trim(each)) == token then return true end
  end
  return false
end

---Whether it can name a subprotocol.
---@param value any
---@return boolean
function upgrade.is_protocol(value)
  return type(value) == "string" and string.find(value, TOKEN) ~= nil
end

-- ---- who asks ----

local PORTS = { http = "80", https = "443", ws = "80", wss = "443" }

-- "example.org:8080", in lower case; a port that the scheme takes anyway is left out.
local function plain_host(host, scheme)
  host = string.lower(host)
  local name, port = string.match(host, "^(.*):(%d+)$")
  return name and port == PORTS[scheme] and name or host
end

---An origin as browsers write it, and the scheme and host in it; nil: it is none.
---@param origin string
---@return string|nil origin, string|nil scheme, string|nil host
function upgrade.origin(origin)
  local scheme, host = string.match(origin, "^(%a[%w+.-]*)://([^/?#%s]+)$")
  if not scheme then return nil end
  scheme = string.lower(scheme)
  host = plain_host(host, scheme)
  return scheme .. "://" .. host, scheme, host
end

-- Whether a page of this origin may open a connection to `host`. A program that is no browser names
-- none.
local function may_ask(origin, host, origins)
  if not origin or origins == "any" then return true end
  local plain, scheme, name = upgrade.origin(origin)
  if not plain then return false end
  if origins then return origins[plain] == true end
  return host ~= nil and plain_host(host, scheme) == name
end

-- ---- the server's side ----

-- The first of the server's protocols that the client offers; false: its offer cannot be read.
local function choose_protocol(offers, protocols)
  local offered = {}
  for _, line in ipairs(offers) do
    for each in string.gmatch(line, "[^,]+") do
      local name = trim(each)
      if not upgrade.is_protocol(name) then return false end
      offered[name] = true
    end
  end
  for _, name in ipairs(protocols or {}) do if offered[name] then return name end end
end

-- What is wrong with the request: a status, words, and a field that goes with them.
local function refusal(head, origins)
  local headers = head.headers
  local keys, found = head:all "Sec-WebSocket-Key", head:all "Origin"
  if head.method ~= "GET" then return 405, "a handshake is a GET", { "Allow", "GET" } end
  if head.version ~= "1.1" then return 400, "a handshake is of HTTP/1.1" end
  if not has_token(head.upgrade, "websocket") then
    return 426, "this is for WebSockets alone", { "Upgrade", "websocket" }
  elseif headers["Sec-WebSocket-Version"] ~= VERSION then
    return 426, "the version of WebSocket is 13", { "Sec-WebSocket-Version", VERSION }
  elseif #keys ~= 1 or not string.find(keys[1], "^[%w+/]+==$") or #keys[1] ~= 24 then
    return 400, "the key of a handshake is 16 bytes"
  elseif head.body ~= "none" then return 400, "a handshake has no body"
  elseif #found > 1 or not may_ask(found[1], head.authority, origins) then
    return 403, "this page may not open a connection here"
  end
end

---@class kio.http.UpgradeOptions
---@field protocols? string[]
---@field origins? "any"|table<string, true>
---@field compress? boolean
---@field max_message integer

---What a server answers to a request: the fields of the 101, the protocol, the compression; or nil,
---words, a status, a field.
---@param head kio.http.Head
---@param options kio.http.UpgradeOptions
---@return { [1]: string, [2]: string }[]|nil fields
---@return string|nil protocol of a refusal the words
---@return kio.http.Compression|integer|nil compression of a refusal the status
---@return { [1]: string, [2]: string }|nil field
function upgrade.answer(head, options)
  local status, words, field = refusal(head, options.origins)
  if status then return nil, words, status, field end
  local protocol = choose_protocol(head:all "Sec-WebSocket-Protocol", options.protocols)
  if protocol == false then return nil, "a subprotocol that is no token", 400 end
  local fields = {
    { "Upgrade", "websocket" }, { "Connection", "Upgrade" },
    { "Sec-WebSocket-Accept", core.websocket_accept(head.headers["Sec-WebSocket-Key"]) },
  }
  if protocol then fields[#fields + 1] = { "Sec-WebSocket-Protocol", protocol } end
  local compression, extension
  if options.compress then
    compression, extension =
      permessage.accept(head.headers["Sec-WebSocket-Extensions"], options.max_message)
  end
  if extension then fields[#fields + 1] = { "Sec-WebSocket-Extensions", extension } end
  return fields, protocol, compression
end

-- ---- the client's side ----

---The fields of a request beside those that the program adds, and its key.
---@param options { protocols: string[]?, compress: boolean?, origin: string? }
---@return { [1]: string, [2]: string }[] fields
---@return string key
function upgrade.request(options)
  local key = core.websocket_key()
  local fields = {
    { "Upgrade", "websocket" }, { "Connection", "Upgrade" },
    { "Sec-WebSocket-Key", key }, { "Sec-WebSocket-Version", VERSION },
  }
  if options.origin then fields[#fields + 1] = { "Origin", options.origin } end
  if options.protocols then
    fields[#fields + 1] = { "Sec-WebSocket-Protocol", table.concat(options.protocols, ", ") }
  end
  if options.compress then
    fields[#fields + 1] = { "Sec-WebSocket-Extensions", permessage.OFFER }
  end
  return fields, key
end

-- Whether the server may have chosen this of what was offered.
local function was_offered(protocol, protocols)
  for _, each in ipairs(protocols or {}) do if each == protocol then return true end end
  return false
end

---What the server has agreed to: protocol and compression; or nil, nil, words.
---@param head kio.http.Head
---@param key string of the request
---@param options { protocols: string[]?, compress: boolean?, max_message: integer }
---@return string|nil protocol
---@return kio.http.Compression|nil compression
---@return string|nil words what is wrong
function upgrade.verify(head, key, options)
  local headers = head.headers
  if head.status ~= 101 then
    local text = "the server has answered with status %d %s"
    return nil, nil, string.format(text, head.status, head.reason or "")
  elseif not has_token(head.upgrade, "websocket") then
    return nil, nil, "the server has switched to another protocol"
  elseif headers["Sec-WebSocket-Accept"] ~= core.websocket_accept(key) then
    return nil, nil, "the server's answer is to another request"
  end
  local protocol = headers["Sec-WebSocket-Protocol"]
  if protocol and not was_offered(protocol, options.protocols) then
    return nil, nil, "the server has chosen a subprotocol that was not offered"
  end
  local extensions, compression = headers["Sec-WebSocket-Extensions"], nil
  if extensions then
    compression = options.compress and permessage.agreed(extensions, options.max_message)
    if not compression then return nil, nil, "the server has chosen an extension in a wrong way" end
  end
  return protocol, compression
end

return upgrade
