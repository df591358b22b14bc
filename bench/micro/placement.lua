-- Short jobs while one worker is overloaded: to any worker (kio.thread.spawn) and dealt out in turn
-- (spawn_on). The overloaded worker computes 10 ms at a time. Times are the clock's: they depend on
-- how many CPUs there are.
local kio = require "kio"

local WORKERS <const>, JOBS <const>, ROUNDS <const>, PAUSE <const> = 3, 200, 7, 0.0005

local function compute(seconds)
  local stop = kio.now() + seconds
  local n = 0
  repeat n = n + 1 until kio.now() > stop
end

local function overload(burst)
  while true do
    compute(burst)
    kio.yield()
  end
end

-- Sends the jobs at a steady pace; from sending to the result in milliseconds, sorted.
local function send(placed)
  local times = {}
  kio.scope(function(scope)
    for i = 1, JOBS do
      scope:spawn(function()
        local began = kio.now()
        if placed then kio.thread.spawn_on((i - 1) % WORKERS + 1, compute, 0.00005):await()
        else kio.thread.spawn(compute, 0.00005):await() end
        times[#times + 1] = (kio.now() - began) * 1e3
      end)
      kio.sleep(PAUSE)
    end
  end)
  table.sort(times)
  return times
end

local function median(list)
  table.sort(list)
  return list[#list // 2 + 1]
end

kio.run(function()
  local busy = kio.thread.spawn_on(2, function(f, burst) f(burst) end, overload, 0.01)
  local figures = { [true] = { {}, {} }, [false] = { {}, {} } }
  for _ = 1, ROUNDS do
    for _, placed in ipairs { true, false } do
      local times = send(placed)
      table.insert(figures[placed][1], times[#times // 2])
      table.insert(figures[placed][2], times[#times * 99 // 100])
    end
  end
  busy:cancel()
  print(("jobs of 50 us, %d workers, one of them computes 10 ms at a time"):format(WORKERS))
  for _, placed in ipairs { true, false } do
    print(("  %-28s median %7.2f ms   p99 %7.2f ms"):format(
      placed and "dealt out in turn" or "for any worker", median(figures[placed][1]),
      median(figures[placed][2])))
  end
end, { threads = WORKERS })
