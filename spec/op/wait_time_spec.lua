-- sleep, yield and now.
local kio = require "kio"
local support = require "spec.support"
local connection = require "spec.net.connection"

describe("sleep", function()
  local function sleepers()
    local order = {}
    kio.scope(function(scope)
      for i, seconds in ipairs { 0.03, 0.01, 0.02, 0, 0.01 } do
        scope:spawn(function()
          local due = kio.now() + seconds
          assert.equal(0, select("#", kio.sleep(seconds)))
          assert.is_true(kio.now() >= due)
          order[#order + 1] = i
        end)
      end
    end)
    return order
  end

  it("never ends early", function()
    assert.equal(5, #support.run(sleepers))
  end)

  -- On a clock that stands still while they begin: on a busy machine one may begin late.
  it("wakes in the order of time, then of asking", function()
    assert.same({ 4, 2, 5, 3, 1 }, kio.testing.run(sleepers, { seed = 0 }))
  end)

  it("without end lasts until it is cancelled", function()
    support.run(function()
      for _, seconds in ipairs { math.huge, 1e300, 1e9 } do
        local sleeping = kio.spawn(kio.sleep, seconds)
        connection.until_waiting(sleeping)
        sleeping:cancel()
        assert.is_true(kio.is_cancelled(select(2, sleeping:join())))
      end
    end)
  end)

  it("of a thousand tasks is one wait", function()
    support.run(function()
      local tasks = {}
      for i = 1, 1000 do tasks[i] = kio.spawn(kio.sleep, 1000 + i % 7) end
      connection.until_waiting(tasks[1000])
      assert.equal(1000, kio.stats().timers)
      for i = 1, 1000 do tasks[i]:cancel() end
      for i = 1, 1000 do assert.is_false((tasks[i]:join())) end
      assert.equal(0, kio.stats().timers)
    end)
  end)

  it("raises on what is no time", function()
    support.run(function()
      support.expect_error("negative", kio.sleep, -0.001)
      support.expect_error("negative or NaN", kio.sleep, 0 / 0)
      support.expect_error("number expected", kio.sleep)
      support.expect_error("number expected", kio.sleep, {})
    end)
    support.expect_error("outside a task", kio.sleep, 0)
  end)
end)

describe("yield", function()
  it("lets every other ready task run once, in turn", function()
    support.run(function()
      local order, tasks = {}, {}
      for i = 1, 3 do
        tasks[i] = kio.spawn(function()
          for _ = 1, 3 do
            order[#order + 1] = i
            assert.equal(0, select("#", kio.yield()))
          end
        end)
      end
      for i = 1, 3 do tasks[i]:await() end
      assert.same({ 1, 2, 3, 1, 2, 3, 1, 2, 3 }, order)
    end)
    support.expect_error("outside a task", kio.yield)
  end)

  it("lets the kernel have its turn: who only yields holds up nobody", function()
    support.run(function()
      local a, b = kio.socketpair()
      local receiving = kio.spawn(kio.recv, b, 10)
      kio.spawn(kio.send, a, "through")
      while receiving:status() ~= "done" do kio.yield() end
      assert.equal("through", receiving:await())
      connection.close(a, b)
    end)
  end)
end)

describe("now", function()
  it("goes on, in a run and outside", function()
    local before = kio.now()
    local inside = support.run(function()
      local first = kio.now()
      kio.sleep(0.001)
      assert.is_true(kio.now() >= first + 0.001)
      return first
    end)
    assert.is_true(before <= inside and inside <= kio.now())
  end)
end)
