-- One random program on several workers: functions sent back and forth, channels, events, selects
-- and blocking jobs, most of them cut short at some moment. A module, so that it is one everywhere.
local kio = require "kio"

local STEPS <const> = 25

local program = {}

local function soon() return math.random() * 0.002 end

-- What a step may be: each gives a task, or nothing. `p` is what the program has.
local steps = {
  function(p) if p.depth > 0 then return kio.thread.spawn(program.go, p:deeper()) end end,
  function(p)
    if p.depth > 0 then return kio.thread.spawn_on(math.random(p.count), program.go, p:deeper()) end
  end,
  function(p)
    local depth = p.depth
    return kio.spawn(function()
      return p:channel():send({ function() return depth end, p.event }, soon())
    end)
  end,
  function(p) return kio.spawn(function() return p:channel():receive(soon()) end) end,
  function(p)
    return kio.spawn(kio.select, { p:channel(), { p:channel(), 1 }, p.event, timeout = soon() })
  end,
  function(p) p:channel():try_send(kio.buffer(math.random(1000))) end,
  function(p) p:channel():try_receive() end,
  function(p) p.event:set() end,
  function(p) p.event:reset() end,
  function()
    return kio.spawn_blocking { function(n) return ("x"):rep(n) end, math.random(1000),
      wait = math.random(2) == 1 }
  end,
  function() kio.yield() end,
  function() collectgarbage "step" end,
  function(p) if #p.tasks > 0 then p.tasks[math.random(#p.tasks)]:cancel() end end,
  function(p)
    local channel = kio.thread.channel(1)
    channel:try_send { channel, channel }
    p:channel():try_send { channel }
  end,
  function(p) kio.timeout(soon(), p.event.wait, p.event) end,
}

local Program = {}
Program.__index = Program

function Program:channel() return self.channels[math.random(#self.channels)] end

function Program:deeper()
  return math.random(0, 1 << 30), self.depth - 1, self.channels, self.event
end

-- Runs it, with functions sent `depth` times over.
function program.go(seed, depth, channels, event)
  math.randomseed(seed)
  local p = setmetatable({
    depth = depth, channels = channels, event = event, tasks = {}, count = kio.thread.count(),
  }, Program)
  for _ = 1, STEPS do p.tasks[#p.tasks + 1] = steps[math.random(#steps)](p) end
  for _, task in ipairs(p.tasks) do
    if math.random(3) > 1 then task:cancel() end
    local ok, err = task:join()
    if not ok and not kio.is_cancelled(err) then error(err, 0) end
  end
end

return program
