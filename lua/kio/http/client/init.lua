---HTTP clients: requests over connections that are kept, with redirects, cookies and proxies. See
---docs/http_client.md.
local _ENV = require "kio.core".globals
local check = require "kio.check"
local core = require "kio.core"
local dial = require "kio.http.client.dial"
local http_core = require "kio.http.core"
local inflating = require "kio.http.client.inflating"
local jars = require "kio.http.client.jar"
local new_transport = require "kio.http.client.transport".new
local plans = require "kio.http.client.plan"
local proxies = require "kio.http.client.proxy"
local redirect = require "kio.http.client.redirect"
local response = require "kio.http.client.response"

---@class kio.http.Client
---@field package settings kio.http.ClientSettings
---@field package transport kio.http.Transport
local Client = { __name = "kio.http.Client" }
Client.__index = Client

-- ---- options ----

---@class kio.http.ClientOptions: kio.http.LimitOptions
---@field timeout? number seconds for finding the host, connecting, TLS and the response's head (30)
---@field body_timeout? number seconds in which a body must go on, either way (30)
---@field max_per_host? integer connections at a time to one host (8)
---@field max_idle? integer connections that are kept, all in all (100)
---@field idle_timeout? number seconds for which one is kept (30)
---@field redirects? integer followed at most; 0: none (5)
---@field decompress? boolean what comes compressed is inflated, where kio-zlib is there (true)
---@field tls? kio.tls.Context|kio.tls.Options what https goes by
---@field proxy? string URL of the proxy for all requests
---@field no_proxy? string[] hosts that are reached without it
---@field environment? boolean the proxy is what http_proxy, https_proxy and no_proxy say (false)
---@field jar? boolean|kio.http.Jar cookies are kept (false)
---@field user_agent? string the field User-Agent ("kio")
---@field connect? async fun(address: kio.Address, options?: kio.Options): kio.Stream connects in
---place of kio.net.connect

---@class kio.http.ClientSettings: kio.http.ClientOptions, kio.http.Settings
---@field proxies kio.http.Proxies
---@field accepts? string codings

local KNOWN = {
  timeout = "number", body_timeout = "number", max_per_host = "number", max_idle = "number",
  idle_timeout = "number", redirects = "number", decompress = "boolean", tls = "any",
  proxy = "string", no_proxy = "table", environment = "boolean", jar = "any",
  user_agent = "string", connect = "function", max_head = "number", max_fields = "number",
  max_trailers = "number",
}
local COUNTS = { max_per_host = 1, max_idle = 0, redirects = 0 }

local function refuse(text, ...) check.refuse(1, "client", string.format(text, ...)) end

local function check_counts(options)
  for name, least in pairs(COUNTS) do
    local value = options[name]
    if value and (math.type(value) ~= "integer" or value < least) then
      refuse("option '%s' must be an integer of %d or more", name, least)
    end
  end
  if options.idle_timeout == 0 then refuse "option 'idle_timeout' cannot be 0" end
  if options.user_agent and string.find(options.user_agent, "[%c]") then
    refuse "option 'user_agent' cannot contain control characters"
  end
end

local function proxies_of(options)
  if options.environment then
    if options.proxy or options.no_proxy then
      refuse("options '%s' and 'environment' exclude each other",
        options.proxy and "proxy" or "no_proxy")
    end
    local found, wrong = proxies.of_environment()
    if not found then refuse("%s", wrong) end
    return found
  elseif options.proxy then
    local proxy, wrong = proxies.parse(options.proxy)
    if not proxy then refuse("option 'proxy': %s", wrong) end
    return proxies.of_option(proxy, options.no_proxy)
  end
  if options.no_proxy then refuse "option 'no_proxy' needs 'proxy'" end
  return proxies.of_option(nil)
end

local function jar_of(wanted)
  if not wanted then return nil end
  if wanted == true then return jars.new() end
  if not jars.is_jar(wanted) then refuse "option 'jar' must be true or a jar" end
  return wanted
end

local function limits_of(options)
  return check.told("client", 0, http_core.limits, {
    max_head = options.max_head, max_fields = options.max_fields,
    max_trailers = options.max_trailers,
  })
end

local function settings_of(options)
  check_counts(options)
  local tls, message, code
  if options.tls ~= nil then tls, message, code = dial.context(options.tls, 1, "client") end
  if message then return nil, message, code end
  local decompress = options.decompress ~= false
  return {
    timeout = options.timeout or 30, body_timeout = options.body_timeout or 30,
    max_per_host = options.max_per_host or 8, max_idle = options.max_idle or 100,
    idle_timeout = options.idle_timeout or 30, redirects = options.redirects or 5,
    decompress = decompress, accepts = decompress and inflating.accepted() or nil, tls = tls,
    proxies = proxies_of(options), jar = jar_of(options.jar), connect = options.connect,
    user_agent = options.user_agent or "kio",
    limits = limits_of(options),
  }
end

-- ---- requests ----

-- One request and what it leads to.
local function run(self, plan, due)
  local settings = self.settings
  local jar = settings.jar
  while true do
    plan.cookies = jar and not plan.has.cookie and jar:field(plan.url) or nil
    local head, lease, reusable = self.transport:send(plan, due)
    if not head then return nil, plan.shown .. ": " .. lease, reusable end
    if jar then jar:take(plan.url, head:all "Set-Cookie") end
    local shown = plan.shown
    local res = response.new(plan, head, lease, reusable)
    local follows, message, code = redirect.follow(plan, head)
    if follows == false then return res end
    res:close()
    if not follows then return nil, shown .. ": " .. message, code end
  end
end

local function ask(self, method, call, text, options, ...)
  if getmetatable(self) ~= Client then check.bad_self(self, "kio.http.Client", call) end
  check.type(text, "string", 1, call, "a URL")
  options = check.options(options, 2, call, plans.known, ...) or {}
  if method then
    if options.method then check.refuse(2, call, "option 'method' is for 'request'") end
    options.method = method
  end
  local _, spent = core.own.checkpoint()
  local plan, message, code
  if self.transport.closed then message, code = call .. ": the client is closed", "EBADF"
  else plan, message, code = plans.new(text, options, self.settings, 2, call) end
  if not plan then
    if spent then core.own.let_turn() end
    return nil, message, code
  end
  return run(self, plan, core.now() + (options.timeout or self.settings.timeout))
end

---Sends a request and reads the head of the response. A status of 400 and more is a response, too.
---@async
---@param url string "http://..." or "https://..."
---@param options? kio.http.RequestOptions
---@return kio.http.ClientResponse|nil res
---@return string? message names the method and the URL
---@return string? code
function Client:request(url, options, ...)
  return ask(self, nil, "request", url, options, ...)
end

---@async
---@param url string
---@param options? kio.http.RequestOptions
---@return kio.http.ClientResponse|nil res
---@return string? message
---@return string? code
function Client:get(url, options, ...) return ask(self, "GET", "get", url, options, ...) end

---@async
---@param url string
---@param options? kio.http.RequestOptions
---@return kio.http.ClientResponse|nil res
---@return string? message
---@return string? code
function Client:head(url, options, ...) return ask(self, "HEAD", "head", url, options, ...) end

---@async
---@param url string
---@param options? kio.http.RequestOptions `body` or `form`
---@return kio.http.ClientResponse|nil res
---@return string? message
---@return string? code
function Client:post(url, options, ...) return ask(self, "POST", "post", url, options, ...) end

---@async
---@param url string
---@param options? kio.http.RequestOptions `body`
---@return kio.http.ClientResponse|nil res
---@return string? message
---@return string? code
function Client:put(url, options, ...) return ask(self, "PUT", "put", url, options, ...) end

---@async
---@param url string
---@param options? kio.http.RequestOptions
---@return kio.http.ClientResponse|nil res
---@return string? message
---@return string? code
function Client:patch(url, options, ...)
  return ask(self, "PATCH", "patch", url, options, ...)
end

---@async
---@param url string
---@param options? kio.http.RequestOptions
---@return kio.http.ClientResponse|nil res
---@return string? message
---@return string? code
function Client:delete(url, options, ...)
  return ask(self, "DELETE", "delete", url, options, ...)
end

---Closes the connections that are idle, and those in use when their responses are over. Closing
---again does nothing.
function Client:close(...)
  if getmetatable(self) ~= Client then check.bad_self(self, "kio.http.Client", "close") end
  check.no_more(0, "close", ...)
  self.transport:close()
end

function Client:__close()
  if getmetatable(self) ~= Client then check.bad_self(self, "kio.http.Client", "__close") end
  self.transport:close()
end

function Client:__tostring()
  if getmetatable(self) ~= Client then check.bad_self(self, "kio.http.Client", "__tostring") end
  return string.format("kio.http.Client (%s%d idle)", self.transport.closed and "closed, " or "",
    self.transport.shelf.count)
end

local client = { jar = jars.new, Client = Client, Response = response.Response }

---A client: what it needs for its requests, and the connections that it keeps.
---@param options? kio.http.ClientOptions
---@return kio.http.Client|nil client
---@return string? message what `tls` names cannot be used
---@return string? code
function client.new(options, ...)
  options = check.options(options, 1, "client", KNOWN, ...) or {}
  local settings, message, code = settings_of(options)
  if not settings then return nil, message, code end
  return setmetatable({ settings = settings, transport = new_transport(settings) }, Client)
end

local common -- of those who want none of their own

local function shared()
  common = common or client.new()
  return common
end

---The same as the methods, with a client that all of the thread share.
---@async
---@param url string
---@param options? kio.http.RequestOptions
---@return kio.http.ClientResponse|nil res
---@return string? message
---@return string? code
function client.request(url, options, ...)
  return ask(shared(), nil, "request", url, options, ...)
end

---@async
---@param url string
---@param options? kio.http.RequestOptions
---@return kio.http.ClientResponse|nil res
---@return string? message
---@return string? code
function client.get(url, options, ...) return ask(shared(), "GET", "get", url, options, ...) end

---@async
---@param url string
---@param options? kio.http.RequestOptions `body` or `form`
---@return kio.http.ClientResponse|nil res
---@return string? message
---@return string? code
function client.post(url, options, ...) return ask(shared(), "POST", "post", url, options, ...) end

return client
