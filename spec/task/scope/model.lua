-- A second implementation of tasks and scopes, as plain as can be: no trees of lists, no heap, no
-- kernel; whether something is cancelled is looked up from the inside out. Time is a number.
local model = {}

local CANCELLED = {}
local world

-- ---- the loop ----

local function wake(task, why)
  if task.why or not task.waits then return end
  if why == "cancelled" and task.waits ~= "interruptible" then return end
  task.why, task.waits = why, nil
  table.insert(world.ready, task)
end

-- Parks the running task until `wake`; why it was woken.
local function wait(how)
  local me = world.current
  me.why, me.waits = nil, how or "interruptible"
  coroutine.yield()
  return me.why
end

local function at(time, action)
  local timer = { time = time, action = action }
  world.timers[timer] = true
  return timer
end

local function loop()
  while true do
    while #world.ready > 0 do
      world.current = table.remove(world.ready, 1)
      assert(coroutine.resume(world.current.co))
      world.current = nil
    end
    local timer
    for other in pairs(world.timers) do
      if not timer or other.time < timer.time then timer = other end
    end
    if not timer then return end
    world.timers[timer] = nil
    world.now = timer.time
    timer.action()
  end
end

-- ---- cancellation ----

local function is_cancelled(scope)
  while scope do
    if scope.cancelled then return true end
    if scope.shield then return false end
    scope = scope.parent
  end
  return false
end

local function cancel(scope, reason)
  scope.reason = scope.reason or reason
  scope.cancelled = true
  for _, task in ipairs(world.tasks) do
    if is_cancelled(task.scope) then wake(task, "cancelled") end
  end
end

local function check() if is_cancelled(world.current.scope) then error(CANCELLED, 0) end end

-- ---- tasks ----

local function end_daemons(scope)
  if scope.live ~= scope.daemons then return end
  for _, task in ipairs(world.tasks) do
    if task.own.parent == scope and task.daemon and not task.status then
      cancel(task.own, "cancel")
    end
  end
end

local function is_awaited(task)
  for _, waiter in ipairs(task.waiters) do
    if waiter.waits then return true end
  end
end

local function finish(task, ok, err)
  local owner = task.own.parent
  local cut = not ok and err == CANCELLED and is_cancelled(task.own)
  task.status, task.err = ok and "done" or cut and "cancelled" or "failed", err
  if cut and not task.own.reason and not task.daemon then owner.cut = true end
  if task.status == "failed" and not task.handled and not is_awaited(task) then
    table.insert(owner.failures, err)
    cancel(owner, "failure")
  end
  for _, waiter in ipairs(task.waiters) do wake(waiter, "ready") end
  owner.live = owner.live - 1
  if task.daemon then owner.daemons = owner.daemons - 1 end
  if owner.waiter and owner.live == 0 then
    wake(owner.waiter, "ready")
  elseif owner.waiter or owner == world.root and world.main.status then
    end_daemons(owner)
  end
end

local function start(scope, f, options)
  local task = { own = { parent = scope }, waiters = {}, daemon = options.daemon }
  task.scope = task.own
  scope.live = scope.live + 1
  scope.daemons = (scope.daemons or 0) + (task.daemon and 1 or 0)
  task.co = coroutine.create(function()
    if is_cancelled(task.own) then return finish(task, false, CANCELLED) end
    local ok, err = pcall(f)
    if not ok and err ~= CANCELLED and options.on_error then
      options.on_error(err)
      task.handled = true
    end
    finish(task, ok, err)
  end)
  table.insert(world.tasks, task)
  table.insert(world.ready, task)
  return task
end

function model.spawn(f, options)
  check()
  local scope = world.current.scope
  if scope == world.current.own then scope = scope.parent end
  return start(scope, f, options)
end

function model.spawn_in(scope, f, options)
  if scope.ended then error({ id = "ended" }, 0) end
  return start(scope, f, options)
end

function model.cancel_task(task) if not task.status then cancel(task.own, "cancel") end end

local function wait_for(task, seconds)
  check()
  if task.status then return true end
  local me, timer = world.current, nil
  table.insert(task.waiters, me)
  if seconds then timer = at(world.now + seconds, function() wake(me, "late") end) end
  local why = wait()
  if timer then world.timers[timer] = nil end
  for i, waiter in ipairs(task.waiters) do
    if waiter == me then table.remove(task.waiters, i) end
  end
  if why == "cancelled" then error(CANCELLED, 0) end
  return why == "ready"
end

function model.await(task)
  wait_for(task)
  if task.status ~= "done" then error(task.err, 0) end
end

function model.join(task, seconds)
  if not wait_for(task, seconds) then return nil end
  return task.status == "done", task.err
end

-- ---- scopes ----

-- The first error, which takes the others with it.
local function first_of(errors)
  local first = errors[1]
  for i = 2, type(first) == "table" and first ~= CANCELLED and #errors or 1 do
    first.suppressed = first.suppressed or {}
    if errors[i] ~= first then table.insert(first.suppressed, errors[i]) end
  end
  return first
end

-- What the block came to: "done", the code of what cut it off, or an error.
local function outcome(scope, ok, err)
  local failed = not ok and err ~= CANCELLED
  if failed then table.insert(scope.failures, scope.body_first and 1 or 2, err) end
  if scope.failures[1] ~= nil then error(first_of(scope.failures), 0) end
  local codes = { deadline = "ETIMEDOUT", cancel = "ECANCELED" }
  if not ok then return codes[scope.reason] or error(err, 0) end
  if not scope.cut or scope.reason == "cancel" then return "done" end
  return codes[scope.reason] or error(CANCELLED, 0)
end

local function run_scope(scope, f)
  local me = world.current
  scope.parent, scope.live, scope.failures = me.scope, 0, {}
  me.scope = scope
  local timer = scope.due and at(scope.due, function() cancel(scope, "deadline") end)
  local ok, err = pcall(f, scope)
  scope.body_first = scope.failures[1] == nil
  if not ok then cancel(scope, "failure") end
  while scope.live > 0 do
    scope.waiter = me
    end_daemons(scope)
    wait("uninterruptible")
  end
  scope.ended, me.scope = true, scope.parent
  if timer then world.timers[timer] = nil end
  return outcome(scope, ok, err)
end

function model.scope(f)
  check()
  return run_scope({}, f)
end

function model.timeout(seconds, f)
  check()
  return run_scope({ due = world.now + seconds }, f)
end

function model.shield(f) return run_scope({ shield = true }, f) end

function model.cancel_scope(scope) if not scope.ended then cancel(scope, "cancel") end end

-- ---- operations ----

function model.sleep(seconds)
  check()
  local me = world.current
  local timer = at(world.now + seconds, function() wake(me, "ready") end)
  local why = wait()
  world.timers[timer] = nil
  if why == "cancelled" then error(CANCELLED, 0) end
end

-- One that a cancellation cannot stop any more.
function model.operate(seconds)
  check()
  local me = world.current
  at(world.now + seconds, function() wake(me, "ready") end)
  wait("uninterruptible")
end

function model.now() return world.now end

function model.is_cancelled(err) return err == CANCELLED end

function model.run(main)
  world = { now = 0, tasks = {}, ready = {}, timers = {}, root = { live = 0, failures = {} } }
  world.main = start(world.root, main, {})
  loop()
  local err = first_of(world.root.failures)
  return err == nil, err
end

return model
