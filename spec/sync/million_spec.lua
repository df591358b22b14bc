-- timeout: 120
-- ThreadSanitizer keeps something for every longjmp out of a function of ours, and bursts:
-- flavours: test asan hostile
-- One million messages through channels, and as many hand-overs of a lock: memory stays the same.
local kio = require "kio"
local support = require "spec.support"

local sync = kio.sync
local COUNT = support.scale { full = 1000000, test = 250000, rest = 20000 }
local SLACK = 16 -- KiB

local function memory()
  collectgarbage()
  collectgarbage()
  return collectgarbage "count", kio.core.world().blocks
end

-- Tells after each tenth of the way how much more memory is used than after the first tenth.
local function watch(count)
  local step, base, blocks = count // 10, nil, nil
  return function(i)
    if i % step ~= 0 then return end
    local now, now_blocks = memory()
    if not base then base, blocks = now, now_blocks end
    assert.is_true(now < base + SLACK, ("%.0f KiB more after %d"):format(now - base, i))
    assert.equal(blocks, now_blocks)
  end
end

local function messages(capacity)
  support.run(function()
    local channel, look = sync.channel(capacity), watch(COUNT)
    kio.spawn(function()
      for i = 1, COUNT do channel:send(i) end
      channel:close()
    end)
    local expected = 0
    for value in channel:iter() do
      expected = expected + 1
      if value ~= expected then error(("got %d in place of %d"):format(value, expected)) end
      look(value)
    end
    assert.equal(COUNT, expected)
  end)
end

describe("constant memory for a million", function()
  it("messages of a rendezvous", function() messages(0) end)

  it("messages of a channel of one", function() messages(1) end)

  it("messages of a channel of a hundred", function() messages(100) end)

  it("hand-overs of a mutex, with timeouts", function()
    support.run(function()
      local mutex, look, count = sync.mutex(), watch(COUNT), 0
      local function take()
        while count < COUNT do
          mutex:lock(1000)
          count = count + 1
          look(count)
          kio.yield() -- the other one waits for the lock by now
          mutex:unlock()
        end
      end
      local tasks = { kio.spawn(take), kio.spawn(take) }
      for _, task in ipairs(tasks) do task:await() end
      assert.is_true(count >= COUNT)
    end)
  end)

  it("waits that time out", function()
    support.run(function()
      local event, look = sync.event(), watch(COUNT // 10)
      for i = 1, COUNT // 10 do
        local ok = kio.select { event, timeout = 0 } or event:wait(0)
        assert(not ok)
        look(i)
      end
      assert.equal("kio.Event (not set, 0 waiting)", tostring(event))
    end, { backend = "sim" })
  end)
end)
