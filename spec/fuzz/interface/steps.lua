-- The steps of a seed: in each one function is called with some arguments somewhere. Runs in any
-- state: that of the program, of a worker, of a thread of the pool.
local kio = require "kio"
local handles = require "spec.fuzz.interface.handles"
local journal = require "spec.fuzz.interface.journal"
local places = require "spec.fuzz.interface.places"
local pool = require "spec.fuzz.interface.pool"
local random_of = require "spec.fuzz.interface.random"
local targets = require "spec.fuzz.interface.targets"
local values = require "spec.fuzz.interface.values"

local steps = {}

local DEPTH = 3 -- of calls by which arguments call
local NOBODYS = 1000 -- a number of no descriptor

-- Texts of Lua's own that no caller should see of code which is not its own.
local INTERNAL = { "attempt to ", "bad argument #", "bad 'for' ", "stack overflow" }

-- An error of kio's own Lua files, but for what they say on purpose.
local function is_internal(err)
  local where, text = tostring(err):match("^%S*/lua/(kio/%S-:%d+): ([^\n]*)")
  if not where then return false end
  for _, beginning in ipairs(INTERNAL) do
    if text:sub(1, #beginning) == beginning then return true end
  end
  return false
end

-- What an error must not be: told once per step, with the call.
function steps.check(err, what)
  if type(err) == "string" and is_internal(err) then journal.fail("%s: %s", what, err) end
end

-- Functions that run what they are given where no deadline reaches it: that must end by itself.
local BOUNDED = {
  ["kio.run"] = true, ["kio.shield"] = true, ["kio.spawn_blocking"] = true,
  ["kio.Runtime:block_on"] = true, ["kio.testing.run"] = true, ["kio.runtime"] = true,
}

local SIZES = { "threads", "blocking_threads", "entries", "cq_entries", "lend_buffers" }

-- A size that is small, or refused: not one that is granted, and heavy.
local function bound(options)
  for _, name in ipairs(SIZES) do
    local n = rawget(options, name)
    if type(n) == "number" and n > 4 and n < 2 ^ 20 then rawset(options, name, 4) end
  end
end

local function bounded(entry, list)
  for i = 1, list.n do
    local value = list[i]
    if type(value) == "function" then
      list[i] = function() return kio.now() end
    elseif type(value) == "table" then bound(value)
    end
  end
  if entry.name == "kio.runtime" then list.n = math.min(list.n, 1) end
end

-- What need not be given is left out half of the times; but not the options the call is about.
local function value_for(param, env)
  local about = env.evil and (param.kind:find "Options" or param.kind:find "^{")
  if param.optional and not about and env.random(2) == 1 then return nil end
  return values.of(env, param.name, param.kind)
end

local function arguments(entry, env)
  local list = { n = 0 }
  local function put(value) list.n = list.n + 1 list[list.n] = value end
  if entry.class then
    local own = env.sound or env.random(8) > 1
    put(own and values.handle_of(env, entry.class) or values.wild(env))
  end
  for _, param in ipairs(entry.params) do
    for _ = 1, param.name == "..." and env.random(3) or 1 do
      put(value_for(param, env))
    end
    if env.random(20) == 1 then break end
  end
  if env.sound then return list end
  local more = #entry.params == 0 and env.random(4) - 1 or env.random(10) == 1 and 2 or 0
  for _ = 1, more do put(values.wild(env)) end
  if BOUNDED[entry.name] then bounded(entry, list) end
  return list
end

local call -- of one function, with arguments that may call again

local function environment(random, depth)
  local env = { random = random, used = {}, numbers = {}, given = {}, table = {}, kio = kio }
  function env.again()
    if depth >= DEPTH then return nil end
    return call(random, depth + 1)
  end
  return env
end

local function take(what, ok, ...)
  if not ok then
    steps.check((...), what)
    return nil
  end
  for i = 1, math.min(select("#", ...), 20) do pool.note((select(i, ...))) end
  return ...
end

-- The call as a function, written down.
local function written(entry, list, depth)
  for i = 1, list.n do
    if pool.may_be_lua_s(list[i]) then list[i] = NOBODYS end
  end
  local what = ("%s(%s)"):format(entry.name, journal.words(list))
  journal.write("%s%s", ("  "):rep(depth), what)
  return function() return take(what, pcall(entry.f, table.unpack(list, 1, list.n))) end
end

-- Calls it under a deadline where one can be: what arguments call may be a task of its own.
local function soon(go)
  local began = false
  local results = table.pack(pcall(kio.timeout, 0.005, function()
    began = true
    return go()
  end))
  if not began then return go() end
  if not results[1] then error(results[2], 0) end
  return table.unpack(results, 2, results.n)
end

function call(random, depth)
  local entry, env = targets.pick(random), environment(random, depth)
  local list = arguments(entry, env)
  if env.used[1] and random(3) == 1 then handles.disturb(env.used[1], random) end
  local go = written(entry, list, depth)
  if depth == 0 then return go() end
  return soon(go)
end

-- ---- calls that are right but for one thing ----

local function sound(random)
  local env = environment(random, DEPTH)
  env.sound = true
  return env
end

-- The options' metatable runs code, which ends what the call works on.
local function evil_options(random)
  local env, entry = sound(random), targets.pick_with_options(random)
  env.evil = true
  written(entry, arguments(entry, env), 0)()
end

-- Of these there are more functions that work on memory or descriptors.
local SHARED = { "kio.Buffer", "kio.Buffer", "kio.Buffer", "kio.Stream", "kio.File" }
-- Turns of the loop by which one call is ahead of the other; by one, it has just begun.
local AHEAD = { 0, 1, 1, 2 }
local ENDED = 0.02 -- seconds after which what waits is given up

local function on(handle, class, entry, random)
  local env = sound(random)
  env.given[class], env.used[1] = handle, handle
  if BOUNDED[entry.name] then return function() end end
  return written(entry, arguments(entry, env), 0)
end

-- Two calls on one handle: the second while the first is under way. Often it is the same, or closes
-- the handle.
local function meet(random)
  local classes = random(2) == 1 and SHARED or handles.classes()
  local class = classes[random(#classes)]
  local handle = handles.make(class, random)
  local entry, second = targets.pick_on(class, random), random(4)
  if handle == nil or not entry then return end
  local first = handles.beside(kio.timeout, ENDED, on(handle, class, entry, random))
  for _ = 1, AHEAD[random(#AHEAD)] do kio.yield() end
  if second == 1 then
    journal.write("close(%s)", class)
    take("close", pcall(function() return handle:close() end))
  else
    if second > 2 then entry = targets.pick_on(class, random) end
    on(handle, class, entry, random)()
  end
  if random(2) == 1 then first:cancel() end
end

local function choose_call(random, task)
  local kind = random(4)
  if kind == 1 and task then return meet end
  if kind == 2 then return evil_options end
  return function() call(random, 0) end
end

-- One step, in a task or not.
function steps.one(seed, step, task)
  local random = random_of(seed, step)
  local name, place = places.pick(random, task)
  local go = choose_call(random, task)
  journal.write("%d %s", step, name)
  local ok, err = pcall(place, function() go(random) end)
  if not ok then steps.check(err, "step " .. step) end
end

-- Steps in another state, which has a pool of its own.
function steps.elsewhere(root, path, seed, first, count, task)
  package.path = root .. "/?.lua;" .. package.path
  require("spec.fuzz.interface.journal").open(path)
  local all = require "spec.fuzz.interface.targets"
  all.load(root)
  all.focus(require "spec.fuzz.interface.random"(seed, -1))
  local own = require "spec.fuzz.interface.steps"
  local function all_steps(scope)
    for step = first, first + count - 1 do own.one(seed, step, task) end
    if scope then scope:cancel() end -- what was begun beside us may wait for good
  end
  if task then pcall(require("kio").scope, all_steps) else all_steps() end
  local held = require "spec.fuzz.interface.pool"
  held.clear(task)
  collectgarbage() -- before the numbers: finalizers call, too, and what those return is ours
  for _, fd in ipairs(held.numbers()) do require("kio").core.own.close_now(fd) end
  collectgarbage()
  return require("spec.fuzz.interface.journal").failures()
end

return steps
