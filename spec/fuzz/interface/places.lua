-- Where a call can stand: each place runs `call`, and returns when that is over or has been given
-- up. `call` raises nothing.
local kio = require "kio"
local beside = require("spec.fuzz.interface.handles").beside

local places = {}

local LONG = 0.01 -- seconds after which what waits is given up

-- ---- where there is no need of a task ----

local anywhere = {}

function anywhere.plain(call) call() end

function anywhere.finalizer(call)
  setmetatable({}, { __gc = call })
  collectgarbage()
end

function anywhere.close_at_error(call)
  pcall(function()
    local _ <close> = setmetatable({}, { __close = call })
    error "on purpose"
  end)
end

function anywhere.comparison(call)
  pcall(table.sort, { 1, 2, 3 }, function(a, b)
    call()
    return a < b
  end)
end

function anywhere.hook(call)
  local done
  debug.sethook(function()
    debug.sethook()
    if not done then call() end
    done = true
  end, "crl", 1)
  local x = tostring(kio.now())
  debug.sethook()
  return x
end

function anywhere.handler(call) xpcall(error, call, "on purpose") end

function anywhere.index(call) return setmetatable({}, { __index = function() call() end }).x end

function anywhere.given_up_coroutine(call)
  local co = coroutine.create(function()
    call()
    coroutine.yield()
    call()
  end)
  coroutine.resume(co)
  coroutine.close(co)
end

-- ---- tasks ----

local in_task = {}

function in_task.timeout(call) kio.timeout(LONG, call) end

function in_task.timeout_over(call) kio.timeout(0, call) end

function in_task.deadline(call) kio.deadline(kio.now() + LONG, call) end

function in_task.spawned(call)
  local task = beside(call)
  task:join { timeout = LONG }
  task:cancel()
end

function in_task.beside(call) beside(kio.timeout, LONG, call) end

function in_task.cancelled(call)
  local task = beside(function()
    pcall(kio.sleep, 1)
    call()
  end)
  kio.yield()
  task:cancel()
  task:join()
end

function in_task.cancelled_meanwhile(call)
  local task = beside(call)
  kio.yield()
  task:cancel()
  task:join { timeout = LONG }
end

function in_task.shielded(call) kio.timeout(0, kio.shield, kio.timeout, LONG, call) end

function in_task.close(call)
  kio.timeout(LONG, function()
    local _ <close> = setmetatable({}, { __close = call })
  end)
end

function in_task.close_when_cancelled(call)
  kio.timeout(LONG, function()
    local _ <close> = setmetatable({}, { __close = call })
    kio.sleep(1)
  end)
end

function in_task.generator(call)
  local step = coroutine.wrap(function()
    for i = 1, 3 do
      call()
      coroutine.yield(i)
    end
  end)
  kio.timeout(LONG, pcall, function() for _ in step do kio.yield() end end)
end

function in_task.scope(call)
  kio.timeout(LONG, kio.scope, function(scope)
    scope:spawn(call)
    scope:spawn(call)
    call()
  end)
end

function in_task.raced(call) kio.timeout(LONG, pcall, kio.race, { call, kio.yield }) end

function in_task.error_taker(call)
  kio.timeout(LONG, pcall, kio.scope, function(scope)
    scope:spawn { error, "on purpose", on_error = call }
  end)
end

local function names_of(...)
  local names, all = {}, {}
  for _, group in ipairs { ... } do
    for name, f in pairs(group) do
      names[#names + 1], all[name] = name, f
    end
  end
  table.sort(names)
  return names, all
end

local outside_names, outside = names_of(anywhere)
local task_names, task_places = names_of(anywhere, in_task)

-- A place by chance, as a name and a function. Where a task may wait for good only the places that
-- give up by themselves will do, so a plain call is made under a deadline.
function places.pick(random, task)
  if not task then
    local name = outside_names[random(#outside_names)]
    return name, outside[name]
  end
  local name = task_names[random(#task_names)]
  local place = task_places[name]
  if in_task[name] then return name, place end
  return name, function(call) kio.timeout(LONG, place, call) end
end

return places
