---Several workers: each is a thread with a Lua state and a loop of its own. Values are copied from
---one to the other, buffers, streams and listeners move; see docs/thread.md.
local _ENV = require "kio.core".globals
local own = require "kio.core".own

---@class kio.thread
return {
  spawn = own.thread_spawn,
  spawn_on = own.thread_spawn_on,
  each = own.thread_each,
  count = own.thread_count,
  id = own.thread_id,
  channel = own.thread_channel,
  event = own.thread_event,
}
