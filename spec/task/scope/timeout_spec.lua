-- kio.timeout, kio.deadline and kio.shield.
local kio = require "kio"
local support = require "spec.support"
local common = require "spec.task.common"

local function sim(f) return support.run(f, { backend = "sim" }) end

local function pack(...) return table.pack(...) end

-- The seconds that a call takes on the run's clock, then its results.
local function timed(f, ...)
  local start = kio.now()
  local results = pack(f(...))
  return kio.now() - start, table.unpack(results, 1, results.n)
end

local function assert_late(seconds, took, value, message, code)
  assert.is_nil(value)
  assert.matches("^kio%.%l+: the deadline has passed$", message)
  assert.equal("ETIMEDOUT", code)
  assert.is_true(took >= seconds and took < seconds + 0.5, took)
end

describe("kio.timeout", function()
  it("gives the function's results, arguments and nils and all", function()
    sim(function()
      local function body(...)
        kio.sleep(1)
        return nil, ...
      end
      assert.same({ n = 4, nil, 1, nil, nil }, pack(kio.timeout(2, body, 1, nil, nil)))
      assert.equal(0, select("#", kio.timeout(2, function() end)))
      assert.equal(0, kio.stats().timers)
    end)
  end)

  it("cuts the function off: nil, a message and ETIMEDOUT", function()
    sim(function()
      assert_late(3, timed(kio.timeout, 3, kio.sleep, 1000))
      assert_late(3, timed(kio.deadline, kio.now() + 3, kio.sleep, 1000))
    end)
  end)

  it("raises the function's error", function()
    sim(function()
      local value = {}
      local ok, err = pcall(kio.timeout, 3, error, value)
      assert.is_false(ok)
      assert.equal(value, err)
    end)
  end)

  it("is for all the tasks spawned in it", function()
    sim(function()
      local ends = {}
      local took, _, _, code = timed(kio.timeout, 3, function()
        for i = 1, 5 do
          kio.spawn(function()
            kio.sleep(i)
            ends[#ends + 1] = i
          end)
        end
        return "early"
      end)
      assert.equal("ETIMEDOUT", code)
      assert.same({ 1, 2 }, { ends[1], ends[2] })
      assert.is_true(#ends <= 3 and took >= 3 and took < 4)
    end)
  end)

  it("takes nothing from a function that came to its end in spite of it", function()
    sim(function()
      assert.equal("late", kio.timeout(1, function()
        pcall(kio.sleep, 10)
        return "late"
      end))
      assert.equal("shielded", kio.timeout(1, kio.shield, function()
        kio.sleep(10)
        return "shielded"
      end))
      assert.equal("never waits", kio.timeout(0, function() return "never waits" end))
    end)
  end)

  it("of 0 tries an operation once", function()
    for _, backend in ipairs { "sim", "uring" } do
      support.run(function()
        local a, b = kio.socketpair()
        assert.equal("ETIMEDOUT", (select(3, kio.timeout(0, kio.recv, a, 10))))
        assert(kio.send(b, "there"))
        assert.equal("there", kio.timeout(0, kio.recv, a, 10))
        assert.equal("ETIMEDOUT", (select(3, kio.timeout(0, function()
          kio.sleep(1)
          kio.recv(a, 10)
        end))))
        kio.close(a)
        kio.close(b)
      end, { backend = backend })
    end
  end)

  it("of 0 tries to receive from a stream once", function()
    for _, backend in ipairs { "sim", "uring" } do
      support.run(function()
        local near, far = common.stream_pair()
        assert.equal("ETIMEDOUT", (select(3, kio.timeout(0, near.recv, near))))
        assert(far:send "there")
        assert.equal("there", kio.timeout(0, near.recv, near))
        near:close()
        far:close()
      end, { backend = backend })
    end
  end)

  it("refuses wrong arguments", function()
    sim(function()
      for _, wrong in ipairs { -1, -0.001, 0 / 0, "x", {}, false } do
        assert.is_false((pcall(kio.timeout, wrong, print)))
      end
      for _, wrong in ipairs { 0 / 0, "x", {}, false } do
        assert.is_false((pcall(kio.deadline, wrong, print)))
      end
      support.expect_error("negative or NaN", kio.timeout, -1, print)
      support.expect_error("a moment cannot be NaN", kio.deadline, 0 / 0, print)
      for _, wrong in ipairs { 1, "f", {} } do
        support.expect_error("bad argument #2 .*function expected", kio.timeout, 1, wrong)
        support.expect_error("bad argument #2 .*function expected", kio.deadline, 1, wrong)
      end
      support.expect_error("got no value", kio.timeout, 1)
    end)
  end)

  it("may be for ever, or longer than any clock, or in the past", function()
    sim(function()
      for _, seconds in ipairs { math.huge, 1e300, 1e18, math.maxinteger } do
        assert.equal("done", kio.timeout(seconds, function()
          kio.sleep(1)
          return "done"
        end))
        assert.equal("done", kio.deadline(seconds, function() return "done" end))
      end
      for _, moment in ipairs { 0, -5, -math.huge, kio.now() - 1 } do
        assert_late(0, timed(kio.deadline, moment, kio.sleep, 1))
      end
    end)
  end)
end)

describe("nested deadlines", function()
  it("the outer one cuts the inner off when it is due first", function()
    sim(function()
      local inner = "cut off"
      assert_late(1, timed(kio.timeout, 1, function()
        inner = pack(kio.timeout(5, kio.sleep, 1000))
      end))
      assert.equal("cut off", inner)
    end)
  end)

  it("the inner one reports when it is due first, and the outer still holds", function()
    sim(function()
      local inner
      assert_late(4, timed(kio.timeout, 4, function()
        inner = pack(kio.timeout(1, kio.sleep, 1000))
        kio.sleep(1000)
      end))
      assert.equal("ETIMEDOUT", inner[3])
    end)
  end)

  it("the innermost that has passed reports when several have", function()
    sim(function()
      local moment, seen = kio.now() + 2, {}
      local result = kio.deadline(moment, function()
        seen[1] = select(3, kio.deadline(moment, function()
          seen[2] = select(3, kio.deadline(moment, kio.sleep, 1000))
          return "middle"
        end))
        return "outer"
      end)
      assert.same({ [2] = "ETIMEDOUT" }, seen)
      assert.equal("outer", result)
    end)
  end)

  it("an operation's own timeout is one of them", function()
    sim(function()
      local a, b = kio.socketpair()
      local took, _, message, code = timed(kio.timeout, 5, kio.recv, a, 1, 0, { timeout = 1 })
      assert.equal("ETIMEDOUT", code)
      assert.matches("^recv fd", message)
      assert.is_true(took < 2)
      assert_late(1, timed(kio.timeout, 1, kio.recv, a, 1, 0, { timeout = 5 }))
      kio.close(a)
      kio.close(b)
    end)
  end)

  it("hold in deep recursion", function()
    sim(function()
      local function deep(n)
        if n == 0 then return kio.sleep(1000) end
        return kio.timeout(1000 + n, deep, n - 1)
      end
      assert_late(2, timed(kio.timeout, 2, deep, 50))
    end)
  end)
end)

describe("kio.shield", function()
  it("lets the function and its tasks come to their end", function()
    sim(function()
      local ended = {}
      local task = kio.spawn(function()
        ended.result = kio.shield(function(...)
          kio.spawn(function()
            kio.sleep(3)
            ended.task = true
          end)
          kio.sleep(2)
          return ...
        end, "a result")
        ended.raised = kio.is_cancelled(select(2, pcall(kio.sleep, 0)))
      end)
      kio.sleep(1)
      task:cancel()
      local took = timed(task.join, task)
      assert.same({ result = "a result", task = true, raised = true }, ended)
      assert.is_true(took >= 2 and took < 3)
    end)
  end)

  it("may be entered when the task is cancelled already", function()
    sim(function()
      local took
      local task = kio.spawn(function()
        pcall(kio.sleep, 1000)
        took = timed(kio.shield, kio.sleep, 2)
      end)
      kio.yield()
      task:cancel()
      task:join()
      assert.is_true(took >= 2)
    end)
  end)

  it("is open to what is inside it: deadlines, cancellations and errors there hold", function()
    sim(function()
      assert_late(1, timed(kio.shield, kio.timeout, 1, kio.sleep, 1000))
      assert.is_nil((kio.shield(kio.scope, function(scope)
        scope:cancel()
        kio.sleep(1000)
      end)))
      assert.same({ false, "inside" }, { pcall(kio.shield, error, "inside", 0) })
      support.expect_error("^a task$", kio.shield, function()
        kio.spawn(error, "a task", 0)
        kio.sleep(1000)
      end)
    end)
  end)

  it("holds against the end of the run too, within shutdown_timeout", function()
    local cleaned
    support.expect_error("^main\n", kio.run, function()
      kio.spawn(function()
        local _ <close> = setmetatable({}, { __close = function()
          kio.shield(kio.sleep, 5)
          cleaned = true
        end })
        kio.sleep(1000)
      end)
      kio.yield()
      error("main", 0)
    end, { backend = "sim", shutdown_timeout = 10 })
    assert.is_true(cleaned)
  end)
end)

describe("a generator", function()
  it("may open scopes and leave them between its yields", function()
    sim(function()
      local sum = 0
      for i in coroutine.wrap(function()
        for i = 1, 3 do
          kio.timeout(5, kio.sleep, 1)
          coroutine.yield(i)
        end
      end) do
        sum = sum + i
      end
      assert.equal(6, sum)
      assert.equal(3, (kio.timeout(5, function() -- the loop may be inside a scope
        return coroutine.wrap(function() coroutine.yield(3) end)()
      end)))
    end)
  end)

  it("cannot yield out of a scope it has opened: it would bind its resumer", function()
    sim(function()
      local function timeout(f) return kio.timeout(5, f) end
      for _, opener in ipairs { kio.scope, kio.shield, timeout } do
        local unwound
        local co = coroutine.create(function()
          opener(function()
            local _ <close> = setmetatable({}, { __close = function() unwound = true end })
            coroutine.yield(1)
          end)
        end)
        local ok, err = coroutine.resume(co)
        assert.is_false(ok)
        assert.matches("timeout_spec%.lua:%d+: coroutine%.yield out of a scope", err)
        assert.is_true(unwound)
      end
      kio.sleep(10) -- no deadline is left in force
    end)
  end)
end)
