---Several workers: each is a thread with a Lua state and a loop of its own. Values are copied from
---one to the other, buffers, streams and listeners move; see docs/thread.md.
local _ENV = require "kio.core".globals
local core = require "kio.core"

---@class kio.thread
return {
  spawn = core.thread_spawn,
  spawn_on = core.thread_spawn_on,
  each = core.thread_each,
  count = core.thread_count,
  id = core.thread_id,
  channel = core.thread_channel,
  event = core.thread_event,
}
