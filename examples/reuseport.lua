-- A listener for each worker, all on one port: the kernel deals connections out by their addresses,
-- and no worker has anything to do with the others. The first listener is given a port, the others
-- ask for the same one; each then moves to its worker. Cancelling the tasks that wait for them
-- stops them all: what is connected may finish, and each worker tells what it has done.
-- expect: 40 answers
-- expect: 40 connections to 4 workers, 0 failed, 0 cut off
local kio = require "kio"

-- One listener per worker on `address`, whose port may be 0.
local function listen_on_all(address)
  local listeners = {}
  for i = 1, kio.thread.count() do
    listeners[i] = assert(kio.net.listen(address, { reuseport = true }))
    address = listeners[i]:address()
  end
  return listeners, address
end

-- Runs on every worker.
local function serve(listener)
  local function echo(stream)
    for line in stream:lines() do stream:write(line, " from worker ", kio.thread.id(), "\n") end
  end
  return assert(listener:serve(echo, { drain_timeout = 5 }))
end

kio.run(function()
  local listeners, address = listen_on_all("127.0.0.1:0")
  local servers, answers = {}, 0
  for i, listener in ipairs(listeners) do servers[i] = kio.thread.spawn_on(i, serve, listener) end

  for _ = 1, 40 do
    local stream <close> = assert(kio.net.connect(address, { timeout = 5 }))
    assert(stream:write("hello\n"))
    if assert(stream:read("l")):find("^hello from worker %d$") then answers = answers + 1 end
  end
  print(answers .. " answers")

  local total = { accepted = 0, failed = 0, cut = 0 }
  for _, server in ipairs(servers) do server:cancel() end
  for _, server in ipairs(servers) do
    local began, report = server:join() -- one that was cancelled before has served nobody
    for name, count in pairs(total) do total[name] = count + (began and report[name] or 0) end
  end
  print(("%d connections to %d workers, %d failed, %d cut off"):format(total.accepted, #servers,
    total.failed, total.cut))
end, { threads = 4 })
