---What the tasks of one thread share: locks, conditions, events, groups and channels. Every one of
---them is first come, first served, and a task that has been cancelled or has run out of time never
---takes a wake-up, a lock or a value. See docs/sync.md.
local _ENV = require "kio.core".globals
return {
  mutex = require "kio.sync.mutex".new,
  semaphore = require "kio.sync.semaphore".new,
  condition = require "kio.sync.condition".new,
  event = require "kio.sync.event".new,
  waitgroup = require "kio.sync.waitgroup".new,
  channel = require "kio.sync.channel".new,
}
