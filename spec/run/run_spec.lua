-- kio.run as a whole: its options, one run after another (R17), deadlocks, what a failed run
-- leaves.
-- ThreadSanitizer's record of calls is full after some ten thousand yields, and there is but one
-- thread here:
-- flavours: test asan hostile
local kio = require "kio"
local support = require "spec.support"
local common = require "spec.task.common"

-- A program that needs the whole loop: tasks, timers, bytes there and back.
local function exercise()
  local near, far = common.stream_pair()
  local echoing = kio.spawn(function()
    local data = far:recv()
    while data do
      far:write(data)
      data = far:recv()
    end
    far:close()
  end)
  local sleeping = kio.spawn(kio.sleep, 0.002)
  local got = {}
  for i = 1, 20 do
    near:write(("line %d\n"):format(i))
    got[i] = near:read("l")
    assert.equal("line " .. i, got[i])
  end
  sleeping:await()
  near:close()
  echoing:await()
  return #got
end

describe("kio.run", function()
  it("returns what its main function returns", function()
    assert.equal(0, select("#", kio.run(function() end)))
    assert.same({ n = 3, nil, "x", nil }, table.pack(kio.run(function() return nil, "x", nil end)))
    assert.equal(20, kio.run(exercise))
  end)

  it("takes a function and a table of options", function()
    for _, value in ipairs { 1, "main", {}, true } do
      support.expect_error("bad argument #1 to 'run' %(function expected", function()
        kio.run(value)
      end)
    end
    support.expect_error("function expected, got no value", function() kio.run() end)
    for _, value in ipairs { 1, "options", print, true } do
      support.expect_error("bad argument #2 to 'run' %(table expected", function()
        kio.run(print, value)
      end)
    end
    assert.equal(1, kio.run(function() return 1 end, nil))
    assert.equal(1, kio.run(function() return 1 end, {}))
  end)

  it("within kio.run raises, and the outer one goes on", function()
    local message = "kio%.run within kio%.run: use kio%.spawn"
    assert.equal("fine", kio.run(function()
      support.expect_error(message, kio.run, print)
      support.expect_error(message, coroutine.wrap(function() kio.run(print) end))
      support.expect_error(message, function()
        kio.spawn(kio.run, print):await()
      end)
      table.sort({ 1, 2 }, function() return not pcall(kio.run, print) end)
      kio.sleep(0)
      return "fine"
    end))
  end)

  it("works in a coroutine of the main program", function()
    local co = coroutine.wrap(function()
      coroutine.yield(kio.run(exercise))
      coroutine.yield(kio.run(exercise))
    end)
    assert.equal(20, co())
    assert.equal(20, co())
  end)

  it("works a hundred times in a row, and leaves nothing", function()
    local before
    for i = 1, 100 do
      assert.equal(20, kio.run(exercise))
      assert.is_false((pcall(kio.run, error, nil)))
      if i == 20 then
        collectgarbage()
        collectgarbage()
        before = collectgarbage("count")
        assert.equal(0, kio.core.world().blocks)
      end
    end
    collectgarbage()
    collectgarbage()
    assert.equal(0, kio.core.world().blocks)
    assert.is_true(collectgarbage("count") - before < 20, "80 runs left KiB behind")
  end)

  it("keeps nothing of tasks it had to leave behind", function()
    local kept = setmetatable({}, { __mode = "k" })
    for _ = 1, 20 do
      support.expect_error("did not end within shutdown_timeout", kio.run, function()
        local function turn() kio.yield() end
        for _, wait in ipairs { kio.sleep, turn, coroutine.wrap(kio.sleep) } do
          kept[kio.spawn(function() while true do pcall(wait, 1000) end end)] = true
        end
        kio.yield()
        error("unwinds")
      end, { shutdown_timeout = 0 })
    end
    collectgarbage()
    collectgarbage()
    assert.is_nil(next(kept))
  end)

  it("ends with the error of its main function, whatever is in flight", function()
    for _ = 1, 5 do
      support.expect_error("^in flight\n", kio.run, function()
        local near, far = common.stream_pair()
        local listener = assert(kio.net.listen("127.0.0.1:0"))
        local from, to = kio.pipe()
        local fds = { from, to }
        near:write(("x"):rep(100000))
        for _, wait in ipairs {
          function() return far:recv() and kio.sleep(1000) end,
          function() return near:recv() end,
          function() return listener:accept() end,
          function() return kio.read(from, 10) end,
          function() return kio.poll(from, "r") end,
          function() return kio.sleep(math.huge) end,
        } do
          common.until_waiting(kio.spawn(wait))
        end
        local _ <close> = setmetatable({}, { __close = function()
          for _, fd in ipairs(fds) do kio.close(fd) end
        end })
        error("in flight", 0)
      end)
    end
    assert.equal(20, kio.run(exercise))
  end)
end)

describe("options of kio.run", function()
  local wrong = {
    { { entires = 1 }, "unknown option 'entires'" },
    { { 1 }, "unknown option '1'" },
    { { threads_ = 1 }, "unknown option 'threads_'" },
    { { backend = "kqueue" }, "there is no backend 'kqueue' in this build" },
    { { backend = 1 }, "option 'backend' must be a string" },
    { { sqpoll = "yes" }, "option 'sqpoll' must be a number" },
    { { sqpoll = 0 }, "option 'sqpoll' is out of range" },
    { { sqpoll = -1 }, "option 'sqpoll' is out of range" },
  }
  for _, name in ipairs { "busy_poll", "shutdown_timeout", "watchdog" } do
    wrong[#wrong + 1] = { { [name] = "1" }, ("option '%s' must be a number"):format(name) }
    wrong[#wrong + 1] = { { [name] = true }, ("option '%s' must be a number"):format(name) }
    wrong[#wrong + 1] = { { [name] = -1 }, ("option '%s' is out of range"):format(name) }
    wrong[#wrong + 1] = { { [name] = 0 / 0 }, ("option '%s' is out of range"):format(name) }
    wrong[#wrong + 1] = { { [name] = math.huge }, ("option '%s' is out of range"):format(name) }
  end
  for _, name in ipairs { "entries", "cq_entries" } do
    for _, value in ipairs { "1", true, 2.5, 0 / 0, math.huge } do
      wrong[#wrong + 1] = { { [name] = value }, ("option '%s' must be an integer"):format(name) }
    end
    for _, value in ipairs { -1, 0, 1 << 20 } do
      wrong[#wrong + 1] = { { [name] = value },
        ("option '%s' must be from 1 to 65536"):format(name) }
    end
  end

  it("that are wrong raise before anything is run", function()
    for _, case in ipairs(wrong) do
      local ran = false
      local ok, message = pcall(kio.run, function() ran = true end, case[1])
      assert.is_false(ok)
      assert(message:find("bad argument #2", 1, true), message)
      assert(message:find(case[2], 1, true), message .. " is not about: " .. case[2])
      assert.is_false(ran)
    end
  end)

  for _, entries in ipairs { 1, 2, 8, 4096 } do
    it(("entries = %d: everything works"):format(entries), function()
      assert.equal(20, kio.run(exercise, { entries = entries }))
      assert.equal(20, kio.run(exercise, { entries = entries, cq_entries = entries * 2 }))
      assert.equal(20, kio.run(exercise, { entries = entries, cq_entries = 1 }))
    end)
  end

  it("sqpoll: a kernel thread submits", function()
    for _, option in ipairs { true, 0.01 } do
      local result, reason, code = kio.run(exercise, { sqpoll = option })
      if code then return pending("no SQPOLL here: " .. reason) end
      assert.equal(20, result)
    end
    local granted = kio.run(function() return kio.check().granted end, { sqpoll = true })
    assert.matches("SQPOLL", granted)
    assert.equal(20, kio.run(exercise, { sqpoll = false }))
  end)

  it("sqpoll: cancels and deadlines work", function()
    local result, reason, code = kio.run(function()
      local from, to = kio.pipe()
      for _ = 1, 20 do
        local task = common.until_in_kernel(kio.spawn(kio.read, from, 1))
        task:cancel()
        assert.is_false((task:join()))
        assert.equal("ETIMEDOUT", (select(3, kio.read(from, 1, { timeout = 0.0005 }))))
        assert.equal("ETIMEDOUT", (select(3, kio.read(from, 1, { timeout = 0 }))))
      end
      local tasks = {}
      for i = 1, 100 do tasks[i] = kio.spawn(kio.poll, from, "r") end
      kio.write(to, "x")
      for i = 1, 100 do assert.equal("r", tasks[i]:await()) end
      kio.close(from)
      kio.close(to)
      return "fine"
    end, { sqpoll = 0.005, entries = 4 })
    if code then return pending("no SQPOLL here: " .. reason) end
    assert.equal("fine", result)
  end)

  it("busy_poll: the kernel is asked again before the loop sleeps", function()
    local polled, slept = {}, {}
    local function program(stats)
      return function()
        local before = kio.stats()
        for _ = 1, 10 do kio.sleep(0.0005) end
        local after = kio.stats()
        stats.enters, stats.turns = after.enters - before.enters, after.turns - before.turns
        return exercise()
      end
    end
    assert.equal(20, kio.run(program(slept)))
    assert.equal(20, kio.run(program(polled), { busy_poll = 0.0001 }))
    assert.is_true(slept.enters <= slept.turns)
    assert.is_true(polled.enters >= 20) -- each of the ten waits asks at least once, then sleeps
  end)

  it("busy_poll: no deadline is missed by it", function()
    kio.run(function()
      local began = kio.now()
      local from, to = kio.pipe()
      assert.equal("ETIMEDOUT", (select(3, kio.read(from, 1, { timeout = 0.002 }))))
      assert.is_true(kio.now() - began >= 0.002)
      kio.close(from)
      kio.close(to)
    end, { busy_poll = 3600 })
  end)
end)

describe("a deadlock", function()
  local function deadlocks(main)
    local err = support.expect_error("deadlock: every task waits", kio.run, main)
    assert.equal(20, kio.run(exercise)) -- the next run is as good as ever
    return err
  end

  it("of two tasks that await each other raises", function()
    deadlocks(function()
      local a, b
      a = kio.spawn(function() b:await() end)
      b = kio.spawn(function() a:await() end)
    end)
  end)

  it("of a ring of many raises", function()
    deadlocks(function()
      local tasks = {}
      for i = 1, 100 do
        tasks[i] = kio.spawn(function() tasks[i % 100 + 1]:join() end)
      end
      tasks[1]:await()
    end)
  end)

  it("of a task that awaits one that never ends raises", function()
    deadlocks(function() kio.spawn(kio.sleep, math.huge):await() end)
  end)

  it("unwinds its tasks", function()
    local unwound = 0
    deadlocks(function()
      local a, b
      local function wait(other)
        local _ <close> = setmetatable({}, { __close = function(_, err)
          if kio.is_cancelled(err) then unwound = unwound + 1 end
        end })
        other():await()
      end
      a = kio.spawn(wait, function() return b end)
      b = kio.spawn(wait, function() return a end)
    end)
    assert.equal(2, unwound)
  end)

  it("is none while a timer or the kernel can wake somebody", function()
    kio.run(function()
      local from, to = kio.pipe()
      local waiting = kio.spawn(kio.read, from, 1)
      local awaiting = kio.spawn(waiting.await, waiting)
      kio.sleep(0.005)
      assert.equal("waiting", awaiting:status())
      kio.write(to, "x")
      assert.equal("x", awaiting:await())
      kio.close(from)
      kio.close(to)
    end)
  end)
end)

describe("ten thousand tasks, one after the other", function()
  local function descriptors()
    local count = 0
    for _ in require("lfs").dir("/proc/self/fd") do count = count + 1 end
    return count
  end

  local function settled()
    collectgarbage()
    collectgarbage()
    return collectgarbage("count"), kio.core.world().blocks, descriptors()
  end

  local kinds = {
    returning = function() kio.spawn(function() return {} end):await() end,
    sleeping = function() kio.spawn(kio.sleep, 0):await() end,
    failing = function() kio.spawn(error, {}):join() end,
    cancelled = function()
      local task = kio.spawn(kio.sleep, 1000)
      kio.yield()
      task:cancel()
      task:join()
    end,
    generating = function()
      kio.spawn(function()
        local generator = coroutine.wrap(function()
          kio.sleep(0)
          coroutine.yield(1)
        end)
        generator()
      end):await()
    end,
    reading = function()
      local from, to = kio.pipe()
      local task = kio.spawn(kio.read, from, 1)
      kio.write(to, "x")
      task:await()
      kio.close(from)
      kio.close(to)
    end,
  }

  for name, one in pairs(kinds) do
    it("leave nothing: " .. name, function()
      local n = support.scale { test = 10000, hostile = 3000, rest = 1000 }
      kio.run(function()
        for _ = 1, 500 do one() end
        local memory, blocks, fds = settled()
        for _ = 1, n do one() end
        local memory_after, blocks_after, fds_after = settled()
        assert.equal(blocks, blocks_after)
        assert.equal(fds, fds_after)
        assert.is_true(memory_after - memory < 16, "KiB were left")
        assert.equal(0, kio.stats().timers)
      end)
    end)
  end
end)
