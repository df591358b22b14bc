---Ends connections whose peers let nothing move.
local _ENV = require "kio.core".globals
local core = require "kio.core"

local own = core.own

---@class kio.IdleWatched what is watched: a server, or a host of its connections on another worker
---@field connections table<kio.IdleConnection, true>
---@field busy kio.Event there are some

---@class kio.IdleConnection
---@field stream kio.Stream
---@field task kio.Task|kio.Scope what is cancelled
---@field idle? boolean it was, for that reason

---Cancels the tasks of those that have been idle for `limit` seconds, up to an eighth of that too
---late. Never returns.
---@async
---@param watched kio.IdleWatched
---@param limit number
return function(watched, limit)
  while true do
    watched.busy:wait()
    local next_in = limit
    for connection in pairs(watched.connections) do
      local left = limit - own.stream_idle(connection.stream)
      if left <= 0 then
        connection.idle = true
        connection.task:cancel()
      else
        next_in = math.min(next_in, left)
      end
    end
    core.sleep(math.max(next_in, limit / 8))
  end
end
