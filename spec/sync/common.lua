-- What the sync specs share: runs on the virtual clock, and tasks that can be watched and ended.
local kio = require "kio"
local support = require "spec.support"

local common = {}

-- Runs f on the simulated ring, where time passes only when every task waits.
function common.sim(f, opts)
  opts = opts or {}
  opts.backend = "sim"
  return support.run(f, opts)
end

-- Lets every ready task run until all of them wait. (The hostile build cuts turns short.)
function common.settle()
  repeat
    for _ = 1, 5 do kio.yield() end
  until kio.stats().ready == 0
end

-- Spawns f and lets it come to its first wait.
function common.start(f, ...)
  local task = kio.spawn(f, ...)
  common.settle()
  return task
end

-- Cancels a task and waits for its end, which must be that of a cancelled one.
function common.cancel(task)
  task:cancel()
  local ok, err = task:join()
  assert(not ok and kio.is_cancelled(err), "it did not end by its cancellation")
end

-- The n-th result of f, with all of them.
function common.code(...)
  local value, message, code = ...
  assert(value == nil and type(message) == "string", "no failure: " .. tostring(value))
  return code
end

return common
