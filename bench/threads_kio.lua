-- The scenario `threads` with kio: messages between two workers through channels. Arguments and
-- output are those of threads_queue.c.
local kio = require "kio"

local mode, places, count = arg[1], tonumber(arg[2]), tonumber(arg[3])

local function other(there, back)
  local expected = 0
  for value in there:iter() do
    expected = expected + 1
    if value ~= expected then error "out of order" end
    if back then back:send(value) end
  end
  return expected
end

local function stream(there)
  for i = 1, count do there:send(i) end
end

local function trip(there, back)
  for i = 1, count do
    there:send(i)
    if back:receive() ~= i then error "out of order" end
  end
end

kio.run(function()
  local there = kio.thread.channel(places)
  local back = mode == "trip" and kio.thread.channel(places) or nil
  local task = kio.thread.spawn_on(2, other, there, back)
  local real, cpu = kio.now(), os.clock()
  if back then trip(there, back) else stream(there) end
  there:close()
  if task:await() ~= count then error "not all of them came" end
  real, cpu = kio.now() - real, os.clock() - cpu
  print(("real=%.1f cpu=%.1f"):format(real / count * 1e9, cpu / count * 1e9))
end, { threads = 2 })
