-- A pipeline: one task produces, three work, one collects; a slow one is not waited for.
-- expect: 1 4 9 16 25 36 49 64 81
-- expect: 9 squares by 3 workers, at most 2 at once
-- expect: nobody answered: ETIMEDOUT
local kio = require "kio"

local channel, semaphore = kio.sync.channel, kio.sync.semaphore

-- Squares what comes in, two at a time however many workers there are.
local function work(jobs, results, permits, seen)
  for job in jobs:iter() do
    local _ <close> = permits:acquire()
    seen.now = seen.now + 1
    seen.most = math.max(seen.most, seen.now)
    kio.sleep(0.001) -- the work
    seen.now = seen.now - 1
    results:send(job * job)
  end
end

local function squares(count, workers)
  local jobs, results, permits, seen = channel(2), channel(), semaphore(2), { now = 0, most = 0 }
  local list = {}
  kio.scope(function(scope)
    scope:spawn(function()
      for job = 1, count do jobs:send(job) end
      jobs:close()
    end)
    local group = kio.sync.waitgroup()
    group:add(workers)
    for _ = 1, workers do
      scope:spawn(function()
        work(jobs, results, permits, seen)
        group:done()
      end)
    end
    scope:spawn(function()
      group:wait()
      results:close()
    end)
    for result in results:iter() do list[#list + 1] = result end
  end)
  table.sort(list)
  return list, seen.most
end

kio.run(function()
  local list, most = squares(9, 3)
  print(table.concat(list, " "))
  print(("%d squares by 3 workers, at most %d at once"):format(#list, most))
  local answer, stop = channel(), kio.sync.event()
  local _, _, code = kio.select { answer, stop, timeout = 0.01 }
  print("nobody answered: " .. code)
end)
