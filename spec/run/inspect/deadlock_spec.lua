-- A program in which nothing can happen any more ends with an error that tells where everybody
-- waits. Starts programs, which ThreadSanitizer does not survive.
-- flavours: test asan hostile
local kio = require "kio"
local support = require "spec.support"

local HERE = "spec/run/inspect/deadlock_spec.lua"

-- Runs main, which must end in a deadlock: the error's text.
local function deadlock(main, opts)
  local err = support.expect_error("^kio%.run: deadlock: every task waits", kio.run, main, opts)
  assert.equal("string", type(err))
  return err
end

local function line() return debug.getinfo(2, "l").currentline end

for _, backend in ipairs { "uring", "sim" } do
  describe("a deadlock on " .. backend, function()
    local opts = { backend = backend }

    it("of a cycle of awaits names each task, whom it awaits, and where", function()
      local lines = {}
      local err = deadlock(function()
        local tasks = {}
        for i, name in ipairs { "anna", "berta", "carla" } do
          tasks[i] = kio.spawn{ function()
            lines[i] = line() + 1
            tasks[i % 3 + 1]:await()
          end, name = name }
        end
      end, opts)
      for i, names in ipairs { { "anna", "berta" }, { "berta", "carla" }, { "carla", "anna" } } do
        local pattern = ('task %d "%s": waits for [%%d.]+ s in await of task %%d "%s"\n'
          .. "stack traceback:.-%s:%d: "):format(i + 1, names[1], names[2], HERE, lines[i])
        assert.matches(pattern, err)
      end
    end)

    it("of tasks that hold each other's lock", function()
      local err = deadlock(function()
        local a, b = kio.sync.mutex(), kio.sync.mutex()
        for i, pair in ipairs { { a, b }, { b, a } } do
          kio.spawn{ function()
            pair[1]:lock()
            kio.yield()
            pair[2]:lock()
          end, name = "locker " .. i }
        end
      end, opts)
      for i = 1, 2 do
        local pattern = 'task %d "locker %d": waits for [%%d.]+ s in [%%w.]*mutex'
        assert.matches(pattern:format(i + 1, i), err)
      end
    end)

    it("of the main task with one that it awaits", function()
      local err = deadlock(function()
        local main = kio.tasks()[1].task
        kio.spawn{ function() main:await() end, name = "child" }:await()
      end, opts)
      assert.matches('task 1 "main": waits for [%d.]+ s in await of task 2 "child"', err)
      assert.matches('task 2 "child": waits for [%d.]+ s in await of task 1 "main"', err)
    end)

    it("of a scope with a task in it that awaits the scope's", function()
      local err = deadlock(function()
        local main = kio.tasks()[1].task
        kio.scope(function(s)
          s:spawn{ function() main:await() end, name = "inside" }
        end)
      end, opts)
      assert.matches('task 1 "main": waits for [%d.]+ s in kio.scope\n', err)
      assert.matches('task 2 "inside": waits', err)
    end)

    it("shows the coroutine that waits, not only its task", function()
      local at
      local err = deadlock(function()
        local queue = kio.sync.channel(0)
        coroutine.wrap(function() at = line() + 1
          queue:receive()
        end)()
      end, opts)
      assert.matches(HERE .. ":" .. at .. ": .*which is a coroutine in.*" .. HERE, err)
    end)

    it("is not found while a timer or the kernel may wake somebody", function()
      support.run(function()
        local path = support.tmpdir() .. "/fifo"
        assert(os.execute("mkfifo " .. path))
        local fd = assert(kio.openat(nil, path, kio.const.O_RDWR))
        local channel = kio.sync.channel(0)
        local waiter = kio.spawn(function() return channel:receive() end)
        kio.sleep(0.01) -- only a timer
        kio.spawn(function() channel:send(kio.read(fd, 10)) end)
        assert(os.execute("(sleep 0.05; echo x > " .. path .. ") &")) -- only the kernel
        assert.equal("x\n", waiter:await())
        kio.close(fd)
      end, opts)
    end)
  end)
end

describe("the report of a deadlock", function()
  it("is bounded: many are named, some with tracebacks, the others counted", function()
    local err = deadlock(function()
      local event = kio.sync.event()
      for i = 1, 1000 do kio.spawn{ function() event:wait() end, name = "waiter " .. i } end
    end)
    local _, named = err:gsub('\ntask %d+ "waiter %d+": waits', "")
    local _, traced = err:gsub("\nstack traceback:", "")
    assert.equal(100, named)
    assert.equal(16, traced)
    assert.matches("\nand 900 more$", err)
    assert.is_true(#err < 20000, #err)
  end)

  it("cuts long names", function()
    local err = deadlock(function()
      local event = kio.sync.event()
      kio.spawn{ function() event:wait() end, name = ("n"):rep(1e6) }
    end)
    assert.matches('"n+%.%.%."', err)
    assert.is_true(#err < 2000, #err)
  end)

  it("comes first when a task that is ended by it fails", function()
    local err = deadlock(function()
      local event = kio.sync.event()
      kio.spawn{ function()
        pcall(event.wait, event)
        error("no event came", 0)
      end, name = "impatient" }
    end)
    assert.matches('task 2 "impatient": waits', err)
    assert.matches("and while the tasks were ended, one failed: no event came", err)
  end)

  it("comes behind the error that led to it", function()
    local err = support.expect_error("^the first error\n", kio.run, function()
      kio.spawn{ function()
        local event = kio.sync.event()
        kio.shield(event.wait, event) -- cannot be cancelled
      end, name = "shielded" }
      kio.yield()
      error("the first error", 0)
    end)
    assert.matches('kio%.run: then deadlock: .*task 2 "shielded": waits', err)
  end)

  it("does not keep the runs after it from working", function()
    deadlock(function() kio.sync.event():wait() end)
    assert.equal(3, kio.run(function() return 3 end))
  end)
end)

describe("a task that awaits itself", function()
  it("is told at once", function()
    support.run(function()
      local task
      task = kio.spawn(function() task:await() end)
      local ok, err = task:join()
      assert.is_false(ok)
      assert.matches("a task cannot wait for itself", err)
    end)
  end)
end)
