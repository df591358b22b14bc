-- Tracebacks tell where the task that failed was spawned: at the program's own line, whatever of
-- kio's files is in between.
local kio = require "kio"
local support = require "spec.support"

local run = support.run

local function here() return debug.getinfo(2, "l").currentline end

local function fail() error "oops" end

local function assert_origin(line, trace)
  local at = trace:match "in a task spawned at [^\n]*origin_spec%.lua:(%d+)"
  assert.equal(line, tonumber(at), trace)
end

describe("the traceback of a failed task tells where it was spawned", function()
  it("by kio.spawn, in either form", function()
    run(function()
      local line = here() + 1
      local task = kio.scope(function() return kio.spawn { fail, on_error = function() end } end)
      assert_origin(line, select(3, task:join()))
    end)
  end)

  it("by scope:spawn, from a coroutine, and with results in between", function()
    run(function()
      local line, trace
      kio.scope(function(scope)
        coroutine.wrap(function()
          line = here() + 1
          scope:spawn { fail, on_error = function(_, t) trace = t end }
        end)()
      end)
      assert_origin(line, trace)
    end)
  end)

  it("by all, map and race: where those were called", function()
    run(function()
      for _, call in ipairs {
        function() return (kio.all { fail }) end,
        function() return (kio.map({ 1 }, fail)) end,
        function() return (kio.race { fail }) end,
        function() for _ in kio.as_completed { fail } do error "unreached" end end,
      } do
        local _, _, trace = kio.spawn(call):join()
        local line = debug.getinfo(call, "S").linedefined
        local last = trace:match ".*spawned at [^\n]*origin_spec%.lua:(%d+)"
        assert.equal(line, tonumber(last), trace)
      end
    end)
  end)

  it("in the error of kio.run, and each of those that awaited another", function()
    local outer, inner
    local _, err = pcall(kio.run, function()
      outer = here() + 1
      kio.spawn(function()
        inner = here() + 1
        kio.spawn(fail):await()
      end)
    end)
    local lines = {}
    for line in err:gmatch "in a task spawned at [^\n]*origin_spec%.lua:(%d+)" do
      lines[#lines + 1] = tonumber(line)
    end
    assert.same({ outer, inner }, lines)
  end)

  it("but not of main, which nobody has spawned", function()
    local _, err = pcall(kio.run, fail)
    assert.matches("stack traceback", err)
    assert.not_matches("spawned at", err)
  end)
end)

describe("the cancellation of an awaited task", function()
  it("has a traceback where it was awaited", function()
    run(function()
      local task = kio.spawn(kio.sleep, 100)
      task:cancel()
      local line = here() + 1
      local ok, err, trace = kio.spawn(function() task:await() end):join()
      assert.is_true(not ok and kio.is_cancelled(err))
      assert.matches("origin_spec%.lua:" .. line, trace)
    end)
  end)

  it("ends kio.run with the place, which kio.traceback tells", function()
    local line
    local ok, err = pcall(kio.run, function()
      local task = kio.spawn(kio.sleep, 100)
      task:cancel()
      line = here() + 1
      task:await()
    end)
    assert.is_true(not ok and kio.is_cancelled(err))
    assert.matches("origin_spec%.lua:" .. line, kio.traceback(err))
  end)

  it("costs nothing when the task unwinds by its own", function()
    run(function()
      local task = kio.spawn(kio.sleep, 100)
      kio.yield()
      task:cancel()
      local ok, err, trace = task:join()
      assert.is_true(not ok and kio.is_cancelled(err))
      assert.is_nil(trace)
    end)
  end)
end)

describe("an error that is a table", function()
  it("comes out of kio.run as it is, and kio.traceback has its traceback", function()
    local thrown, line = { code = "ENOPE", "x" }, nil
    local ok, err = pcall(kio.run, function()
      kio.spawn(function()
        line = here() + 1
        error(thrown)
      end)
    end)
    assert.is_false(ok)
    assert.is_true(rawequal(thrown, err))
    assert.same({ code = "ENOPE", "x" }, err)
    assert.is_nil(getmetatable(err))
    assert.matches("origin_spec%.lua:" .. line, kio.traceback(err))
  end)

  it("is collected although there is a traceback", function()
    local weak = setmetatable({}, { __mode = "k" })
    local _, err = pcall(kio.run, function() error {} end)
    weak[err] = true
    assert.is_string(kio.traceback(err))
    err = nil -- luacheck: ignore
    collectgarbage()
    collectgarbage()
    assert.is_nil(next(weak))
  end)

  it("others have none", function()
    for _, value in ipairs { {}, "text", 1, true, print } do
      assert.is_nil(kio.traceback(value))
    end
    assert.is_nil(kio.traceback(nil))
    support.expect_error("value expected", kio.traceback)
  end)
end)
