-- Bad input to kio.sync: each raises, says what is wrong, and points at the line of the caller.
-- flavours: test asan
local common = require "spec.sync.common"
local kio = require "kio"

local sync = kio.sync
local sim, start = common.sim, common.start

-- Each calls something wrong; where a task is needed it runs in one.
local cases = {
  -- counts
  { "'semaphore' %(a number of permits cannot be negative%)", function() sync.semaphore(-1) end },
  { "a number of permits %(an integer%) expected, got nil", function() sync.semaphore() end },
  { "expected, got 1.5", function() sync.semaphore(1.5) end },
  { "expected, got 3", function() sync.semaphore "3" end },
  { "'channel' %(a capacity cannot be negative%)", function() sync.channel(-1) end },
  { "a capacity %(an integer%) expected, got inf", function() sync.channel(math.huge) end },
  { "a capacity %(an integer%) expected, got table", function() sync.channel {} end },
  { "'add' %(a number to add cannot be negative%)", function() sync.waitgroup():add(-1) end },
  { "expected, got 0.5", function() sync.waitgroup():add(0.5) end },
  { "more often than was added", function() sync.waitgroup():done() end },
  -- timeouts
  { "'lock' %(a timeout cannot be negative or NaN%)", function() sync.mutex():lock(-1) end },
  { "'lock' %(a timeout cannot be negative or NaN%)", function() sync.mutex():lock(0 / 0) end },
  { "'lock' %(a timeout in seconds expected, got string%)", function() sync.mutex():lock "1" end },
  { "'lock' %(unknown option 'time'%)", function() sync.mutex():lock { time = 1 } end },
  { "'lock' %(unknown option 'x'%)", function() sync.mutex():lock { timeout = 1, x = 2 } end },
  { "'lock' %(a timeout in seconds expected, got boolean%)",
    function() sync.mutex():lock { timeout = true } end },
  { "'acquire' %(a timeout", function() sync.semaphore(1):acquire(-1) end },
  { "#1 to 'wait' %(a timeout", function() sync.event():wait(-1) end },
  { "#1 to 'wait' %(a timeout", function() sync.waitgroup():wait(-1) end },
  { "#2 to 'wait' %(a timeout", function() sync.condition():wait(sync.mutex():lock(), -1) end },
  { "#2 to 'send' %(a timeout", function() sync.channel(1):send(1, -1) end },
  { "#1 to 'receive' %(a timeout", function() sync.channel(1):receive(-1) end },
  { "'select' %(a timeout cannot be negative", function()
    kio.select { sync.event(), timeout = -1 }
  end },
  { "'select' %(a timeout in seconds expected, got table", function()
    kio.select { sync.event(), timeout = { timeout = 1 } }
  end },
  -- who holds a mutex
  { "the mutex is not locked", function() sync.mutex():unlock() end },
  { "the mutex is not locked", function()
    local mutex = sync.mutex():lock()
    mutex:unlock()
    mutex:unlock()
  end },
  { "the calling task holds the mutex already", function() sync.mutex():lock():lock() end },
  { "the calling task holds the mutex already", function() sync.mutex():lock():lock(0) end },
  { "another task holds the mutex", function()
    local mutex = sync.mutex()
    start(function() mutex:lock() kio.sleep(1) end)
    mutex:unlock()
  end },
  { "does not hold the mutex", function() sync.condition():wait(sync.mutex()) end },
  { "does not hold the mutex", function()
    local mutex = sync.mutex()
    start(function() mutex:lock() kio.sleep(1) end)
    sync.condition():wait(mutex)
  end },
  { "kio.Mutex expected, got nil", function() sync.condition():wait() end },
  { "kio.Mutex expected, got table", function() sync.condition():wait(sync.event()) end },
  -- channels
  { "a channel cannot carry nil", function() sync.channel(1):send() end },
  { "a channel cannot carry nil", function() sync.channel(1):try_send(nil) end },
  { "send on a closed channel", function()
    local channel = sync.channel(1)
    channel:close()
    channel:send(1)
  end },
  -- select
  { "a list of alternatives expected, got nil", function() kio.select() end },
  { "nothing to wait for", function() kio.select {} end },
  { "nothing to wait for", function() kio.select { timeout = 1 } end },
  { "unknown option 'Timeout'", function() kio.select { sync.event(), Timeout = 1 } end },
  { "unknown option '3'", function() kio.select { sync.event(), [3] = sync.event() } end },
  { "alternative #2: a channel, an event, a task or { channel, value } expected, got number",
    function() kio.select { sync.event(), 1 } end },
  { "expected, got userdata", function() kio.select { io.stdout } end },
  { "expected, got table", function() kio.select { sync.mutex() } end },
  { "expected, got table", function() kio.select { { sync.event(), 1 } } end },
  { "#1: a channel cannot carry nil", function() kio.select { { sync.channel() } } end },
  { "alternative #1: one value at a time", function() kio.select { { sync.channel(), 1, 2 } } end },
  { "alternative #1: send on a closed channel", function()
    local channel = sync.channel(1)
    channel:close()
    kio.select { { channel, 1 }, sync.event() }
  end },
  { "a task cannot wait for itself", function() kio.select { kio.core.own.current() } end },
}

-- Methods called with the wrong self, or with a dot.
for class, object in pairs {
  Mutex = sync.mutex(), Semaphore = sync.semaphore(1), Condition = sync.condition(),
  Event = sync.event(), Waitgroup = sync.waitgroup(), Channel = sync.channel(),
} do
  for name, method in pairs(getmetatable(object)) do
    if name:match "^%l" and debug.getinfo(method, "S").source:match "kio/sync" then
      if name ~= "is_mine" and name ~= "relock" then
        cases[#cases + 1] = { ("calling '%s' on bad self %%(kio.%s expected, got number"):format(
          name, class), function() method(42) end }
      end
    end
  end
end

describe("bad input", function()
  for i, case in ipairs(cases) do
    local pattern, f = case[1], case[2]
    it(("%d: %s"):format(i, pattern:gsub("%%", "")), function()
      local ok, err = sim(function() return pcall(f) end)
      assert.is_false(ok)
      assert.matches(pattern, err)
      assert.matches("misuse_spec.lua:%d+: ", err)
    end)
  end

  it("outside of a task is told for all that may wait", function()
    local mutex = sync.mutex()
    for _, f in ipairs {
      function() mutex:lock() end,
      function() sync.semaphore(1):acquire() end,
      function() sync.condition():wait(mutex) end,
      function() sync.event():wait() end,
      function() sync.waitgroup():wait() end,
      function() sync.channel(1):send(1) end,
      function() sync.channel(1):receive() end,
      function() kio.select { sync.event() } end,
    } do
      local ok, err = pcall(f)
      assert.is_false(ok)
      assert.matches("outside a task", err)
    end
    local ok, err = pcall(mutex.try_lock, mutex)
    assert.is_false(ok)
    assert.matches("only a task can hold a mutex", err)
  end)
end)
