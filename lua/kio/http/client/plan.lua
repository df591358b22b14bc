---A request as it is to be sent: of its URL and options, checked, so that it can be sent again, to
---somewhere else. Errors about them point at whoever has called the public function.
local _ENV = require "kio.core".globals
local base64 = require "kio.http.base64"
local body_of = require "kio.http.body"
local check = require "kio.check"
local form = require "kio.http.form"
local url = require "kio.http.url"

local plan = {}

---@class kio.http.Plan
---@field method string
---@field text string the URL as it was given
---@field url kio.http.Url
---@field shown string method and URL, for messages
---@field fields { [1]: string, [2]: string|number }[] the user's
---@field has table<string, true> their names in lower case
---@field body? string|kio.File|fun(): string?
---@field length? integer of the body
---@field is_file boolean
---@field streams boolean the body is none that was in memory
---@field replayable boolean it can be sent again
---@field idempotent boolean sending it twice is as good as once
---@field closes boolean the connection is not to be kept
---@field body_timeout number
---@field decompress boolean
---@field expects? boolean
---@field accepts? string codings
---@field type? string the body's Content-Type
---@field authorization? string
---@field cookies? string
---@field proxy? kio.http.Url
---@field redirects integer that may still be followed

---@class kio.http.RequestOptions: kio.Options
---@field method? string ("GET")
---@field headers? table values by name, or a list of names and values
---@field body? string|kio.File|async fun(): string? a whole file; a function is called for pieces
---@field form? table fields of a form, in place of a body
---@field length? integer of a body that a function gives; without it, it goes in chunks
---@field body_timeout? number seconds in which a body must go on, either way
---@field redirects? integer followed at most
---@field decompress? boolean
---@field userinfo? boolean the URL may hold a user's name and password
---@field expect? boolean ask before the body is sent: Expect: 100-continue (false)

plan.known = {
  method = "string", headers = "table", body = "any", form = "table", length = "number",
  timeout = "number", body_timeout = "number", redirects = "number", decompress = "boolean",
  userinfo = "boolean", expect = "boolean",
}

local SCHEMES = { http = true, https = true }
local IDEMPOTENT = {
  GET = true, HEAD = true, PUT = true, DELETE = true, OPTIONS = true, TRACE = true,
}
-- Those that say of what the connection does, which is not the user's.
local OURS = {
  ["content-length"] = "option 'length'", ["transfer-encoding"] = "the kind of its body",
  connection = "nothing", ["keep-alive"] = "nothing", upgrade = "http.websocket",
  expect = "option 'expect'", te = "nothing", trailer = "nothing",
}

-- ---- fields ----

local function add_field(self, name, value, index, call)
  if type(name) ~= "string" then
    check.refuse(index, call, "option 'headers': names must be strings")
  end
  local lower = string.lower(name)
  if OURS[lower] then
    check.refuse(index, call, string.format("the field '%s' is not a user's: it follows from %s",
      name, OURS[lower]))
  end
  self.has[lower] = true
  self.fields[#self.fields + 1] = { name, value }
end

local function add_fields(self, headers, index, call)
  if type(rawget(headers, 1)) == "table" then
    for _, field in ipairs(headers) do
      check.type(field, "table", index, call, "option 'headers': a list of names and values")
      add_field(self, rawget(field, 1), rawget(field, 2), index, call)
    end
    return
  end
  for name, value in next, headers do
    if type(value) ~= "table" then add_field(self, name, value, index, call)
    else
      for _, each in ipairs(check.copy_list(value)) do add_field(self, name, each, index, call) end
    end
  end
end

-- ---- the body ----

local FORM = "application/x-www-form-urlencoded"

-- The size of a file, when it can be sent; a failure is for the caller.
local function measure(file)
  local about, message, code = file:stat()
  if not about then return nil, message, code end
  return about.size
end

local function set_body(self, options, index, call)
  local body = options.body
  if options.form then
    if body ~= nil then
      check.refuse(index, call, "options 'body' and 'form' exclude each other")
    end
    body, self.type = form.encode(options.form), FORM
  end
  local kind = type(body)
  self.is_file = body_of.is_file(body)
  local fine = body == nil or kind == "string" or kind == "function" or self.is_file
  if not fine then
    check.refuse(index, call, "option 'body' must be a string, a kio.File or a function")
  elseif options.length and kind ~= "function" then
    check.refuse(index, call, "option 'length' is for a body that a function gives")
  end
  self.body, self.streams = body, self.is_file or kind == "function"
  self.replayable = kind ~= "function"
  if kind == "string" then self.length = #body end
  if options.length then
    self.length = check.count(options.length, index, call, "option 'length'")
  end
  local empty = body == nil and (self.method == "POST" or self.method == "PUT"
    or self.method == "PATCH")
  if empty then self.length = 0 end
  self.expects = options.expect and body ~= nil or nil
end

-- ---- the whole ----

local function method_of(options, index, call)
  local method = options.method or "GET"
  if not string.find(method, "^[%w!#$%%&'*+.^_`|~-]+$") then
    check.refuse(index, call, "option 'method' is none")
  elseif method == "CONNECT" then
    check.refuse(index, call, "CONNECT is what proxies are asked for: option 'proxy'")
  end
  return method
end

---Points it at a URL; nil, and what is wrong with that.
---@param self kio.http.Plan
---@param text string
---@param userinfo? boolean
function plan.aim(self, text, userinfo)
  local target, wrong = url.parse(text, SCHEMES, userinfo)
  if not target then return nil, wrong end
  self.text, self.url = text, target
  self.shown = self.method .. " " .. url.shown(target)
  if target.userinfo then
    self.authorization = "Basic " .. base64.encode(form.decode(target.userinfo))
    self.text = string.gsub(text, "//[^/]*@", "//", 1)
  end
  return self
end

---@param text string the URL
---@param options kio.http.RequestOptions checked
---@param settings kio.http.ClientSettings
---@param index integer of the options among the arguments of `call`
---@param call string the public function
---@return kio.http.Plan|nil plan
---@return string? message
---@return string? code "EINVAL": the URL is wrong
function plan.new(text, options, settings, index, call)
  local self = {
    method = method_of(options, index, call), fields = {}, has = {}, closes = false,
    body_timeout = options.body_timeout or settings.body_timeout,
    redirects = options.redirects
      and check.count(options.redirects, index, call, "option 'redirects'") or settings.redirects,
  }
  self.decompress = options.decompress
  if self.decompress == nil then self.decompress = settings.decompress end
  self.accepts = self.decompress and settings.accepts or nil
  if options.headers then add_fields(self, options.headers, index, call) end
  if self.has["accept-encoding"] then self.decompress = false end
  set_body(self, options, index, call)
  self.idempotent = IDEMPOTENT[self.method] or self.has["idempotency-key"] or false
  local fine, wrong = plan.aim(self, text, options.userinfo)
  if not fine then
    return nil, string.format("%s %s: %s", self.method, url.shown_text(text), wrong), "EINVAL"
  end
  if not self.is_file then return self end
  local message, code
  self.length, message, code = measure(self.body)
  if not self.length then return nil, self.shown .. ": " .. message, code end
  return self
end

return plan
