-- Everything that can be called, found by looking: the tables of kio, the metatables of its
-- handles, and whatever class a value that comes along turns out to have.
local http = require "kio.http"
local kio = require "kio"
local signatures = require "spec.fuzz.interface.signatures"

local targets = {}

-- What is left out, and why.
local EXCLUDED = {
  fork = "the child would be a second fuzzer", reap = "blocks by contract",
  exit_now = "ends the process by contract", send_signal = "a signal to oneself ends or stops one",
  world = "", sim = "a script for the next run of a spec's", sim_fired = "",
  set_nonblock = "changes descriptors 0 to 2 of everybody", terminal = "", fail_thread = "",
  fail_memory = "left set, it fails a later call", fail_lua_memory = "the same",
  wait_job = "blocks a thread by contract",
  own_files = "would change whose errors are whose",
  refusal_words = "would change what a run without a ring says",
  process_pipe = "who looks for leaks does not know the name it gives; kio.process does it",
  wait_shielded = "cannot be cancelled by contract",
  codec_bytes = "spec/fuzz/codec", codec_call = "spec/fuzz/codec", codec_pack = "spec/fuzz/codec",
  codec_parcel = "spec/fuzz/codec", codec_peer = "spec/fuzz/codec",
  codec_unpack = "spec/fuzz/codec",
}

-- None runs under ThreadSanitizer: its runtime does not survive the child's start.
local PROGRAMS = { ["kio.process.spawn"] = true, ["kio.process.run"] = true, process_spawn = true }

-- Descriptors as numbers come out of these: who calls them must remember what came.
targets.raw = {
  openat = true, socket = true, socketpair = true, pipe = true, accept = true, fds = true,
  recv_fds = true, recvmsg = true, inotify = true, stream_standard = true,
}

local list, seen, known = {}, {}, {}
for _, name in ipairs { "cookies", "events", "multipart" } do require("kio.http." .. name) end

local function wanted(name, key)
  local without = os.getenv "KIO_WITHOUT"
  if EXCLUDED[key] or without and name:find(without) then return false end
  local no_programs = os.getenv("KIO_FLAVOUR") == "tsan"
  return not (no_programs and (PROGRAMS[name] or PROGRAMS[key]))
end

local function add(name, key, f, class)
  if seen[f] or not wanted(name, key) then return end
  seen[f] = true
  list[#list + 1] = {
    name = name, key = key, f = f, class = class, params = signatures.of(name, f),
  }
end

local function sorted(t)
  local names = {}
  for name in next, t do
    if type(name) == "string" then names[#names + 1] = name end
  end
  table.sort(names)
  return names
end

-- Of two names of a function the shorter one counts.
local function add_tables(prefix, t, visited)
  visited[t] = true
  local names = sorted(t)
  for _, name in ipairs(names) do
    if type(t[name]) == "function" then add(prefix .. "." .. name, name, t[name]) end
  end
  for _, name in ipairs(names) do
    local inner = type(t[name]) == "table" and not visited[t[name]] and name ~= "const"
    if inner then add_tables(prefix .. "." .. name, t[name], visited) end
  end
end

-- The methods of a metatable, those that Lua calls by itself included. What is kio's own business
-- has a name that begins with an underscore, or is marked `package` in its module.
local INNER = { is_mine = true, relock = true, open = true, take = true, field = true }

-- Where its methods are: a table, or one that a function in C looks into.
local function methods_of(meta)
  local index = rawget(meta, "__index")
  if type(index) ~= "function" or debug.getinfo(index, "S").what ~= "C" then
    return type(index) == "table" and index or nil
  end
  for i = 1, debug.getinfo(index, "u").nups do
    local value = select(2, debug.getupvalue(index, i))
    if type(value) == "table" then return value end
  end
end

local function add_class(meta)
  local class = rawget(meta, "__name")
  if known[meta] or type(class) ~= "string" or not class:match("^kio%.") then return end
  known[meta] = true
  for _, from in ipairs { meta, methods_of(meta) } do
    for _, name in ipairs(sorted(from)) do
      local is_method = type(from[name]) == "function" and not INNER[name]
      if is_method then add(class .. ":" .. name, name, from[name], class) end
    end
  end
end

-- The class of a value of kio's; else its type.
function targets.class(value)
  local meta = debug.getmetatable(value)
  local name = type(meta) == "table" and type(value) ~= "string" and rawget(meta, "__name")
  return type(name) == "string" and name or type(value)
end

-- A value has come along: its methods count from now on; but not those of what only claims to be
-- of a class, whose __index is a function.
function targets.learn(value)
  local kind = type(value)
  if kind ~= "table" and kind ~= "userdata" then return end
  local meta = debug.getmetatable(value)
  local index = type(meta) == "table" and rawget(meta, "__index")
  local ours = meta and (type(index) ~= "function" or debug.getinfo(index, "S").what == "C")
  if ours then add_class(meta) end
end

-- The classes that are written in Lua, which no registry names: what the modules' functions use.
local function classes_in(value, visited, found)
  local kind = type(value)
  if (kind ~= "table" and kind ~= "function") or visited[value] then return end
  visited[value] = true
  if kind == "table" then
    local name = rawget(value, "__name")
    if type(name) == "string" then found[name] = value end
    for _, inner in next, value do classes_in(inner, visited, found) end
    return
  end
  for i = 1, debug.getinfo(value, "u").nups do
    classes_in(select(2, debug.getupvalue(value, i)), visited, found)
  end
end

local function add_lua_classes()
  local visited, found = { [_G] = true, [package.loaded] = true, [kio.core.globals] = true }, {}
  for name, module in next, package.loaded do
    if name == "kio" or name:find("^kio%.") then classes_in(module, visited, found) end
  end
  for _, name in ipairs(sorted(found)) do add_class(found[name]) end
end

-- Lua's own functions, wherever they turn up: some end the process, or do what a text says.
local function leave_out_standard()
  for _, name in ipairs { "_G", "coroutine", "debug", "io", "math", "os", "package", "string",
    "table", "utf8" } do
    for _, f in next, package.loaded[name] do seen[f] = true end
  end
end

function targets.load(root)
  leave_out_standard()
  signatures.load(root)
  local registry, names = debug.getregistry(), {}
  for name, meta in next, registry do
    if type(name) == "string" and type(meta) == "table" then names[#names + 1] = name end
  end
  table.sort(names)
  for _, name in ipairs(names) do add_class(registry[name]) end
  add_lua_classes()
  add_tables("kio", kio, {})
  add_tables("kio.http", http, {})
  add_tables("kio.zlib", require "kio.zlib", {})
  add_tables("kio.http.core", require "kio.http.core", {})
end

-- Each seed has a few functions that it calls again and again, so that they meet one another.
local FAVOURITES = 6
local favourites = {}

function targets.focus(random)
  for i = 1, FAVOURITES do favourites[i] = list[random(#list)] end
end

function targets.pick(random)
  local from = favourites[1] and random(2) == 1 and favourites or list
  return from[random(#from)]
end

-- Those of which each(entry) holds, in order.
local function choose(holds)
  local chosen = {}
  for _, entry in ipairs(list) do
    if holds(entry) then chosen[#chosen + 1] = entry end
  end
  return chosen
end

local function takes(entry, class)
  for _, param in ipairs(entry.params) do
    if (param.kind .. " "):find(class .. "%f[^%w.]") then return true end
  end
end

-- One that works on a handle of this class, by its method or given as an argument: if there are,
-- one of those that may wait.
function targets.pick_on(class, random)
  local all = choose(function(entry) return entry.class == class or takes(entry, class) end)
  local waiting = {}
  for _, entry in ipairs(all) do
    if entry.params.async then waiting[#waiting + 1] = entry end
  end
  local some = waiting[1] and waiting or all
  return some[1] and some[random(#some)]
end

local function takes_options(entry)
  for _, param in ipairs(entry.params) do
    if param.kind:find "Options" or param.kind:find "^{" then return true end
  end
end

-- One that takes a table of options.
function targets.pick_with_options(random)
  local some = choose(takes_options)
  return some[random(#some)]
end

function targets.list() return list end

return targets
