-- Ping over UDP: each request has a number, is sent again when no answer comes in time, and answers
-- that come too late are known by their number. The server drops every third datagram.
-- expect: ping 1: pong 1, 1 try
-- expect: ping 2: pong 2, 1 try
-- expect: ping 3: pong 3, 2 tries
-- expect: ping 4: pong 4, 1 try
-- expect-match: nobody there: receive 127%.0%.0%.1:%d+: connection refused
local kio = require "kio"

local function serve(socket)
  local seen = 0
  for data, from in function() return socket:receive_from() end do
    seen = seen + 1
    if seen % 3 ~= 0 then assert(socket:send_to(data:gsub("ping", "pong"), from)) end
  end
end

-- The answer to this request: others are answers to earlier ones, sent twice.
local function answer_to(socket, number)
  while true do
    local data, message, code = socket:receive()
    if not data then return nil, message, code end
    if data:match("%d+") == tostring(number) then return data end
  end
end

local function ping(socket, number)
  for try = 1, 5 do
    assert(socket:send("ping " .. number))
    local answer, message, code = kio.timeout(0.2, answer_to, socket, number)
    if answer then return answer, try end
    if code ~= "ETIMEDOUT" then return nil, message end
  end
  return nil, "no answer"
end

kio.run(function()
  local server = assert(kio.net.udp("127.0.0.1:0"))
  local serving = kio.spawn(serve, server)
  local client <close> = assert(kio.net.udp(nil, { peer = server:address() }))
  for number = 1, 4 do
    local answer, tries = ping(client, number)
    print(("ping %d: %s, %d %s"):format(number, answer, tries, tries == 1 and "try" or "tries"))
  end
  server:close() -- ends the loop in serve
  serving:await()
  print("nobody there: " .. select(2, ping(client, 5)))
end)
