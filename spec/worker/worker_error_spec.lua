-- Workers that fail: at their start, in the middle, at the end. The others are stopped or kept, as
-- the option says, the failure is told, and nothing is left behind (the world check looks).
local core = require "kio.core"
local kio = require "kio"
local support = require "spec.support"

-- Runs f(); workers that are started meanwhile load, instead of kio, a file that runs `first` and
-- then loads kio.
local function with_workers_that(first, f)
  local folder, before = support.tmpdir(), package.path
  local file <close> = assert(io.open(folder .. "/kio.lua", "w"))
  assert(file:write(first, ([[

    package.path = %q
    package.loaded.kio = nil
    local path = assert(package.searchpath("kio", package.path))
    return assert(loadfile(path))("kio", path)]]):format(before)))
  assert(file:close())
  package.path = folder .. "/?.lua"
  local results = table.pack(pcall(f))
  package.path = before
  assert(results[1], results[2])
  return table.unpack(results, 2, results.n)
end

-- Only a task that kio cannot end itself breaks the loop's own scope: Lua's own yield ends it where
-- it stands, and what its scope has spawned fails when nobody is left to be told.
local BREAK = "LUAS_YIELD = coroutine.yield"
local function break_down()
  kio.spawn(function()
    local _ <close> = setmetatable({}, { __close = function() error("left alone", 0) end })
    kio.sleep(1e6)
  end)
  kio.yield()
  _G.LUAS_YIELD()
end

local function answer() return "answer of " .. kio.thread.id() end

describe("a worker that cannot start", function()
  local function starts(options)
    local ran = false
    local ok, message = pcall(kio.run, function() ran = true end, options)
    assert.is_false(ran)
    assert.is_false(ok)
    local _, again, its_code = kio.runtime(options)
    return message, again, its_code
  end

  it("fails the start: no kio over there", function()
    local path = package.path
    package.path = "/nonexistent/?.lua"
    local message, again, code = starts { threads = 3 }
    package.path = path
    assert.matches("^kio.run start: worker [23]: module 'kio' not found", message)
    assert.equal("ECANCELED", code)
    assert.matches("^kio.runtime start: worker 1: module 'kio' not found", again)
    assert.equal("ran", kio.run(function() return "ran" end, { threads = 3 }))
  end)

  it("fails the start: an error while kio is loaded", function()
    with_workers_that("error 'no luck'", function()
      assert.matches("^kio.run start: worker [234]: .*no luck", (starts { threads = 4 }))
    end)
  end)

  it("fails the start: no thread for it", function()
    for n = 1, 3 do
      core.fail_thread(n)
      local ok, message = pcall(kio.run, print, { threads = 4 })
      assert.is_false(ok)
      local text = "^kio.run start: worker %d: it got no thread: .* %%(EAGAIN%%)$"
      assert.matches(text:format(n + 1), message)
      core.fail_thread(n)
      local code
      ok, message, code = kio.runtime { threads = 3 }
      assert.same({ nil, "EAGAIN" }, { ok, code })
      assert.matches("^kio.runtime start: worker " .. n .. ": it got no thread: ", message)
    end
    core.fail_thread(0)
  end)

  it("fails the start: a CPU that is not there", function()
    local status = io.open("/proc/self/status"):read "a"
    local first = tonumber(status:match "Cpus_allowed_list:%s*(%d+)")
    for threads = 1, 3 do
      local cpus = {}
      for i = 1, threads do cpus[i] = i == threads and 1023 or first end
      local ok, message = pcall(kio.run, print, { threads = threads, pin = cpus })
      assert.is_false(ok)
      local text = "kio.run start: worker %d: it cannot run on CPU 1023 (EINVAL)"
      assert.equal(text:format(threads), message)
      local runtime, again, code = kio.runtime { threads = threads, pin = cpus }
      assert.same({ nil, "EINVAL" }, { runtime, code })
      assert.matches("worker " .. threads .. ": it cannot run on CPU 1023", again)
    end
  end)

  it("fails the start: no memory, at any step of the first worker's thread", function()
    local failed = 0
    for n = 1, 20 do -- some are not needed
      core.fail_memory(n)
      local ok, value = pcall(kio.run, answer, { threads = 3 })
      core.fail_memory(0)
      if value ~= "answer of 1" then
        assert.is_false(ok)
        assert.matches("memory", value)
        failed = failed + 1
      end
      collectgarbage()
      assert.equal(0, core.world().blocks, "after allocation " .. n)
    end
    assert.is_true(failed >= 8, failed .. " allocations failed")
  end)

  it("fails the start: no memory, at any step of its own", function()
    local failed = 0
    for n = 1, 20 do -- some are not needed
      local ok, value = with_workers_that(
        ("require 'kio.core'.fail_memory(%d)"):format(n),
        function() return pcall(kio.run, answer, { threads = 2 }) end)
      if value ~= "answer of 1" then
        assert.is_false(ok)
        assert.matches("^kio.run start: worker 2: .*memory.* %(ENOMEM%)$", value)
        failed = failed + 1
      end
    end
    assert.is_true(failed >= 3, failed .. " allocations failed")
  end)
end)

describe("a worker that breaks down", function()
  local function scenario(options)
    return with_workers_that(BREAK, function()
      return table.pack(pcall(kio.run, function()
        local broken = kio.thread.spawn_on(2, break_down)
        local other = kio.thread.spawn_on(3, function()
          while kio.thread.id() do kio.yield() end
        end)
        assert.is_false((broken:join()))
        -- worker 2 still ends: what it is sent is refused now or dropped then
        local ok, refused
        repeat
          ok, refused = kio.thread.spawn_on(2, answer):join()
        until not ok and refused:match "has stopped"
        other:cancel()
        return refused, kio.thread.spawn(function() return kio.thread.id() ~= 2 end):await()
      end, options))
    end)
  end

  it("ends the run", function()
    local results = scenario { threads = 3 }
    assert.is_false(results[1])
    assert.matches("kio.run: worker 2: left alone", results[2])
  end)

  it("or not, as the option says", function()
    local results = scenario { threads = 3, on_worker_error = "keep" }
    assert.same({ true, "kio.thread: worker 2 has stopped", true, n = 3 }, results)
  end)

  it("is left out by a server that spreads, then and later", function()
    with_workers_that(BREAK, function()
      kio.run(function()
        local function serve()
          local failed = {}
          local listener = assert(kio.net.listen "127.0.0.1:0")
          local serving = kio.spawn(listener.serve, listener, function(stream)
            stream:write(kio.thread.id(), "\n")
            stream:recv()
          end, { spread = true, on_error = function(err) failed[#failed + 1] = err end })
          local function connect()
            local stream = assert(kio.net.connect(listener:address()))
            return stream, math.tointeger(tonumber((stream:read "l")))
          end
          local function stop()
            listener:close()
            return serving:await(), failed
          end
          return connect, stop
        end
        local function counts(connect, n)
          local streams, of = {}, { 0, 0, 0 }
          for i = 1, n do
            local worker
            streams[i], worker = connect()
            of[worker] = of[worker] + 1
          end
          for i = 1, n do streams[i]:close() end
          return of
        end
        local connect, stop = serve()
        local on_two
        repeat
          local stream, worker = connect()
          if worker == 2 then on_two = stream else stream:close() end
        until on_two
        assert.is_false((kio.thread.spawn_on(2, break_down):join()))
        assert.is_nil((on_two:recv())) -- worker 2 has ended what it served
        on_two:close()
        repeat
          local ok, err = kio.thread.spawn_on(2, answer):join()
        until not ok and err:match "has stopped"
        assert.same({ 3, 0, 3 }, counts(connect, 6))
        local report, failed = stop()
        assert.same({ 1, 0 }, { report.failed, report.cut })
        assert.same({ "kio.thread: worker 2 has stopped" }, failed)
        connect, stop = serve()
        assert.same({ 3, 0, 3 }, counts(connect, 6))
        assert.equal(6, stop().accepted)
      end, { threads = 3, on_worker_error = "keep" })
    end)
  end)

  it("ends a runtime, and block_on says so", function()
    with_workers_that(BREAK, function()
      local runtime <close> = assert(kio.runtime { threads = 2 })
      local worker = runtime:block_on(function()
        local id = kio.thread.id()
        kio.thread.spawn_on(3 - id, break_down):join()
        return 3 - id
      end)
      local ok, err
      repeat ok, err = pcall(runtime.block_on, runtime, answer) until not ok
      assert.equal(("block_on: the runtime has been stopped: worker %d: left alone"):format(worker),
        err)
      assert.is_false(runtime:running())
    end)
  end)

  it("or is told by stop", function()
    with_workers_that(BREAK, function()
      local runtime <close> = assert(kio.runtime { threads = 1 })
      assert.is_false((pcall(runtime.block_on, runtime, break_down)))
      local ok, message = runtime:stop()
      assert.same({ nil, "kio.runtime stop: worker 1: left alone" }, { ok, message })
    end)
  end)

  it("was the last one: block_on says that nobody is left", function()
    with_workers_that(BREAK, function()
      local runtime <close> = assert(kio.runtime { threads = 1, on_worker_error = "keep" })
      assert.is_false((pcall(runtime.block_on, runtime, break_down)))
      local err
      repeat
        local ok
        ok, err = pcall(runtime.block_on, runtime, answer)
        assert.is_false(ok)
      until err:match "no worker is left"
      assert.is_true(runtime:stop())
    end)
  end)
end)

describe("a worker that fails at the end", function()
  it("raises what a `<close>` raised while it was stopped", function()
    local ok, err = pcall(kio.run, function()
      kio.thread.spawn_on(2, function()
        local _ <close> = setmetatable({}, { __close = function() error("in close", 0) end })
        kio.sleep(1e6)
      end)
      kio.thread.spawn_on(2, function() end):await()
      error("the end", 0)
    end, { threads = 2 })
    assert.is_false(ok)
    assert.matches("^the end", err)
    assert.matches("in close", err)
  end)

  it("is late when its task refuses to end", function()
    local ok, err = pcall(kio.run, function()
      kio.thread.spawn_on(2, function()
        pcall(kio.sleep, 1e6)
        while true do pcall(kio.yield) end
      end)
      kio.thread.spawn_on(2, function() end):await()
      error("the end", 0)
    end, { threads = 2, shutdown_timeout = 0.05 })
    assert.is_false(ok)
    assert.matches("^the end", err)
    assert.matches("tasks did not end within shutdown_timeout", err)
  end)
end)
