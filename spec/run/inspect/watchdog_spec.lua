-- The watchdog: who holds the loop is told of, and nobody else. Starts programs, which
-- ThreadSanitizer does not survive.
-- flavours: test asan
-- without: epoll
local kio = require "kio"
local system = require "system"
local support = require "spec.support"
local common = require "spec.task.common"

local HERE = "spec/run/inspect/watchdog_spec.lua"
local LIMIT = 0.1

-- Runs f(reports) with a watchdog; its reports.
local function watch(f, limit)
  local reports = {}
  support.run(function() f(reports) end, {
    watchdog = limit or LIMIT,
    on_watchdog = function(report) reports[#reports + 1] = report end,
  })
  return reports
end

-- Who was reported: each once, for a machine that takes the processor away makes it several times.
local function names(reports)
  local list, seen = {}, {}
  for _, report in ipairs(reports) do
    if not seen[report.name] then list[#list + 1] = report.name end
    seen[report.name] = true
  end
  return list
end

local function line() return debug.getinfo(2, "l").currentline end

-- Holds the loop until it has been reported: no matter how fast the machine is.
local function hold(reports)
  local before = #reports
  repeat until #reports > before
end

describe("the watchdog", function()
  it("reports a task that holds the loop, while it does, with its line", function()
    local task, at
    local reports = watch(function(list)
      task = kio.spawn{ function() at = line() + 1
        while #list == 0 do end
      end, name = "hog" }
    end)
    assert.same({ "hog" }, names(reports))
    local report = reports[1]
    assert.equal(task, report.task)
    assert.is_true(report.running)
    assert.is_true(report.seconds >= LIMIT)
    assert.matches("^stack traceback:\n[^\n]*" .. HERE .. ":" .. at .. ":", report.traceback)
  end)

  it("reports the main task and cleanup as well", function()
    local reports = watch(function(list)
      hold(list)
      local closing <close> = setmetatable({}, { __close = function() hold(list) end })
      kio.yield()
      assert(closing)
    end)
    assert.same({ "main" }, names(reports)) -- and each hold ended with a report
  end)

  it("sees coroutines within tasks, however deep, and shows the whole chain", function()
    local at = {}
    local reports = watch(function(list)
      local generator = coroutine.wrap(function() at[1] = line(); hold(list) end)
      local middle = coroutine.create(function() at[2] = line(); generator() end)
      at[3] = line(); assert(coroutine.resume(middle))
    end)
    assert.same({ "main" }, names(reports))
    assert.matches(HERE .. ":" .. at[1] .. ":.*which is a coroutine in.*" .. HERE .. ":" .. at[2]
      .. ":.*which is a coroutine in.*" .. HERE .. ":" .. at[3] .. ":", reports[1].traceback)
  end)

  it("sees a coroutine that was made before the run", function()
    local list
    local early = coroutine.wrap(function() hold(list) end)
    local reports = watch(function(reports)
      list = reports
      early()
    end)
    assert.same({ "main" }, names(reports))
  end)

  it("does not report tasks that wait, however long", function()
    local reports = watch(function(list)
      local r, w = kio.pipe()
      local waiter = common.until_in_kernel(kio.spawn{ function()
        kio.read(r, 1)
        for _ = 1, 10 do kio.yield() end
      end, name = "waiter" })
      local sleeper = kio.spawn{ kio.sleep, LIMIT * 1.5, name = "sleeper" }
      hold(list) -- both have waited longer than the limit now
      kio.write(w, "x")
      waiter:await()
      sleeper:await()
      kio.close(r)
      kio.close(w)
    end)
    assert.same({ "main" }, names(reports))
  end)

  it("does not add up what a task does between its waits", function()
    local limit, taken = LIMIT * 4, 0 -- how long the machine took the processor away
    local reports = watch(function(list)
      hold(list)
      local due = kio.now() + LIMIT * 5
      local before = system.monotime()
      repeat
        kio.yield()
        local now = system.monotime()
        taken, before = math.max(taken, now - before), now
      until kio.now() >= due
    end, limit)
    assert.is_true(#reports == 1 or taken >= limit, #reports)
  end)

  it("reports again when the time has doubled, not all the time", function()
    local reports = watch(function(list)
      while #list < 3 do end
    end)
    for i = 2, 3 do assert.is_true(reports[i].seconds >= reports[i - 1].seconds * 2) end
  end)

  it("reports a call that blocked when it lets go", function()
    local reports = watch(function()
      kio.spawn{ os.execute, ("sleep %g"):format(LIMIT * 1.1), name = "blocker" }
    end)
    assert.same({ "blocker" }, names(reports))
    assert.is_false(reports[1].running)
  end)

  it("ends the task when its function raises while that runs", function()
    local task
    support.expect_error("too long", kio.run, function()
      task = kio.spawn(function() while true do end end)
    end, { watchdog = LIMIT, on_watchdog = function() error("too long") end })
    assert.equal("failed", task:status())
  end)

  it("lets its function inspect, but not wait", function()
    local tasks, err
    support.run(function()
      repeat until err
    end, { watchdog = LIMIT, on_watchdog = function()
      tasks = kio.tasks()
      err = select(2, pcall(kio.sleep, 0))
    end })
    assert.equal("main", tasks[1].name)
    assert.matches("operation where Lua cannot yield", err)
  end)

  it("writes to stderr without a function", function()
    local output = common.child([[
      local kio = require "kio"
      kio.run(function()
        kio.spawn{ function()
          local start = os.clock()
          while os.clock() < start + 0.2 do end
        end, name = "hog" }
      end, { watchdog = 0.02 })
    ]])
    assert.matches('kio: task 2 "hog" has held the loop for 0%.0%d+ s\nstack traceback:\n', output)
    assert.matches("program%.lua:5: in function <", output)
  end)

  it("is off unless asked for", function()
    support.run(function()
      assert.is_nil(debug.gethook())
      assert.is_nil(coroutine.wrap(debug.gethook)())
    end)
  end)

  it("leaves no hook on a coroutine when that has come back", function()
    local early = coroutine.wrap(function()
      coroutine.yield(debug.gethook())
      return debug.gethook()
    end)
    watch(function(list)
      assert.equal("external hook", (early()))
      hold(list)
    end)
    assert.is_nil(early())
  end)

  it("takes itself off a coroutine that has inherited it and runs elsewhere", function()
    local heir
    watch(function(list)
      heir = coroutine.create(function()
        local first, n = debug.gethook(), 0
        for _ = 1, 10000 do n = n + 1 end
        return first, debug.gethook()
      end)
      hold(list)
    end)
    assert.same({ true, "external hook" }, { coroutine.resume(heir) })
  end)

  it("leaves a hook of the user's alone, and reports that task when it lets go", function()
    local counted, kept = 0, nil
    local reports = watch(function()
      kio.spawn{ function()
        local function hook() counted = counted + 1 end
        debug.sethook(hook, "", 100)
        kio.yield() -- resumed with the hook on
        local start = os.clock()
        while os.clock() < start + LIMIT * 2 do end
        kept = debug.gethook() == hook
        debug.sethook()
      end, name = "debugged" }:await()
    end)
    assert.is_true(kept)
    assert.is_true(counted > 100)
    assert.same({ "debugged" }, names(reports))
    assert.is_false(reports[1].running)
  end)

  it("refuses options that make no sense", function()
    local function run(opts) return function() kio.run(function() end, opts) end end
    support.expect_error("'watchdog' must be a number", run { watchdog = "1" })
    support.expect_error("'watchdog' is out of range", run { watchdog = -1 })
    support.expect_error("'on_watchdog' must be a function", run { watchdog = 1, on_watchdog = 1 })
    support.expect_error("'on_watchdog' without 'watchdog'", run { on_watchdog = print })
  end)
end)
