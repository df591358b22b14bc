-- Tasks from spawn to end: arguments, results, status, waiting for one another.
local kio = require "kio"
local support = require "spec.support"
local common = require "spec.task.common"
local run = support.run

local function pass(...) return ... end

describe("a task's values", function()
  it("are passed to it and back, nils and all", function()
    run(function()
      local t, f = {}, function() end
      local got = table.pack(kio.spawn(pass, nil, 1, "a", t, nil, f, false, 0.5, nil):await())
      assert.same({ n = 9, nil, 1, "a", t, nil, f, false, 0.5, nil }, got)
      assert.equal(t, got[4])
      assert.equal(0, select("#", kio.spawn(pass):await()))
      assert.equal(1, select("#", kio.spawn(pass, nil):await()))
      assert.equal(2, select("#", kio.spawn(pass, nil, nil):await()))
    end)
  end)

  it("may be a hundred thousand", function()
    run(function()
      local list = {}
      for i = 1, 100000 do list[i] = i end
      local got = table.pack(kio.spawn(table.unpack, list):await())
      assert.equal(100000, got.n)
      assert.equal(99999, got[99999])
      local joined = table.pack(kio.spawn(table.unpack, list):join())
      assert.equal(100001, joined.n)
      assert.equal(100000, joined[100001])
    end)
    assert.equal(100000, select("#", kio.run(function() return table.unpack({}, 1, 100000) end)))
  end)

  it("come back through five levels of await", function()
    local function level(n, ...)
      if n == 0 then
        kio.sleep(0)
        return ...
      end
      return kio.spawn(level, n - 1, ...):await()
    end
    run(function()
      local t = {}
      assert.same({ n = 4, nil, t, "x", nil }, table.pack(level(5, nil, t, "x", nil)))
      assert.equal(t, (select(2, level(5, nil, t))))
      assert.equal(0, select("#", level(5)))
    end)
  end)

  it("are let go of with the task", function()
    run(function()
      local weak = setmetatable({}, { __mode = "v" })
      local task = kio.spawn(function()
        weak.result = {}
        return weak.result
      end)
      task:await()
      collectgarbage()
      assert.truthy(weak.result)
      task = nil -- luacheck: ignore
      collectgarbage()
      assert.falsy(weak.result)
    end)
  end)
end)

describe("spawn", function()
  it("starts nothing before the spawner waits, then all in order", function()
    run(function()
      local order = {}
      for i = 1, 20 do kio.spawn(function() order[#order + 1] = i end) end
      assert.same({}, order)
      kio.yield()
      assert.equal(20, #order)
      for i = 1, 20 do assert.equal(i, order[i]) end
    end)
  end)

  it("gives tasks that live without their handle", function()
    run(function()
      local ended = 0
      for _ = 1, 50 do
        kio.spawn(function()
          kio.sleep(0)
          collectgarbage()
          ended = ended + 1
        end)
      end
      collectgarbage()
      while ended < 50 do kio.sleep(0) end
    end)
  end)

  it("takes a function and nothing else", function()
    run(function()
      for _, value in ipairs { 1, "f", true, setmetatable({}, { __call = pass }) } do
        assert.is_false(pcall(kio.spawn, value))
      end
      support.expect_error("bad argument #1 to 'spawn' %(function expected, got no value%)",
        function() kio.spawn() end)
    end)
  end)
end)

describe("kio.run", function()
  it("waits for the children of a main function that has returned", function()
    local order = {}
    local result = kio.run(function()
      kio.spawn(function()
        kio.sleep(0.001)
        kio.spawn(function()
          kio.sleep(0.001)
          order[#order + 1] = "grandchild"
        end)
        order[#order + 1] = "child"
      end)
      order[#order + 1] = "main"
      return "result"
    end)
    assert.same({ "main", "child", "grandchild" }, order)
    assert.equal("result", result)
  end)
end)

describe("a task's status", function()
  it("follows its life", function()
    run(function()
      local task = kio.spawn(kio.sleep, 0.001)
      assert.equal("ready", task:status())
      common.until_waiting(task)
      assert.equal("waiting", task:status())
      task:await()
      assert.equal("done", task:status())
    end)
  end)

  it("is ready while it runs itself", function()
    run(function()
      local task
      task = kio.spawn(function() return task:status() end)
      assert.equal("ready", task:await())
    end)
  end)

  it("tells failed from cancelled", function()
    run(function()
      local failing = kio.spawn(error, "no")
      local cancelled = kio.spawn(kio.sleep, 1000)
      failing:join()
      cancelled:cancel()
      cancelled:join()
      assert.equal("failed", failing:status())
      assert.equal("cancelled", cancelled:status())
    end)
  end)

  it("is in its text", function()
    run(function()
      local task = kio.spawn(pass)
      assert.matches("^kio%.Task %(ready%): 0x%x+$", tostring(task))
      task:await()
      assert.matches("^kio%.Task %(done%): 0x%x+$", tostring(task))
    end)
  end)

  it("is a matter of tasks only", function()
    run(function()
      local methods = getmetatable(kio.spawn(pass)).__index
      for name, method in pairs(methods) do
        for _, value in ipairs { 1, "task", {}, io.stdout, kio.Cancelled } do
          support.expect_error("bad argument #1 to .*kio%.Task expected", method, value)
        end
        support.expect_error("got no value", method)
        assert.is_string(name)
      end
    end)
  end)
end)

describe("await", function()
  it("gives the results to everybody who waits", function()
    run(function()
      local task = kio.spawn(function()
        kio.sleep(0.001)
        return "a", "b"
      end)
      local waiters = {}
      for i = 1, 30 do
        waiters[i] = kio.spawn(function() return table.concat({ task:await() }) end)
      end
      for i = 1, 30 do assert.equal("ab", waiters[i]:await()) end
    end)
  end)

  it("answers at once for a task that has ended", function()
    run(function()
      local task = kio.spawn(pass, 7)
      task:await()
      local turns = kio.stats().turns
      -- In the hostile build the loop turns after four operations that did not wait.
      for _ = 1, support.flavour == "hostile" and 1 or 25 do
        assert.equal(7, task:await())
        assert.same({ n = 2, true, 7 }, table.pack(task:join()))
      end
      assert.equal(turns, kio.stats().turns)
    end)
  end)

  it("of oneself raises", function()
    run(function()
      for _, name in ipairs { "await", "join" } do
        local task
        task = kio.spawn(function() return pcall(task[name], task) end)
        local ok, message = task:await()
        assert.is_false(ok)
        assert.matches("a task cannot wait for itself", message)
      end
    end)
  end)

  it("works on tasks of an earlier run", function()
    local done, failed, cancelled
    kio.run(function()
      done, failed = kio.spawn(pass, 1, nil), kio.spawn(error, "old")
      cancelled = kio.spawn(kio.sleep, 1000)
      failed:join()
      cancelled:cancel()
      cancelled:join()
    end)
    run(function()
      assert.same({ n = 2, 1, nil }, table.pack(done:await()))
      assert.equal("old", support.expect_error("old", failed.await, failed))
      assert.same({ "done", "failed", "cancelled" },
        { done:status(), failed:status(), cancelled:status() })
      local ok, err = cancelled:join()
      assert.is_false(ok)
      assert.is_true(kio.is_cancelled(err))
      assert.is_false(done:cancel())
    end)
    assert.matches("kio%.Task %(done%)", tostring(done))
  end)

  it("works on tasks that a run left behind", function()
    local left
    support.expect_error("did not end within shutdown_timeout", kio.run, function()
      left = kio.spawn(function()
        while true do pcall(kio.sleep, 1000) end
      end)
      common.until_waiting(left)
      left:cancel()
    end, { shutdown_timeout = 0.01 })
    assert.equal("cancelled", left:status())
    run(function()
      local ok, err = left:join()
      assert.is_false(ok)
      assert.is_true(kio.is_cancelled(err))
    end)
  end)
end)
