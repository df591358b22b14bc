---Who a client is, when proxies stand before the server: by the fields Forwarded and
---X-Forwarded-For, of which only those words are believed that a trusted host has added.
local _ENV = require "kio.core".globals
local check = require "kio.check"
local network = require "kio.http.network"
local trim = require "kio.http.trim"

---@class kio.http.forwarded
local forwarded = {}

---@class kio.http.Origin
---@field address string of the client: without a port where none was told
---@field proto string|nil "http" or "https", as the proxy nearest to the client says
---@field host string|nil that the client has asked for
---@field hops integer trusted proxies on the way

---@class kio.http.Trusted addresses and networks; what Unix sockets bring is "unix"
---@field networks table[]
---@field unix boolean

local function read(list, index, name)
  check.type(list, "table", index, name, "a list of addresses")
  local trusted = { networks = {}, unix = false }
  for _, text in ipairs(check.copy_list(list)) do
    check.type(text, "string", index, name, "a list of addresses")
    local net = text ~= "unix" and network.parse(text)
    if net then trusted.networks[#trusted.networks + 1] = net
    elseif text == "unix" then trusted.unix = true
    else check.refuse(index, name, string.format("'%s' is no address and no network", text)) end
  end
  return trusted
end

---Whom to believe: a list of addresses and networks, "unix" among them.
---@param list string[]
---@return kio.http.Trusted
function forwarded.trusted(list, ...)
  check.no_more(1, "trusted", ...)
  return read(list, 1, "trusted")
end

-- That it is what `trusted` gives.
local function check_trusted(value, index, name)
  check.type(value, "table", index, name, "what http.forwarded.trusted gives")
  if type(rawget(value, "networks")) ~= "table" then
    check.refuse(index, name, "what http.forwarded.trusted gives expected")
  end
end

local function trusts(trusted, peer)
  if string.find(peer, "^unix:") then return trusted.unix end
  local bytes = network.address((network.split(peer)))
  if not bytes then return false end
  for _, net in ipairs(trusted.networks) do
    if network.contains(net, bytes) then return true end
  end
  return false
end

---Whether an address, with or without a port, is trusted.
---@param trusted kio.http.Trusted
---@param peer string
---@return boolean
function forwarded.trusts(trusted, peer)
  check_trusted(trusted, 1, "trusts")
  check.type(peer, "string", 2, "trusts")
  return trusts(trusted, peer)
end

-- ---- the fields ----

-- A value, quoted or not, from `at` on; where it ends.
local function value_at(text, at)
  local quoted, behind = string.match(text, '^"([^"]*)"()', at)
  if quoted then return quoted, behind end
  return string.match(text, "^([^;,%s\"]*)()", at)
end

-- What a Forwarded field says, one table for each hop; nil: it is written wrong.
local function hops_of(text)
  local hops, hop, at = {}, {}, 1
  while true do
    local name, start = string.match(text, "^%s*(%a+)=()", at)
    local mark, behind
    if name then
      local value
      value, behind = value_at(text, start)
      hop[string.lower(name)] = value
      at = behind
    end
    mark, behind = string.match(text, "^%s*([;,]?)()", at)
    if mark == "" then
      hops[#hops + 1] = hop
      return string.find(text, "^%s*$", at) and hops or nil
    elseif mark == "," then
      hops[#hops + 1] = hop
      hop = {}
    end
    at = behind
  end
end

local function list_of(text)
  local list = {}
  for item in string.gmatch(text or "", "[^,]+") do
    list[#list + 1] = trim(item)
  end
  return list
end

-- The same from the older fields. Of the others each proxy has set one value, or put its own last.
local function old_hops(headers)
  local hops = {}
  local protos, hosts = list_of(headers["x-forwarded-proto"]), list_of(headers["x-forwarded-host"])
  local list = list_of(headers["x-forwarded-for"])
  for i, address in ipairs(list) do
    hops[i] = { ["for"] = address }
    local back = #list - i
    hops[i].proto = protos[#protos - back] or protos[1]
    hops[i].host = hosts[#hosts - back] or hosts[1]
  end
  return hops
end

local function is_address(text)
  return text ~= nil and network.address((network.split(text))) ~= nil
end

local PROTO = { http = "http", https = "https" }

---Who has asked, going from the peer towards the client for as long as trusted hosts vouch.
---@param peer string the other end of the connection
---@param headers table<string, string> the request's
---@param trusted kio.http.Trusted
---@return kio.http.Origin
function forwarded.origin(peer, headers, trusted)
  check.type(peer, "string", 1, "origin")
  if check.kind(headers) ~= "kio.http.Headers" then check.type(headers, "table", 2, "origin") end
  check_trusted(trusted, 3, "origin")
  local origin = { address = peer, hops = 0 }
  if not trusts(trusted, peer) then return origin end
  local field = headers.forwarded
  local hops = field and hops_of(field) or not field and old_hops(headers) or {}
  for i = #hops, 1, -1 do
    local hop = hops[i]
    local address = hop["for"]
    if not is_address(address) then break end -- "unknown", or a name that only the proxy knows
    local host, port = network.split(address)
    origin.address, origin.hops = network.join(host, port), origin.hops + 1
    origin.proto = PROTO[string.lower(hop.proto or "")] or origin.proto
    local named = hop.host
    if named and string.find(named, "^[%w%.%-:%[%]_]+$") then origin.host = named end
    if not trusts(trusted, address) then break end
  end
  return origin
end

---The same of a request.
---@param req kio.http.Request
---@param trusted kio.http.Trusted|string[]
---@return kio.http.Origin
function forwarded.of(req, trusted, ...)
  check.no_more(2, "of", ...)
  if check.kind(req) ~= "kio.http.Request" then check.type(req, "table", 1, "of", "a request") end
  check.type(trusted, "table", 2, "of", "a list of addresses")
  if not rawget(trusted, "networks") then trusted = read(trusted, 2, "of") end
  return forwarded.origin(req.peer, req.headers, trusted)
end

return forwarded
