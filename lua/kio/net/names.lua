---Looking names up. Numeric addresses, Unix names and localhost are answered here; everything else
---goes to the C library's resolver, on a thread.
local _ENV = require "kio.core".globals
local check = require "kio.check"
local own = require "kio.core".own

local names = {}

---@class kio.ResolveOptions: kio.Options
---@field family? "inet"|"inet6" addresses of this kind only
---@field port? integer goes with each address
---@field service? string the same by its name, as in /etc/services
---@field type? "stream"|"datagram" what the service is for ("stream")

local KNOWN = {
  timeout = "number", family = "string", port = "number", service = "string", type = "string",
}
local FAMILIES = { inet = true, inet6 = true }
local TYPES = { stream = true, datagram = true }

local function wrong_options(options)
  local port = options.port
  if options.family and not FAMILIES[options.family] then
    return "option 'family' must be \"inet\" or \"inet6\""
  elseif options.type and not TYPES[options.type] then
    return "option 'type' must be \"stream\" or \"datagram\""
  elseif port and (math.type(port) ~= "integer" or port < 0 or port > 65535) then
    return "option 'port' must be an integer from 0 to 65535"
  elseif options.service and (#options.service == 0 or string.find(options.service, "%z")) then
    return "option 'service' must be a name"
  elseif port and options.service then
    return "either 'port' or 'service'"
  end
end

-- "host:port" or "host". The port is nil when there is none.
local function split(text)
  local host, port = string.match(text, "^(%[[^%]]*%]):(.*)$")
  if not host and not string.match(text, "^%[[^%]]*%]$") then
    host, port = string.match(text, "^(.*):(.*)$")
  end
  return host or text, port
end

local function family_of(address) return string.sub(address, 1, 1) == "[" and "inet6" or "inet" end

-- What needs no resolver; nil: it does.
local function known(host, port, family)
  local bare = string.gsub(string.lower(host), "%.$", "")
  if bare == "localhost" then
    local list = {}
    for _, each in ipairs { "127.0.0.1", "[::1]" } do -- RFC 6761, section 6.3
      if not family or family == family_of(each) then list[#list + 1] = each .. ":" .. port end
    end
    return list
  elseif own.net_parse(host .. ":0") == "numeric" then
    if not family or family == family_of(host) then return { host .. ":" .. port } end
    local what = "resolve " .. host .. ": it is no address of the family " .. family
    return nil, what, "EAI_ADDRFAMILY"
  end
  return nil
end

-- Each once, in the resolver's order; without the port that nobody asked for.
local function tidy(list, without_port)
  local seen, out = {}, {}
  for _, address in ipairs(list) do
    if without_port then address = string.gsub(address, ":0$", "") end
    if not seen[address] then
      seen[address] = true
      out[#out + 1] = address
    end
  end
  return out
end

local function look_up(host, port, options)
  local list, message, code
  if not options.service then list, message, code = known(host, port or "0", options.family) end
  if not list and not code then
    list, message, code = own.net_lookup(host, options.service or port or "0",
      options.family or "any", options.type or "stream", { timeout = options.timeout })
  end
  if not list then return nil, message, code end
  return tidy(list, not port and not options.service)
end

---The addresses of a name, in the order in which they should be tried. `name` may have a port
---("example.org:80"): then each address has it. Numeric addresses come back as they are.
---@async
---@param name string
---@param options? kio.ResolveOptions
---@return kio.Address[]|nil addresses at least one
---@return string? message
---@return string? code an errno's name, "ETIMEDOUT", or a code of getaddrinfo: "EAI_NONAME", ...
function names.resolve(name, options, ...)
  check.type(name, "string", 1, "resolve", "a name (string)")
  options = check.options(options, 2, "resolve", KNOWN, ...)
  options = options or {}
  local wrong = wrong_options(options)
  if wrong then check.refuse(2, "resolve", wrong) end
  own.at_once() -- the numeric ones need no waiting
  if string.sub(name, 1, 5) == "unix:" and own.net_parse(name) then return { name } end
  local host, port = split(name)
  if port and (options.port or options.service) then
    check.refuse(2, "resolve", "the name has a port already")
  end
  local _, bad = own.net_parse(port and name or name .. ":0")
  if bad then
    return nil, string.format("resolve %s: %s", string.match(name, "^[^%z]*"), bad), "EINVAL"
  end
  return look_up(host, port or options.port and string.format("%d", options.port), options)
end

---What `resolve` has said, as a failure of another operation.
---@param what string that operation
---@param address string what was asked for
---@param message string
---@param code string
---@return nil, string message, string code
function names.retell(what, address, message, code)
  local text = string.match(message, "^resolve .-: (.*)$")
  return nil, string.format("%s %s: %s", what, address, text), code
end

return names
