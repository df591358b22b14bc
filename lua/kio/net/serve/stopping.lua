---What the end of a server means for connections between two requests, of protocols that have such.
local _ENV = require "kio.core".globals
local own = require "kio.core".own

local stopping = {}

---Who serves a stream: `stopping` is true there when the server stops.
---@type table<kio.Stream, { stopping: boolean }>
stopping.servers = setmetatable({}, { __mode = "k" })

---Who waits for the first byte of a request is told that its time is over: by the formats of other
---rocks' readers (net/reader.h), for others do not tell where one begins.
---@param connections table<kio.IdleConnection, true>
function stopping.hurry(connections)
  for connection in pairs(connections) do own.stream_hurry(connection.stream) end
end

return stopping
