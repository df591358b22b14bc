-- A pool of connections: twenty tasks share three, and one whose server hangs up is replaced.
-- expect: 20 answers over 3 connections
-- expect: after the server has hung up: pong, over a new one
local kio = require "kio"

-- Answers each line, and hangs up after "bye".
local function serve(stream)
  for line in stream:lines() do
    if line == "bye" then return end
    stream:write("pong\n")
  end
end

local function ask(pool, question)
  local lease <close> = assert(pool:acquire { timeout = 5 })
  lease.member:write(question, "\n")
  local answer, message, code = lease.member:read("l", { timeout = 5 })
  if not answer then return nil, message or "the server has hung up", code end
  lease:release()
  return answer
end

kio.run(function()
  local listener <close> = assert(kio.net.listen "127.0.0.1:0")
  kio.spawn { listener.serve, listener, serve, daemon = true }
  local pool <close> = kio.pool {
    max = 3,
    connect = function(options) return kio.net.connect(listener:address(), options) end,
  }

  local questions = {}
  for i = 1, 20 do questions[i] = "ping" end
  local answers = kio.map(questions, function(question) return ask(pool, question) end)
  print(#answers .. " answers over " .. pool:stats().connected .. " connections")

  ask(pool, "bye")
  local answer = ask(pool, "ping")
  local new = pool:stats().connected > 3 or pool:stats().dropped > 0
  print("after the server has hung up: " .. answer .. (new and ", over a new one" or ""))
end)
