-- kio.pool: who gets which member when, and that no place is lost, whatever happens to whoever has
-- one or waits for one.
-- flavours: test asan
local common = require "spec.sync.common"
local kio = require "kio"
local support = require "spec.support"

local cancel, code, sim, start = common.cancel, common.code, common.sim, common.start

-- A pool of numbered members, and what became of them.
local function numbered(options)
  options = options or {}
  local log = { made = 0, closed = {} }
  options.connect = options.connect or function()
    log.made = log.made + 1
    return { id = log.made }
  end
  options.close = options.close or function(member) table.insert(log.closed, member.id) end
  return kio.pool(options), log
end

-- What must be true when nobody has a member any more.
local function at_rest(pool)
  local stats = pool:stats()
  assert.equal(0, stats.leased)
  assert.equal(0, stats.waiting)
  assert.is_true(stats.idle <= stats.max)
end

describe("a pool", function()
  it("makes members when they are asked for, and gives back the newest first", function()
    sim(function()
      local pool, log = numbered()
      assert.equal(0, log.made)
      local a, b = assert(pool:acquire()), assert(pool:acquire())
      assert.equal(1, a.member.id)
      assert.equal(2, b.member.id)
      a:release()
      b:release()
      assert.is_nil(a.member)
      assert.equal(2, pool:stats().idle)
      assert.equal(2, assert(pool:acquire()).member.id)
      assert.equal(1, assert(pool:acquire()).member.id)
      assert.equal(3, assert(pool:acquire()).member.id)
    end)
  end)

  it("drops a member at the end of its block, unless it was released", function()
    sim(function()
      local pool, log = numbered()
      do local _ <close> = assert(pool:acquire()) end
      assert.same({ 1 }, log.closed)
      do
        local lease <close> = assert(pool:acquire())
        lease:release()
        lease:release()
        lease:drop()
      end
      assert.same({ 1 }, log.closed)
      local stats = pool:stats()
      assert.same({ 1, 1, 2 }, { stats.idle, stats.dropped, stats.connected })
      at_rest(pool)
    end)
  end)

  it("lets tasks wait in order, and hands members on", function()
    sim(function()
      local pool, log = numbered { max = 1 }
      local held, got = assert(pool:acquire()), {}
      local tasks = {}
      for i = 1, 3 do
        tasks[i] = start(function()
          local lease <close> = assert(pool:acquire())
          got[#got + 1] = i
          kio.sleep(1)
          lease:release()
        end)
      end
      assert.equal(3, pool:stats().waiting)
      assert.equal("kio.Pool (1 in use, 0 idle, 3 waiting)", tostring(pool))
      held:release()
      for _, task in ipairs(tasks) do task:await() end
      assert.same({ 1, 2, 3 }, got)
      assert.equal(1, log.made)
      at_rest(pool)
    end)
  end)

  it("lets who waits connect when a member is dropped", function()
    sim(function()
      local pool, log = numbered { max = 1 }
      local held = assert(pool:acquire())
      local task = start(function() return assert(pool:acquire()).member.id end)
      held:drop()
      assert.equal(2, task:await())
      assert.same({ 1 }, log.closed)
    end)
  end)

  it("counts waiting and connecting against one deadline", function()
    sim(function()
      local pool, left
      pool = numbered { max = 1, connect = function(options)
        left = options and options.timeout
        return {}
      end }
      local held = assert(pool:acquire { timeout = 5 })
      assert.equal(5, math.floor(left + 0.5))
      assert.equal("ETIMEDOUT", code(pool:acquire { timeout = 1 }))
      local task = start(function() return pool:acquire { timeout = 5 } end)
      kio.sleep(2)
      held:drop()
      assert(task:await())
      assert.equal(3, math.floor(left + 0.5))
      local last = pool:acquire { timeout = 0 }
      assert.is_nil(last)
      assert.equal(0, pool:stats().waiting)
    end)
  end)

  it("tells who connects what went wrong, and loses no place", function()
    sim(function()
      local fails = true
      local pool = numbered { max = 1, connect = function()
        kio.sleep(1)
        if fails == "raise" then error("broken", 0) end
        if fails then return nil, "connect x: refused", "ECONNREFUSED" end
        return { id = 1 }
      end }
      local function attempt() return pool:acquire() end
      local one, two = kio.spawn(attempt), kio.spawn(attempt)
      for _, task in ipairs { one, two } do
        local lease, message, why = task:await()
        assert.same({ nil, "connect x: refused", "ECONNREFUSED" }, { lease, message, why })
      end
      assert.equal(2, pool:stats().failed)
      fails = "raise"
      support.expect_error("^broken$", attempt)
      at_rest(pool)
      fails = false
      assert(pool:acquire()):release()
      at_rest(pool)
    end)
  end)

  it("takes a connect that gives nothing for a failure", function()
    sim(function()
      local pool = numbered { connect = function() end }
      assert.equal("ENODATA", code(pool:acquire()))
      at_rest(pool)
    end)
  end)

  it("does not lose the place of a task that is cancelled while it waits or connects", function()
    sim(function()
      local pool, log = numbered { max = 1 }
      local held = assert(pool:acquire())
      local waiter = start(pool.acquire, pool)
      cancel(waiter)
      held:release()
      at_rest(pool)
      assert(pool:acquire()):drop()
      assert.equal(1, log.made)
      local slow = numbered { max = 1, connect = function() kio.sleep(60) end }
      cancel(start(slow.acquire, slow))
      at_rest(slow)
    end)
  end)

  it("keeps what was given to a task that is cancelled before it runs", function()
    sim(function()
      local pool, log = numbered { max = 1 }
      local held = assert(pool:acquire())
      local waiter = start(function()
        local lease <close> = assert(pool:acquire())
        kio.sleep(0)
        lease:release()
      end)
      held:release()
      cancel(waiter)
      assert.same({ 1 }, log.closed)
      at_rest(pool)
    end)
  end)

  it("takes back what was given to a coroutine that nobody resumes", function()
    sim(function()
      local pool, log = numbered { max = 1 }
      local held = assert(pool:acquire())
      do
        local generator = coroutine.create(function() return pool:acquire() end)
        local task = start(coroutine.resume, generator)
        task:cancel()
        held:release()
        pcall(task.await, task)
      end
      collectgarbage()
      collectgarbage()
      at_rest(pool)
      assert(pool:acquire { timeout = 1 })
      assert.is_true(#log.closed <= 1)
    end)
  end)

  it("drops a member whose lease is collected", function()
    sim(function()
      local pool, log = numbered { max = 1 }
      pool:acquire()
      local waiter = start(pool.acquire, pool)
      collectgarbage()
      collectgarbage()
      assert.equal(2, waiter:await().member.id)
      assert.same({ 1 }, log.closed)
    end)
  end)

  it("drops a member of a task that fails or is cancelled", function()
    sim(function()
      local pool, log = numbered()
      local function hold(f)
        local lease <close> = assert(pool:acquire())
        f()
        lease:release()
      end
      pcall(hold, error)
      local task = start(hold, function() kio.sleep(60) end)
      cancel(task)
      assert.same({ 1, 1, 2 }, { log.closed[1], pool:stats().connected - 1, log.closed[2] })
      at_rest(pool)
    end)
  end)

  it("tests idle members, and passes over those that fail", function()
    sim(function()
      local bad = {}
      local pool, log = numbered { test = function(member)
        kio.sleep(0.001)
        return not bad[member.id]
      end }
      local a, b, c = assert(pool:acquire()), assert(pool:acquire()), assert(pool:acquire())
      a:release() b:release() c:release()
      bad[3] = true
      local lease = assert(pool:acquire())
      assert.equal(2, lease.member.id)
      bad[1], bad[2] = true, true
      lease:release()
      assert.equal(4, assert(pool:acquire()).member.id)
      table.sort(log.closed)
      assert.same({ 1, 2, 3 }, log.closed)
      assert.equal(3, pool:stats().lost)
    end)
  end)

  it("drops a member whose test raises", function()
    sim(function()
      local pool, log = numbered { test = function() error("no test", 0) end }
      assert(pool:acquire()):release()
      support.expect_error("^no test$", pool.acquire, pool)
      assert.same({ 1 }, log.closed)
      at_rest(pool)
    end)
  end)

  it("keeps `idle` members, and ends the oldest of more", function()
    sim(function()
      local pool, log = numbered { idle = 1 }
      local a, b = assert(pool:acquire()), assert(pool:acquire())
      a:release()
      b:release()
      assert.same({ 1 }, log.closed)
      local none, other = numbered { idle = 0 }
      assert(none:acquire()):release()
      assert.same({ 1 }, other.closed)
    end)
  end)

  it("ends members that have been idle for `idle_timeout`, though nobody asks", function()
    sim(function()
      local pool, log = numbered { idle_timeout = 10 }
      kio.timeout(60, function()
        local a, b = assert(pool:acquire()), assert(pool:acquire())
        a:release()
        kio.sleep(5)
        b:release()
      end)
      kio.sleep(6)
      assert.same({ 1 }, log.closed)
      kio.sleep(5)
      assert.same({ 1, 2 }, log.closed)
      assert(pool:acquire()):release()
      kio.sleep(11)
      assert.same({ 1, 2, 3 }, log.closed)
    end)
  end)

  it("serves one run after another", function()
    local pool, log = numbered { max = 1, idle_timeout = 10 }
    sim(function() assert(pool:acquire()):release() end)
    sim(function()
      local lease = assert(pool:acquire())
      assert.equal(1, lease.member.id)
      lease:release()
      kio.sleep(11)
      assert.same({ 1 }, log.closed)
    end)
  end)

  it("survives a close that fails, or waits in a cancelled task", function()
    sim(function()
      local pool = numbered { max = 1, close = function() kio.sleep(1) error "in close" end }
      assert(pool:acquire()):drop()
      local task = start(function()
        local _ <close> = assert(pool:acquire())
        kio.sleep(60)
      end)
      cancel(task)
      at_rest(pool)
      assert(pool:acquire())
    end)
  end)
end)

describe("closing a pool", function()
  it("ends idle members, waiting tasks, and waits for those in use", function()
    sim(function()
      local pool, log = numbered { max = 2 }
      local a, b = assert(pool:acquire()), assert(pool:acquire())
      local waiter = start(pool.acquire, pool)
      a:release() -- to the waiter
      local lease = waiter:await()
      local late = start(pool.acquire, pool)
      assert.equal("ETIMEDOUT", code(pool:close { timeout = 1 }))
      assert.equal("EBADF", code(late:await()))
      assert.equal("EBADF", code(pool:acquire()))
      local closing = start(pool.close, pool)
      b:release()
      lease:drop()
      assert.is_true(closing:await())
      assert.is_true(pool:close())
      table.sort(log.closed)
      assert.same({ 1, 2 }, log.closed)
      assert.equal("kio.Pool (closed, 0 in use, 0 idle, 0 waiting)", tostring(pool))
    end)
  end)

  it("does not wait as a to-be-closed variable", function()
    sim(function()
      local lease, log
      do
        local pool <close>, made = numbered()
        log = made
        lease = assert(pool:acquire())
        assert(pool:acquire()):release()
      end
      assert.same({ 2 }, log.closed)
      lease:release()
      assert.same({ 2, 1 }, log.closed)
    end)
  end)

  it("closes what is connected meanwhile", function()
    sim(function()
      local pool, log = numbered { connect = function() kio.sleep(1) return { id = 7 } end }
      local task = start(pool.acquire, pool)
      local closing = start(pool.close, pool)
      assert.equal("EBADF", code(task:await()))
      assert.is_true(closing:await())
      assert.same({ 7 }, log.closed)
    end)
  end)
end)

describe("misuse of a pool", function()
  local function connect() return {} end
  local cases = {
    { "'pool' %(a table of options expected, got nil%)", function() kio.pool() end },
    { "'pool' %(option 'connect' is needed%)", function() kio.pool {} end },
    { "option 'connect' must be a function", function() kio.pool { connect = 1 } end },
    { "unknown option 'size'", function() kio.pool { connect = connect, size = 1 } end },
    { "'max' must be an integer of 1", function() kio.pool { connect = connect, max = 0 } end },
    { "'max' must be an integer of 1", function() kio.pool { connect = connect, max = 1.5 } end },
    { "'idle' cannot be negative", function() kio.pool { connect = connect, idle = -1 } end },
    { "'idle' must be an integer", function() kio.pool { connect = connect, idle = 0.5 } end },
    { "'idle_timeout' cannot be 0", function()
      kio.pool { connect = connect, idle_timeout = 0 }
    end },
    { "#1 to 'acquire' %(unknown option 'time'%)", function()
      kio.pool { connect = connect }:acquire { time = 1 }
    end },
    { "#1 to 'acquire' %(a table of options expected, got number%)", function()
      kio.pool { connect = connect }:acquire(1)
    end },
    { "too many arguments", function() kio.pool({ connect = connect }, 1) end },
    { "too many arguments", function() kio.pool { connect = connect }:stats(1) end },
    { "#1 to 'release' %(too many", function()
      kio.pool { connect = connect }:acquire():release(1)
    end },
    { "calling 'acquire' on bad self %(kio.Pool expected, got table%)", function()
      kio.pool { connect = connect }.acquire {}
    end },
    { "calling 'drop' on bad self", function()
      kio.pool { connect = connect }:acquire().drop {}
    end },
  }
  for _, case in ipairs(cases) do
    it(("raises, at the caller's line: %s"):format(case[1]), function()
      sim(function()
        local err = support.expect_error(case[1], case[2])
        assert.matches("^spec/pool/pool_spec.lua:%d+: ", err)
      end)
    end)
  end

  it("is acquiring outside of a task", function()
    support.expect_error("outside a task", function()
      kio.pool { connect = connect }:acquire()
    end)
  end)
end)
