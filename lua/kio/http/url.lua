---URLs: read strictly, since what two programs read differently is how requests reach hosts that
---nobody meant. Pure functions of strings.
local _ENV = require "kio.core".globals
local trim = require "kio.http.trim"

local url = {}

local LENGTH_MAX = 1 << 16
local HOST_MAX, LABEL_MAX = 253, 63

---@class kio.http.Url
---@field scheme string in lower case
---@field host string in lower case; an IPv6 address without its brackets
---@field port integer
---@field authority string as the Host field has it: without the scheme's own port
---@field address kio.Address "host:port"
---@field path string from its "/" on
---@field query string|nil what stands behind "?"
---@field target string both
---@field userinfo string|nil as it was written, when it may be there
---@field is_address boolean the host is no name

local PORTS = { http = 80, https = 443, ws = 80, wss = 443 }

-- ---- hosts ----

local function is_ipv4(host)
  local count = 0
  for part in string.gmatch(host .. ".", "([^.]*)%.") do
    count = count + 1
    if not string.find(part, "^%d%d?%d?$") or tonumber(part) > 255 then return false end
    if #part > 1 and string.sub(part, 1, 1) == "0" then return false end
  end
  return count == 4
end

-- How many groups of an IPv6 address a text without "::" has; nil: it is none.
local function groups_of(text, may_end_in_ipv4)
  if text == "" then return 0 end
  local count = 0
  for part, colon in string.gmatch(text, "([^:]*)(:?)") do
    if part == "" and colon == "" then break end
    if string.find(part, "^%x%x?%x?%x?$") then count = count + 1
    elseif may_end_in_ipv4 and colon == "" and is_ipv4(part) then count = count + 2
    else return nil end
  end
  return string.sub(text, -1) ~= ":" and count or nil
end

local function is_ipv6(text)
  local before, after = string.match(text, "^(.-)::(.*)$")
  if not before then return groups_of(text, true) == 8 end
  local left, right = groups_of(before, false), groups_of(after, true)
  return left and right and left + right <= 7
end

-- What is wrong with the name of a host; nil: nothing.
local function wrong_name(host)
  if host == "" then return "the host is missing" end
  if #host > HOST_MAX then return "the host's name is too long" end
  if string.find(host, "[^%w._-]") then return "no name of a host can contain that" end
  for label in string.gmatch(string.gsub(host, "%.$", "") .. ".", "([^.]*)%.") do
    if label == "" then return "the host's name has an empty part" end
    if #label > LABEL_MAX then return "a part of the host's name is too long" end
  end
  local last = string.match(host, "([^.]*)%.?$")
  local is_number = string.find(last, "^%d+$") or string.find(last, "^0[xX]%x*$")
  if is_number and not is_ipv4(host) then return "the host is no name and no IPv4 address" end
end

-- The host, and the port as text; nil and what is wrong.
local function split_host(authority)
  local host, port = string.match(authority, "^%[(.*)%](.*)$")
  if host then
    if not is_ipv6(host) then return nil, "the host is no IPv6 address" end
    if port ~= "" and string.sub(port, 1, 1) ~= ":" then return nil, "no port can be read" end
    return string.lower(host), string.sub(port, 2), true
  end
  host, port = string.match(authority, "^([^:]*):?(.*)$")
  local wrong = wrong_name(host)
  if wrong then return nil, wrong end
  return string.lower(host), port, is_ipv4(host)
end

local function port_of(text, scheme)
  if text == "" then return PORTS[scheme] end
  local port = string.find(text, "^%d%d?%d?%d?%d?$") and math.tointeger(tonumber(text))
  return port and port >= 1 and port <= 65535 and port or nil
end

-- ---- the rest ----

local PART = "^[%w%-._~!$&'()*+,;=:@/?%%%[%]|]*$"

-- What is wrong with the bytes of a path and a query; nil: nothing.
local function wrong_bytes(text)
  if not string.find(text, PART) then
    return "its path contains what must be percent-encoded"
  elseif string.find(string.gsub(text, "%%%x%x", ""), "%", 1, true) then
    return "a percent sign stands before no two hexadecimal digits"
  end
end

local function wrong_text(text)
  if #text > LENGTH_MAX then return "it is too long" end
  if string.find(text, "[%c ]") then return "it contains a space or a control character" end
  if string.find(text, "\\", 1, true) then return "it contains a backslash" end
  local authority = string.match(text, "^%a[%w+.-]*://([^/?#]*)")
  if authority and string.find(authority, "[\128-\255]") then
    return "the host is not in its encoded form, xn--..."
  end
end

local function whole(self, is_ipv6_host)
  local host = is_ipv6_host and "[" .. self.host .. "]" or self.host
  self.address = host .. ":" .. self.port
  self.authority = self.port == PORTS[self.scheme] and host or self.address
  self.target = self.query and self.path .. "?" .. self.query or self.path
  return self
end

---The parts of an absolute URL; nil and what is wrong with it. A fragment is left out.
---@param text string
---@param schemes table<string, true> those that may be
---@param userinfo? boolean whether a user's name and password may be there
---@return kio.http.Url|nil url
---@return string? wrong
function url.parse(text, schemes, userinfo)
  local wrong = wrong_text(text)
  if wrong then return nil, wrong end
  local scheme, authority, rest = string.match(text, "^(%a[%w+.-]*)://([^/?#]*)([^#]*)")
  if not scheme then return nil, "it is not absolute (http://...)" end
  scheme = string.lower(scheme)
  if not schemes[scheme] then return nil, "its scheme is none of those that are spoken here" end
  local user, place = string.match(authority, "^(.*)@([^@]*)$")
  if user and not userinfo then return nil, "it contains a user's name or password" end
  local host, port_text, is_address = split_host(place or authority)
  if not host then return nil, port_text end
  local port = port_of(port_text, scheme)
  if not port then return nil, "the port is no number from 1 to 65535" end
  wrong = wrong_bytes(rest) or user and wrong_bytes(user)
  if wrong then return nil, wrong end
  local path, query = string.match(rest, "^([^?]*)%??(.*)$")
  if path == "" then path = "/" end
  if not string.find(rest, "?", 1, true) then query = nil end
  return whole({
    scheme = scheme, host = host, port = port, path = path, query = query, userinfo = user,
    is_address = is_address,
  }, string.find(host, ":", 1, true))
end

-- RFC 3986, section 5.2.4.
local function without_dots(path)
  local out = {}
  local last
  for part in string.gmatch(path, "/([^/]*)") do
    last = part
    if part == ".." then out[#out] = nil
    elseif part ~= "." then out[#out + 1] = part end
  end
  if last == "." or last == ".." then out[#out + 1] = "" end
  return "/" .. table.concat(out, "/")
end

local function percent(byte) return string.format("%%%02X", string.byte(byte)) end

-- Servers send locations that are no URLs; what a browser would encode is encoded.
local function encoded(text)
  return (string.gsub(trim(text), "[ \"<>`{}^\128-\255]", percent))
end

---The absolute URL that a reference stands for, as text.
---@param base kio.http.Url
---@param reference string of a Location field
---@return string
function url.resolve(base, reference)
  reference = string.gsub(reference, "#.*$", "")
  if string.find(reference, "^%a[%w+.-]*:") then
    local head, rest = string.match(reference, "^(%a[%w+.-]*://[^/?]*)(.*)$")
    return head and head .. encoded(rest) or reference
  elseif string.find(reference, "^//") then
    local head, rest = string.match(reference, "^(//[^/?]*)(.*)$")
    return base.scheme .. ":" .. head .. encoded(rest)
  end
  reference = encoded(reference)
  local origin = base.scheme .. "://" .. base.authority
  local path, query = string.match(reference, "^([^?]*)(.*)$")
  if path == "" then
    return origin .. base.path .. (query ~= "" and query or base.query and "?" .. base.query or "")
  elseif string.sub(path, 1, 1) ~= "/" then
    path = string.match(base.path, "^(.*/)") .. path
  end
  return origin .. without_dots(path) .. query
end

---For messages: without what may be secret.
---@param self kio.http.Url
---@return string
function url.shown(self)
  return self.scheme .. "://" .. self.authority .. self.path .. (self.query and "?..." or "")
end

---The same for what could not be read, or not yet.
---@param text string
---@return string
function url.shown_text(text)
  text = string.gsub(text, "[?#].*$", "")
  text = string.gsub(text, "//[^/]*@", "//")
  return #text > 100 and string.sub(text, 1, 100) .. "..." or text
end

---Whether requests to the two go to the same place.
---@param a kio.http.Url
---@param b kio.http.Url
function url.same_origin(a, b)
  return a.scheme == b.scheme and a.host == b.host and a.port == b.port
end

return url
