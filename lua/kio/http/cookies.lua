---Cookies: those that a request brings, and those that a response sets.
local _ENV = require "kio.core".globals
local check = require "kio.check"
local date = require "kio.http.date"
local trim = require "kio.http.trim"

---@class kio.http.cookies
local cookies = {}

---@class kio.http.CookieOptions
---@field path? string below which it is sent ("/")
---@field domain? string and its subdomains get it, too (this host alone)
---@field max_age? integer seconds that it is kept; 0: it is removed (until the browser is closed)
---@field expires? integer seconds since 1970, for browsers that do not know Max-Age
---@field secure? boolean sent over TLS only (true)
---@field http_only? boolean out of reach of scripts (true)
---@field same_site? "lax"|"strict"|"none" with which requests from other sites it goes ("lax")

local KNOWN = {
  path = "string", domain = "string", max_age = "number", expires = "number", secure = "boolean",
  http_only = "boolean", same_site = "string",
}
local LAST = 253402300799 -- the second before the year 10000, which no date of HTTP tells
local SAME_SITE = { lax = "Lax", strict = "Strict", none = "None" }

-- ---- of a request ----

---The cookies of a Cookie field, by name; of several of one name the first.
---@param text string|nil
---@return table<string, string>
function cookies.parse(text)
  local found = {}
  for pair in string.gmatch(text or "", "[^;]+") do
    local name, value = string.match(pair, "^%s*([^=%s]+)%s*=%s*(.*)$")
    if name and found[name] == nil then
      value = trim(value)
      found[name] = string.match(value, '^"(.*)"$') or value
    end
  end
  return found
end

---Those of a request.
---@param req kio.http.Request
---@return table<string, string>
function cookies.of(req, ...)
  check.no_more(0, "cookies", ...)
  return cookies.parse(req.headers.cookie)
end

-- ---- of a response ----

local TOKEN = "^[%w!#$%%&'*+%-.^_`|~]+$"
local NOT_IN_VALUE = '[%z\1-\32",;\\\127-\255]'

local function wrong_prefix(name, options)
  local host = string.find(name, "^__Host%-")
  if (host or string.find(name, "^__Secure%-")) and not options.secure then
    return "a cookie of this name must be secure"
  elseif host and (options.domain or options.path ~= "/") then
    return "a cookie of this name has the path '/' and no domain"
  end
end

local function wrong_attributes(options)
  if not string.find(options.path, "^/[ -:<-~]*$") then
    return "option 'path' must begin with '/' and cannot contain ';' or control characters"
  elseif options.domain and not string.find(options.domain, "^%.?[%w.-]+$") then
    return "option 'domain' must be the name of a host"
  elseif not SAME_SITE[options.same_site] then
    return [[option 'same_site' must be "lax" or "none" or "strict"]]
  elseif options.same_site == "none" and not options.secure then
    return [[a cookie with same_site = "none" must be secure]]
  end
end

local function defaults(options)
  options = options or {}
  options.path = options.path or "/"
  options.same_site = options.same_site or "lax"
  if options.secure == nil then options.secure = true end
  if options.http_only == nil then options.http_only = true end
  return options
end

local function check_all(call, name, value, options, ...)
  check.type(name, "string", 1, call)
  check.type(value, "string", 2, call)
  options = defaults(check.options(options, 3, call, KNOWN, ...))
  if not string.find(name, TOKEN) then check.refuse(1, call, "no name of a cookie") end
  if string.find(value, NOT_IN_VALUE) then
    check.refuse(2, call, "a cookie cannot contain spaces, quotes, commas, semicolons, backslashes "
      .. "or bytes that are not ASCII: encode it")
  end
  local wrong = wrong_attributes(options) or wrong_prefix(name, options)
  if wrong then check.refuse(3, call, wrong) end
  for _, key in ipairs { "max_age", "expires" } do
    local value_of = options[key]
    options[key] = value_of and check.count(value_of, 3, call, "option '" .. key .. "'")
  end
  if (options.expires or 0) > LAST then check.refuse(3, call, "option 'expires' is too late") end
  return options
end

local function formatted(call, name, value, options, ...)
  options = check_all(call, name, value, options, ...)
  local parts = { name .. "=" .. value, "Path=" .. options.path }
  local function add(text) parts[#parts + 1] = text end
  if options.domain then add("Domain=" .. options.domain) end
  if options.max_age then add("Max-Age=" .. options.max_age) end
  if options.expires then add("Expires=" .. date.format(options.expires)) end
  if options.secure then add "Secure" end
  if options.http_only then add "HttpOnly" end
  add("SameSite=" .. SAME_SITE[options.same_site])
  return table.concat(parts, "; ")
end

---The value of a Set-Cookie field. Raises for what cannot be in one: values are not encoded.
---@param name string
---@param value string
---@param options? kio.http.CookieOptions
---@return string
function cookies.format(name, value, options, ...)
  return formatted("format", name, value, options, ...)
end

---The response will set that cookie.
---@param res kio.http.Response
---@param name string
---@param value string
---@param options? kio.http.CookieOptions
---@return kio.http.Response
function cookies.set(res, name, value, options, ...)
  return res:add("Set-Cookie", formatted("set_cookie", name, value, options, ...))
end

return cookies
