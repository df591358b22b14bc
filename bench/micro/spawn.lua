-- What a task costs, beside a bare coroutine: lua5.4 bench/micro/spawn.lua (make bench-micro).
-- Processor time, with its share of the garbage collection; it depends on the machine.
local create, resume = coroutine.create, coroutine.resume -- Lua's own: kio replaces them
package.path = arg[0]:gsub("[^/]*$", "?.lua;") .. package.path
local common = require "common"
local kio = require "kio"

local N, ROUNDS = 50000, 9

local function body(value) return value end

local cases = {
  { "a bare coroutine: create + resume", function(n)
    for i = 1, n do resume(create(body), i) end
  end },
  { "coroutine.wrap within a task", function(n)
    for i = 1, n do coroutine.wrap(body)(i) end
  end },
  { "kio.spawn + await", function(n)
    for i = 1, n do kio.spawn(body, i):await() end
  end },
  { "kio.spawn, a thousand in a scope", function(n)
    for _ = 1, n / 1000 do
      kio.scope(function()
        for i = 1, 1000 do kio.spawn(body, i) end
      end)
    end
  end },
  { "kio.yield", function(n)
    for _ = 1, n do kio.yield() end
  end },
  { "kio.scope", function(n)
    for _ = 1, n do kio.scope(body) end
  end },
  { "kio.timeout", function(n)
    for i = 1, n do kio.timeout(10, body, i) end
  end },
  { "kio.shield", function(n)
    for i = 1, n do kio.shield(body, i) end
  end },
  { "kio.all of two functions", function(n)
    local list = { body, body }
    for _ = 1, n do kio.all(list) end
  end },
}

kio.run(function()
  local result = common.measure(cases, N, ROUNDS)
  local bare = result[cases[1][1]]
  for _, case in ipairs(cases) do
    common.row("%-36s %7.0f ns  %5.2f x", case[1], result[case[1]], result[case[1]] / bare)
  end
end)
