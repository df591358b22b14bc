-- A pool of workers: jobs go out through one channel, results come back through another, and
-- whoever is free takes the next job. An event tells all of them to begin.
-- expect: 78498 primes below 1000000
-- expect: all 16 jobs done by 3 workers
-- expect: a closed channel takes no more
local kio = require "kio"

local LIMIT <const>, STEP <const> = 1000000, 62500

local function is_prime(n)
  if n % 2 == 0 then return n == 2 end
  for d = 3, math.floor(n ^ 0.5), 2 do
    if n % d == 0 then return false end
  end
  return n > 1
end

-- Runs on each worker, in a Lua state of its own: what it uses of this file has come with it.
local function work(start, jobs, results)
  start:wait()
  for job in jobs:iter() do
    local count = 0
    for n = job.first, job.last do
      if is_prime(n) then count = count + 1 end
    end
    results:send { worker = kio.thread.id(), count = count }
  end
end

kio.run(function()
  local start, jobs, results = kio.thread.event(), kio.thread.channel(4), kio.thread.channel(4)
  local workers = kio.thread.each(work, start, jobs, results)

  kio.spawn(function() -- waits while the channel is full: four jobs at most lie around
    for first = 1, LIMIT, STEP do jobs:send { first = first, last = first + STEP - 1 } end
    jobs:close()
  end)
  kio.spawn(function() -- when the last worker has ended no result can come any more
    for _, worker in ipairs(workers) do worker:await() end
    results:close()
  end)

  start:set()
  local primes, done = 0, 0
  for result in results:iter() do
    primes, done = primes + result.count, done + 1
  end
  print(("%d primes below %d"):format(primes, LIMIT))
  print(("all %d jobs done by %d workers"):format(done, kio.thread.count()))
  local ok, _, code = jobs:send "one more"
  if not ok and code == "EPIPE" then print "a closed channel takes no more" end
end, { threads = 3 })
