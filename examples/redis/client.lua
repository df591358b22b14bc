-- A connection to a Redis server. What the server refuses is a value, { err = text }; a connection
-- that breaks raises.
local kio = require "kio"
local resp = require "examples.redis.resp"

local client = {}
client.__index = client

function client.connect(address, options)
  local stream = assert(kio.net.connect(address, options))
  return setmetatable({ stream = stream }, client)
end

function client:close() return self.stream:close() end
client.__close = client.close

function client:receive()
  local value, message = resp.read(self.stream)
  if value == nil then error("redis: " .. (message or "the server ended the connection"), 0) end
  return value
end

function client:call(...)
  assert(self.stream:write(resp.encode { ... }))
  return self:receive()
end

-- Sends all commands, each a list of words, and returns the answers. A task of its own writes:
-- however many there are, neither side waits for the other to read first.
function client:pipeline(commands)
  local answers = {}
  kio.scope(function(scope)
    scope:spawn(function()
      for _, command in ipairs(commands) do
        assert(self.stream:write(resp.encode(command)))
      end
    end)
    for i = 1, #commands do answers[i] = self:receive() end
  end)
  return answers
end

-- Iterates over what is published to a channel, from the return of this call on.
function client:subscribe(channel)
  self:call("SUBSCRIBE", channel)
  return function() return self:receive()[3] end
end

return client
