-- An echo server on TCP, and three clients that talk to it side by side. The handler is written as
-- if there were only one connection; each has a task of its own.
-- expect: ant: hello, how are you, goodbye
-- expect: bee: hello, how are you, goodbye
-- expect: cat: hello, how are you, goodbye
-- expect: 3 connections, 0 failed
local kio = require "kio"

-- Until the client ends, or has gone. An error concerns this connection only, and goes to stderr.
local function echo(stream)
  for data in stream:chunks() do
    if not stream:write(data) then return end
  end
end

local function client(address, name)
  local stream <close> = assert(kio.net.connect(address, { timeout = 5 }))
  local answers = {}
  for _, text in ipairs { "hello", "how are you", "goodbye" } do
    assert(stream:write(text, "\n"))
    answers[#answers + 1] = assert(stream:read("l"))
  end
  return name .. ": " .. table.concat(answers, ", ")
end

kio.run(function()
  local listener = assert(kio.net.listen("127.0.0.1:0")) -- a port of the system's choice
  local serving = kio.spawn(listener.serve, listener, echo, { idle_timeout = 60 })
  local clients = {}
  for i, name in ipairs { "ant", "bee", "cat" } do
    clients[i] = kio.spawn(client, listener:address(), name)
  end
  for _, task in ipairs(clients) do print(task:await()) end
  listener:close()
  local report = serving:await() -- when the last connection has ended
  print(("%d connections, %d failed"):format(report.accepted, report.failed))
end)
