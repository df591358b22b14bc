-- Work of three kinds on the ring that KIO_BACKEND names: a server with nothing to do, reads of
-- files, timers. Each tells what it has cost of the processor, and that nothing is missing.
--   lua5.4 bench/epoll_work.lua [idle] [files] [timers]
local kio = require "kio"

local CONNS <const>, IDLE_S <const> = 1000, 10
local READERS <const>, READS <const>, BLOCK <const> = 100, 1000, 512
local TIMERS <const>, SPREAD_S <const> = 1000000, 2

local function tell(what, text, ...) print(("%-7s %s"):format(what, text:format(...))) end

-- What f costs in seconds of processor time, of all threads.
local function cpu_of(f, ...)
  local before = os.clock()
  f(...)
  return os.clock() - before
end

local work = {}

-- Connections that have echoed once, with a task in recv each.
function work.idle()
  local listener = assert(kio.net.listen "127.0.0.1:0")
  local streams = {}
  local server = kio.spawn(function()
    listener:serve(function(stream)
      for data in stream:chunks() do stream:write(data) end
    end)
  end)
  for i = 1, CONNS do
    streams[i] = assert(kio.net.connect(listener:address()))
    streams[i]:write "x"
    assert(streams[i]:recv() == "x")
  end
  local turns = kio.stats().turns
  local cpu = cpu_of(kio.sleep, IDLE_S)
  tell("idle", "%d connections, %d s: %.3f %% of a processor, %d turns", CONNS, IDLE_S,
    cpu / IDLE_S * 100, kio.stats().turns - turns)
  for _, stream in ipairs(streams) do stream:close() end
  listener:close()
  server:await()
end

-- Reads at the current position, which no cache answers out of turn: each has a thread do it.
function work.files()
  local path = os.tmpname()
  local block = {}
  for i = 1, READS do block[i] = ("%8d"):format(i):rep(BLOCK // 8) end
  assert(kio.fs.write_file(path, table.concat(block)))
  local right = 0
  local cpu = cpu_of(kio.scope, function(scope)
    for _ = 1, READERS do
      scope:spawn(function()
        local fd = assert(kio.openat(nil, path, kio.const.O_RDONLY))
        for i = 1, READS do
          if kio.read(fd, BLOCK) == block[i] then right = right + 1 end
        end
        assert(kio.close(fd))
      end)
    end
  end)
  os.remove(path)
  tell("files", "%d of %d reads right, %.1f us of a processor each", right, READERS * READS,
    cpu / (READERS * READS) * 1e6)
  assert(right == READERS * READS, "reads are lost")
end

-- All of them sleep at once, and end within two seconds. (2 GB of memory.)
function work.timers()
  local ended, early = 0, 0
  local cpu = cpu_of(kio.scope, function(scope)
    for i = 1, TIMERS do
      local seconds = SPREAD_S * (i * 7919 % TIMERS) / TIMERS
      scope:spawn(function()
        local due = kio.now() + seconds
        kio.sleep(seconds)
        ended = ended + 1
        if kio.now() < due then early = early + 1 end
      end)
    end
  end)
  tell("timers", "%d of %d ended, %d too early, %.1f us of a processor each", ended, TIMERS, early,
    cpu / TIMERS * 1e6)
  assert(ended == TIMERS and early == 0, "timers are lost, or early")
end

kio.run(function()
  print("on " .. kio.stats().backend)
  local names = #arg > 0 and arg or { "idle", "files", "timers" }
  for _, name in ipairs(names) do work[name]() end
end)
