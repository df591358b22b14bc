-- timeout: 90
-- What may go wrong between workers: answers that race with cancels, deadlines and the end; workers
-- that wait for each other; errors over several of them.
local kio = require "kio"
local support = require "spec.support"

local ROUNDS = support.scale { test = 10000, rest = 1000 }

local function run(threads, f, options)
  options = options or {}
  options.threads = threads
  return kio.run(f, options)
end

local function turns(n) for _ = 1, n do kio.yield() end end

describe("between workers", function()
  it("a cancel that races with the answer ends in one of the two", function()
    local seen = run(3, function()
      local seen = { answer = 0, cancelled = 0 }
      for i = 1, ROUNDS do
        local task = kio.thread.spawn_on(2 + i % 2, function(n, times)
          turns(times)
          return n
        end, i, i % 3)
        turns(i // 3 % 5)
        task:cancel()
        local ok, value = task:join()
        if ok then assert.equal(i, value) else assert.is_true(kio.is_cancelled(value)) end
        local what = ok and "answer" or "cancelled"
        seen[what] = seen[what] + 1
      end
      return seen
    end)
    assert.equal(ROUNDS, seen.answer + seen.cancelled)
    assert.is_true(seen.cancelled > 0, "always answered")
  end)

  it("so does one of a job that nobody has begun", function()
    local ran = run(2, function()
      local ran = 0
      for i = 1, ROUNDS // 10 do
        local tasks = {}
        for k = 1, 10 do tasks[k] = kio.thread.spawn(function() return 1 end) end
        turns(i % 3)
        for k = 1, 10 do tasks[k]:cancel() end
        for k = 1, 10 do
          local ok, value = tasks[k]:join()
          if ok then ran = ran + value else assert.is_true(kio.is_cancelled(value)) end
        end
      end
      return ran
    end)
    assert.is_true(ran >= 0)
  end)

  it("a task that is cancelled before it began sends nothing", function()
    assert.equal(0, run(2, function()
      local channel = kio.thread.channel(100)
      for _ = 1, 100 do
        local task = kio.thread.spawn_on(2, function(to) to:send(true) end, channel)
        task:cancel()
        assert.is_false((task:join()))
      end
      kio.thread.spawn_on(2, function() end):await() -- it would have come by now
      local count = 0
      while channel:try_receive() do count = count + 1 end
      return count
    end))
  end)

  it("a deadline ends the wait, and the function over there", function()
    run(2, function()
      local said = kio.thread.channel(2)
      repeat
        local ok, _, code = kio.timeout(0.001, function()
          return kio.thread.spawn_on(2, function(to)
            to:send "began"
            local _ <close> = setmetatable({}, { __close = function() to:try_send "unwound" end })
            kio.sleep(1e6)
          end, said):await()
        end)
        assert.same({ nil, "ETIMEDOUT" }, { ok, code })
        local began = said:try_receive() -- else the deadline came first
      until began
      assert.equal("unwound", said:try_receive())
    end)
  end)

  it("workers wait for each other without a deadlock", function()
    local depth = 200
    assert.equal(depth, run(3, function()
      local function there_and_back(n)
        if n == 0 then return 0 end
        local other = kio.thread.id() % kio.thread.count() + 1
        return 1 + kio.thread.spawn_on(other, there_and_back, n - 1):await()
      end
      return there_and_back(depth)
    end))
    -- many at once, and each worker waits for all the others
    run(4, function()
      local function all(n)
        if n == 0 then return 1 end
        local sum = 0
        for _, task in ipairs(kio.thread.each(all, n - 1)) do sum = sum + task:await() end
        return sum
      end
      for _, task in ipairs(kio.thread.each(all, 3)) do assert.equal(64, task:await()) end
    end)
  end)

  it("an error crosses two of them with every traceback", function()
    local ok, err, trace = run(3, function()
      return kio.thread.spawn_on(2, function()
        local function asks() return kio.thread.spawn_on(3, function()
          local function innermost() error("from far away", 0) end
          innermost()
        end):await() end
        asks()
      end):join()
    end)
    assert.same({ false, "from far away" }, { ok, err })
    assert.matches("of a function run by worker 2, stack traceback.*'asks'", trace)
    assert.matches("of a function run by worker 3, stack traceback.*'innermost'", trace)
  end)

  it("children that fail over there fail their function, and cancel the others", function()
    run(2, function()
      local ok, err, trace = kio.thread.spawn_on(2, function()
        for i = 1, 10 do
          kio.spawn(function()
            if i == 7 then
              kio.yield()
              error { code = "EBOOM" }
            end
            kio.sleep(1e6)
          end)
        end
        kio.sleep(1e6)
      end):join()
      assert.same({ false, { code = "EBOOM" } }, { ok, err })
      assert.matches("worker 2", trace)
    end)
  end)

  it("a function sent by a daemon does not keep the run going", function()
    for worker = 1, 2 do
      assert.equal("over", run(2, function()
        local begun = kio.thread.channel(1)
        kio.spawn { daemon = true, kio.scope, function()
          kio.thread.spawn_on(worker, function(to)
            to:send(true)
            kio.sleep(1e6)
          end, begun)
        end }
        begun:receive()
        return "over"
      end))
    end
  end)

  it("one that a shielded daemon has sent may end its work", function()
    for worker = 1, 2 do
      local said
      assert.equal("over", run(2, function()
        local begun = kio.thread.channel(1)
        kio.spawn { daemon = true, kio.shield, kio.scope, function()
          said = kio.thread.spawn_on(worker, function(to)
            to:send(true)
            turns(20)
            return "done"
          end, begun):await()
        end }
        begun:receive()
        return "over"
      end))
      assert.equal("done", said)
    end
  end)

  it("one sent by any other task does, on every worker and from every worker", function()
    for from = 1, 2 do
      for worker = 1, 2 do
        local said
        assert.equal("main", run(2, function()
          said = kio.thread.channel(2)
          kio.thread.spawn_on(from, function(target, to)
            kio.thread.spawn_on(target, function(channel)
              turns(20)
              channel:try_send "done"
            end, to)
          end, worker, said)
          return "main"
        end))
        assert.equal("done", said:try_receive())
      end
    end
  end)

  it("the number of a closed descriptor goes to another one (and tsan is told)", function()
    local function churn(times)
      for _ = 1, times do
        local r, w = assert(kio.pipe())
        assert(kio.close(r) and kio.close(w))
        local _ <close> = assert(io.open "/dev/null")
      end
      return times
    end
    run(2, function()
      for _, task in ipairs(kio.thread.each(churn, 200)) do assert.equal(200, task:await()) end
    end)
  end)
end)

describe("the end", function()
  local function ended(results)
    assert.same({ nil, "kio.run main: stopped by kio.stop", "ECANCELED" }, results)
  end

  it("finds jobs that nobody has begun", function()
    for _ = 1, 20 do
      ended { run(4, function()
        kio.thread.each(function()
          for _ = 1, 100 do kio.thread.spawn(kio.sleep, 1e6) end
        end)
        turns(2)
        kio.stop()
        kio.sleep(1e6)
      end) }
    end
  end)

  it("may be asked for twice, by all at once, and again while it is under way", function()
    for _ = 1, 20 do
      ended { run(4, function()
        kio.thread.each(function()
          local _ <close> = setmetatable({}, { __close = kio.stop })
          kio.stop()
          kio.stop()
          kio.sleep(1e6)
        end)
        kio.sleep(1e6)
      end) }
    end
  end)

  it("is counted from when it is asked for, however long nobody ran before", function()
    ended { run(2, function()
      kio.thread.spawn_on(2, function()
        kio.sleep(0.3)
        kio.stop()
      end)
      kio.sleep(1e6)
    end, { shutdown_timeout = 0.2 }) }
  end)

  it("comes by Ctrl-C, which worker 1 takes wherever the others are", function()
    local ok, err = pcall(run, 3, function()
      kio.thread.each(kio.sleep, 1e6)
      kio.thread.spawn_on(2, function() end):await()
      kio.core.send_signal "INT"
      kio.sleep(1e6)
    end)
    assert.is_false(ok)
    assert.matches("interrupted!", err)
  end)

  it("is refused to a runtime's functions, by its name", function()
    local runtime <close> = assert(kio.runtime { threads = 2 })
    assert.error_matches(function() runtime:block_on(kio.stop) end,
      "kio.stop: a runtime is stopped by who made it")
    assert.equal("alive", runtime:block_on(function() return "alive" end))
  end)

  it("ten runs and ten runtimes in a row leave nothing, two run side by side", function()
    local beside <close> = assert(kio.runtime { threads = 2 })
    for i = 1, 10 do
      assert.equal(i, run(1 + i % 4, function()
        local tasks = kio.thread.each(function(n) return n end, i)
        kio.spawn_blocking(function() end):await()
        return tasks[#tasks]:await()
      end))
      local runtime <close> = assert(kio.runtime { threads = 1 + i % 4 })
      assert.equal(i, runtime:block_on(function(n) return n end, i))
      assert.equal("beside", beside:block_on(function() return "beside" end))
    end
  end)
end)
