---Which proxy a request goes through.
local _ENV = require "kio.core".globals
local base64 = require "kio.http.base64"
local form = require "kio.http.form"
local url = require "kio.http.url"

local proxy = {}

local SCHEMES = { http = true, https = true }

---@class kio.http.Proxies
---@field http? kio.http.Url|false for URLs with this scheme
---@field https? kio.http.Url|false
---@field except { host: string, port?: string, all?: boolean }[] hosts that are reached straight

---A proxy by its URL; nil and what is wrong.
---@param text string
---@return kio.http.Url|nil
---@return string? wrong
function proxy.parse(text)
  local found, wrong = url.parse(text, SCHEMES, true)
  if not found then return nil, wrong end
  if found.target ~= "/" then return nil, "it has a path" end
  return found
end

---What a request to the proxy says about who asks, as a field; "" when nothing.
---@param self kio.http.Url
---@return string
function proxy.authorization(self)
  if not self.userinfo then return "" end
  return "Proxy-Authorization: Basic " .. base64.encode(form.decode(self.userinfo)) .. "\r\n"
end

-- "example.org", ".example.org", "10.0.0.1:8080", "*", "[::1]:80".
local function exception_of(text)
  local host, port = string.match(text, "^%[(.*)%]:?(%d*)$")
  if not host then
    host, port = string.match(text, "^([^:]*):(%d+)$")
    host = host or text
  end
  host = string.gsub(string.lower(host), "^%*?%.", "")
  return { host = host, port = port ~= "" and tonumber(port) or nil, all = text == "*" }
end

---@param list string[]
local function exceptions_of(list)
  local except = {}
  for i, text in ipairs(list) do except[i] = exception_of(text) end
  return except
end

---@param chosen? kio.http.Url for all
---@param except? string[] hosts
---@return kio.http.Proxies
function proxy.of_option(chosen, except)
  return { http = chosen, https = chosen, except = exceptions_of(except or {}) }
end

local function variable(name)
  local value = os.getenv(name) or os.getenv(string.upper(name))
  -- A CGI program's HTTP_PROXY is the field Proxy of whoever asks.
  if name == "http_proxy" then value = os.getenv(name) end
  return value ~= "" and value or nil
end

local function of_variable(name)
  local text = variable(name) or variable "all_proxy"
  if not text then return nil end
  if not string.find(text, "://", 1, true) then text = "http://" .. text end
  local found, wrong = proxy.parse(text)
  if not found then return nil, string.format("the variable %s is no proxy: %s", name, wrong) end
  return found
end

---What the environment says: http_proxy, https_proxy, all_proxy, no_proxy. nil and what is wrong.
---@return kio.http.Proxies|nil
---@return string? wrong
function proxy.of_environment()
  local list = {}
  for text in string.gmatch(variable "no_proxy" or "", "[^,%s]+") do list[#list + 1] = text end
  local plain, wrong = of_variable "http_proxy"
  local secure
  if not wrong then secure, wrong = of_variable "https_proxy" end
  if wrong then return nil, wrong end
  return { http = plain, https = secure, except = exceptions_of(list) }
end

local function is_excepted(self, target)
  for _, each in ipairs(self.except) do
    if each.all then return true end
    local host = each.host
    local same = target.host == host
      or not target.is_address and string.sub(target.host, -#host - 1) == "." .. host
    if host ~= "" and same and (not each.port or each.port == target.port) then return true end
  end
  return false
end

---The proxy for a URL; nil: none.
---@param self kio.http.Proxies
---@param target kio.http.Url
---@return kio.http.Url|nil
function proxy.choose(self, target)
  local chosen = self.http
  if target.scheme == "https" or target.scheme == "wss" then chosen = self.https end
  if not chosen or is_excepted(self, target) then return nil end
  return chosen
end

return proxy
