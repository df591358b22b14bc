-- What becomes of errors: the first is raised, the others go with it, on_error takes some, and none
-- vanishes. A child process is started, which ThreadSanitizer does not bear:
-- flavours: test asan hostile
local kio = require "kio"
local support = require "spec.support"
local common = require "spec.task.common"

local function sim(f, options)
  options = options or {}
  options.backend = "sim"
  return support.run(f, options)
end

-- Fails when it is cancelled, or at once.
local function cleanup_fails(err)
  pcall(kio.sleep, 1000)
  error(err, 0)
end

local function fail_after(seconds, err)
  kio.sleep(seconds)
  error(err, 0)
end

-- A scope in which the tasks and then the body fail.
local function failing_scope(errors, body)
  return pcall(kio.scope, function(scope)
    for i = 2, #errors do scope:spawn(cleanup_fails, errors[i]) end
    scope:spawn(fail_after, 1, errors[1])
    if body then cleanup_fails(body) end
  end)
end

describe("errors that gave way to the first", function()
  it("are listed in the field suppressed of one that is a table", function()
    sim(function()
      local first, second = {}, { "second" }
      local ok, err = failing_scope({ first, second, "third", 4 }, "body")
      assert.is_false(ok)
      assert.equal(first, err)
      local texts = {}
      for i, e in ipairs(err.suppressed) do texts[i] = e == second and "second" or e end
      table.sort(texts, function(a, b) return tostring(a) < tostring(b) end)
      assert.same({ 4, "body", "second", "third" }, texts)
    end)
  end)

  it("are told below the traceback of the first, each with its own", function()
    sim(function()
      local task = kio.spawn(function()
        kio.scope(function(scope)
          scope:spawn(load("local kio = ... pcall(kio.sleep, 9) error 'second'", "=two"), kio)
          scope:spawn(load("local kio = ... kio.sleep(1) error 'first'", "=one"), kio)
          pcall(kio.sleep, 1000)
          load("error 'third'", "=body")()
        end)
      end)
      local ok, err, trace = task:join()
      assert.is_false(ok)
      assert.equal("one:1: first", err)
      local one = trace:find("one:1: in", 1, true)
      local _, two = trace:find("another task of its scope failed: two:1: second\nstack traceback:",
        1, true)
      local _, body = trace:find("the body of its scope failed: body:1: third\nstack traceback:",
        1, true)
      assert.is_true(one and two and body and one < two and one < body)
      assert.truthy(trace:find("two:1: in", two, true))
      assert.truthy(trace:find("body:1: in", body, true))
    end)
  end)

  it("go with the body's error when that was the first", function()
    sim(function()
      local err = {}
      assert.is_false((pcall(kio.scope, function(scope)
        scope:spawn(cleanup_fails, "task")
        fail_after(1, err)
      end)))
      assert.same({ "task" }, err.suppressed)
    end)
  end)

  it("go with the error that ends the run", function()
    local err = {}
    local ok, got = pcall(kio.run, function()
      kio.spawn(cleanup_fails, "second")
      kio.spawn(fail_after, 1, err)
      pcall(kio.sleep, 1000)
      error("main", 0)
    end, { backend = "sim" })
    assert.is_false(ok)
    assert.equal(err, got)
    table.sort(err.suppressed)
    assert.same({ "main", "second" }, err.suppressed)
    ok, got = pcall(kio.run, function()
      kio.spawn(cleanup_fails, "second")
      kio.spawn(fail_after, 1, "first")
    end, { backend = "sim" })
    assert.is_false(ok)
    assert.matches("^first\nstack.*\nand another task of its scope failed: second\nstack", got)
  end)

  it("may be thousands", function()
    local n = 2000
    sim(function()
      local err = {}
      local ok, got = pcall(kio.scope, function(scope)
        for i = 1, n do scope:spawn(cleanup_fails, { i }) end
        fail_after(1, err)
      end)
      assert.is_false(ok)
      assert.equal(err, got)
      assert.equal(100, #err.suppressed)
    end)
  end)

  it("are counted in the text when they are many", function()
    local _, err = pcall(kio.run, function()
      for i = 1, 20 do kio.spawn(cleanup_fails, "task " .. i) end
      fail_after(1, "first")
    end, { backend = "sim" })
    assert.equal(8, select(2, err:gsub("another task of its scope failed: task", "")))
    assert.matches("\nand 12 more$", err)
  end)

  it("are told whatever their __tostring does", function()
    for _, text in ipairs { function() error "no" end, function() return {} end,
      function() kio.sleep(1) end } do
      local bad = setmetatable({}, { __tostring = text })
      local _, err = pcall(kio.run, function()
        kio.spawn(cleanup_fails, bad)
        fail_after(1, "first")
      end, { backend = "sim" })
      assert.matches("^first\n.*failed: %(error object is a table value%)", err)
    end
  end)

  it("never contain the first itself", function()
    sim(function()
      local err = {}
      assert.is_false((failing_scope { err, err }))
      assert.is_nil(next(err.suppressed or {}))
    end)
  end)

  it("are in each other's lists when each has won once", function()
    sim(function()
      local one, other = {}, {}
      assert.is_false((failing_scope { one, other }))
      assert.is_false((failing_scope { other, one }))
      assert.equal(other, one.suppressed[1])
      assert.equal(one, other.suppressed[1])
    end)
  end)
end)

describe("a failure", function()
  it("that nobody awaits any more is not lost", function()
    for _, leave in ipairs {
      function(task) kio.timeout(1, task.await, task) end,
      function(task) task:join { timeout = 1 } end,
      function(task)
        local waiter = kio.spawn(task.join, task)
        kio.sleep(1)
        waiter:cancel()
        waiter:join()
      end,
    } do
      local ok, err = pcall(kio.run, function()
        leave(kio.spawn(fail_after, 5, "not lost"))
        kio.sleep(1000)
      end, { backend = "sim" })
      assert.is_false(ok)
      assert.matches("^not lost\n", err)
    end
  end)

  it("in a scope that never came to its end is told by the run", function()
    local ok, err = pcall(kio.run, function()
      kio.spawn(fail_after, 0.0001, "stop")
      kio.scope(function(scope)
        scope:spawn(error, "told", 0)
        while true do pcall(kio.sleep, 1000) end
      end)
    end, { backend = "sim", shutdown_timeout = 0 })
    assert.is_false(ok)
    assert.matches("^stop\n.*another task of its scope failed: told\n.*shutdown_timeout", err)
  end)

  it("beside a cancellation from outside is raised instead of it", function()
    sim(function()
      local task = kio.spawn(kio.scope, function()
        kio.spawn(cleanup_fails, "in the cleanup")
        kio.sleep(1000)
      end)
      local joining = kio.spawn(task.join, task)
      kio.sleep(1)
      task:cancel()
      assert.equal("in the cleanup", (select(2, joining:await())))
      assert.equal("failed", task:status())
    end)
  end)
end)

describe("on_error of a task", function()
  it("takes its error, traceback and task, in place of its scope", function()
    sim(function()
      local got
      local value = {}
      local task
      kio.scope(function(scope)
        task = scope:spawn { load("local f = ... f()", "=here"), function() error(value) end,
          on_error = function(...) got = table.pack(...) end }
        kio.sleep(5)
      end)
      assert.equal(3, got.n)
      assert.equal(value, got[1])
      assert.matches("here:1: in", got[2])
      assert.equal(task, got[3])
      assert.equal("failed", task:status())
    end)
  end)

  it("may wait, and the task ends after it", function()
    sim(function()
      local reported
      local task = kio.spawn { error, "x", on_error = function()
        kio.sleep(5)
        reported = true
      end }
      assert.equal("x", (select(2, task:join())))
      assert.is_true(reported)
    end)
  end)

  it("leaves the error to those who await it as well", function()
    sim(function()
      local count = 0
      local task = kio.spawn { error, "x", 0, on_error = function() count = count + 1 end }
      support.expect_error("^x$", task.await, task)
      local ok, err, trace = task:join()
      assert.same({ false, "x", 1 }, { ok, err, count })
      assert.matches("^stack traceback:", trace)
    end)
  end)

  it("is not told of success and of cancellation", function()
    sim(function()
      local function never() error "called" end
      assert.equal(1, kio.spawn({ math.abs, -1, on_error = never }):await())
      local task = kio.spawn { kio.sleep, 1000, on_error = never }
      kio.yield()
      task:cancel()
      task:join()
      assert.equal("cancelled", task:status())
    end)
  end)

  it("that fails itself leaves the error to the scope, its own beside it", function()
    local err = {}
    local ok, got = pcall(kio.run, function()
      kio.spawn { error, err, on_error = function() error("handler", 0) end }
      kio.sleep(1000)
    end, { backend = "sim" })
    assert.is_false(ok)
    assert.equal(err, got)
    assert.same({ "handler" }, err.suppressed)
    ok, got = pcall(kio.run, function()
      kio.spawn { error, "task", 0, on_error = function() error("handler", 0) end }
    end, { backend = "sim" })
    assert.is_false(ok)
    assert.matches("^task\nstack.*\nand its on_error function failed: handler\nstack", got)
  end)

  it("that is cancelled leaves the error to the scope", function()
    local ok, err = pcall(kio.run, function()
      local task = kio.spawn { cleanup_fails, "told", on_error = function() kio.sleep(1000) end }
      kio.yield()
      task:cancel()
      kio.sleep(1)
    end, { backend = "sim" })
    assert.is_false(ok)
    assert.matches("^told\n", err)
  end)

  it("is a function or a boolean", function()
    sim(function()
      for _, wrong in ipairs { 1, "print", {}, setmetatable({}, { __call = print }) } do
        support.expect_error("'on_error' must be", kio.spawn, { print, on_error = wrong })
      end
    end)
  end)
end)

describe("on_error of kio.run", function()
  it("takes the errors of the root's tasks that nobody awaits, and the run goes on", function()
    local told = {}
    assert.equal("result", sim(function()
      for i = 1, 3 do kio.spawn(fail_after, i, "task " .. i) end
      local awaited = kio.spawn(fail_after, 1, "awaited")
      assert.equal("awaited", (select(2, awaited:join())))
      local function own(err) told[#told + 1] = "own " .. err end
      kio.spawn { fail_after, 4, "own", on_error = own }
      kio.sleep(10)
      return "result"
    end, { on_error = function(err, trace, task)
      assert(trace:find "^stack traceback:" and task:status() == "ready")
      told[#told + 1] = err
    end }))
    assert.same({ "task 1", "task 2", "task 3", "own own" }, told)
  end)

  it("leaves main's error, that of a scope, and those of tasks that do not want it", function()
    local function never() error "called" end
    local options = { backend = "sim", on_error = never }
    support.expect_error("^main\n", kio.run, function() error("main", 0) end, options)
    support.expect_error("^in a scope\n", kio.run, function()
      kio.scope(function(scope) scope:spawn(error, "in a scope", 0) end)
    end, options)
    support.expect_error("^mine\n", kio.run, function()
      kio.spawn { error, "mine", 0, on_error = false }
      kio.sleep(1)
    end, options)
  end)

  it("is a function or a boolean", function()
    for _, wrong in ipairs { 1, "print", {} } do
      support.expect_error("'on_error' must be", kio.run, print, { on_error = wrong })
    end
  end)

  it("true prints name, error and traceback to stderr", function()
    local output, ended_well = common.child [[
      local kio = require "kio"
      kio.run(function()
        kio.spawn { name = "worker", function() error "oh" end }
        kio.spawn(error, setmetatable({}, { __tostring = function() return "a table" end }))
        kio.sleep(0)
        kio.scope(function(scope) scope:spawn { error, "here", 0, on_error = true } end)
        print "goes on"
      end, { on_error = true })
    ]]
    assert.is_true(ended_well)
    assert.matches("kio: task worker failed: [^\n]*program%.lua:3: oh\nstack traceback:", output)
    assert.matches("kio: task failed: a table\nstack", output)
    assert.matches("kio: task failed: here\nstack", output)
    assert.matches("goes on\n", output)
  end)

  it("is none of the next run", function()
    sim(function() kio.spawn(error, "first") end, { on_error = function() end })
    support.expect_error("^second\n", kio.run, function()
      kio.spawn(error, "second", 0)
    end, { backend = "sim" })
  end)
end)
