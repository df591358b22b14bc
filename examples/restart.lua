-- A restart that refuses nobody. The old process passes its listening socket to a new one over a
-- Unix socket. When that says that it serves, the old one closes its own. Connections wait in the
-- queue of the socket, whoever accepts them.
-- expect: the first answer: old process
-- expect: an answer now: new process
-- expect: 0 connections refused
-- expect: the new process ended well: true
local kio = require "kio"

local function serve(listener, name)
  for stream in listener:accepts() do
    stream:send(name, "\n")
    stream:close()
  end
end

-- The new process: gets the listener, and serves until the old one hangs up (here: for the show).
local function take_over(door)
  local old <close> = assert(kio.net.connect(door, { timeout = 10 }))
  local _, fds = assert(old:recv_fds(100, { max_fds = 1 }))
  local listener = assert(kio.net.listener(fds[1]))
  kio.spawn(serve, listener, "new process")
  old:send("serving\n"):read("a")
  listener:close()
end

-- The old process: starts the new one, and hands over.
local function restart(listener)
  local door <close> = assert(kio.net.listen("unix:@")) -- a name of the kernel's choice
  local process = assert(kio.process.spawn { arg[-1], arg[0], door:address() })
  local new = assert(door:accept { timeout = 10 })
  assert(new:send_fds("take over", { listener }))
  assert(new:read("l") == "serving")
  listener:close()
  return function() -- ends the new process, and tells how it ended
    new:close()
    return process:wait().code == 0
  end
end

if arg[1] then return kio.run(function() take_over(arg[1]) end) end

kio.run(function()
  local listener = assert(kio.net.listen("127.0.0.1:0"))
  local address, refused, answers, restarting = listener:address(), 0, {}, nil
  kio.spawn(serve, listener, "old process")
  while #answers < 40 or restarting:status() ~= "done" do
    local stream <close> = kio.net.connect(address)
    local answer = stream and stream:read("l")
    if answer then answers[#answers + 1] = answer else refused = refused + 1 end
    restarting = restarting or kio.spawn(restart, listener)
  end
  print("the first answer: " .. answers[1])
  local stream <close> = assert(kio.net.connect(address))
  print("an answer now: " .. assert(stream:read("l")))
  print(refused .. " connections refused")
  print("the new process ended well: " .. tostring(restarting:await()()))
end)
