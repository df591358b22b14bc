-- Waiting for signals in this process. What ends a process is in child_spec.lua.
local kio = require "kio"
local support = require "spec.support"

local send = kio.core.send_signal

-- The signals blocked in this thread, as the kernel tells it.
local function blocked()
  local file <close> = assert(io.open("/proc/thread-self/status"))
  return file:read("a"):match("SigBlk:%s*(%x+)")
end

-- Runs f as a run's main function; the thread's mask must be the same afterwards.
local function run(f, opts)
  local before = blocked()
  local results = table.pack(support.run(f, opts))
  assert.equal(before, blocked())
  return table.unpack(results, 1, results.n)
end

describe("kio.signal.wait", function()
  it("returns the name of the signal that came", function()
    assert.equal("USR1", run(function()
      local waiting = kio.spawn(kio.signal.wait, "USR2", "USR1")
      kio.yield()
      send "USR1"
      return waiting:await()
    end))
  end)

  it("lets other tasks run meanwhile, and blocks a signal only while it is waited for", function()
    run(function()
      local before, turns = blocked(), 0
      local waiting = kio.spawn(kio.signal.wait, "USR1")
      for _ = 1, 3 do
        kio.yield()
        turns = turns + 1
      end
      assert.not_equal(before, blocked())
      send "USR1"
      assert.equal("USR1", waiting:await())
      assert.equal(before, blocked())
      assert.equal(3, turns)
    end)
  end)

  it("wakes every task that waits for the signal, and none that does not", function()
    run(function()
      local tasks, other = {}, kio.spawn(kio.signal.wait, "USR2")
      for i = 1, 5 do
        tasks[i] = kio.spawn(kio.signal.wait, "USR1", i % 2 == 0 and "HUP" or "TERM")
      end
      kio.yield()
      send "USR1"
      for _, task in ipairs(tasks) do assert.equal("USR1", task:await()) end
      assert.equal("waiting", other:status())
      send "USR2"
      assert.equal("USR2", other:await())
    end)
  end)

  it("times out, and a timeout of 0 takes what is there", function()
    run(function()
      local result, message, code = kio.signal.wait("USR1", "TERM", { timeout = 0.01 })
      assert.same({ nil, "signal USR1 TERM: timed out", "ETIMEDOUT" },
        { result, message, code })
      local loop, watch = kio.signal.each "USR1" -- blocks it
      send "USR1"
      assert.equal("USR1", kio.signal.wait("USR1", { timeout = 0 }))
      assert.equal("USR1", loop(watch))
      assert.equal("ETIMEDOUT", select(3, kio.signal.wait("USR1", { timeout = 0 })))
      getmetatable(watch).__close(watch)
    end)
  end)

  it("is cancelled, and leaves nothing blocked", function()
    run(function()
      local before = blocked()
      local task = kio.spawn(kio.signal.wait, "USR1")
      kio.yield()
      task:cancel()
      local ok, err = task:join()
      assert.is_false(ok)
      assert.is_true(kio.is_cancelled(err))
      assert.equal(before, blocked())
      assert.equal("ETIMEDOUT", select(3, kio.signal.wait("USR1", { timeout = 0.01 })))
    end)
  end)

  it("waits again at once after a wait that was given up in the same turn", function()
    run(function()
      for _ = 1, 20 do
        local first = kio.spawn(kio.signal.wait, "USR1")
        kio.yield()
        first:cancel()
        local second = kio.spawn(kio.signal.wait, "USR1")
        first:join()
        send "USR1"
        assert.equal("USR1", second:await())
      end
    end)
  end)

  it("gives signals by number when several have come", function()
    run(function()
      local next_signal, watch = kio.signal.each("USR1", "USR2", "RTMIN+1")
      send("RTMIN+1", "USR2", "USR1", "USR2")
      local names = {}
      for i = 1, 3 do names[i] = next_signal(watch) end
      assert.same({ "USR1", "USR2", "RTMIN+1" }, names)
      getmetatable(watch).__close(watch)
    end)
  end)

  it("keeps a run alive, and no longer than it waits", function()
    assert.equal("USR1", run(function()
      local task = kio.spawn(kio.signal.wait, "USR1")
      kio.spawn(function()
        kio.sleep(0.01)
        send "USR1"
      end)
      return task:await()
    end))
  end)

  it("works on the simulated ring", function()
    kio.core.sim { reorder = 7 }
    assert.equal("USR1", run(function()
      local task = kio.spawn(kio.signal.wait, "USR1")
      kio.sleep(0.01)
      send "USR1"
      return task:await()
    end, { backend = "sim" }))
  end)

  it("refuses what is no signal, and what nobody can wait for", function()
    run(function()
      support.expect_error("bad argument #2 to .* %(there is no signal 'SIGTERM'",
        kio.signal.wait, "HUP", "SIGTERM")
      for _, name in ipairs { "KILL", "STOP", "SEGV", "BUS", "FPE", "ILL" } do
        support.expect_error(name .. " cannot be waited for", kio.signal.wait, name)
      end
      support.expect_error("no signal is named", kio.signal.wait)
      support.expect_error("string expected, got table", kio.signal.wait, {})
      support.expect_error("unknown option 'wait'", kio.signal.wait, "HUP", { wait = 1 })
      support.expect_error("negative", kio.signal.wait, "HUP", { timeout = -1 })
      support.expect_error("no signal 'RTMIN%+99'", kio.signal.wait, "RTMIN+99")
    end)
    support.expect_error("outside a task", kio.signal.wait, "HUP")
    support.expect_error("outside a task", kio.signal.each, "HUP")
  end)
end)

describe("kio.signal.each", function()
  it("gives every signal, also those that come while the loop is busy", function()
    run(function()
      local seen = {}
      kio.spawn(function()
        for _ = 1, 3 do
          send "USR1"
          kio.sleep(0.001)
        end
        send "USR2"
      end)
      for name in kio.signal.each("USR1", "USR2") do
        seen[#seen + 1] = name
        if name == "USR2" then break end
        kio.sleep(0.002)
      end
      assert.equal("USR2", seen[#seen])
      assert.equal("USR1", seen[1])
      assert.is_true(#seen <= 4)
    end)
  end)

  it("stops blocking when the loop ends, by break and by an error", function()
    run(function()
      local before = blocked()
      local function loop(leave)
        for _ in kio.signal.each "USR1" do leave() end
      end
      local task = kio.spawn(loop, error)
      kio.yield()
      assert.not_equal(before, blocked())
      send "USR1"
      assert.is_false((task:join()))
      assert.equal(before, blocked())
    end)
  end)

  it("refuses a second task in the same loop, and ends when it is closed", function()
    run(function()
      local next_signal, watch = kio.signal.each "USR1"
      local task = kio.spawn(next_signal, watch)
      kio.yield()
      support.expect_error("another task is waiting", next_signal, watch)
      assert.matches("^kio.SignalWatch %(open, USR1%)$", tostring(watch))
      getmetatable(watch).__close(watch)
      assert.is_nil(task:await())
      assert.is_nil(next_signal(watch))
      assert.matches("closed", tostring(watch))
    end)
  end)

  it("is let through at the end of the run when nobody has closed it", function()
    local watch
    run(function() watch = select(2, kio.signal.each "USR1") end)
    assert.matches("closed", tostring(watch))
    getmetatable(watch).__close(watch)
  end)

  it("outlives a run whose tasks it belonged to", function()
    run(function()
      kio.spawn { function() for _ in kio.signal.each "USR1" do kio.yield() end end, daemon = true }
      kio.yield()
    end)
  end)
end)

describe("kio.signal.on", function()
  it("runs a handler for each signal from the call on, as a daemon of its scope", function()
    run(function()
      local seen = {}
      kio.scope(function()
        local task = kio.signal.on("USR1", "USR2", function(name) seen[#seen + 1] = name end)
        send "USR1" -- the task has not run yet
        assert.matches('"signal USR1 USR2"', tostring(task))
        repeat kio.yield() until #seen == 1
        send "USR2"
        repeat kio.yield() until #seen == 2
      end)
      assert.same({ "USR1", "USR2" }, seen)
    end)
  end)

  it("fails its scope when the handler fails", function()
    support.expect_error("handler failed", run, function()
      kio.signal.on("USR1", function() error "handler failed" end)
      send "USR1"
      kio.sleep(10)
    end)
  end)

  it("ends when its task is cancelled, started or not", function()
    run(function()
      local before = blocked()
      local task = kio.signal.on("USR1", print)
      kio.yield()
      task:cancel()
      task:join()
      assert.equal(before, blocked())
      task = kio.signal.on("USR1", print)
      task:cancel()
      task:join()
    end)
  end)

  it("refuses what is no handler", function()
    run(function()
      support.expect_error("bad argument #2 to 'on' %(function expected, got nil",
        kio.signal.on, "USR1", nil)
      support.expect_error("bad argument #1 to 'on' %(function expected, got string",
        kio.signal.on, "USR1")
      support.expect_error("no signal is named", kio.signal.on, print)
      support.expect_error("no signal 'X'", kio.signal.on, "X", print)
    end)
  end)
end)

describe("a watched signal", function()
  it("is waited for by runs on top of each other in time", function()
    for _ = 1, 3 do
      run(function()
        local task = kio.spawn(kio.signal.wait, "USR1")
        kio.yield()
        send "USR1"
        assert.equal("USR1", task:await())
      end)
    end
  end)

  it("survives a poll that fails, which its waiter is told", function()
    kio.core.sim { { op = "poll", nth = 1, result = "EIO" } }
    run(function()
      local _, message, code = kio.signal.wait "USR1"
      assert.equal("EIO", code)
      assert.matches("^signal USR1: ", message)
      assert.equal("ETIMEDOUT", select(3, kio.signal.wait("USR1", { timeout = 0.01 })))
    end, { backend = "sim" })
  end)

  it("costs an error and nothing else when memory is out", function()
    for n = 1, 12 do
      run(function()
        kio.core.fail_memory(n)
        local ok, result, _, code = pcall(kio.signal.wait, "USR1", { timeout = 0 })
        kio.core.fail_memory(0)
        if ok then assert.is_true(result == nil and (code == "ENOMEM" or code == "ETIMEDOUT")) end
        assert.equal("ETIMEDOUT", select(3, kio.signal.wait("USR1", { timeout = 0 })))
      end)
    end
  end)
end)
