-- Time: nobody wakes early, those who are due first wake first, and nobody starves the others.
-- ThreadSanitizer's record of calls is full after some ten thousand yields, and there is but one
-- thread here:
-- flavours: test asan hostile
local kio = require "kio"
local support = require "spec.support"
local run = support.run

local FEWER = support.scale { test = 1, hostile = 5, rest = 20 }

describe("sleepers", function()
  it("never wake early, a hundred thousand of them", function()
    run(function()
      local n, early, awake = 100000 // FEWER, 0, 0
      for i = 1, n do
        kio.spawn(function()
          local seconds = (i * 7919 % 1000) / 20000
          local began = kio.now()
          kio.sleep(seconds)
          if kio.now() - began < seconds - 1e-9 then early = early + 1 end
          awake = awake + 1
        end)
      end
      while awake < n do kio.sleep(0.01) end
      assert.equal(0, early)
      assert.equal(0, kio.stats().timers)
    end)
  end)

  -- Also when the turn has lasted long before: its own clock is late then.
  it("never wake early, one by one", function()
    run(function()
      for _, seconds in ipairs { 0.00001, 0.0001, 0.001, 0.003, 0.03 } do
        for _, held in ipairs { 0, 0.004 } do
          kio.yield()
          local held_from = kio.now()
          repeat until kio.now() - held_from >= held
          local began = kio.now()
          kio.sleep(seconds)
          assert.is_true(kio.now() - began >= seconds - 1e-9)
        end
      end
    end)
  end)

  -- A sleep is due after what the clock showed before it, and before what it showed to the task
  -- that ran next.
  it("who are due first wake first", function()
    run(function()
      local n, began, order = 2000, {}, {}
      local function seconds(i) return (i * 7919 % n) * 1e-5 end
      for i = 1, n do
        kio.spawn(function()
          began[i] = kio.now()
          kio.sleep(seconds(i))
          order[#order + 1] = i
        end)
      end
      kio.spawn(function() began[n + 1] = kio.now() end)
      while #order < n do kio.sleep(0.001) end
      local latest = 0
      for _, i in ipairs(order) do
        assert.is_true(latest <= began[i + 1] + seconds(i))
        latest = math.max(latest, began[i] + seconds(i))
      end
    end)
  end)

  it("who sleep for the same time wake in the order they began", function()
    run(function()
      for _, seconds in ipairs { 0, 0.001, 1e-9 } do
        local order = {}
        local n = 1000
        for i = 1, n do
          kio.spawn(function()
            kio.sleep(seconds)
            order[#order + 1] = i
          end)
        end
        while #order < n do kio.sleep(0.001) end
        for i = 1, n do assert.equal(i, order[i]) end
      end
    end)
  end)

  it("who are due at the same instant wake in the order they began", function()
    run(function()
      local order, at = {}, kio.now() + 0.01
      for i = 1, 100 do
        kio.spawn(function()
          kio.deadline(at, kio.sleep, 1000)
          order[#order + 1] = i
        end)
      end
      while #order < 100 do kio.sleep(0.002) end
      for i = 1, 100 do assert.equal(i, order[i]) end
    end)
  end)

  it("who are cancelled leave no timer", function()
    run(function()
      local tasks = {}
      for i = 1, 1000 do tasks[i] = kio.spawn(kio.sleep, 1000 + i * 7919 % 1000) end
      kio.yield()
      while kio.stats().timers < 1000 do kio.yield() end
      for i = 1, 1000, 3 do tasks[i]:cancel() end
      for i = 2, 1000, 3 do tasks[i]:cancel() end
      kio.yield()
      assert.equal(333, kio.stats().timers)
      for i = 3, 1000, 3 do tasks[i]:cancel() end
      for i = 1, 1000 do tasks[i]:join() end
      assert.equal(0, kio.stats().timers)
    end)
  end)

  it("see a clock that does not go back", function()
    run(function()
      local last = kio.now()
      for _ = 1, 1000 do
        kio.sleep(0)
        local now = kio.now()
        assert.is_true(now >= last)
        last = now
      end
    end)
    local outside = kio.now()
    assert.is_true(kio.now() >= outside)
  end)
end)

describe("kio.yield", function()
  it("gives everybody the same number of turns, in order", function()
    run(function()
      local n, rounds, trace = 50, 40, {}
      local tasks = {}
      for i = 1, n do
        tasks[i] = kio.spawn(function()
          for _ = 1, rounds do
            trace[#trace + 1] = i
            kio.yield()
          end
        end)
      end
      for i = 1, n do tasks[i]:await() end
      assert.equal(n * rounds, #trace)
      for at, i in ipairs(trace) do assert.equal((at - 1) % n + 1, i) end
    end)
  end)

  it("returns nothing and keeps no time", function()
    run(function()
      assert.equal(0, select("#", kio.yield()))
      assert.equal(0, kio.stats().timers)
    end)
  end)

  it("lets those through who wait for time or for bytes", function()
    run(function()
      local near, far = kio.socketpair()
      local others = 0
      local sleeping = kio.spawn(function()
        for _ = 1, 3 do
          kio.sleep(0.0005)
          others = others + 1
        end
      end)
      local reading = kio.spawn(function()
        for _ = 1, 3 do
          assert(kio.recv(near, 1))
          others = others + 1
        end
      end)
      local writing = kio.spawn(function()
        for _ = 1, 3 do assert(kio.send(far, "x")) end
      end)
      while others < 6 do kio.yield() end
      for _, task in ipairs { sleeping, reading, writing } do task:await() end
      kio.close(near)
      kio.close(far)
    end)
  end)

  it("lets new tasks begin", function()
    run(function()
      local depth = 0
      local function deeper()
        depth = depth + 1
        if depth < 100 then kio.spawn(deeper) end
      end
      kio.spawn(deeper)
      while depth < 100 do kio.yield() end
      assert.equal(100, depth)
    end)
  end)
end)

describe("many ready tasks", function()
  it("do not keep the loop from the kernel", function()
    run(function()
      local from, to = kio.pipe()
      local over = false
      for _ = 1, 1000 do
        kio.spawn(function()
          while not over do kio.yield() end
        end)
      end
      local reading = kio.spawn(kio.read, from, 1)
      kio.write(to, "x")
      assert.equal("x", reading:await())
      over = true
      kio.close(from)
      kio.close(to)
    end)
  end)
end)
