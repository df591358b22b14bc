-- kio.stats: the counters that belong to tasks and to the kernel entries.
local kio = require "kio"
local support = require "spec.support"

describe("kio.stats", function()
  it("counts the live tasks", function()
    support.run(function()
      assert.equal(1, kio.stats().tasks)
      local tasks = {}
      for i = 1, 10 do tasks[i] = kio.spawn(kio.sleep, i % 2 * 1000) end
      assert.equal(11, kio.stats().tasks)
      for i = 2, 10, 2 do tasks[i]:await() end
      assert.equal(6, kio.stats().tasks)
      for i = 1, 9, 2 do tasks[i]:cancel() end
      for i = 1, 9, 2 do tasks[i]:join() end
      assert.equal(1, kio.stats().tasks)
      assert.equal(11, kio.stats().spawned)
    end)
  end)

  it("counts the timers that run", function()
    support.run(function()
      local tasks = {}
      for i = 1, 7 do tasks[i] = kio.spawn(kio.sleep, 1000) end
      kio.yield()
      kio.timeout(1000, function() assert.equal(8, kio.stats().timers) end)
      for i = 1, 7 do tasks[i]:cancel() end
      for i = 1, 7 do tasks[i]:join() end
      assert.equal(0, kio.stats().timers)
    end)
  end)

  it("counts operations by kind", function()
    support.run(function()
      local a, b = kio.socketpair()
      for _ = 1, 3 do kio.send(a, "x") end
      kio.recv(b, 10)
      local ops = kio.stats().ops
      assert.same({ 3, 1 }, { ops.send, ops.recv })
      assert.is_nil(ops.accept)
      kio.close(a)
      kio.close(b)
      assert.equal(2, kio.stats().ops.close)
    end)
  end)

  it("tells how many completions an entry brings", function()
    support.run(function()
      local stats = kio.stats()
      assert.equal(0, stats.completions_per_enter)
      local a, b = kio.socketpair()
      for _ = 1, 5 do kio.send(a, "x") end
      stats = kio.stats()
      assert.equal(5, stats.completions)
      assert.is_true(stats.enters >= 1)
      assert.equal(stats.completions / stats.enters, stats.completions_per_enter)
      kio.close(a)
      kio.close(b)
    end)
  end)

  it("keeps the longest turn", function()
    support.run(function()
      assert.equal(0, kio.stats().longest_turn)
      local due = kio.now() + 0.02
      repeat until kio.now() > due
      kio.yield()
      kio.yield()
      local longest = kio.stats().longest_turn
      assert.is_true(longest >= 0.02, longest)
      kio.yield()
      assert.is_true(kio.stats().longest_turn >= longest)
    end)
  end)

  it("raises outside a run", function()
    support.expect_error("kio.stats outside kio.run", kio.stats)
  end)
end)
