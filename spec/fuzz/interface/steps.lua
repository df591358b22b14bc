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

local function arguments(entry, env)
  local list = { n = 0 }
  local function put(value) list.n = list.n + 1 list[list.n] = value end
  if entry.class then
    local own = env.random(8) > 1
    put(own and values.handle_of(env, entry.class) or values.wild(env))
  end
  for _, param in ipairs(entry.params) do
    for _ = 1, param.name == "..." and env.random(3) or 1 do
      put(values.of(env, param.name, param.kind))
    end
    if env.random(20) == 1 then break end
  end
  local more = #entry.params == 0 and env.random(4) - 1 or env.random(10) == 1 and 2 or 0
  for _ = 1, more do put(values.wild(env)) end
  if BOUNDED[entry.name] then bounded(entry, list) end
  return list
end

local call -- of one function, with arguments that may call again

local function environment(random, depth)
  local env = { random = random, used = {}, table = {}, kio = kio }
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

local function prepare(random, depth)
  local entry = targets.pick(random)
  local env = environment(random, depth)
  local list = arguments(entry, env)
  if env.used[1] and random(3) == 1 then handles.disturb(env.used[1], random) end
  local what = ("%s(%s)"):format(entry.name, journal.words(list))
  return entry, list, what
end

function call(random, depth)
  local entry, list, what = prepare(random, depth)
  journal.write("%s%s", ("  "):rep(depth), what)
  local function go() return take(what, pcall(entry.f, table.unpack(list, 1, list.n))) end
  local co, is_main = coroutine.running()
  if depth > 0 and co and not is_main and coroutine.isyieldable() then
    return kio.timeout(0.005, go)
  end
  return go()
end

-- One step, in a task or not.
function steps.one(seed, step, task)
  local random = random_of(seed, step)
  local name, place = places.pick(random, task)
  journal.write("%d %s", step, name)
  local ok, err = pcall(place, function() call(random, 0) end)
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
  for _, fd in ipairs(held.numbers()) do require("kio").core.own.close_now(fd) end
  collectgarbage()
  return require("spec.fuzz.interface.journal").failures()
end

return steps
