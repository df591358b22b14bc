-- kio.scope: it ends after all of its tasks, with the body's results or the first error.
local kio = require "kio"
local support = require "spec.support"

local function sim(f, options)
  options = options or {}
  options.backend = "sim"
  return support.run(f, options)
end

local function pack(...) return table.pack(...) end

local function fail_after(seconds, err)
  return function()
    kio.sleep(seconds)
    error(err, 0)
  end
end

describe("a scope", function()
  it("gives its body's results, nils and all, when every task has ended", function()
    sim(function()
      local ended, start = 0, kio.now()
      local results = pack(kio.scope(function(scope)
        for i = 1, 5 do
          scope:spawn(function()
            kio.sleep(i)
            ended = ended + 1
          end)
        end
        return nil, "body", nil
      end))
      assert.same({ n = 3, nil, "body", nil }, results)
      assert.equal(5, ended)
      assert.is_true(kio.now() - start >= 5)
    end)
  end)

  it("gives a hundred thousand results", function()
    sim(function()
      assert.equal(100000, select("#", kio.scope(function(scope)
        scope:spawn(kio.sleep, 1)
        return table.unpack({}, 1, 100000)
      end)))
    end)
  end)

  it("owns what its body spawns, at any depth of calls and of tasks", function()
    sim(function()
      local ended = {}
      local function leaf(name)
        kio.sleep(1)
        ended[name] = true
      end
      kio.scope(function(scope)
        kio.spawn(leaf, "kio.spawn")
        scope:spawn(function()
          kio.spawn(leaf, "a grandchild")
          leaf "scope:spawn"
        end)
        coroutine.wrap(function() kio.spawn(leaf, "in a generator") end)()
      end)
      assert.same({ ["kio.spawn"] = true, ["a grandchild"] = true, ["scope:spawn"] = true,
        ["in a generator"] = true }, ended)
    end)
  end)

  it("takes tasks from outside of it, until it has ended", function()
    sim(function()
      local inner, ran
      local task = kio.spawn(function()
        kio.scope(function(scope)
          inner = scope
          kio.sleep(5)
        end)
      end)
      kio.sleep(1)
      local other = inner:spawn(function()
        kio.sleep(10)
        ran = true
        return "late"
      end)
      task:await()
      assert.is_true(ran)
      assert.equal("late", other:await())
      support.expect_error("spawn: the scope has ended", inner.spawn, inner, print)
    end)
  end)

  it("takes one more after its last task has ended and before its body has noticed", function()
    for _, backend in ipairs { "sim", "uring" } do
      support.run(function()
        local inner, more = nil, 0
        local task = kio.spawn(function()
          kio.scope(function(scope)
            inner = scope
            scope:spawn(kio.yield)
          end)
        end)
        kio.yield()
        for _ = 1, 50 do
          kio.yield()
          if tostring(inner):find("open, 0 tasks", 1, true) then
            inner:spawn(kio.yield)
            more = more + 1
          end
        end
        task:await()
        assert.is_true(more > 10, more)
      end, { backend = backend })
    end
  end)

  it("may be empty, and may be nested as deep as Lua's own calls", function()
    sim(function()
      assert.equal(0, select("#", kio.scope(function() end)))
      local function deep(n)
        return n == 0 and "bottom" or kio.scope(function() return deep(n - 1) end)
      end
      assert.equal("bottom", deep(60))
      local function endless() return kio.scope(endless) end
      support.expect_error("stack overflow", endless)
      kio.sleep(1)
    end)
  end)

  it("says what it is", function()
    sim(function()
      local inner
      kio.scope(function(scope)
        inner = scope
        assert.equal("kio.Scope (kio.scope, open, 0 tasks)", tostring(scope))
        scope:spawn(kio.sleep, 1)
        assert.equal("kio.Scope (kio.scope, open, 1 tasks)", tostring(scope))
        scope:cancel()
        assert.equal("kio.Scope (kio.scope, cancelled, 1 tasks)", tostring(scope))
      end)
      assert.equal("kio.Scope (kio.scope, ended, 0 tasks)", tostring(inner))
    end)
  end)
end)

describe("the first error", function()
  it("cancels the siblings, waits for them, and is raised as it is", function()
    sim(function()
      local value, unwound = {}, 0
      local function sibling()
        local _ <close> = setmetatable({}, { __close = function(_, err)
          assert(kio.is_cancelled(err))
          kio.shield(kio.sleep, 2)
          unwound = unwound + 1
        end })
        kio.sleep(1000)
      end
      local start = kio.now()
      local ok, err = pcall(kio.scope, function(scope)
        for _ = 1, 3 do scope:spawn(sibling) end
        scope:spawn(fail_after(1, value))
        sibling()
      end)
      assert.is_false(ok)
      assert.is_true(rawequal(value, err))
      assert.equal(4, unwound)
      assert.is_true(kio.now() - start >= 3 and kio.now() - start < 4)
    end)
  end)

  it("may be the body's, while tasks are alive", function()
    sim(function()
      local cancelled
      local ok, err = pcall(kio.scope, function(scope)
        scope:spawn(function()
          local _, why = pcall(kio.sleep, 1000)
          cancelled = kio.is_cancelled(why)
        end)
        kio.sleep(1)
        error("body", 0)
      end)
      assert.same({ false, "body", true }, { ok, err, cancelled })
    end)
  end)

  it("leaves the scope outside alone when it is caught", function()
    sim(function()
      local task = kio.spawn(kio.sleep, 3)
      assert.is_false((pcall(kio.scope, fail_after(1, "x"))))
      kio.sleep(1)
      task:await()
    end)
  end)

  it("goes through scope after scope to the run", function()
    local ok, err = pcall(kio.run, function()
      kio.scope(function()
        kio.timeout(100, function()
          kio.shield(function()
            kio.spawn(fail_after(1, "deep"))
            kio.sleep(50)
          end)
        end)
      end)
    end, { backend = "sim" })
    assert.is_false(ok)
    assert.matches("^deep\nstack traceback:", err)
  end)
end)

describe("scope:cancel", function()
  it("ends the body: nil, a message with the reason, and ECANCELED", function()
    sim(function()
      local why = setmetatable({}, { __tostring = function() return "why" end })
      for _, case in ipairs { { "enough", "kio.scope: cancelled: enough" },
        { nil, "kio.scope: cancelled" }, { why, "kio.scope: cancelled: why" } } do
        local results = pack(kio.scope(function(scope)
          scope:spawn(function() scope:cancel(case[1]) end)
          kio.sleep(1000)
        end))
        assert.same({ n = 3, nil, case[2], "ECANCELED" }, results)
      end
    end)
  end)

  it("keeps the first reason", function()
    sim(function()
      local _, message = kio.scope(function(scope)
        scope:cancel "first"
        scope:cancel "second"
        kio.yield()
      end)
      assert.equal("kio.scope: cancelled: first", message)
    end)
  end)

  it("of tasks alone leaves the results of a body that has returned", function()
    sim(function()
      local start = kio.now()
      assert.equal("found", kio.scope(function(scope)
        scope:spawn(kio.sleep, 1000)
        scope:spawn(function() scope:cancel() end)
        return "found"
      end))
      assert.is_true(kio.now() - start < 1)
    end)
  end)

  it("ends tasks before they begin, also those that are spawned later", function()
    sim(function()
      local ran = false
      kio.scope(function(scope)
        scope:spawn(function() ran = true end)
        scope:cancel()
        local late = scope:spawn(function() ran = true end)
        kio.shield(late.join, late)
        assert.equal("cancelled", late:status())
      end)
      assert.is_false(ran)
    end)
  end)

  it("does nothing when the scope has ended", function()
    sim(function()
      local inner
      kio.scope(function(scope) inner = scope end)
      inner:cancel "late"
      kio.sleep(1)
    end)
  end)
end)

describe("what cancels a scope from outside", function()
  it("is raised in the body and goes on outwards", function()
    sim(function()
      local task = kio.spawn(function()
        local ok, err = pcall(kio.scope, function() kio.sleep(1000) end)
        assert(not ok and kio.is_cancelled(err))
        error(err, 0)
      end)
      kio.yield()
      task:cancel()
      task:join()
      assert.equal("cancelled", task:status())
    end)
  end)

  it("is raised when the body has returned but its tasks were cut off", function()
    sim(function()
      local inner = {}
      local _, _, code = kio.timeout(1, function()
        inner = pack(pcall(kio.scope, function()
          kio.spawn(kio.sleep, 1000)
          return "too early to be happy"
        end))
        error(inner[2], 0)
      end)
      assert.is_false(inner[1])
      assert.is_true(kio.is_cancelled(inner[2]))
      assert.equal("ETIMEDOUT", code)
    end)
  end)

  it("takes nothing from a scope whose tasks all came to their end", function()
    sim(function()
      local result
      local task = kio.spawn(function()
        result = kio.scope(function()
          kio.spawn(kio.shield, kio.sleep, 2)
          return "all done"
        end)
      end)
      kio.sleep(1)
      task:cancel()
      task:join()
      assert.equal("all done", result)
    end)
  end)
end)

describe("daemons", function()
  it("end also when another one spawned them while it was ending", function()
    local ended = {}
    support.run(function()
      kio.scope(function(scope)
        local function helper(depth, begun)
          begun:set()
          pcall(kio.sleep, 60)
          if depth > 0 then
            local next_begun = kio.sync.event()
            scope:spawn { helper, depth - 1, next_begun, daemon = true }
            kio.shield(next_begun.wait, next_begun)
          end
          ended[#ended + 1] = depth
        end
        scope:spawn { helper, 3, kio.sync.event(), daemon = true }
        kio.yield()
      end)
    end)
    assert.same({ 3, 2, 1, 0 }, ended)
  end)

  it("end when only daemons are left, also those of the run", function()
    local unwound = 0
    local function daemon()
      local _ <close> = setmetatable({}, { __close = function() unwound = unwound + 1 end })
      while true do kio.sleep(1) end
    end
    sim(function()
      kio.spawn { daemon, daemon = true }
      assert.equal("result", kio.scope(function(scope)
        scope:spawn { daemon, daemon = true, name = "helper" }
        scope:spawn { daemon, daemon = true }
        scope:spawn(kio.sleep, 5)
        return "result"
      end))
      assert.equal(2, unwound)
      kio.spawn(kio.sleep, 5)
    end)
    assert.equal(3, unwound)
  end)

  it("that fail do so like others", function()
    sim(function()
      support.expect_error("^daemon$", kio.scope, function(scope)
        scope:spawn { fail_after(1, "daemon"), daemon = true }
        kio.sleep(1000)
      end)
    end)
  end)
end)

describe("misuse of scopes", function()
  it("raises", function()
    sim(function()
      for _, name in ipairs { "scope", "shield" } do
        for _, value in ipairs { 1, "f", {}, setmetatable({}, { __call = print }) } do
          support.expect_error("bad argument #1 to .*function expected", kio[name], value)
        end
        support.expect_error("function expected, got no value", kio[name])
      end
      kio.scope(function(scope)
        for _, value in ipairs { 1, "f", {}, { print, nmae = "x" }, { 1 }, { name = "x" },
          { print, name = 1 } } do
          assert.is_false((pcall(scope.spawn, scope, value)))
          assert.is_false((pcall(kio.spawn, value)))
        end
        assert.is_false((pcall(scope.spawn, scope, { print }, "more")))
        for _, method in ipairs { scope.spawn, scope.cancel } do
          support.expect_error("kio%.Scope expected", method, kio.spawn(function() end))
        end
      end)
    end)
  end)

  it("outside of a task raises", function()
    support.expect_error("outside a task", kio.scope, print)
    support.expect_error("outside a task", kio.shield, print)
    support.expect_error("outside a task", kio.timeout, 1, print)
    local old
    sim(function() kio.scope(function(scope) old = scope end) end)
    support.expect_error("the scope has ended", old.spawn, old, print)
    old:cancel()
    sim(function() support.expect_error("the scope has ended", old.spawn, old, print) end)
  end)

  it("of a scope that its run has left behind raises in another", function()
    local left
    support.expect_error("did not end within shutdown_timeout", kio.run, function()
      kio.spawn(function()
        kio.scope(function(scope)
          left = scope
          while true do pcall(kio.sleep, 1000) end
        end)
      end)
      kio.sleep(1)
      error("stop", 0)
    end, { backend = "sim", shutdown_timeout = 0 })
    sim(function()
      support.expect_error("the scope has ended", left.spawn, left, print)
      left:cancel()
      assert.matches("ended", tostring(left))
    end)
  end)
end)
