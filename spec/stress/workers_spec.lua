-- flavours: test asan hostile tsan
-- timeout: 120
-- Random programs on one to four workers, each third of them ended by kio.stop at some moment:
-- nothing is left behind (the world check looks), and no run fails.
local kio = require "kio"
local program = require "spec.stress.workers_program"
local support = require "spec.support"

local RUNS <const> = support.flavour == "test" and 24 or 8

local function main(seed)
  local channels, event = {}, kio.thread.event()
  for i = 1, 3 do channels[i] = kio.thread.channel(i) end
  if seed % 3 == 0 then
    math.randomseed(seed)
    local moment = math.random() * 0.02
    kio.spawn { function() kio.sleep(moment) kio.stop() end, daemon = true }
  end
  kio.scope(function()
    for i = 1, 6 do kio.spawn(program.go, seed * 100 + i, 3, channels, event) end
  end)
  return "ended"
end

describe("random programs on several workers", function()
  it("end, and leave nothing", function()
    for seed = 1, RUNS do
      local result, message, code = kio.run(function() return main(seed) end, {
        threads = 1 + seed % 4, blocking_threads = 1 + seed % 2, blocking_queue = seed % 3,
      })
      local well = result == "ended" or seed % 3 == 0 and code == "ECANCELED"
      assert.is_true(well, ("seed %d: %s"):format(seed, tostring(message)))
    end
  end)
end)
