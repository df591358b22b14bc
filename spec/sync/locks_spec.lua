-- Mutex, semaphore and condition as a user sees them.
local common = require "spec.sync.common"
local kio = require "kio"
local support = require "spec.support"

local sync = kio.sync
local cancel, code, settle, sim, start = common.cancel, common.code, common.settle, common.sim,
  common.start

describe("a mutex", function()
  it("is held by one task at a time, in the order they came", function()
    sim(function()
      local mutex, inside, order, tasks = sync.mutex(), 0, {}, {}
      for i = 1, 20 do
        tasks[i] = kio.spawn(function()
          assert.equal(mutex, mutex:lock())
          inside = inside + 1
          assert.equal(1, inside)
          kio.sleep(i % 3)
          inside = inside - 1
          order[#order + 1] = i
          mutex:unlock()
        end)
      end
      for i = 1, 20 do
        tasks[i]:await()
        assert.equal(i, order[i])
      end
      assert.equal("kio.Mutex (free)", tostring(mutex))
    end)
  end)

  it("tells its state", function()
    sim(function()
      local mutex <close> = sync.mutex():lock()
      start(mutex.lock, mutex, 1)
      assert.equal("kio.Mutex (locked, 1 waiting)", tostring(mutex))
    end)
  end)

  it("is unlocked at the end of a block, however that ends", function()
    sim(function()
      local mutex = sync.mutex()
      do local _ <close> = mutex:lock() end
      assert.equal("kio.Mutex (free)", tostring(mutex))
      pcall(function()
        local _ <close> = mutex:lock()
        error "out"
      end)
      assert.equal("kio.Mutex (free)", tostring(mutex))
      local task = start(function()
        local _ <close> = mutex:lock()
        kio.sleep(10)
      end)
      cancel(task)
      assert.equal("kio.Mutex (free)", tostring(mutex))
      do
        local _ <close> = mutex:lock()
        mutex:unlock()
      end
      local owner = start(function() local _ <close> = mutex:lock() kio.sleep(10) end)
      do
        local got <close> = mutex:lock(1)
        assert.is_nil(got)
      end
      assert.equal("kio.Mutex (locked, 0 waiting)", tostring(mutex))
      owner:await()
    end)
  end)

  it("can be tried", function()
    sim(function()
      local mutex = sync.mutex()
      assert.equal(mutex, mutex:try_lock())
      assert.equal("EAGAIN", code(mutex:try_lock()))
      assert.equal("EAGAIN", start(function() return code(mutex:try_lock()) end):await())
      mutex:unlock()
      assert.equal("kio.Mutex (free)", tostring(mutex))
    end)
  end)

  it("names what failed", function()
    sim(function()
      local mutex = sync.mutex():lock()
      local _, message, late = start(mutex.lock, mutex, { timeout = 2 }):await()
      assert.same({ "lock mutex: timed out", "ETIMEDOUT" }, { message, late })
      _, message = mutex:try_lock()
      assert.equal("try_lock mutex: another task holds it", message)
    end)
  end)

  it("is unlocked in a cancelled task, which cannot lock any more", function()
    sim(function()
      local mutex, locked = sync.mutex(), nil
      local task = start(function()
        mutex:lock()
        pcall(kio.sleep, 9)
        mutex:unlock()
        assert.equal(mutex, mutex:try_lock())
        mutex:unlock()
        locked = pcall(mutex.lock, mutex)
      end)
      task:cancel()
      task:join()
      assert.is_false(locked)
      assert.equal("kio.Mutex (free)", tostring(mutex))
    end)
  end)

  it("is taken in a coroutine of a task, for the task", function()
    sim(function()
      local mutex = sync.mutex()
      local owner = start(function() local _ <close> = mutex:lock(math.huge) kio.sleep(1) end)
      local numbers = coroutine.wrap(function()
        for i = 1, 3 do
          mutex:lock()
          coroutine.yield(i)
        end
      end)
      assert.equal(1, numbers())
      owner:await()
      mutex:unlock()
      assert.equal(2, numbers())
      support.expect_error("holds the mutex already", numbers)
      mutex:unlock()
    end)
  end)

  it("that nobody will unlock is a deadlock, which is told", function()
    local message = support.expect_error("deadlock", sim, function()
      local mutex = sync.mutex():lock()
      kio.spawn { name = "hopeless", function() mutex:lock() end }
      settle()
    end)
    assert.matches("hopeless.* in mutex", message)
  end)

  it("left locked by a task that has ended says so, in a second run too", function()
    local mutex = sync.mutex()
    sim(function() mutex:lock() end)
    sim(function()
      support.expect_error("left locked by a task that has ended", mutex.lock, mutex)
      support.expect_error("another task holds", mutex.unlock, mutex)
      assert.equal("EAGAIN", code(mutex:try_lock()))
    end)
  end)
end)

describe("a semaphore", function()
  it("lets so many in at once, in the order they came", function()
    sim(function()
      local semaphore, inside, most, order = sync.semaphore(3), 0, 0, {}
      kio.scope(function(s)
        for i = 1, 20 do
          s:spawn(function()
            local _ <close> = semaphore:acquire()
            order[#order + 1] = i
            inside = inside + 1
            most = math.max(most, inside)
            kio.sleep(1 + i % 3)
            inside = inside - 1
          end)
        end
      end)
      assert.equal(3, most)
      for i = 1, 20 do assert.equal(i, order[i]) end
      assert.equal("kio.Semaphore (3 free, 0 waiting)", tostring(semaphore))
    end)
  end)

  it("of none waits for a release, which anybody may do", function()
    sim(function()
      local semaphore = sync.semaphore(0)
      assert.equal("EAGAIN", code(semaphore:try_acquire()))
      local task = start(semaphore.acquire, semaphore)
      semaphore:release()
      assert.equal(semaphore, task:await())
      semaphore:release()
      assert.equal(semaphore, semaphore:try_acquire())
      assert.equal("EAGAIN", code(semaphore:try_acquire()))
    end)
  end)

  it("is released before and after runs", function()
    local semaphore = sync.semaphore(0)
    semaphore:release()
    sim(function() semaphore:acquire() end)
    semaphore:release()
    assert.equal("kio.Semaphore (1 free, 0 waiting)", tostring(semaphore))
  end)
end)

describe("a condition", function()
  -- A queue of items that tasks wait for: `put` and `get` under one mutex.
  local function shop()
    local mutex, condition, items = sync.mutex(), sync.condition(), {}
    local function put(item)
      local _ <close> = mutex:lock()
      items[#items + 1] = item
      condition:notify()
    end
    local function get(timeout)
      local _ <close> = mutex:lock()
      while #items == 0 do
        if not condition:wait(mutex, timeout) then return nil end
      end
      return table.remove(items, 1)
    end
    return put, get, mutex, condition
  end

  it("is waited for until something has changed", function()
    sim(function()
      local put, get, mutex = shop()
      local got = {}
      local tasks = {}
      for i = 1, 3 do tasks[i] = start(function() got[i] = get() end) end
      for i = 1, 3 do put("item " .. i) end
      for i = 1, 3 do tasks[i]:await() end
      assert.same({ "item 1", "item 2", "item 3" }, got)
      assert.equal("kio.Mutex (free)", tostring(mutex))
    end)
  end)

  it("wakes one or all of those who wait now", function()
    sim(function()
      local mutex, condition, woken = sync.mutex(), sync.condition(), 0
      for _ = 1, 5 do
        start(function()
          local _ <close> = mutex:lock()
          condition:wait(mutex)
          woken = woken + 1
          condition:wait(mutex, 100)
        end)
      end
      assert.equal("kio.Condition (5 waiting)", tostring(condition))
      condition:notify()
      settle()
      assert.equal(1, woken)
      condition:notify_all()
      settle()
      assert.equal(5, woken)
      assert.equal("kio.Condition (4 waiting)", tostring(condition)) -- the first one is through
      condition:notify_all()
    end)
  end)

  it("gives the mutex back when its time is over, also when that takes longer", function()
    sim(function()
      local mutex, condition = sync.mutex(), sync.condition()
      local task = start(function()
        mutex:lock()
        local late, from = code(condition:wait(mutex, 1)), kio.now()
        mutex:unlock() -- raises unless it is held
        return late, from
      end)
      mutex:lock()
      kio.sleep(5)
      local unlocked = kio.now()
      mutex:unlock()
      local late, from = task:await()
      assert.equal("ETIMEDOUT", late)
      assert.is_true(from >= unlocked)
    end)
  end)

  it("gives the mutex back to a task that is cancelled, even if that must wait for it", function()
    sim(function()
      local mutex, condition, held = sync.mutex(), sync.condition(), nil
      local task = start(function()
        mutex:lock()
        local ok, err = pcall(condition.wait, condition, mutex)
        held = not ok and kio.is_cancelled(err) and pcall(mutex.unlock, mutex)
      end)
      mutex:lock()
      task:cancel()
      kio.sleep(5)
      assert.is_nil(held)
      assert.equal("kio.Mutex (locked, 1 waiting)", tostring(mutex))
      mutex:unlock()
      task:join()
      assert.is_true(held)
      assert.equal("kio.Mutex (free)", tostring(mutex))
    end)
  end)

  it("lets nobody overtake who waits for the mutex after a notification", function()
    sim(function()
      local mutex, condition, order = sync.mutex(), sync.condition(), {}
      start(function()
        mutex:lock()
        condition:wait(mutex)
        order[#order + 1] = "notified"
        mutex:unlock()
      end)
      mutex:lock()
      condition:notify()
      settle() -- it waits for the mutex now
      local task = start(function() mutex:lock() order[#order + 1] = "later" mutex:unlock() end)
      mutex:unlock()
      task:await()
      assert.same({ "notified", "later" }, order)
    end)
  end)

  it("is refused in a cancelled task, which keeps the mutex", function()
    sim(function()
      local mutex, condition, seen = sync.mutex(), sync.condition(), nil
      local task = start(function()
        mutex:lock()
        pcall(kio.sleep, 5)
        local ok, err = pcall(condition.wait, condition, mutex)
        seen = { ok, kio.is_cancelled(err), tostring(mutex) }
        mutex:unlock()
      end)
      task:cancel()
      task:join()
      assert.same({ false, true, "kio.Mutex (locked, 0 waiting)" }, seen)
    end)
  end)

  it("serves several mutexes, and does nothing when nobody waits", function()
    sim(function()
      local condition = sync.condition()
      condition:notify()
      condition:notify_all()
      local a, b = sync.mutex(), sync.mutex()
      local function wait(mutex)
        local _ <close> = mutex:lock()
        return condition:wait(mutex)
      end
      local one, other = start(wait, a), start(wait, b)
      condition:notify_all()
      assert.is_true(one:await() and other:await())
    end)
  end)
end)
