-- The wait queue below kio.sync: order, cells, timeouts, waiting in several, and what becomes of
-- waiters when their queue, their coroutine or their run goes away.
local kio = require "kio"
local common = require "spec.sync.common"
local support = require "spec.support"

local core = kio.core
local settle, sim = common.settle, common.sim

describe("a wait queue", function()
  it("wakes in the order of arrival and hands values both ways", function()
    local log = sim(function()
      local q, log = core.own.queue "mutex", {}
      for i = 1, 3 do
        kio.spawn(function()
          local entry = { i, q:wait(nil, "offer " .. i) }
          log[#log + 1] = entry
        end)
      end
      settle()
      assert.equal(3, q:length())
      for i = 1, 3 do
        local task, cell = q:wake("gift " .. i)
        assert.matches("^kio.Task", tostring(task))
        assert.equal("offer " .. i, cell)
      end
      assert.is_nil(q:wake("nobody gets this"))
      settle()
      return log
    end)
    assert.same({ { 1, true, "gift 1" }, { 2, true, "gift 2" }, { 3, true, "gift 3" } }, log)
  end)

  it("keeps no value longer than the wait", function()
    sim(function()
      local q = core.own.queue "event"
      local weak = setmetatable({}, { __mode = "k" })
      local function offer()
        local value = {}
        weak[value] = true
        q:wait(1, value)
      end
      local function take() weak[select(2, q:wait())] = true end
      local function assert_gone()
        collectgarbage()
        collectgarbage()
        assert.is_nil(next(weak))
      end
      local task = kio.spawn(function()
        offer()
        kio.sleep(2)
        take()
        kio.sleep(2)
      end)
      kio.sleep(2)
      assert_gone()
      kio.sleep(2)
      q:wake({})
      settle()
      assert_gone()
      task:await()
    end)
  end)

  it("gives up after its timeout", function()
    sim(function()
      local q = core.own.queue "event"
      local start = kio.now()
      assert.is_nil(q:wait(3))
      local took = kio.now() - start
      assert.is_true(took >= 3 and took < 3.1, took)
      assert.is_nil(q:wait(0))
      assert.is_true(q:empty())
    end)
  end)

  it("is left by a task whose timer finds no memory", function()
    sim(function()
      local q = core.own.queue "event"
      local function wait_any() core.own.wait_any({ q }, 1) end
      for _, wait in ipairs { function() q:wait(1) end, wait_any } do
        core.fail_memory(1)
        local ok, message = pcall(wait)
        core.fail_memory(0)
        assert.is_false(ok)
        assert.matches("not enough memory", message)
        assert.is_true(q:empty())
      end
    end)
  end)

  it("raises outside tasks and where Lua cannot yield", function()
    local q = core.own.queue "event"
    support.expect_error("outside a task", q.wait, q)
    support.expect_error("outside a task", core.own.wait_any, { q })
    support.expect_error("outside a task", core.own.checkpoint)
    assert.is_nil(q:wake())
    assert.is_nil(core.own.current())
    sim(function()
      local function compare() q:wait() return true end
      support.expect_error("cannot yield", table.sort, { 1, 2, 3 }, compare)
      assert.is_true(q:empty())
    end)
  end)
end)

describe("a wait in several queues", function()
  it("ends in all of them with the first wake-up, and takes its own cell", function()
    sim(function()
      local a, b, c = core.own.queue "event", core.own.queue "event", core.own.queue "event"
      local task = common.start(core.own.wait_any, { a, b, a, c }, nil, { 1, 2, 3, 4 })
      assert.same({ 2, 1, 1 }, { a:length(), b:length(), c:length() })
      local woken, cell = b:wake("gift")
      assert.equal(task, woken)
      assert.equal(2, cell)
      assert.same({ 0, 0, 0 }, { a:length(), b:length(), c:length() })
      assert.is_nil(a:wake())
      assert.same({ 2, "gift" }, { task:await() })
    end)
  end)

  it("keeps its place between those who wait in one of them only", function()
    local order = sim(function()
      local a, b, order = core.own.queue "event", core.own.queue "event", {}
      local function spawn(name, f, ...)
        kio.spawn(function(...) f(...) order[#order + 1] = name end, ...)
        settle()
      end
      spawn("first", a.wait, a)
      spawn("both", core.own.wait_any, { b, a })
      spawn("last", a.wait, a)
      for _ = 1, 3 do a:wake() settle() end
      assert.is_true(b:empty())
      return order
    end)
    assert.same({ "first", "both", "last" }, order)
  end)

  it("is ended by the end of a task, also by its failure, which is not lost", function()
    sim(function()
      local q = core.own.queue "event"
      local good = kio.spawn(function() kio.sleep(1) return "done", nil, 3 end)
      local bad = kio.spawn(function() kio.sleep(2) error("so bad", 0) end)
      assert.equal(2, (core.own.wait_any { q, good, bad }))
      assert.same({ n = 3, "done", nil, 3 }, table.pack(core.own.task_result(good)))
      assert.equal(2, (core.own.wait_any { q, bad }))
      support.expect_error("^so bad$", core.own.task_result, bad)
      assert.is_true(q:empty())
    end)
  end)

  it("leaves a task that fails later to its scope", function()
    sim(function()
      support.expect_error("nobody asked any more", kio.scope, function(s)
        local task = s:spawn(function() kio.sleep(2) error "nobody asked any more" end)
        assert.is_nil(core.own.wait_any({ task }, 1))
        kio.sleep(5)
      end)
    end)
  end)

  it("ends by cancellation and by timeout with nothing left behind", function()
    sim(function()
      local a, b = core.own.queue "event", core.own.queue "event"
      local other = kio.spawn(kio.sleep, 9)
      local task = kio.spawn(core.own.wait_any, { a, other, b })
      settle()
      task:cancel()
      local ok, err = task:join()
      assert.is_false(ok)
      assert.is_true(kio.is_cancelled(err))
      assert.is_true(a:empty() and b:empty())
      assert.is_nil(core.own.wait_any({ b, other, a }, 1))
      assert.is_true(a:empty() and b:empty())
      other:await()
    end)
  end)

  it("refuses what it cannot wait for, before it waits anywhere", function()
    sim(function()
      local q, task = core.own.queue "event", kio.spawn(function() end)
      task:await()
      for _, list in ipairs { {}, { q, 4 }, { q, task }, { q, io.stdout } } do
        support.expect_error("bad argument #1", core.own.wait_any, list)
      end
      assert.is_true(q:empty())
    end)
  end)
end)

describe("waiters whose run ends without them", function()
  -- Tasks that no cancellation ends, in a run that gives them up.
  local function abandon(q, other)
    support.expect_error("deadlock", sim, function()
      for _ = 1, 3 do
        kio.spawn(kio.shield, core.own.wait_any, { q, other })
        kio.spawn(kio.shield, q.wait, q)
        kio.spawn(other.wait_shielded, other)
      end
    end)
  end

  it("are in no queue any more", function()
    local q, other = core.own.queue "mutex", core.own.queue "event"
    abandon(q, other)
    assert.equal(0, q:length())
    assert.equal(0, other:length())
    assert.is_nil(q:wake())
    collectgarbage()
    assert.is_nil(other:wake())
  end)

  it("leave queues that serve a second run", function()
    local q, other = core.own.queue "mutex", core.own.queue "event"
    abandon(q, other)
    assert.equal("second run", sim(function()
      local task = kio.spawn(function() return select(2, core.own.wait_any { other, q }) end)
      settle()
      assert.equal(task, (q:wake "second run"))
      return task:await()
    end))
  end)

  it("may be collected in any order with their queues", function()
    for _ = 1, 20 do
      abandon(core.own.queue "mutex", core.own.queue "event")
      collectgarbage "step"
    end
    collectgarbage()
  end)
end)
