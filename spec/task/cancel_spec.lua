-- Cancelling a task: in every kind of wait, before, between and after them, and what comes then.
local kio = require "kio"
local support = require "spec.support"
local common = require "spec.task.common"
local waits = require "spec.task.waits"
local run = support.run

local function sorted(list)
  local names = {}
  for name in pairs(list) do names[#names + 1] = name end
  table.sort(names)
  return names
end

local function assert_cancelled(task)
  local ok, err, trace = task:join()
  assert.is_false(ok)
  assert.is_true(kio.is_cancelled(err))
  assert.equal(kio.Cancelled, err)
  assert.is_nil(trace)
  assert.equal("cancelled", task:status())
end

describe("a wait that is cancelled", function()
  for _, name in ipairs(sorted(waits)) do
    it("ends at once and raises: " .. name, function()
      run(function()
        local wait = waits[name]()
        for _, reached in ipairs { "until_waiting", "until_in_kernel" } do
          local task = kio.spawn(wait.begin)
          common[reached](task)
          assert.is_true(task:cancel())
          assert_cancelled(task)
        end
        wait.close()
      end)
    end)

    it("loses nothing of what it waited for: " .. name, function()
      run(function()
        local wait = waits[name]()
        local task = common.until_in_kernel(kio.spawn(wait.begin))
        task:cancel()
        assert_cancelled(task)
        if wait.satisfy and not wait.once then
          local satisfying = kio.spawn(wait.satisfy)
          local results = table.pack(wait.begin())
          satisfying:await()
          wait.check(table.unpack(results, 1, results.n))
        end
        wait.close()
      end)
    end)

    it("is followed by others that raise at once: " .. name, function()
      run(function()
        local wait, others = waits[name](), waits.read()
        local seen = 0
        local task = common.until_waiting(kio.spawn(function()
          for _, f in ipairs { wait.begin, wait.begin, others.begin, kio.sleep, kio.yield } do
            local ok, err = pcall(f)
            if not ok and kio.is_cancelled(err) then seen = seen + 1 end
          end
          return "came to its end"
        end))
        task:cancel()
        assert.equal("came to its end", task:await())
        assert.equal(4, seen) -- sleep without its argument is an argument error first
        assert.equal("done", task:status())
        wait.close()
        others.close()
      end)
    end)
  end

  it("gives the kernel back all it had", function()
    run(function()
      local wait = waits.read()
      local task = common.until_in_kernel(kio.spawn(wait.begin))
      assert.equal(1, kio.stats().pending)
      task:cancel()
      assert_cancelled(task)
      assert.equal(0, kio.stats().pending)
      assert.equal(0, kio.stats().timers)
      wait.close()
    end)
  end)
end)

describe("cancel", function()
  it("before the start means it never runs", function()
    run(function()
      local ran = false
      local task = kio.spawn(function() ran = true end)
      assert.is_true(task:cancel())
      assert.equal("ready", task:status())
      assert_cancelled(task)
      assert.is_false(ran)
    end)
  end)

  it("twice is the same as once", function()
    run(function()
      local raised = 0
      local task = common.until_waiting(kio.spawn(function()
        while raised < 3 do
          local ok = pcall(kio.sleep, 1000)
          if not ok then raised = raised + 1 end
        end
      end))
      assert.is_true(task:cancel())
      assert.is_true(task:cancel())
      kio.yield()
      assert.is_true(task:cancel())
      task:await()
      assert.equal(3, raised)
    end)
  end)

  it("after the end changes nothing", function()
    run(function()
      local done, failed = kio.spawn(function() return 5 end), kio.spawn(error, "x")
      failed:join()
      done:await()
      assert.is_false(done:cancel())
      assert.is_false(failed:cancel())
      assert.equal(5, done:await())
      assert.same({ "done", "failed" }, { done:status(), failed:status() })
    end)
  end)

  it("of oneself raises at the next operation, not before", function()
    run(function()
      local reached = false
      local task
      task = kio.spawn(function()
        assert(task:cancel())
        reached = true
        kio.yield()
        reached = "too far"
      end)
      assert_cancelled(task)
      assert.is_true(reached)
    end)
  end)

  it("raises where kio.yield had let others run", function()
    run(function()
      local after = false
      local task = kio.spawn(function()
        kio.yield()
        after = true
      end)
      kio.yield()
      assert.equal("ready", task:status())
      task:cancel()
      assert_cancelled(task)
      assert.is_false(after)
    end)
  end)

  it("comes too late for a result that is there", function()
    run(function()
      local wait = waits.read()
      local got
      local task = common.until_in_kernel(kio.spawn(function() got = wait.begin() end))
      wait.satisfy()
      local woken = task:status() == "ready" -- its bytes have come
      task:cancel()
      task:join()
      if woken then wait.check(got) end
      assert.is_true(woken)
      wait.close()
    end)
  end)

  it("reaches a task through the one it awaits only by its error", function()
    run(function()
      local inner = kio.spawn(kio.sleep, 1000)
      local outer = common.until_waiting(kio.spawn(function() return inner:await() end))
      inner:cancel()
      local ok, err = outer:join()
      assert.is_false(ok)
      assert.is_true(kio.is_cancelled(err))
      assert.equal("failed", outer:status()) -- nobody cancelled this one
    end)
  end)

  it("of a waiter leaves the awaited task alone", function()
    run(function()
      local inner = kio.spawn(function()
        kio.sleep(0.002)
        return "result"
      end)
      local waiters = {}
      for i = 1, 5 do waiters[i] = kio.spawn(inner.await, inner) end
      common.until_waiting(waiters[5])
      for i = 1, 5, 2 do waiters[i]:cancel() end
      for i = 1, 5, 2 do assert_cancelled(waiters[i]) end
      for i = 2, 5, 2 do assert.equal("result", waiters[i]:await()) end
    end)
  end)
end)

describe("a cancelled task", function()
  it("that returns is done, one that raises something else has failed", function()
    run(function()
      local function body(f)
        return common.until_waiting(kio.spawn(function()
          pcall(kio.sleep, 1000)
          return f()
        end))
      end
      local returning = body(function() return "result" end)
      local failing = body(function() error("other", 0) end)
      local joining = kio.spawn(failing.join, failing)
      common.until_waiting(joining)
      returning:cancel()
      failing:cancel()
      assert.equal("result", returning:await())
      local ok, err = joining:await()
      assert.same({ false, "other" }, { ok, err })
    end)
  end)

  it("may not spawn", function()
    run(function()
      local task = common.until_waiting(kio.spawn(function()
        pcall(kio.sleep, 1000)
        return pcall(kio.spawn, print)
      end))
      task:cancel()
      local ok, err = task:await()
      assert.is_false(ok)
      assert.is_true(kio.is_cancelled(err))
    end)
  end)

  it("may use what never waits, and close", function()
    run(function()
      local a, b = kio.pipe()
      local near, far = common.stream_pair()
      local task = common.until_waiting(kio.spawn(function()
        pcall(kio.sleep, 1000)
        assert(kio.now() > 0 and kio.stats().turns > 0)
        assert(near:peer() and near:address() and near:fd())
        assert.is_true(near:close())
        assert.is_true(kio.close(a))
        return "closed"
      end))
      task:cancel()
      assert.equal("closed", task:await())
      assert.is_nil(near:fd())
      kio.close(b)
      far:close()
    end)
  end)

  -- Each of these raises again and again; none may keep the loop from turning.
  local near, far
  local tries = {
    sleep = function() kio.sleep(1000) end,
    yield = function() kio.yield() end,
    spawn = function() kio.spawn(print) end,
    recv = function() near:recv() end,
    write = function() near:write("x") end,
    send = function() near:send("x") end,
    flush = function() near:flush() end,
    shutdown = function() near:shutdown("write") end,
    poll = function() kio.poll(0, "r") end,
  }

  for _, name in ipairs(sorted(tries)) do
    it("that tries again for ever cannot hang the run: " .. name, function()
      local err = support.expect_error("tasks did not end within shutdown_timeout", kio.run,
        function()
          near, far = common.stream_pair()
          local task = common.until_waiting(kio.spawn(function()
            pcall(kio.sleep, 1000)
            while true do pcall(tries[name]) end
          end))
          task:cancel()
          for _ = 1, 100 do kio.yield() end -- the others still have their turn
          near:close()
          far:close()
        end, { shutdown_timeout = 0.02 })
      near, far = nil, nil
      assert.matches("shutdown_timeout.*cancel_spec%.lua:%d+", err) -- who, and where
    end)
  end

  it("that tries for ever is named beside the error that ended the run", function()
    local err = support.expect_error("^main fails\n", kio.run, function()
      common.until_waiting(kio.spawn(function() while true do pcall(kio.sleep, 1000) end end))
      error("main fails", 0)
    end, { shutdown_timeout = 0.02 })
    assert.matches("kio%.run: then tasks did not end within shutdown_timeout", err)
    assert.matches("cancel_spec%.lua", err)
  end)
end)

describe("kio.is_cancelled", function()
  it("knows the one value", function()
    assert.is_true(kio.is_cancelled(kio.Cancelled))
    for _, value in ipairs { "kio.Cancelled", 1, false, {}, io.stdout, function() end } do
      assert.is_false(kio.is_cancelled(value))
    end
    assert.is_false(kio.is_cancelled(nil))
    assert.is_false(pcall(kio.is_cancelled))
    assert.equal("kio.Cancelled", tostring(kio.Cancelled))
  end)
end)
