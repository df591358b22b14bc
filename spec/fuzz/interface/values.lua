-- Arguments: what a function says it takes, and everything that it does not.
local handles = require "spec.fuzz.interface.handles"
local pool = require "spec.fuzz.interface.pool"
local signatures = require "spec.fuzz.interface.signatures"

local values = {}

-- No path leaves the folder of the seed, no address the machine, and nothing is a host's name.
local PATHS = {
  "file", "fifo", "folder", "folder/inner", "link", "missing", "missing/inner", "file/inner", "",
  "a\0b", ".", "new", "new-\n", ("x"):rep(255), ("y/"):rep(3000),
}
local ADDRESSES = {
  "127.0.0.1:0", "[::1]:0", "localhost:0", "unix:door", "unix:@fuzz", "unix:@", "127.0.0.1:1",
  ":0", "127.0.0.1:99999", "[::1", "unix:", "", "127.0.0.1", "unix:a\0b", "unix:" .. ("z"):rep(200),
}
local URLS = {
  "http://127.0.0.1:1/", "ws://127.0.0.1:1/", "https://127.0.0.1:1/", "http://[::1]:1/a?b",
  "http://", "http://a b/", "", "x", "http://127.0.0.1:99999/", "http://u:p@127.0.0.1:1/",
}
local TEXTS = {
  "", "x", "\0", "hello\nworld\n", "l", "n", "a", "r", "w+", "rw", "TERM", "USR1", "cat", "%s%n%d",
  "\255\254", "i4z", ("ab\n"):rep(1000), ("x"):rep(70000), "false", "644", "pipe", "null",
}
local INTEGERS = {
  3, 4, 5, 7, 8, 10, 23, 64, 100, 255, 4096, 65536, -1, -2, 2 ^ 31 | 0, -(2 ^ 31) | 0,
  (2 ^ 32 | 0) + 3, 2 ^ 40 | 0, 2 ^ 53 | 0, math.maxinteger, math.mininteger,
}
local SMALL = { 0, 1, 1, 2, 3, 5, 10, 16, 100 } -- what most functions have a use for
local NUMBERS = { 0.0, 0.5, 0.001, 1e-9, 3.0, -0.0, -1.5, 1e18, 1e300, 1 / 0, -1 / 0, 0 / 0 }
local EVENTS = { "r", "w", "rw", "p", "rwphe", "", "x" }
local MODES = { "r", "w", "a", "r+", "w+", "rb", "x", "755" }
local SIGNALS = { "USR1", "USR2", "WINCH", "TERM", "CHLD", "KILL", "NONE" }
local SECONDS = { 0, 0.001, 0.002, 0.005, 0.01, 0.01, 1, -1, 1e9, 1 / 0, 0 / 0 }

local function one_of(list, random) return list[random(#list)] end

-- ---- values that fight back ----

-- What the call works on goes while it looks at its arguments.
local function close_all(env)
  for _, h in ipairs(env.used) do pcall(function() h:close() end) end
  for _, fd in ipairs(env.numbers) do
    if not pool.may_be_lua_s(fd) then env.kio.core.own.close_now(fd) end
  end
  collectgarbage()
end

-- Something Lua runs while kio looks at an argument.
local function acts(env)
  local random = env.random
  local function close_all_used() close_all(env) end
  if env.sound then return close_all_used end
  local list = {
    close_all_used, close_all_used, close_all_used, close_all_used,
    function() for _, h in ipairs(env.used) do handles.disturb(h, random) end end,
    function() collectgarbage() end,
    function() error("restless", 0) end,
    function() error({ "restless" }) end,
    function() env.kio.yield() end,
    function() pcall(env.kio.sleep, 0.0001) end,
    function() env.again() end,
    function() for i = 1, 20 do env.table[i] = i end end,
    function() for i = 1, 20 do env.table[i] = nil end end,
    function() pcall(env.kio.spawn, env.again) end,
  }
  return list[random(#list)]
end

local METAMETHODS = {
  "__index", "__len", "__pairs", "__tostring", "__call", "__eq", "__lt", "__concat", "__close",
  "__gc", "__unm", "__newindex",
}

local NAMES = { "kio.Stream", "kio.Buffer", "FILE*" }

local function restless(env, content)
  local act, answer, meta = acts(env), env.random(4), {}
  local function run()
    act()
    if answer == 1 then return 1 elseif answer == 2 then return "x" end
  end
  for _, name in ipairs(METAMETHODS) do meta[name] = run end
  if env.random(3) == 1 then meta.__name = one_of(NAMES, env.random) end
  return setmetatable(content or {}, meta)
end

local function circle()
  local t = { 1, "x" }
  t.self, t[3] = t, t
  return t
end

-- ---- functions ----

-- Each ends by itself: it may run where nothing can stop it.
local function callback(env)
  local kind = env.random(8)
  if kind == 1 then return function(...) return ... end
  elseif kind == 2 then return function() error "on purpose" end
  elseif kind == 3 then return function() env.kio.yield() end
  elseif kind == 4 then return function(...) for _, v in ipairs { ... } do pool.add(v) end end
  elseif kind == 5 then return function() collectgarbage() return "x" end
  elseif kind == 6 then return acts(env)
  elseif kind == 7 then return function() coroutine.yield(1) end
  end
  return function() return env.again() end
end

-- ---- values ----

-- One of a socket whose other end is silent: who reads from it waits.
local function silent(env)
  local near, far = env.kio.socketpair()
  pool.note(near)
  pool.note(far)
  return near
end

local function number_of_descriptor(env)
  local own = env.sound and env.random(2) == 1 and silent(env)
  own = own or (env.sound or env.random(4) > 1) and pool.number(env.random)
  if own then env.numbers[#env.numbers + 1] = own end
  return own or env.random(40) + 2
end

local function list_of(env, make)
  local list = {}
  for i = 1, env.random(4) - 1 do list[i] = make() end
  env.table = list
  return list
end

local WILD = {
  function() return nil end,
  function(env) return env.random(2) == 1 end,
  function(env) return one_of(INTEGERS, env.random) end,
  function(env) return one_of(NUMBERS, env.random) end,
  function(env) return one_of(TEXTS, env.random) end,
  function(env) return one_of(PATHS, env.random) end,
  function(env) return pool.any(env.random) end,
  function(env) return pool.any(env.random) end,
  function(env) return handles.make(one_of(handles.classes(), env.random), env.random) end,
  function() return {} end,
  circle,
  restless,
  restless,
  callback,
  function() return coroutine.create(function() coroutine.yield() end) end,
  number_of_descriptor,
}

function values.wild(env) return one_of(WILD, env.random)(env) end

-- Each ends by itself when nobody detains it.
local COMMANDS = {
  { "true" }, { "false" }, { "cat" }, { "sh", "-c", "echo out; echo err >&2" }, { "sleep", "0.01" },
  { "missing-program" }, { "./file" }, {},
}

-- The list that goes with the options of a program. What is detached waits for nobody.
local function add_command(env, t)
  local command = one_of(COMMANDS, env.random)
  for i = 1, #command do t[i] = command[i] end
  if command[1] == "cat" then t.detached = nil end
  if t.env == nil then t.env = { LD_PRELOAD = false } end
end

-- In a sound call few are set: what reads the others asks the metatable, if it does not read raw.
local function options(env, fields)
  local names, t, one_in = {}, {}, env.sound and 8 or 3
  for name in pairs(fields) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    if env.random(one_in) == 1 then t[name] = values.of(env, name, fields[name]) end
  end
  if fields.clear_env then add_command(env, t) end
  env.table = t
  if env.sound then return env.evil and restless(env, t) or t end
  return env.random(3) == 1 and restless(env, t) or t
end

local function inline_fields(kind)
  local fields = {}
  for name, what in kind:gmatch("([%w_]+)%??:%s*([%w_.]+)") do fields[name] = what end
  return fields
end

-- What a text or a number means is told by its name.
local TEXTS_OF = {
  path = PATHS, path2 = PATHS, target = PATHS, from = PATHS, cwd = PATHS, address = ADDRESSES,
  url = URLS, proxy = URLS, events = EVENTS, mode = MODES, signal = SIGNALS, name = SIGNALS,
}
local NUMBERS_OF = { seconds = SECONDS, timeout = SECONDS, idle_timeout = SECONDS }
local SOON = { 0, 0.001, 0.002, 0.005 }

local function handle_of(env, class)
  if env.given[class] then return env.given[class] end
  local old = env.random(3) > (env.sound and 2 or 1)
  local handle = old and pool.pick(class, env.random)
  handle = handle or handles.make(class, env.random)
  if handle ~= nil then env.used[#env.used + 1] = handle end
  return handle
end
values.handle_of = handle_of

-- What one can wait for in a list, or send by it.
local ALTERNATIVES = {
  "kio.Channel", "kio.Event", "kio.Task", "kio.ThreadChannel", "kio.ThreadEvent", "kio.Queue",
}

local function alternative(env)
  local handle = handle_of(env, one_of(ALTERNATIVES, env.random))
  return env.random(4) == 1 and { handle, "sent" } or handle
end

local function simple(env, name, kind)
  local random = env.random
  if kind:match("^kio%.Fd") then return number_of_descriptor(env) end
  if kind:match("^kio%.Address") then return one_of(ADDRESSES, env.random) end
  if kind:match("^integer") then
    return one_of((env.sound or random(4) > 1) and SMALL or INTEGERS, random)
  elseif kind:match("^number") then
    if env.sound then return one_of(NUMBERS_OF[name] and SOON or SMALL, random) end
    return one_of(NUMBERS_OF[name] or random(2) == 1 and SMALL or NUMBERS, random)
  end
  if kind:match("^boolean") then return random(2) == 1 end
  if kind:match("^string") then return one_of(TEXTS_OF[name] or TEXTS, random) end
  if kind:match("fun%(") or kind:match("^function") then return callback(env) end
  if kind == "table" then return list_of(env, function() return alternative(env) end) end
end

-- The kinds that an annotation allows; a function's own type may have any signs in it.
local function parts_of(kind)
  if kind:find("^string|fun%(") then return { "string", "fun()" } end
  if kind:find("fun%(") or kind:find("^{") then return { kind } end
  local parts = {}
  for part in kind:gsub("%s.*$", ""):gmatch("[^|]+") do parts[#parts + 1] = part end
  return parts
end

-- Of what an annotation allows: the handle that the call is about, else by chance.
local function choose_part(env, kind)
  local parts = parts_of(kind)
  for _, part in ipairs(parts) do
    if env.given[part] then return part end
  end
  return one_of(parts, env.random) or "any"
end

-- An argument of this name that is of the kind which an annotation tells: always in a sound call,
-- else usually.
function values.of(env, name, kind)
  if not env.sound and env.random(5) == 1 then return values.wild(env) end
  local element = kind:match("^(%b())%[%]")
  if element then
    return list_of(env, function() return values.of(env, name, element:sub(2, -2)) end)
  end
  local part = choose_part(env, kind)
  local literal = part:match('^"(.*)"$')
  if literal then return literal end
  if part:match("%[%]$") then
    return list_of(env, function() return values.of(env, name, (part:gsub("%W*%[%]$", ""))) end)
  end
  local class = part:match("^kio%.[%w.]+")
  local value = simple(env, name, part)
  if value ~= nil then return value end
  value = class and handle_of(env, class)
  if value ~= nil then return value end
  local fields = class and signatures.fields[class] or part:match("^{") and inline_fields(part)
  if fields then return options(env, fields) end
  return values.wild(env)
end

return values
