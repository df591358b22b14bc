-- Publishing to subscribers. Each has a queue and a task that writes what is in it: one that does
-- not keep up misses messages, and holds up nobody.
local kio = require "kio"
local resp = require "examples.redis.resp"

local pubsub = {}

local channels = {} -- by name: a set of queues

function pubsub.publish(name, text)
  local count = 0
  for queue in pairs(channels[name] or {}) do
    if queue:try_send { "message", name, text } then count = count + 1 end
  end
  return count
end

-- Serves a subscriber until it ends, or says anything.
function pubsub.subscribe(stream, name)
  local queue <close> = kio.sync.channel(1000)
  channels[name] = channels[name] or {}
  channels[name][queue] = true
  stream:write(resp.encode { "subscribe", name, 1 })
  kio.spawn(function()
    for message in queue:iter() do stream:write(resp.encode(message)) end
  end)
  stream:recv()
  channels[name][queue] = nil
end

return pubsub
