-- Functions on other workers: where they run, what comes back, how they end.
local core = require "kio.core"
local kio = require "kio"

local function run(f, threads) return kio.run(f, { threads = threads or 3 }) end

describe("kio.thread", function()
  it("tells which worker runs the code, and how many there are", function()
    local id, count = kio.run(function() return kio.thread.id(), kio.thread.count() end)
    assert.same({ 1, 1 }, { id, count })
    assert.same({ 1, 2, 3 }, run(function()
      local ids = {}
      for i, task in ipairs(kio.thread.each(function() return kio.thread.id() end)) do
        ids[i] = task:await()
      end
      return ids
    end))
  end)

  it("brings results back, as many as there are", function()
    local results = run(function()
      local function echo(...) return select("#", ...), nil, ... end
      local task = kio.thread.spawn_on(2, echo, nil, 7, nil)
      return table.pack(task:await())
    end)
    assert.same({ 3, nil, nil, 7, nil, n = 5 }, results)
  end)

  it("raises here what was raised there, with both tracebacks", function()
    local ok, err, trace = run(function()
      return kio.thread.spawn_on(3, function() error { code = "EBOOM" } end):join()
    end)
    assert.is_false(ok)
    assert.same({ code = "EBOOM" }, err)
    assert.matches("of a function run by worker 3, stack traceback", trace)
  end)

  it("cancels over there what is cancelled here", function()
    local ok, err = run(function()
      local task = kio.thread.spawn_on(2, function() kio.sleep(1e6) end)
      kio.thread.spawn_on(2, function() end):await() -- it waits by now
      task:cancel()
      return task:join()
    end)
    assert.is_false(ok)
    assert.is_true(kio.is_cancelled(err))
  end)

  it("keeps nothing here of what has crossed while it waits for the end", function()
    run(function()
      local go, crossed = kio.thread.event(), setmetatable({}, { __mode = "k" })
      local function fresh()
        local argument = {}
        crossed[argument] = true
        return argument
      end
      local waiting = {
        kio.thread.spawn_on(2, function() go:wait() end, fresh()),
        kio.spawn(function() return core.own.thread_call(2, function() go:wait() end, fresh()) end),
      }
      for _, task in ipairs(waiting) do
        while task:status() ~= "waiting" do kio.yield() end
      end
      collectgarbage()
      assert.is_nil((next(crossed)))
      go:set()
      for _, task in ipairs(waiting) do task:await() end
    end)
  end)

  it("waits for what the function has spawned", function()
    local ok, err = run(function()
      return kio.thread.spawn_on(2, function()
        kio.spawn(function()
          kio.yield()
          error("late", 0)
        end)
        return "too early"
      end):join()
    end)
    assert.same({ false, "late" }, { ok, err })
  end)

  it("refuses what cannot cross, and workers that are not there", function()
    run(function()
      local file <close> = assert(io.open("/dev/null"))
      local function send_file() kio.thread.spawn(print, { a = { file } }) end
      assert.error_matches(send_file, "arg 2%.a%[1%]:")
      assert.error_matches(function() kio.thread.spawn_on(4, print) end, "no worker 4: there are 3")
      assert.error_matches(function() kio.thread.spawn_on(0, print) end, "there is no worker 0")
      assert.error_matches(function() kio.thread.spawn(1) end, "function expected")
    end)
  end)

  it("has every worker run a copy, and refuses what moves before anything has", function()
    run(function()
      local listener <close> = assert(kio.net.listen "127.0.0.1:0")
      local channel, event = kio.thread.channel(3), kio.thread.event()
      local function each(pattern, ...)
        local ok, err = pcall(kio.thread.each, ...)
        assert.is_false(ok)
        assert.matches(pattern, err)
      end
      each("^bad argument #1 to '[%a_.]*each' %(function expected, got no value%)")
      each("^arg 2%.l: kio.Listener: it moves, and can go to one worker only", print,
        { l = listener })
      each("^arg 1 upvalue 'listener': kio.Listener: it moves", function() return listener end)
      assert.truthy(listener:fd())
      local tasks = kio.thread.each(function(c)
        event:wait()
        return c:send(kio.thread.id())
      end, channel)
      event:set()
      local sum = 0
      for _, task in ipairs(tasks) do
        assert.is_true(task:await())
        sum = sum + channel:receive()
      end
      assert.equal(6, sum)
    end)
  end)

  it("tells that there were too many results", function()
    local ok, err = run(function()
      return kio.thread.spawn_on(2, function() return table.unpack({}, 1, 999900) end):join()
    end)
    assert.same({ false, "too many results" }, { ok, err })
  end)

  it("runs a thousand jobs on whoever is idle", function()
    local sum = run(function()
      local tasks, sum = {}, 0
      for i = 1, 1000 do tasks[i] = kio.thread.spawn(function(n) return n end, i) end
      for _, task in ipairs(tasks) do sum = sum + task:await() end
      return sum
    end)
    assert.equal(500500, sum)
  end)
end)

describe("what is cancelled on another worker", function()
  it("is cancelled for who awaits it, as it is on the same one", function()
    local ok, err = run(function()
      return kio.thread.spawn_on(2, function()
        local task = kio.spawn(kio.sleep, 1e6)
        task:cancel()
        return task:await()
      end):join()
    end)
    assert.is_false(ok)
    assert.is_true(kio.is_cancelled(err))
  end)

  -- The answer of the first worker may be faster than its cancellation, which goes by way of two.
  it("at the end of the run is no failure, however far it was sent", function()
    local function chain(stop)
      local begun = kio.thread.event()
      kio.thread.spawn_on(2, function()
        return kio.thread.spawn_on(3, function()
          return kio.thread.spawn_on(1, function()
            begun:set()
            kio.sleep(1e6)
          end):await()
        end):await()
      end)
      begun:wait()
      stop()
      kio.sleep(1e6)
    end
    for _ = 1, 10 do
      local ok, message, code = run(function() chain(kio.stop) end)
      assert.same({ nil, "kio.run main: stopped by kio.stop", "ECANCELED" }, { ok, message, code })
      ok, message = pcall(run, function() chain(function() error("main's own", 0) end) end)
      assert.is_false(ok)
      assert.matches("^main's own\n", message)
      assert.not_matches("and another task", message)
    end
  end)
end)

describe("kio.stop", function()
  it("ends the run from any worker", function()
    for worker = 1, 3 do
      local ok, message, code = run(function()
        kio.thread.spawn_on(worker, function() kio.stop() end)
        kio.sleep(1e6)
      end)
      assert.same({ nil, "kio.run main: stopped by kio.stop", "ECANCELED" }, { ok, message, code })
    end
  end)
end)
