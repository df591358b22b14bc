-- timeout: 120
-- ThreadSanitizer's record of calls is full after some ten thousand yields (Lua leaves them by a
-- longjmp), and there is but one thread here:
-- flavours: test asan hostile
-- One turn of the loop: what it costs the kernel (R1), the stack (R2), and what many operations on
-- a small ring cost (R3, R5, R6).
local kio = require "kio"
local support = require "spec.support"
local run = support.run

-- Hostile builds have a ring of 2 and tiny buffers, sanitizers are slow: fewer of the same there.
local FEWER = support.scale { full = 1, test = 4, hostile = 10, rest = 20 }
local function fewer(n) return n // FEWER end

-- What the counters of kio.stats() grow by while f runs.
local function cost(f)
  local before = kio.stats()
  f()
  local after, grown = kio.stats(), {}
  for name, value in pairs(after) do
    if type(value) == "number" then grown[name] = value - before[name] end
  end
  return grown
end

local function spawn_all(n, f)
  local tasks = {}
  for i = 1, n do tasks[i] = kio.spawn(f, i) end
  return tasks
end

local function await_all(tasks)
  for _, task in ipairs(tasks) do task:await() end
end

local function close_all(list)
  for _, fd in ipairs(list) do assert(kio.close(fd)) end
end

-- Two tasks that answer each other over pipes.
local function ping_pong(rounds)
  local a, b = kio.pipe()
  local c, d = kio.pipe()
  local answering = kio.spawn(function()
    for _ = 1, rounds do
      assert(kio.read(a, 1) == "?")
      assert(kio.write(d, "!"))
    end
  end)
  for _ = 1, rounds do
    assert(kio.write(b, "?"))
    assert(kio.read(c, 1) == "!")
  end
  answering:await()
  close_all { a, b, c, d }
end

describe("a turn", function()
  it("enters the kernel once, and only when it has reason to", function()
    run(function()
      local grown = cost(function() ping_pong(1000) end)
      -- a ring too small for a turn's requests takes them in slices
      assert.is_true(grown.enters <= grown.turns + grown.held_back)
      assert.is_true(grown.enters >= 1000)
      assert.is_true(grown.turns <= 4 * 1000 + 20)
      assert.equal(grown.completions, 4 * 1000 + 4)
    end)
  end)

  it("that is all Lua leaves the kernel alone", function()
    run(function()
      local grown = cost(function()
        await_all(spawn_all(10, function()
          for _ = 1, 1000 do kio.yield() end
        end))
      end)
      assert.equal(0, grown.enters)
      assert.is_true(grown.resumes >= 10000)
    end)
  end)

  it("takes what many operations have come to at once", function()
    local n = support.flavour == "hostile" and 20 or 200
    run(function()
      local from, to = {}, {}
      for i = 1, n do from[i], to[i] = kio.pipe() end
      local readers = spawn_all(n, function(i) return kio.read(from[i], 10) end)
      local grown = cost(function()
        await_all(spawn_all(n, function(i) return kio.write(to[i], "item " .. i) end))
        for i = 1, n do assert.equal("item " .. i, readers[i]:await()) end
      end)
      assert.equal(2 * n, grown.completions)
      -- all reads in one enter, all writes, all completions of reads; and hardly more turns
      if support.flavour ~= "hostile" then assert.is_true(grown.turns <= n // 10) end
      assert.is_true(grown.enters <= grown.turns + grown.held_back)
      close_all(from)
      close_all(to)
    end)
  end)

  it("sleeps in the kernel, however long the wait", function()
    run(function()
      local grown = cost(function() kio.sleep(0.05) end)
      assert.is_true(grown.turns <= 4)
      assert.is_true(grown.enters <= 4)
    end)
  end)

  it("does not wait while a task is ready, and still sees what completes", function()
    run(function()
      local from, to = kio.pipe()
      local got
      local reading = kio.spawn(function() got = kio.read(from, 10) end)
      kio.yield()
      local writing = kio.spawn(function()
        kio.sleep(0.001)
        kio.write(to, "bytes")
      end)
      while not got do kio.yield() end -- would never end if yielding starved the kernel or timers
      assert.equal("bytes", got)
      reading:await()
      writing:await()
      close_all { from, to }
    end)
  end)
end)

describe("the C stack", function()
  it("stays as it is through a million operations that complete at once", function()
    run(function()
      local fd = assert(kio.openat(nil, "/dev/null", kio.const.O_WRONLY))
      local n = fewer(1000000)
      for _ = 1, n do assert(kio.write(fd, "x") == 1) end
      assert.is_true(kio.stats().ops.write >= n)
      close_all { fd }
    end)
  end)

  it("stays as it is through a million waits that are over before they begin", function()
    run(function()
      local task = kio.spawn(function() return 1 end)
      task:await()
      local sum = 0
      for _ = 1, fewer(1000000) do sum = sum + task:await() end
      assert.equal(fewer(1000000), sum)
      for _ = 1, fewer(1000000) do kio.yield() end
    end)
  end)

  it("stays as it is through a chain of tasks that await one another", function()
    run(function()
      local n = fewer(50000)
      local go = false
      local first = kio.spawn(function()
        while not go do kio.sleep(0) end
        return 0
      end)
      local last = first
      for _ = 1, n do
        local awaited = last
        last = kio.spawn(function() return awaited:await() + 1 end)
      end
      go = true
      assert.equal(n, last:await())
    end)
  end)

  it("stays as it is through tasks that spawn and await the next one", function()
    run(function()
      local function level(n)
        return n == 0 and 0 or kio.spawn(level, n - 1):await() + 1
      end
      local n = fewer(50000)
      assert.equal(n, kio.spawn(level, n):await())
    end)
  end)

  it("stays as it is through errors that cross a long chain", function()
    run(function()
      local n = fewer(2000)
      local value = {}
      local function level(i)
        if i == 0 then error(value) end
        return kio.spawn(level, i - 1):await()
      end
      local ok, err = kio.spawn(level, n):join()
      assert.is_false(ok)
      assert.equal(value, err)
    end)
  end)
end)

-- Until that many operations are queued, and a turn has handed them over.
local function until_in_kernel(name, n)
  while kio.stats().ops[name] ~= n do kio.yield() end
  local turns = kio.stats().turns
  while kio.stats().turns < turns + 2 do kio.yield() end
end

-- n tasks that wait for the same thing; how many are in the kernel when all are.
local function crowd(n, entries, before_the_event)
  return kio.run(function()
    local from, to = kio.pipe()
    local seen = 0
    local tasks = spawn_all(n, function()
      assert(kio.poll(from, "r") == "r")
      seen = seen + 1
    end)
    until_in_kernel("poll", n)
    assert.equal(n, kio.stats().pending)
    if before_the_event then before_the_event() end
    assert.equal(n, kio.stats().pending)
    assert(kio.write(to, "x"))
    await_all(tasks)
    assert.equal(n, seen)
    assert.equal(0, kio.stats().pending)
    close_all { from, to }
    return kio.stats()
  end, { entries = entries })
end

describe("operations in flight", function()
  it("may be 300 on a ring of 256", function()
    crowd(300, 256)
  end)

  it("may be a hundred thousand on a ring of 8", function()
    -- Under hostile constants a turn may end after four tasks: only a smaller ring overfills then.
    local stats = crowd(fewer(100000), support.flavour == "hostile" and 2 or 8)
    if support.backend == "uring" then
      assert.is_true(stats.held_back >= fewer(100000) // 8 // 2)
    end
  end)

  it("cost nothing while they wait", function()
    crowd(fewer(20000), 8, function()
      local grown = cost(function() kio.sleep(0.1) end)
      assert.is_true(grown.turns <= 4)
      assert.is_true(grown.enters <= 4)
      assert.is_true(grown.resumes <= 4)
    end)
  end)

  it("may be cancelled by the thousand on a ring of 8", function()
    kio.run(function()
      local from, to = kio.pipe()
      local n = fewer(20000)
      local tasks = spawn_all(n, function() return kio.poll(from, "r") end)
      until_in_kernel("poll", n)
      for i = 1, n, 2 do tasks[i]:cancel() end
      for i = 1, n, 2 do assert.is_false((tasks[i]:join())) end
      assert.equal(n // 2, kio.stats().pending)
      assert(kio.write(to, "x"))
      for i = 2, n, 2 do assert.equal("r", tasks[i]:await()) end
      close_all { from, to }
    end, { entries = 8 })
  end)

  it("lose nothing when the completion queue is full", function()
    local n = 400
    local stats = kio.run(function()
      local from, to = {}, {}
      for i = 1, n do from[i], to[i] = kio.pipe() end
      local tasks = spawn_all(n, function(i) return kio.read(from[i], 100) end)
      until_in_kernel("read", n)
      for i = 1, n do -- without the loop: their completions meet in a queue of 4
        local file <close> = assert(io.open("/proc/self/fd/" .. to[i], "w"))
        file:write("item ", i)
      end
      for i = 1, n do assert.equal("item " .. i, tasks[i]:await()) end
      close_all(from)
      close_all(to)
      return kio.stats()
    end, { entries = 2, cq_entries = 4 })
    assert.equal(support.backend == "uring", stats.overflows > 0)
    assert.equal(0, stats.stale)
  end)
end)
