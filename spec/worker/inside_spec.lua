-- What may be called where: within a blocking job, on another worker, in a runtime's function.
local kio = require "kio"

local OUTSIDE = "operation outside a task"

local function run(f) return kio.run(f, { threads = 2 }) end

-- The job must fail so.
local function refused(pattern, f, ...)
  local ok, err = kio.spawn_blocking(f, ...):join()
  assert.is_false(ok)
  assert.matches(pattern, err)
end

describe("a blocking job", function()
  it("is no task: what needs one raises, and says so", function()
    run(function()
      refused(OUTSIDE, function() kio.sleep(0) end)
      refused(OUTSIDE, function() kio.spawn(print) end)
      refused(OUTSIDE, function() kio.spawn_blocking(print) end)
      refused(OUTSIDE, function() kio.thread.spawn(print) end)
      refused(OUTSIDE, function() kio.thread.spawn_on(1, print) end)
      refused(OUTSIDE, function() kio.thread.each(print) end)
      refused(OUTSIDE, function() kio.thread.id() end)
      refused(OUTSIDE, function() kio.thread.count() end)
      refused(OUTSIDE, function() kio.stop() end)
      refused("outside a coroutine", function() coroutine.yield() end)
      local channel, event = kio.thread.channel(1), kio.thread.event()
      refused(OUTSIDE, function() channel:send(1) end)
      refused(OUTSIDE, function() channel:receive() end)
      refused(OUTSIDE, function() event:wait() end)
    end)
  end)

  it("may use a channel and an event without waiting", function()
    run(function()
      local channel, event = kio.thread.channel(1), kio.thread.event()
      local job = kio.spawn_blocking(function()
        event:set()
        return channel:try_send "from a job", select(3, channel:try_send "too many")
      end)
      assert.is_true(event:wait())
      assert.equal("from a job", channel:receive())
      local sent, code = job:await()
      assert.is_true(sent)
      assert.is_true(code == "EAGAIN" or code == nil) -- we may have been faster
    end)
  end)

  it("may have a run and a runtime of its own", function()
    run(function()
      local function nested()
        return kio.run(function()
          local there = kio.thread.spawn_on(2, function() return kio.thread.id() end)
          return there:await(), kio.spawn_blocking(function() return "job in job" end):await()
        end, { threads = 2 })
      end
      assert.same({ 2, "job in job" }, { kio.spawn_blocking(nested):await() })
      assert.equal(1, kio.spawn_blocking(function()
        local runtime <close> = assert(kio.runtime { threads = 1 })
        return runtime:block_on(kio.thread.id)
      end):await())
    end)
  end)
end)

describe("a worker", function()
  it("has its run already, and cannot wait for a runtime", function()
    run(function()
      for worker = 1, 2 do
        local ok, err = kio.thread.spawn_on(worker, function() kio.run(print) end):join()
        assert.is_false(ok)
        assert.matches("kio.run within kio.run: use kio.spawn", err)
        local size
        ok, size, err = kio.thread.spawn_on(worker, function()
          local runtime <close> = assert(kio.runtime { threads = 1 })
          return runtime:size(), select(2, pcall(runtime.block_on, runtime, print))
        end):join()
        assert.same({ true, 1 }, { ok, size })
        assert.matches("block_on within kio.run would hold up its loop: use kio.thread.spawn", err)
      end
    end)
  end)
end)

describe("a runtime", function()
  it("refuses the options that are for kio.run", function()
    for name, value in pairs {
      on_error = true, on_watchdog = print, interrupt = false, testing = {},
    } do
      local ok, err = pcall(kio.runtime, { [name] = value, watchdog = 1 })
      assert.is_false(ok)
      assert.matches(name, err)
    end
  end)

  it("does not cross, and its functions cannot stop it", function()
    local runtime <close> = assert(kio.runtime { threads = 1 })
    assert.error_matches(function() runtime:block_on(print, { runtime }) end,
      "arg 2%[1%]: userdata %(kio.Runtime%)")
    assert.error_matches(function() runtime:block_on(kio.stop) end,
      "stopped by who made it: runtime:stop")
    assert.equal("still here", runtime:block_on(function() return "still here" end))
  end)

  it("raises what was raised there: a text with the traceback, any other value as it is", function()
    local runtime <close> = assert(kio.runtime { threads = 1 })
    local ok, err = pcall(runtime.block_on, runtime, function() error("oh", 0) end)
    assert.is_false(ok)
    assert.matches("^oh\nstack traceback:.*inside_spec%.lua:%d+: in function", err)
    ok, err = pcall(runtime.block_on, runtime, function() error { code = "EOH" } end)
    assert.is_false(ok)
    assert.same({ code = "EOH" }, err)
  end)

  it("is waited for in a coroutine as anywhere", function()
    local runtime <close> = assert(kio.runtime { threads = 1 })
    local wrapped = coroutine.wrap(function()
      return runtime:block_on(function()
        kio.yield()
        return "waited"
      end)
    end)
    assert.equal("waited", wrapped())
  end)
end)
