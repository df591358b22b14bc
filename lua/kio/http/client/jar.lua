---Cookies that servers have set, kept and sent back as RFC 6265 says.
---Invariant: of a name, a domain and a path there is one cookie at most.
local _ENV = require "kio.core".globals
local check = require "kio.check"
local dates = require "kio.http.date"
local trim = require "kio.http.trim"

---@class kio.http.Jar
---@field package hosts table<string, kio.http.JarCookie[]> by domain
---@field package is_public? fun(domain: string): boolean
---@field package count integer
local Jar = { __name = "kio.http.Jar" }
Jar.__index = Jar

---@class kio.http.JarCookie
---@field name string
---@field value string
---@field domain string
---@field path string
---@field host_only boolean it is for the host that has set it, and not for those below it
---@field secure boolean for https only
---@field expires? number seconds since 1970; nil: with the jar
---@field made integer in which order

local SIZE_MAX = 4096 -- bytes of name and value
local HOST_MAX, COUNT_MAX = 50, 3000 -- cookies of a domain, and of a jar
local KEPT_MAX = 400 * 86400 -- seconds, whatever the server says

local made = 0

-- ---- what a Set-Cookie field says ----

local MONTHS = {
  jan = 1, feb = 2, mar = 3, apr = 4, may = 5, jun = 6, jul = 7, aug = 8, sep = 9, oct = 10,
  nov = 11, dec = 12,
}

-- A token of a date as servers write them: RFC 6265, section 5.1.1.
local function read_token(found, token)
  local hour, minute, second = string.match(token, "^(%d%d?):(%d%d?):(%d%d?)%f[%D]")
  local digits = string.match(token, "^%d+")
  if not found.hour and hour then
    found.hour, found.minute, found.second = tonumber(hour), tonumber(minute), tonumber(second)
  elseif not found.day and digits and #digits <= 2 then found.day = tonumber(digits)
  elseif not found.month and MONTHS[string.lower(string.sub(token, 1, 3))] then
    found.month = MONTHS[string.lower(string.sub(token, 1, 3))]
  elseif not found.year and digits and (#digits == 2 or #digits == 4) then
    found.year = tonumber(digits)
    if found.year < 70 then found.year = found.year + 2000
    elseif found.year < 100 then found.year = found.year + 1900 end
  end
end

-- Seconds since 1970; nil: no date.
local function date_of(text)
  local found = {}
  for token in string.gmatch(text, "[^\t !-/;-@%[-`{-~]+") do read_token(found, token) end
  local fits = found.hour and found.day and found.month and found.year and found.year >= 1601
    and found.day >= 1 and found.day <= 31 and found.hour <= 23 and found.minute <= 59
    and found.second <= 59
  if not fits then return nil end
  local days = dates.days(found.year, found.month, found.day)
  return days * 86400 + found.hour * 3600 + found.minute * 60 + found.second
end

local function expiry_of(attributes, now)
  local age = attributes["max-age"]
  if age and string.find(age, "^-?%d+$") then
    age = tonumber(age)
    return age <= 0 and 0 or now + math.min(age, KEPT_MAX)
  end
  local date = attributes.expires and date_of(attributes.expires)
  return date and math.min(date, now + KEPT_MAX)
end

-- Name, value and attributes; nil: it is to be ignored.
local function parse(text)
  if string.find(text, "%c") then return nil end
  local pair, rest = string.match(text, "^([^;]*)(.*)$")
  local name, value = string.match(pair, "^([^=]*)=(.*)$")
  if not name then return nil end
  name, value = trim(name), trim(value)
  if name == "" or #name + #value > SIZE_MAX then return nil end
  local attributes = {}
  for part in string.gmatch(rest, "[^;]+") do
    local key, said = string.match(part, "^([^=]*)=?(.*)$")
    attributes[string.lower(trim(key))] = trim(said)
  end
  return name, value, attributes
end

-- ---- which cookie may be set by whom ----

local function is_below(host, domain)
  return host == domain or string.sub(host, -#domain - 1) == "." .. domain
end

local function plain_host(host) return (string.gsub(host, "%.$", "")) end

-- Whether anybody may have a host below it.
local function is_public(self, domain)
  return not string.find(domain, ".", 1, true) or self.is_public ~= nil and self.is_public(domain)
end

-- The domain and whether it is this host alone; nil: it may not.
local function domain_of(self, target, attributes)
  local host = plain_host(target.host)
  local domain = attributes.domain and string.gsub(string.lower(attributes.domain), "^%.", "")
  if not domain or domain == "" or domain == host then
    local alone = not domain or domain == "" or target.is_address or is_public(self, host)
    return host, alone
  end
  local public = is_public(self, domain)
  if target.is_address or public or not is_below(host, domain) then return nil end
  return domain, false
end

local function default_path(path)
  local folder = string.match(path, "^(/.*)/[^/]*$")
  return folder or "/"
end

-- What the prefixes of a name promise.
local function keeps_promise(name, cookie, attributes)
  local lower = string.lower(name)
  if string.find(lower, "^__secure%-") then return cookie.secure end
  if string.find(lower, "^__host%-") then
    return cookie.secure and attributes.path == "/" and cookie.host_only
  end
  return true
end

-- ---- keeping them ----

local function remove(self, list, i)
  table.remove(list, i)
  self.count = self.count - 1
end

-- The oldest of a list makes room.
local function evict(self, list)
  local oldest = 1
  for i = 2, #list do if list[i].made < list[oldest].made then oldest = i end end
  remove(self, list, oldest)
end

local function evict_any(self)
  local oldest
  for _, list in pairs(self.hosts) do
    for _, cookie in ipairs(list) do
      if not oldest or cookie.made < oldest.made then oldest = cookie end
    end
  end
  local list = oldest and self.hosts[oldest.domain]
  for i = 1, #(list or "") do
    if list[i] == oldest then remove(self, list, i) break end
  end
end

local function keep(self, cookie, now)
  local list = self.hosts[cookie.domain] or {}
  self.hosts[cookie.domain] = list
  for i, old in ipairs(list) do
    if old.name == cookie.name and old.path == cookie.path then
      cookie.made = old.made
      remove(self, list, i)
      break
    end
  end
  if not cookie.expires or cookie.expires > now then
    if #list >= HOST_MAX then evict(self, list) end
    if self.count >= COUNT_MAX then evict_any(self) end
    list[#list + 1] = cookie
    self.count = self.count + 1
  end
  if #list == 0 then self.hosts[cookie.domain] = nil end
end

-- ---- the jar ----

---What a response to a request for this URL has set.
---@package
---@param target kio.http.Url
---@param fields string[] its Set-Cookie fields
function Jar:take(target, fields)
  local now = os.time()
  for _, text in ipairs(fields) do
    local name, value, attributes = parse(text)
    local domain, host_only
    if name then domain, host_only = domain_of(self, target, attributes) end
    local secure = name and attributes.secure ~= nil
    if domain and not (secure and target.scheme ~= "https") then
      local path = attributes.path
      made = made + 1
      local cookie = {
        name = name, value = value, domain = domain, host_only = host_only, secure = secure,
        path = path and string.sub(path, 1, 1) == "/" and path or default_path(target.path),
        expires = expiry_of(attributes, now), made = made,
      }
      if keeps_promise(name, cookie, attributes) then keep(self, cookie, now) end
    end
  end
end

local function path_matches(wanted, path)
  if wanted == path then return true end
  if string.sub(wanted, 1, #path) ~= path then return false end
  return string.sub(path, -1) == "/" or string.sub(wanted, #path + 1, #path + 1) == "/"
end

local function before(a, b)
  if #a.path ~= #b.path then return #a.path > #b.path end
  return a.made < b.made
end

-- Adds those of a domain that go with a request; what has expired goes.
local function add_matching(self, found, domain, target, now)
  local list = self.hosts[domain]
  for i = #(list or ""), 1, -1 do
    local cookie = list[i]
    if cookie.expires and cookie.expires <= now then remove(self, list, i)
    elseif (not cookie.host_only or plain_host(target.host) == domain)
      and (not cookie.secure or target.scheme == "https")
      and path_matches(target.path, cookie.path) then
      found[#found + 1] = cookie
    end
  end
end

---What goes with a request for this URL.
---@package
---@param target kio.http.Url
---@return string|nil the Cookie field; nil: there is none
function Jar:field(target)
  local found, now, domain = {}, os.time(), plain_host(target.host)
  add_matching(self, found, domain, target, now)
  while not target.is_address do
    domain = string.match(domain, "^[^.]*%.(.+)$")
    if not domain then break end
    add_matching(self, found, domain, target, now)
  end
  if #found == 0 then return nil end
  table.sort(found, before)
  for i, cookie in ipairs(found) do found[i] = cookie.name .. "=" .. cookie.value end
  return table.concat(found, "; ")
end

---What is in it.
---@return kio.http.JarCookie[] copies
function Jar:list(...)
  if getmetatable(self) ~= Jar then check.bad_self(self, "kio.http.Jar", "list") end
  check.no_more(0, "list", ...)
  local all = {}
  for _, list in pairs(self.hosts) do
    for _, cookie in ipairs(list) do all[#all + 1] = check.copy(cookie) end
  end
  table.sort(all, function(a, b) return a.made < b.made end)
  return all
end

---Forgets all of them.
function Jar:clear(...)
  if getmetatable(self) ~= Jar then check.bad_self(self, "kio.http.Jar", "clear") end
  check.no_more(0, "clear", ...)
  self.hosts, self.count = {}, 0
end

function Jar:__tostring()
  if getmetatable(self) ~= Jar then check.bad_self(self, "kio.http.Jar", "__tostring") end
  return string.format("kio.http.Jar (%d cookies)", self.count)
end

local jar = { Jar = Jar }

---@class kio.http.JarOptions
---@field is_public? fun(domain: string): boolean whether anybody may have a host below this domain
---("co.uk"): no cookie is set for it. What has no dot is public in any case

---An empty jar, for the option `jar` of one client or several.
---@param options? kio.http.JarOptions
---@return kio.http.Jar
function jar.new(options, ...)
  options = check.options(options, 1, "jar", { is_public = "function" }, ...)
  return setmetatable({ hosts = {}, count = 0, is_public = options and options.is_public }, Jar)
end

---@param value any
function jar.is_jar(value) return getmetatable(value) == Jar end

return jar
