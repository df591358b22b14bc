-- What other schedulers got wrong in their locks and queues, each by its name.
local common = require "spec.sync.common"
local kio = require "kio"

local sync = kio.sync
local cancel, code, settle, sim, start = common.cancel, common.code, common.settle, common.sim,
  common.start

-- The two locks under one face: held by the calling task when they are made.
local locks = {
  mutex = function()
    local mutex = assert(sync.mutex():lock())
    return {
      take = function(timeout) return mutex:lock(timeout) end,
      give = function() mutex:unlock() end,
      free = function() return tostring(mutex) == "kio.Mutex (free)" end,
      waiting = function() return mutex.waiters:length() end,
    }
  end,
  semaphore = function()
    local semaphore = assert(sync.semaphore(1):acquire())
    return {
      take = function(timeout) return semaphore:acquire(timeout) end,
      give = function() semaphore:release() end,
      free = function() return tostring(semaphore) == "kio.Semaphore (1 free, 0 waiting)" end,
      waiting = function() return semaphore.waiters:length() end,
    }
  end,
}

for name, new in pairs(locks) do
  describe("the " .. name, function()
    it("is not handed to a dead waiter", function()
      sim(function()
        local lock = new()
        cancel(start(lock.take))
        assert.equal(0, lock.waiting())
        lock.give()
        assert.is_true(lock.free())
      end)
    end)

    it("is handed past a dead waiter to the next one alive", function()
      sim(function()
        local lock, got = new(), {}
        local function waiter(i) lock.take() got[#got + 1] = i lock.give() end
        local tasks = {}
        for i = 1, 4 do tasks[i] = start(waiter, i) end
        cancel(tasks[1])
        tasks[3]:cancel() -- has not ended yet when the lock is given away
        lock.give()
        settle()
        assert.same({ 2, 4 }, got)
        assert.is_true(lock.free())
        assert.is_false((tasks[3]:join()))
      end)
    end)

    it("is not poisoned by a waiter that timed out", function()
      sim(function()
        local lock = new()
        local task = start(lock.take, 1)
        assert.equal("ETIMEDOUT", code(task:await()))
        assert.equal(0, lock.waiting())
        lock.give()
        assert.is_true(lock.free())
        assert.truthy(lock.take(0))
        assert.equal("ETIMEDOUT", kio.spawn(function() return code(lock.take(0)) end):await())
        lock.give()
        assert.is_true(lock.free())
      end)
    end)

    it("is not overtaken: who lets go and wants it again comes last", function()
      sim(function()
        local lock, order = new(), {}
        start(function() lock.take() order[#order + 1] = "waiter" lock.give() end)
        lock.give()
        lock.take()
        order[#order + 1] = "again"
        lock.give()
        assert.same({ "waiter", "again" }, order)
      end)
    end)

    it("stays with a task that is cancelled between the wake and the run", function()
      sim(function()
        local lock, seen = new(), {}
        local task = start(function()
          seen.got = lock.take() ~= nil
          local ok, err = pcall(kio.sleep, 1)
          seen.raised = not ok and kio.is_cancelled(err)
          lock.give()
        end)
        lock.give()
        task:cancel()
        task:join()
        assert.same({ got = true, raised = true }, seen)
        assert.is_true(lock.free())
      end)
    end)

    it("stays with a task whose time is over between the wake and the run", function()
      sim(function()
        local lock = new()
        local due = kio.now() + 1
        local task = start(lock.take, 1)
        kio.sleep(0.999)
        lock.give()
        while kio.now() < due + 0.1 do end -- the clock goes on, the task has not run
        assert.truthy(task:await())
        assert.is_false(lock.free())
      end)
    end)

    it("is left by a waiter whose scope fails, ends or runs out of time", function()
      sim(function()
        local lock = new()
        assert.is_false(pcall(kio.scope, function(s)
          s:spawn(lock.take)
          s:spawn(function() settle() error "fails" end)
        end))
        kio.scope(function(s)
          s:spawn(lock.take)
          settle()
          s:cancel()
        end)
        assert.equal("ETIMEDOUT", code(start(kio.timeout, 1, lock.take):await()))
        assert.equal("ETIMEDOUT", code(start(kio.timeout, 5, lock.take, 1):await()))
        assert.equal(0, lock.waiting())
        lock.give()
        assert.is_true(lock.free())
      end)
    end)
  end)
end

describe("a wake-up", function()
  it("is not stolen by a stale waiter", function()
    sim(function()
      local event, condition, mutex = sync.event(), sync.condition(), sync.mutex()
      local channel, got = sync.channel(), {}
      local function wait_all(i)
        event:wait(1)
        event:wait(1)
        local _ <close> = mutex:lock()
        condition:wait(mutex, 1)
        got[i] = condition:wait(mutex)
      end
      local stale = start(function()
        channel:receive(1)
        kio.sleep(20) -- its old waiter would be the first of the channel
      end)
      local waiter = start(wait_all, 1)
      kio.sleep(10)
      local receiver = start(function() return channel:receive() end)
      assert.is_true(channel:try_send "for the living")
      assert.equal("for the living", receiver:await())
      condition:notify()
      waiter:await()
      assert.same({ true }, got)
      assert.equal("EAGAIN", code(channel:try_send "nobody"))
      stale:await()
    end)
  end)

  it("that comes late does not end a later sleep", function()
    sim(function()
      local event, semaphore, channel = sync.event(), sync.semaphore(0), sync.channel()
      local slept = {}
      local task = start(function()
        for i, wait in ipairs {
          function() return event:wait(1) end,
          function() return semaphore:acquire(1) end,
          function() return channel:receive(1) end,
          function() return kio.select { event, channel, timeout = 1 } end,
        } do
          assert(code(wait()) == "ETIMEDOUT")
          local from = kio.now()
          kio.sleep(10)
          slept[i] = kio.now() - from >= 10
        end
      end)
      kio.sleep(3)
      event:set()
      event:reset()
      kio.sleep(11)
      semaphore:release()
      semaphore:acquire()
      kio.sleep(11)
      assert.equal("EAGAIN", code(channel:try_send(1)))
      kio.sleep(11)
      event:set()
      task:await()
      assert.same({ true, true, true, true }, slept)
    end)
  end)

  it("that a cancelled task did not take goes to the next one", function()
    sim(function()
      local mutex, condition, woken = sync.mutex(), sync.condition(), {}
      local function waiter(i)
        local _ <close> = mutex:lock()
        condition:wait(mutex)
        woken[#woken + 1] = i
      end
      local first, second = start(waiter, 1), start(waiter, 2)
      first:cancel()
      condition:notify()
      second:await()
      assert.same({ 2 }, woken)
      assert.is_false((first:join()))
      assert.equal("kio.Mutex (free)", tostring(mutex))
    end)
  end)

  it("that a task took before it was cancelled is not taken back", function()
    sim(function()
      local mutex, condition, told = sync.mutex(), sync.condition(), {}
      local function waiter(i)
        local _ <close> = mutex:lock()
        told[i] = condition:wait(mutex)
      end
      local first, second = start(waiter, 1), start(waiter, 2)
      condition:notify()
      first:cancel()
      first:join()
      assert.same({ true }, told)
      assert.equal("waiting", second:status())
      condition:notify()
      second:await()
    end)
  end)

  it("by an event that is reset at once still counts", function()
    sim(function()
      local event = sync.event()
      local a, b = start(event.wait, event), start(event.wait, event)
      event:set()
      event:reset()
      assert.is_true(a:await() and b:await())
      assert.equal("ETIMEDOUT", code(event:wait(1)))
    end)
  end)
end)

describe("a value in a channel", function()
  it("is not swallowed by a receiver that was cancelled or timed out", function()
    sim(function()
      for capacity = 0, 2 do
        local channel = sync.channel(capacity)
        local dead, late = start(channel.receive, channel), start(channel.receive, channel, 1)
        local alive = start(channel.receive, channel)
        cancel(dead)
        late:await()
        channel:send "mine"
        assert.equal("mine", alive:await())
      end
    end)
  end)

  it("reaches a receiver that is cancelled between the wake and the run", function()
    sim(function()
      for capacity = 0, 2 do
        local channel, got = sync.channel(capacity), nil
        local receiver = start(function() got = channel:receive() kio.yield() end)
        channel:send "given"
        receiver:cancel()
        assert.is_false((receiver:join()))
        assert.equal("given", got)
      end
    end)
  end)

  it("is not sent by a sender that was cancelled or timed out", function()
    sim(function()
      local channel = sync.channel(1)
      channel:send "first"
      local dead = start(channel.send, channel, "dead")
      local late = start(channel.send, channel, "late", 1)
      local alive = start(channel.send, channel, "alive")
      cancel(dead)
      assert.equal("ETIMEDOUT", code(late:await()))
      assert.equal("first", channel:receive())
      assert.is_true(alive:await())
      assert.equal("alive", channel:receive())
      assert.equal("EAGAIN", code(channel:try_receive()))
    end)
  end)

  it("is told to be sent when its sender is cancelled after it was received", function()
    sim(function()
      local channel, told = sync.channel(), nil
      local sender = start(function() told = channel:send(1) kio.yield() end)
      assert.equal(1, channel:receive())
      sender:cancel()
      assert.is_false((sender:join()))
      assert.is_true(told)
    end)
  end)
end)
