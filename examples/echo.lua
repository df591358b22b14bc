-- An echo server on TCP, and three clients that talk to it side by side. The server waits for each
-- connection in a task of its own, so it is written as if there were only one.
-- expect: ant: hello, how are you, goodbye
-- expect: bee: hello, how are you, goodbye
-- expect: cat: hello, how are you, goodbye
-- expect: 3 connections, all closed
local kio = require "kio"

-- Until the client ends, or fails: an error concerns this connection only.
local function echo(stream)
  local held <close> = stream
  local data, message = stream:recv()
  while data do
    if not stream:write(data) then return end -- the client has gone, and will not read this
    data, message = stream:recv()
  end
  if message then io.stderr:write(message, "\n") end
  return held
end

local function serve(listener)
  local count = 0
  for stream in listener:accepts() do -- until the listener is closed
    count = count + 1
    kio.spawn(echo, stream)
  end
  return count
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
  local serving = kio.spawn(serve, listener)
  local clients = {}
  for i, name in ipairs { "ant", "bee", "cat" } do
    clients[i] = kio.spawn(client, listener:address(), name)
  end
  for _, task in ipairs(clients) do print(task:await()) end
  listener:close()
  print(("%d connections, all closed"):format(serving:await()))
end)
