-- kio.tasks: what every live task is doing.
local kio = require "kio"
local support = require "spec.support"
local common = require "spec.task.common"

local HERE = "spec/run/inspect/tasks_spec.lua"

-- What kio.tasks tells of a task.
local function entry_of(task)
  for _, entry in ipairs(kio.tasks()) do
    if entry.task == task then return entry end
  end
end

local function line() return debug.getinfo(2, "l").currentline end

-- Runs `f` in a task until it waits, and returns what kio.tasks tells of it then; cancels it.
local function while_waiting(f, ...)
  local task = common.until_waiting(kio.spawn(f, ...))
  local entry = entry_of(task)
  task:cancel()
  task:join()
  return entry
end

describe("kio.tasks", function()
  it("lists every live task, oldest first, and no other", function()
    support.run(function()
      local names = {}
      local done = kio.spawn{ function() end, name = "done" }
      done:await()
      for i = 1, 5 do kio.spawn{ kio.sleep, 0, name = "task " .. i } end
      for i, entry in ipairs(kio.tasks()) do names[i] = entry.name end
      assert.same({ "main", "task 1", "task 2", "task 3", "task 4", "task 5" }, names)
    end)
  end)

  it("numbers them in the order of spawning", function()
    support.run(function()
      kio.spawn(function() end):await()
      local third = kio.spawn(function() end)
      assert.equal(1, kio.tasks()[1].id)
      assert.equal(3, entry_of(third).id)
      assert.equal(2, #kio.tasks())
    end)
  end)

  it("calls a task without a name after its function, or its number", function()
    support.run(function()
      local at = line() + 1
      local lua, c = kio.spawn(function() kio.sleep(0) end), kio.spawn(kio.sleep, 0)
      assert.equal(HERE .. ":" .. at, entry_of(lua).name)
      assert.equal("task 3", entry_of(c).name)
      common.until_waiting(lua)
      assert.equal(HERE .. ":" .. at, entry_of(lua).name)
    end)
  end)

  it("tells who is ready and who waits, in what, and for how long", function()
    support.run(function()
      local ready = entry_of(kio.spawn(function() end))
      assert.equal("ready", ready.status)
      assert.is_nil(ready.waiting)
      assert.matches("not yet started", ready.traceback)
      local task = common.until_waiting(kio.spawn(kio.sleep, 1000))
      kio.sleep(100)
      local entry = entry_of(task)
      assert.equal("waiting", entry.status)
      assert.equal("sleep", entry.waiting.op)
      assert.is_nil(entry.waiting.fd)
      assert.is_true(entry.waiting.seconds >= 100 and entry.waiting.seconds < 101)
      task:cancel()
    end, { backend = "sim" })
  end)

  it("tells the descriptor and the peer", function()
    support.run(function()
      local near, far = common.stream_pair()
      local entry = while_waiting(function() near:recv() end)
      assert.equal("recv", entry.waiting.op)
      assert.equal(near:fd(), entry.waiting.fd)
      assert.equal(near:peer(), entry.waiting.peer)
      local a, b = kio.socketpair()
      local raw = while_waiting(kio.recv, a, 10)
      assert.same({ "recv", a }, { raw.waiting.op, raw.waiting.fd })
      assert.is_nil(raw.waiting.peer)
      for _, fd in ipairs { a, b } do kio.close(fd) end
      near:close()
      far:close()
    end)
  end)

  it("tells where a connect is going", function()
    support.run(function()
      local full = assert(kio.net.listen("127.0.0.1:0", { backlog = 0 }))
      local fillers = {}
      local stuck
      repeat -- a full backlog leaves the next one waiting
        stuck = kio.spawn(kio.net.connect, full:address(), { timeout = 50 })
        fillers[#fillers + 1] = stuck
        local turns = kio.stats().turns
        while kio.stats().turns < turns + 4 do kio.yield() end
      until stuck:status() == "waiting" or #fillers == 50
      local entry = entry_of(stuck)
      assert.equal("connect", entry.waiting.op)
      assert.equal(full:address(), entry.waiting.peer)
      for _, task in ipairs(fillers) do
        task:cancel()
        local ok, stream = task:join()
        if ok then stream:close() end
      end
      full:close()
    end)
  end)

  it("tells whom a task awaits", function()
    support.run(function()
      local slow = kio.spawn{ kio.sleep, 1000, name = "slow" }
      local entry = while_waiting(function() slow:await() end)
      assert.equal("await", entry.waiting.op)
      assert.equal(slow, entry.waiting.task)
      entry = while_waiting(function() kio.sleep(1000) end)
      assert.is_nil(entry.waiting.task)
      slow:cancel()
    end)
  end)

  it("tells of waits in scopes, mutexes, closes and output", function()
    support.run(function()
      local scope = while_waiting(function()
        kio.scope(function(s) s:spawn(kio.sleep, 1000) end)
      end)
      assert.equal("kio.scope", scope.waiting.op)
      local mutex <close> = kio.sync.mutex()
      mutex:lock()
      assert.matches("mutex", while_waiting(function() mutex:lock() end).waiting.op)
      mutex:unlock()
      local near, far = common.stream_pair()
      local entry = while_waiting(function() near:send(("x"):rep(64 << 20)) end)
      assert.equal("write", entry.waiting.op)
      far:close()
      near:close()
    end)
  end)

  it("gives the traceback of each, from within it and from outside", function()
    support.run(function()
      local inner, outer
      local function deep() inner = line(); kio.sleep(1000) end
      local entry = while_waiting(function() outer = line(); deep() end)
      local text = entry.traceback
      assert.matches("^stack traceback:\n", text)
      assert.matches(HERE .. ":" .. inner .. ": .*" .. HERE .. ":" .. outer .. ": ", text)
      local mine = kio.tasks()[1].traceback
      assert.matches(HERE .. ":" .. line() - 1 .. ": ", mine)
    end)
  end)

  it("shows the coroutines within a task, the innermost first", function()
    support.run(function()
      local at = {}
      local function chain(resume)
        local inner = coroutine.create(function() at[1] = line(); kio.sleep(1000) end)
        local middle = coroutine.wrap(function() at[2] = line(); resume(inner) end)
        return function() at[3] = line(); middle() end
      end
      local entry = while_waiting(chain(coroutine.resume))
      local pattern = {}
      for i = 1, 3 do pattern[i] = HERE .. ":" .. at[i] .. ": " end
      assert.matches(table.concat(pattern, ".*which is a coroutine in.*"), entry.traceback)
      local _, count = entry.traceback:gsub("which is a coroutine in", "")
      assert.equal(2, count)
    end)
  end)

  it("can be called from a coroutine within a task", function()
    support.run(function()
      local entry = coroutine.wrap(function() return kio.tasks()[1] end)()
      local _, count = entry.traceback:gsub("which is a coroutine in", "")
      assert.equal(1, count)
    end)
  end)

  it("tells in whose scope a task runs", function()
    support.run(function()
      local main = kio.tasks()[1].task
      assert.is_nil(kio.tasks()[1].parent)
      local child, grandchild
      child = kio.spawn(function()
        kio.scope(function(s) grandchild = s:spawn(kio.sleep, 1000) end)
      end)
      common.until_waiting(child)
      assert.equal(main, entry_of(child).parent)
      assert.equal(child, entry_of(grandchild).parent)
      child:cancel()
    end)
  end)

  it("tells daemons from others", function()
    support.run(function()
      local daemon = kio.spawn{ kio.sleep, 1000, daemon = true }
      local other = kio.spawn{ kio.sleep, 1000 }
      assert.is_true(entry_of(daemon).daemon)
      assert.is_false(entry_of(other).daemon)
      other:cancel()
    end)
  end)

  it("raises outside a run", function()
    support.expect_error("kio.tasks outside kio.run", kio.tasks)
  end)
end)

describe("a task as text", function()
  it("shows its name and status", function()
    support.run(function()
      local named = kio.spawn{ kio.sleep, 1000, name = "nightly job" }
      assert.matches('^kio%.Task "nightly job" %(ready%): 0x%x+$', tostring(named))
      common.until_waiting(named)
      assert.matches('^kio%.Task "nightly job" %(waiting%): ', tostring(named))
      named:cancel()
      named:join()
      assert.matches('^kio%.Task "nightly job" %(cancelled%): ', tostring(named))
      assert.matches("^kio%.Task %(ready%): 0x%x+$", tostring(kio.spawn(function() end)))
    end)
  end)
end)
