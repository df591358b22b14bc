-- What adding and removing a timer costs beside many others: lua5.4 bench/micro/timers.lua
-- (make bench-micro). A million sleepers need 2 GB of memory.
package.path = arg[0]:gsub("[^/]*$", "?.lua;") .. package.path
local common = require "common"
local kio = require "kio"

local COUNTS = { 1000, 10000, 100000, 1000000 }
local N, ROUNDS = 2000, 101
local HOUR = 3600

local function nothing() end

-- Moments all over the next hours, the same in every run.
local state = 1
local function random_hour()
  state = (state * 1103515245 + 12345) % 2147483648
  return HOUR * (1 + state / 2147483648)
end

-- One timer is added and removed in each call but those of `kio.scope`, which differs in nothing
-- else.
local cases = {
  { "scope", function(n)
    for _ = 1, n do kio.scope(nothing) end
  end },
  { "last", function(n)
    for _ = 1, n do kio.timeout(3 * HOUR, nothing) end
  end },
  { "first", function(n)
    for _ = 1, n do kio.timeout(1, nothing) end
  end },
  { "amid", function(n)
    for _ = 1, n do kio.timeout(random_hour(), nothing) end
  end },
}

local function memory() return collectgarbage "count" * 1024 end

local function with_sleepers(count)
  collectgarbage()
  local bytes, start = memory(), os.clock()
  kio.scope(function(scope)
    for _ = 1, count do scope:spawn(kio.sleep, random_hour()) end
    kio.yield()
    kio.yield()
    local spawned = os.clock()
    local used = memory() - bytes
    collectgarbage "stop" -- it would look at every sleeper again and again
    local result = common.measure(cases, N, ROUNDS)
    collectgarbage "restart"
    collectgarbage()
    local measured = os.clock()
    scope:cancel()
    kio.shield(function() while kio.stats().timers > 0 do kio.yield() end end)
    common.row("%8d  %8.0f %8.0f %8.0f  %9.0f %9.0f %7.0f", count, result.last - result.scope,
      result.first - result.scope, result.amid - result.scope, (spawned - start) / count * 1e9,
      (os.clock() - measured) / count * 1e9, used / count)
  end)
end

print "          add and remove a timer, ns    a sleeper: ns to     bytes"
print "sleepers      last    first     amid      begin    cancel"
kio.run(function()
  for _, count in ipairs(COUNTS) do with_sleepers(count) end
end)
