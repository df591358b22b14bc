-- kio.testing.run: what it returns, what it raises, and every kind of leak it finds. It starts
-- programs, which ThreadSanitizer does not survive.
-- flavours: test asan hostile
local kio = require "kio"
local support = require "spec.support"
local common = require "spec.task.common"

local testing = kio.testing

-- Runs f, which must fail: the error's text. Without a seed, for it would be in the text.
local function failing(pattern, f, opts)
  opts = opts or {}
  opts.seed = opts.seed or 0
  return tostring(support.expect_error(pattern, testing.run, f, opts))
end

describe("kio.testing.run", function()
  it("returns what the function returns", function()
    assert.same({ n = 3, 1, nil, 3 }, table.pack(testing.run(function() return 1, nil, 3 end)))
    assert.equal(0, select("#", testing.run(function() end)))
  end)

  it("raises what the function raises, unchanged but for the traceback of a text", function()
    local err = failing("^no good\nstack traceback:", function() error("no good", 0) end)
    assert.matches("run_spec", err)
    local value = {}
    assert.equal(value, support.expect_error("", testing.run, function() error(value) end,
      { seed = 0 }))
  end)

  it("raises the error of a task nobody awaited, and ends the others", function()
    local ended
    failing("^lost\n", function()
      kio.spawn(function()
        kio.sleep(1)
        error("lost", 0)
      end)
      local watched <close> = setmetatable({}, { __close = function() ended = true end })
      kio.sleep(50)
      assert(watched)
    end)
    assert.is_true(ended)
  end)

  it("fails when its time has passed, and tells where every task is", function()
    local err = failing("^kio%.run: the time limit of the run has passed\n", function()
      kio.spawn{ kio.sleep, 500, name = "sleeper" }
      while true do kio.sleep(10) end
    end, { timeout = 100 })
    assert.matches('task 1 "main": waits for [%d.]+ s in sleep\nstack traceback:.-run_spec', err)
    assert.matches('task 2 "sleeper": waits for 9?10?[%d.]+ s in sleep\n', err)
  end)

  it("fails when its time has passed on the real clock", function()
    failing("the time limit of the run has passed\n.*in recv on fd", function()
      local a, b = kio.socketpair()
      local both <close> = setmetatable({}, { __close = function()
        kio.close(a)
        kio.close(b)
      end })
      kio.recv(a, 1)
      assert(both)
    end, { timeout = 0.05, clock = "real" })
  end)

  it("fails at a deadlock, with every task's place", function()
    local err = failing("^kio%.run: deadlock", function()
      local event = kio.sync.event()
      kio.spawn{ function() event:wait() end, name = "first" }
      kio.spawn{ function() event:wait() end, name = "second" }
      event:wait()
    end)
    for i, name in ipairs { "main", "first", "second" } do
      local pattern = 'task %d "%s": waits for .-\nstack traceback:.-run_spec'
      assert.matches(pattern:format(i, name), err)
    end
  end)

  it("fails a task that never lets go of the loop", function()
    local err = failing("^kio%.testing: main held the loop for 0%.%d+ s\n", function()
      while true do end
    end, { watchdog = 0.05 })
    assert.matches("run_spec%.lua:%d+: in upvalue 'f'", err)
  end)

  it("fails after a call that blocked, and when the error was caught", function()
    failing("^kio%.testing: main held the loop", function() os.execute("sleep 0.06") end,
      { watchdog = 0.05 })
    failing("^kio%.testing: main held the loop", function()
      pcall(function() while true do end end)
    end, { watchdog = 0.05 })
    testing.run(function() os.execute("sleep 0.06") end, { watchdog = false })
  end)

  it("can be called again and again, and not within a run", function()
    for i = 1, 3 do assert.equal(i, testing.run(function() return i end)) end
    support.run(function()
      support.expect_error("kio.run within kio.run", testing.run, function() end)
    end)
    failing("kio.run within kio.run", function() testing.run(function() end) end)
    assert.equal(1, testing.run(function() return 1 end))
  end)

  it("hands other options to kio.run, and refuses what nobody knows", function()
    testing.run(function() end, { entries = 8, backend = "sim" })
    failing("unknown option 'seeds'", function() end, { seeds = 1 })
    failing("option 'timeout' must be a number", function() end, { timeout = "1" })
    failing("option 'grace' must be a number", function() end, { grace = -1 })
    failing("option 'settle' must be a number", function() end, { settle = {} })
    failing("option 'clock' must be", function() end, { clock = "wall" })
    failing("there is no backend 'x'", function() end, { backend = "x" })
    support.expect_error("needs a function", testing.run)
  end)
end)

describe("a leak", function()
  it("of a task is found, and told with its place", function()
    local err = failing("^kio%.testing: 1 task was left behind", function()
      local event = kio.sync.event()
      kio.spawn{ function() event:wait() end, name = "forgotten" }
      kio.spawn(kio.sleep, 0.5)
    end)
    assert.matches('task 2 "forgotten": waits for 1[%d.]+ s in .-event\nstack traceback:.-run_spec',
      err)
  end)

  it("of several tasks is told with all", function()
    local err = failing("^kio%.testing: 3 tasks were left behind", function()
      for i = 1, 3 do kio.spawn{ kio.sleep, 100, name = "sleeper " .. i } end
    end)
    for i = 1, 3 do assert.matches('"sleeper ' .. i .. '": waits', err) end
  end)

  it("of a task in another's scope is found", function()
    failing("^kio%.testing: 2 tasks were left behind", function()
      kio.spawn(function() kio.scope(function(s) s:spawn(kio.sleep, 100) end) end)
    end)
  end)

  it("is no task that ends within the grace, nor a daemon, nor what runs in one's scope", function()
    testing.run(function()
      kio.spawn(kio.sleep, 0.9)
      kio.spawn{ kio.sleep, 1e6, daemon = true }
      kio.spawn{ function() kio.scope(function(s) s:spawn(kio.sleep, 1e6) end) end, daemon = true }
    end)
    testing.run(function() kio.spawn(kio.sleep, 7) end, { grace = 8 })
    failing("1 task was left behind", function() kio.spawn(kio.sleep, 0.9) end, { grace = 0.5 })
  end)

  it("of a descriptor is found, and told with what it is", function()
    local fds
    local err = failing("^kio%.testing: 2 descriptors were left open: fd ", function()
      fds = { kio.socketpair() }
    end)
    for _, fd in ipairs(fds) do assert.matches("fd " .. fd .. " %(socket:%[%d+%]%)", err) end
    support.run(function() for _, fd in ipairs(fds) do kio.close(fd) end end)
  end)

  it("of a handle left to the collector is found", function()
    collectgarbage()
    collectgarbage("stop")
    failing("^kio%.testing: 1 descriptor was left open", function()
      assert(kio.net.listen("127.0.0.1:0"))
    end)
    collectgarbage("restart")
  end)

  it("is not what kio wakes its own loop by, which awaits the collector with a task", function()
    collectgarbage()
    collectgarbage("stop")
    local called = testing.run(function()
      return kio.thread.spawn(function() return 7 end):await()
    end)
    local cancelled = testing.run(function()
      local task = kio.spawn_blocking(function() return 7 end)
      kio.yield()
      task:cancel()
      return task:join()
    end)
    collectgarbage("restart")
    assert.same({ 7, "boolean" }, { called, type(cancelled) })
  end)

  it("of a buffer is found", function()
    local near, far
    failing("^kio%.testing: 1 buffer was left lent", function()
      near, far = common.stream_pair()
      far:write("two words"):flush()
      assert.equal("two", near:read(3))
      far:close()
    end)
    near:close()
  end)

  it("of an operation is found, and told which", function()
    local near, far
    failing("^kio%.testing: 1 operation was left under way: send on fd %d+", function()
      near, far = common.stream_pair()
      near:set_timeout(0.01)
      local stuck = 0
      repeat
        local _, _, _, taken = near:write(("x"):rep(1 << 20))
        stuck = taken == 0 and stuck + 1 or 0
      until stuck == 3
    end)
    near, far = nil, nil
    collectgarbage()
    assert.is_nil(near or far)
  end)

  it("is none with leaks = false", function()
    local fds
    testing.run(function()
      fds = { kio.pipe() }
      kio.spawn(kio.sleep, 10)
    end, { leaks = false })
    support.run(function() for _, fd in ipairs(fds) do kio.close(fd) end end)
  end)

  it("does not hide the error that caused it", function()
    local fds
    local err = failing("^the cause\n", function()
      fds = { kio.pipe() }
      error("the cause", 0)
    end)
    assert.falsy(err:find("left"))
    support.run(function() for _, fd in ipairs(fds) do kio.close(fd) end end)
  end)

  it("is not what was open before", function()
    local file <close> = assert(io.open("/dev/null"))
    testing.run(function() assert(file) end)
  end)
end)
