---Which handler a request gets, by its method and its path. See docs/http_server.md.
local _ENV = require "kio.core".globals
local check = require "kio.check"

---A pattern is a path: a part of it that begins with a colon matches one of the request's and gives
---`req.params` its name, with its percent signs decoded; a last part that begins with an asterisk
---matches all that is left.
---@class kio.http.Router
---@field routes kio.http.Route[] in the order in which they are tried
---@field around (fun(handler: kio.http.Handler): kio.http.Handler)[]
---@field missing? kio.http.Handler
local Router = {}
Router.__index = Router
Router.__name = "kio.http.Router"

---@class kio.http.Route
---@field method string "*": any
---@field pattern string of Lua
---@field names string[] of what it captures
---@field handler kio.http.Handler

local router = {}

---@return kio.http.Router
function router.new(...)
  check.no_more(0, "router", ...)
  return setmetatable({ routes = {}, around = {} }, Router)
end

local function check_self(self, name)
  if getmetatable(self) ~= Router then check.bad_self(self, "kio.http.Router", name) end
end

-- ---- routes ----

local NAMES_MAX = 32 -- captures of a pattern, in Lua

-- The pattern as one of Lua's, and the names of what it captures.
local function compile(path)
  local names, parts = {}, {}
  for slash, part in string.gmatch(path, "(/)([^/]*)") do
    local sign, name = string.match(part, "^([:*])(.+)$")
    names[#names + 1] = name
    if sign == ":" then part = "([^/]+)"
    elseif sign == "*" then part = "(.*)"
    else part = string.gsub(part, "%p", "%%%0") end
    parts[#parts + 1] = slash .. part
  end
  return "^" .. table.concat(parts) .. "$", names
end

---Requests with this method, "*" for any, and a path that matches have this handler. HEAD is served
---by what GET has when it has none of its own.
---@param method string
---@param path string
---@param handler kio.http.Handler
---@return kio.http.Router
function Router:on(method, path, handler, ...)
  check_self(self, "on")
  check.type(method, "string", 1, "on")
  check.type(path, "string", 2, "on")
  check.type(handler, "function", 3, "on")
  check.no_more(3, "on", ...)
  local fine = string.find(path, "^/") and not string.find(path, "%*[^/]*/")
  if not fine then
    check.refuse(2, "on", "a path begins with a slash, and its last part alone with an asterisk")
  end
  local pattern, names = compile(path)
  if #names > NAMES_MAX then check.refuse(2, "on", "more than 32 names") end
  table.insert(self.routes, {
    method = method, pattern = pattern, names = names, handler = handler,
  })
  return self
end

for _, method in ipairs { "get", "post", "put", "patch", "delete" } do
  Router[method] = function(self, path, handler, ...)
    return Router.on(self, string.upper(method), path, handler, ...)
  end
end

---Each request passes through this: a function of a handler that returns another one. The first is
---the outermost.
---@param middleware fun(handler: kio.http.Handler): kio.http.Handler
---@return kio.http.Router
function Router:use(middleware, ...)
  check_self(self, "use")
  check.type(middleware, "function", 1, "use")
  check.no_more(1, "use", ...)
  table.insert(self.around, middleware)
  return self
end

-- ---- requests ----

local function char_of(digits) return string.char(tonumber(digits, 16)) end

local function params_of(route, captures)
  local params = {}
  for i, name in ipairs(route.names) do
    params[name] = string.gsub(captures[i], "%%(%x%x)", char_of)
  end
  return params
end

local NO_ROUTE = "no such page\n"

-- The handler of a request; else the methods that its path would have.
local function find(routes, method, path)
  local others = {}
  for _, route in ipairs(routes) do
    local captures = table.pack(string.match(path, route.pattern))
    if captures[1] then
      local same = route.method == method or route.method == "*"
      if same then return route, captures end
      if not others[route.method] then
        others[#others + 1], others[route.method] = route.method, true
      end
    end
  end
  if method == "HEAD" and others.GET then return find(routes, "GET", path) end
  return nil, others
end

-- Called by its name where a server is spread.
function router.dispatch(routes, req, res)
  local route, found = find(routes, req.method, req.path)
  if route then
    req.params = params_of(route, found)
    return route.handler(req, res)
  end
  if #found == 0 then return 404, nil, NO_ROUTE end
  return 405, { allow = table.concat(found, ", ") }, NO_ROUTE
end

---What serves requests by these routes, for http.serve; of a path that no route matches 404, of a
---method 405. Later changes of the router do not change it.
---@return kio.http.Handler
function Router:handler(...)
  check_self(self, "handler")
  check.no_more(0, "handler", ...)
  local routes, dispatch = check.copy_list(self.routes), router.dispatch
  local handler = function(req, res) return dispatch(routes, req, res) end
  for i = #self.around, 1, -1 do
    handler = self.around[i](handler)
    if type(handler) ~= "function" then
      check.misuse("a function of `use` must return a handler, not a " .. check.kind(handler))
    end
  end
  return handler
end

return router
