-- kio.spawn_blocking: results, errors, a full queue, cancelling, and the end of the run.
local kio = require "kio"
local support = require "spec.support"

local ONE = { blocking_threads = 1, blocking_queue = 1 }

-- A job that says that it has begun, and ends when it is let go: pipes, and no clock. In a run.
local function gate()
  local began_r, began_w = assert(kio.pipe())
  local go_r, go_w = assert(kio.pipe())
  local g = { "/proc/self/fd/" .. began_w, "/proc/self/fd/" .. go_r }
  function g.hold(began, go)
    local up <close> = assert(io.open(began, "w"))
    assert(up:write("b") and up:flush())
    local file <close> = assert(io.open(go, "r"))
    return file:read(1)
  end
  function g.spawn(options)
    options = options or {}
    table.move({ g.hold, g[1], g[2] }, 1, 3, 1, options)
    return kio.spawn_blocking(options)
  end
  function g.await_begin() assert.equal("b", kio.read(began_r, 1)) end
  function g.open() assert(kio.write(go_w, "o")) end
  function g.close()
    for _, fd in ipairs { began_r, began_w, go_r, go_w } do assert(kio.close(fd)) end
  end
  return g
end

describe("kio.spawn_blocking", function()
  it("brings results and errors back", function()
    kio.run(function()
      local task = kio.spawn_blocking(function(...) return select("#", ...), ... end, 1, nil, nil)
      assert.same({ 3, 1, nil, nil, n = 4 }, table.pack(task:await()))
      local ok, err, trace = kio.spawn_blocking(function() error { 7 } end):join()
      assert.same({ false, { 7 } }, { ok, err })
      assert.matches("of a function run by a blocking thread, stack traceback", trace)
      ok, err = kio.spawn_blocking(function() return io.tmpfile() end):join()
      assert.is_false(ok)
      assert.matches("^result 1: ", err)
    end)
  end)

  it("refuses what makes no sense", function()
    kio.run(function()
      assert.error_matches(function() kio.spawn_blocking() end, "function expected")
      assert.error_matches(function() kio.spawn_blocking {} end, "no function to run")
      assert.error_matches(function() kio.spawn_blocking { print, nme = 1 } end, "nme")
      local function misname() kio.spawn_blocking { print, name = {} } end
      assert.error_matches(misname, "name must be a string")
      local co = coroutine.create(print)
      assert.error_matches(function() kio.spawn_blocking(print, { co }) end, "^arg 2%[1%]: ")
    end)
    for _, options in ipairs { { blocking_threads = 0 }, { blocking_queue = -1 } } do
      assert.error_matches(function() kio.run(print, options) end, "must be from")
    end
    assert.error_matches(function() kio.spawn_blocking(print) end, "outside a task")
  end)

  it("says so when the queue is full, and with `wait` waits for a place", function()
    kio.run(function()
      local g = gate()
      local first = assert(g.spawn())
      g.await_begin()
      local second = assert(g.spawn())
      for _ = 1, 3 do
        local task, message, code = g.spawn()
        assert.same({ nil, "EAGAIN" }, { task, code })
        assert.matches("^kio.spawn_blocking blocking pool: .*the queue is full", message)
      end
      local waiter = kio.spawn(function() return g.spawn { wait = true }:await() end)
      for _, task in ipairs { first, second, waiter } do
        g.open()
        assert.equal("o", task:await())
      end
      g.close()
    end, ONE)
  end)

  it("waits for a place as long as it is wanted, and nothing has moved till then", function()
    kio.run(function()
      local listener <close> = assert(kio.net.listen "127.0.0.1:0")
      local g, ran = gate(), kio.thread.event()
      local first = assert(g.spawn())
      g.await_begin()
      local second = assert(g.spawn())
      local function job(l)
        ran:set()
        l:close()
      end
      assert.equal("EAGAIN", select(3, kio.spawn_blocking(job, listener)))
      local function wait() return kio.spawn_blocking { job, listener, wait = true } end
      assert.equal("ETIMEDOUT", select(3, kio.timeout(0.001, wait)))
      local waiter = kio.spawn(wait)
      kio.yield()
      waiter:cancel()
      local ok, err = waiter:join()
      assert.is_true(not ok and kio.is_cancelled(err))
      assert.truthy(listener:fd())
      for _, task in ipairs { first, second } do
        g.open()
        assert.equal("o", task:await())
      end
      assert.equal("after", kio.spawn_blocking(function() return "after" end):await())
      assert.is_false(ran:is_set())
      g.close()
    end, ONE)
  end)

  it("waits for a place no longer than the run", function()
    local raised
    local ok, message, code = kio.run(function()
      local over = kio.thread.event()
      assert(kio.spawn_blocking(function() repeat until over:is_set() end))
      kio.spawn(function()
        local done, err = pcall(kio.spawn_blocking, { print, "never", wait = true })
        raised = not done and kio.is_cancelled(err)
        over:set()
      end)
      kio.yield()
      kio.stop()
      kio.sleep(1e6)
    end, { blocking_threads = 1, blocking_queue = 0 })
    assert.same({ nil, "kio.run main: stopped by kio.stop", "ECANCELED" }, { ok, message, code })
    assert.is_true(raised)
  end)

  it("never runs a job that was cancelled before it began", function()
    local mark = support.tmpdir() .. "/mark"
    local function leave_mark(path) io.open(path, "w"):close() end
    kio.run(function()
      local g = gate()
      local first = assert(g.spawn())
      g.await_begin()
      local second = assert(kio.spawn_blocking(leave_mark, mark))
      kio.yield()
      second:cancel()
      local ok, err = second:join()
      assert.is_true(not ok and kio.is_cancelled(err))
      local third = assert(kio.spawn_blocking(leave_mark, mark))
      third:cancel() -- at once
      g.open()
      assert.equal("o", first:await())
      assert.equal("after", kio.spawn_blocking(function() return "after" end):await())
      g.close()
    end, ONE)
    assert.is_nil(io.open(mark))
  end)

  it("ends the task of a running job at once, and drops what it brings", function()
    kio.run(function()
      local g = gate()
      local task = assert(g.spawn())
      g.await_begin()
      local _, _, code = kio.timeout(0, function() return task:await() end)
      assert.equal("ETIMEDOUT", code)
      task:cancel()
      local ok, err = task:join()
      assert.is_true(not ok and kio.is_cancelled(err))
      g.open()
      assert.equal("next", kio.spawn_blocking(function() return "next" end):await())
      g.close()
    end, ONE)
  end)

  it("names the job that does not end, and leaves it alone", function()
    local g
    local ok, err = pcall(kio.run, function()
      g = gate()
      assert(g.spawn { name = "a long one" })
      g.await_begin()
      error("the end", 0)
    end, { shutdown_timeout = 0.05 })
    assert.is_false(ok)
    assert.matches("the end", err)
    assert.matches("did not end within shutdown_timeout: a long one", err)
    kio.run(function() -- it ends now, and must find nobody
      g.open()
      g.close()
    end)
  end)
end)

describe("kio.runtime", function()
  it("runs functions for plain Lua", function()
    local runtime <close> = assert(kio.runtime { threads = 2 })
    assert.equal(2, runtime:size())
    assert.is_true(runtime:running())
    assert.same({ 6, nil, n = 2 }, table.pack(runtime:block_on(function(n)
      kio.yield()
      return n * 2, nil
    end, 3)))
    assert.error_matches(function() runtime:block_on(error, "so") end, "^so")
    local co = coroutine.create(print)
    assert.error_matches(function() runtime:block_on(print, co) end, "^arg 2: ")
    kio.run(function()
      assert.error_matches(function() runtime:block_on(print) end, "would hold up its loop")
    end)
    assert.is_true(runtime:stop())
    assert.is_true(runtime:stop())
    assert.is_false(runtime:running())
    assert.error_matches(function() runtime:block_on(print) end, "has been stopped")
  end)

  it("starts and stops ten times in a row, and twice at once", function()
    local other <close> = assert(kio.runtime { threads = 2 })
    for i = 1, 10 do
      local runtime <close> = assert(kio.runtime { threads = 1 + i % 3 })
      assert.equal(i, runtime:block_on(function(n) return n end, i))
    end
    assert.equal("still here", other:block_on(function() return "still here" end))
  end)
end)
