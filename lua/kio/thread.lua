---Several workers: each is a thread with a Lua state and a loop of its own. Values are copied from
---one to the other, buffers, streams and listeners move; see docs/thread.md.
local core = require "kio.core"

---@class kio.thread
local thread = {
  spawn = core.thread_spawn,
  spawn_on = core.thread_spawn_on,
  count = core.thread_count,
  id = core.thread_id,
  channel = core.thread_channel,
  event = core.thread_event,
}

---Runs f once on every worker, this one included.
---@param f function
---@param ... any
---@return kio.Task[] tasks one for each worker, in their order
function thread.each(f, ...)
  local tasks = {}
  for i = 1, core.thread_count() do tasks[i] = core.thread_spawn_on(i, f, ...) end
  return tasks
end

return thread
