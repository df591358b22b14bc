-- Random programs of scopes, tasks, deadlines, shields, cancellations and errors, and how any
-- runtime that has the functions of `model` runs them: what each statement came to, and when.
-- Whatever affects others happens at a moment of its own: such statements, and tasks, begin with a
-- sleep of a length that nothing else has, and who has awaited a task, as others may have, goes on
-- after one. So nothing depends on the order within one moment.
local program = {}

local LONGEST = 100000000 -- seconds: lengths hardly ever add up to the same moment
local random = math.random

-- ---- making ----

local maker

local function length()
  local n
  repeat n = random(LONGEST) until not maker.lengths[n]
  maker.lengths[n] = true
  return n
end

local make_block

local function with_flags(node)
  node.daemon, node.on_error, node.pause = random(6) == 1, random(6) == 1, length()
  return node
end

-- The weight of each kind of statement, and what it needs.
local kinds = {
  { 8, "sleep", function() return { seconds = length() } end },
  { 3, "operate", function() return { seconds = 7654321 } end },
  { 8, "spawn", function(depth) return with_flags { body = make_block(depth) } end, true },
  { 3, "spawn_in", function(depth)
    return with_flags { wait = length(), pick = random(100), body = make_block(depth) }
  end, true },
  { 5, "scope", function(depth) return { body = make_block(depth) } end, true },
  { 5, "timeout", function(depth)
    return { seconds = length(), body = make_block(depth) }
  end, true },
  { 3, "shield", function(depth) return { body = make_block(depth) } end, true },
  { 6, "catch", function(depth)
    local after = ({ "return", "raise", "raise", "again", "rethrow" })[random(5)]
    return { body = make_block(depth), pause = length(), after = after }
  end, true },
  { 3, "cancel_scope", function() return { pause = length(), pick = random(100) } end },
  { 3, "cancel_task", function() return { pause = length(), pick = random(100) } end },
  { 2, "raise", function() return { pause = length() } end },
  { 2, "await", function() return { pick = random(100), pause = length() } end },
  { 2, "join", function()
    return { pick = random(100), seconds = random(3) > 1 and length() or nil, pause = length() }
  end },
}

local total = 0
for _, kind in ipairs(kinds) do total = total + kind[1] end

local function choose(leaf_only)
  while true do
    local at = random(total)
    for _, kind in ipairs(kinds) do
      at = at - kind[1]
      if at <= 0 then
        if leaf_only and kind[4] then break end
        return kind
      end
    end
  end
end

function make_block(depth)
  local block = {}
  for i = 1, depth > 0 and random(2, 5) or random(2) do
    maker.left = maker.left - 1
    local kind = choose(depth <= 0 or maker.left <= 0)
    maker.nodes = maker.nodes + 1
    local id = maker.nodes
    local node = kind[3](depth - 1)
    node.kind, node.id = kind[2], id
    block[i] = node
  end
  return block
end

-- The program of a seed.
function program.make(seed)
  math.randomseed(seed)
  maker = { lengths = {}, nodes = 1, left = 60 }
  return { { kind = "scope", id = 1, body = make_block(6) } }
end

-- ---- running ----

local run -- { api, log, problems, scopes (of those that run: how many tasks are alive in each) }

local function pick(list, n) return list[(n - 1) % math.max(#list, 1) + 1] end

local function problem(text, ...) table.insert(run.problems, text:format(...)) end

local exec_block

-- A task's body: it begins and ends once, and within its scope.
local function job(node, env, scope)
  local info = run.scopes[scope]
  local inner = { scope = scope, scopes = env.scopes, tasks = { table.unpack(env.tasks) } }
  return function()
    run.begun[node.id] = (run.begun[node.id] or 0) + 1
    info.alive = info.alive + 1
    local ok, err = pcall(function()
      run.api.sleep(node.pause)
      exec_block(node.body, inner)
    end)
    if info.over then problem("task %d outlives its scope", node.id) end
    info.alive = info.alive - 1
    run.ended[node.id] = (run.ended[node.id] or 0) + 1
    if not ok then error(err, 0) end
  end
end

local function options(node)
  local function on_error(err) run.log[node.id .. " on_error"] = err.id end
  return { daemon = node.daemon, on_error = node.on_error and on_error or nil }
end

-- Runs the body of a scope-like statement; `name` is the function of the runtime.
local function inside(name, node, env, ...)
  local key = {}
  local info = { alive = 0 }
  run.scopes[key] = info
  local arguments = table.pack(...)
  arguments[arguments.n + 1] = function(scope)
    local scopes = { table.unpack(env.scopes) }
    if name == "scope" then table.insert(scopes, { handle = scope, key = key }) end
    exec_block(node.body, { scope = key, scopes = scopes, tasks = env.tasks })
    return "done"
  end
  local result = table.pack(pcall(run.api[name], table.unpack(arguments)))
  info.over = true
  if info.alive > 0 then problem("scope %d ends with %d tasks alive", node.id, info.alive) end
  if not result[1] then error(result[2], 0) end
  return result[2] or result[4]
end

local statements = {}

function statements.sleep(node)
  local start = run.api.now()
  run.api.sleep(node.seconds)
  if run.api.now() - start < node.seconds then problem("sleep %d ends early", node.id) end
end

function statements.operate(node) run.api.operate(node.seconds) end

function statements.spawn(node, env)
  table.insert(env.tasks, run.api.spawn(job(node, env, env.scope), options(node)))
end

function statements.spawn_in(node, env)
  run.api.sleep(node.wait)
  local scope = pick(env.scopes, node.pick)
  if not scope then return "no scope" end
  run.api.spawn_in(scope.handle, job(node, env, scope.key), options(node))
end

function statements.scope(node, env) return inside("scope", node, env) end
function statements.timeout(node, env) return inside("timeout", node, env, node.seconds) end
function statements.shield(node, env) return inside("shield", node, env) end

function statements.raise(node)
  run.api.sleep(node.pause)
  error({ id = node.id }, 0)
end

function statements.catch(node, env)
  local ok, err = pcall(exec_block, node.body, env)
  if ok then return "nothing" end
  run.api.shield(function() run.api.sleep(node.pause) end)
  if node.after == "raise" then error({ id = node.id }, 0) end
  if node.after == "rethrow" then error(err, 0) end
  if node.after == "again" then run.api.sleep(node.pause) end
end

function statements.cancel_scope(node, env)
  run.api.sleep(node.pause)
  local scope = pick(env.scopes, node.pick)
  if scope then run.api.cancel_scope(scope.handle) end
end

function statements.cancel_task(node, env)
  run.api.sleep(node.pause)
  local task = pick(env.tasks, node.pick)
  if task then run.api.cancel_task(task) end
end

local function go_on_later(node, ok, ...)
  run.api.sleep(node.pause)
  if not ok then error((...), 0) end
  return ...
end

function statements.await(node, env)
  local task = pick(env.tasks, node.pick)
  if task then go_on_later(node, pcall(run.api.await, task)) end
end

function statements.join(node, env)
  local task = pick(env.tasks, node.pick)
  if not task then return "no task" end
  local ok, err = go_on_later(node, pcall(run.api.join, task, node.seconds))
  return program.tell(run.api, ok, ok == nil and "late" or err)
end

-- An error as text, with those that gave way to it. Two that meet in two scopes are in each other's
-- lists: each is told once.
local function text_of(api, err, told)
  if api.is_cancelled(err) then return "cancelled" end
  if type(err) ~= "table" then return tostring(err) end
  if told[err] then return tostring(err.id) .. " again" end
  told[err] = true
  local parts = { tostring(err.id) }
  for _, other in ipairs(err.suppressed or {}) do parts[#parts + 1] = text_of(api, other, told) end
  return #parts == 1 and parts[1] or ("(%s)"):format(table.concat(parts, " "))
end

-- An outcome as text: "ok" or the error.
function program.tell(api, ok, err)
  if ok then return "ok" end
  if api.is_cancelled(err) then return "cancelled" end
  return "error " .. text_of(api, err, {})
end

function exec_block(block, env)
  for _, node in ipairs(block) do
    local ok, result = pcall(statements[node.kind], node, env)
    local text = ok and tostring(result) or program.tell(run.api, ok, result)
    if run.log[node.id] then problem("statement %d runs twice", node.id) end
    run.log[node.id] = ("%s: %s @%d"):format(node.kind, text, math.floor(run.api.now() + 0.5))
    if not ok then error(result, 0) end
  end
end

-- Runs it: the log by statement, with the run's own outcome at 0, and the problems found.
function program.run(block, api)
  local key = {}
  run = { api = api, log = {}, problems = {}, scopes = { [key] = { alive = 0 } }, begun = {},
    ended = {} }
  local mine = run
  local ok, err = api.run(function()
    exec_block(block, { scope = key, scopes = {}, tasks = {} })
  end)
  mine.log[0] = program.tell(api, ok, err)
  for id, count in pairs(mine.begun) do
    if count ~= 1 or mine.ended[id] ~= 1 then
      problem("task %d began %d times and ended %s times", id, count, mine.ended[id] or 0)
    end
  end
  return mine.log, mine.problems
end

return program
