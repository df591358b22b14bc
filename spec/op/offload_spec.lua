-- timeout: 90
-- Operations that a thread of the pool does: the loop goes on meanwhile, deadlines and cancels end
-- the wait at once, a job that has not begun never runs, and what comes late touches nothing.
local core = require "kio.core"
local kio = require "kio"
local common = require "spec.fs.common"
local support = require "spec.support"

local wait_job = core.wait_job

local INTERNAL = 4 -- threads of the lane for names in directories, and of the one for hosts

-- Pipes that are closed at the end of the test's own run.
local function pipes(n)
  local list = setmetatable({}, { __close = function(self)
    for _, pipe in ipairs(self) do
      kio.close(pipe.r)
      kio.close(pipe.w)
    end
  end })
  for i = 1, n do
    local r, w = assert(kio.pipe())
    list[i] = { r = r, w = w, release = function() assert(kio.write(w, "x")) end }
  end
  return list
end

local function until_waiting(tasks)
  for _, task in ipairs(tasks) do common.until_waiting(task) end
end

-- Until so many jobs are under way on threads.
local function until_running(n)
  while kio.stats().pool.running < n do kio.yield() end
end

for _, backend in ipairs { "uring", "sim" } do
  local function run(f) return support.run(f, { backend = backend }) end

  describe("a call on the pool over " .. backend, function()
    it("brings its result, and lets the loop go on", function()
      run(function()
        local all <close> = pipes(1)
        local job = kio.spawn(wait_job, all[1].r)
        for _ = 1, 10 do kio.yield() end
        assert.equal("waiting", job:status())
        all[1].release()
        assert.equal("x", job:await())
      end)
    end)

    it("is not taken for a deadlock", function()
      run(function()
        local all <close> = pipes(1)
        assert.is_nil(wait_job(all[1].r, 0.05))
      end)
    end)

    it("takes its turn when all threads are busy", function()
      run(function()
        local all <close> = pipes(3 * INTERNAL)
        local list = {}
        for i, pipe in ipairs(all) do list[i] = kio.spawn(wait_job, pipe.r) end
        until_waiting(list)
        for i = #all, 1, -1 do all[i].release() end
        for _, task in ipairs(list) do assert.equal("x", task:await()) end
      end)
    end)

    it("ends when its task is cancelled, though the work goes on", function()
      run(function()
        local all <close> = pipes(1)
        local job = kio.spawn(wait_job, all[1].r)
        until_running(1)
        job:cancel()
        local ok, err = job:join()
        assert.is_false(ok)
        assert.is_true(kio.is_cancelled(err))
        all[1].release() -- what it brings is dropped
      end)
    end)

    it("that has not begun never does once its task is cancelled", function()
      run(function()
        local all <close> = pipes(INTERNAL)
        local busy = {}
        for i, pipe in ipairs(all) do busy[i] = kio.spawn(wait_job, pipe.r) end
        until_running(INTERNAL)
        local mine <close> = pipes(1)
        local queued = kio.spawn(wait_job, mine[1].r)
        common.until_waiting(queued)
        queued:cancel()
        queued:join()
        mine[1].release()
        for _, pipe in ipairs(all) do pipe.release() end
        for _, task in ipairs(busy) do assert.equal("x", task:await()) end
        assert.equal("x", kio.read(mine[1].r, 10)) -- nobody else has taken it
      end)
    end)

    it("refuses a cancelled task", function()
      run(function()
        local task = kio.spawn(function()
          pcall(kio.sleep, 60)
          return kio.fs.readdir("/")
        end)
        common.until_waiting(task)
        task:cancel()
        assert.is_true(kio.is_cancelled(select(2, task:join())))
      end)
    end)

    it("outside a coroutine that can yield raises", function()
      run(function()
        support.expect_error("cannot yield", table.sort, { "a", "b" }, function()
          return #kio.fs.readdir("/") < 0
        end)
      end)
    end)

    it("whose coroutine is thrown away lets its task go on", function()
      run(function()
        local all <close> = pipes(1)
        local task = kio.spawn(function()
          local inner = coroutine.create(function() wait_job(all[1].r, 0.05) end)
          coroutine.resume(inner)
          return "went on"
        end)
        assert.equal("went on", task:await())
      end)
    end)
  end)
end

describe("a call on the pool", function()
  it("ends at its deadline, and at its scope's", function()
    support.run(function()
      local all <close> = pipes(2)
      common.failed("ETIMEDOUT", "wait_job test: timed out",
        wait_job(all[1].r, nil, { timeout = 0.01 }))
      assert.equal("ETIMEDOUT", select(3, kio.timeout(0.01, wait_job, all[2].r)))
      for _, pipe in ipairs(all) do pipe.release() end
    end)
  end)

  it("with a timeout of 0 ends at once", function()
    support.run(function()
      local all <close> = pipes(1)
      assert.equal("ETIMEDOUT", select(3, wait_job(all[1].r, nil, { timeout = 0 })))
      all[1].release()
    end)
  end)

  it("serves files: each does in a task what it does outside", function()
    local path = common.file("x")
    local folder = path:match("^(.*)/")
    local function all_of_them(name)
      local link = folder .. "/" .. name
      assert.is_true(kio.fs.symlink("file", link))
      assert.is_true(kio.fs.chmod(path, "640"))
      return {
        kio.fs.readlink(link), kio.fs.realpath(link), #kio.fs.readdir(folder), os.remove(link),
        { kio.fs.readlink(path) }, { kio.fs.realpath("/none") }, { kio.fs.chmod("/none", "600") },
        { kio.fs.readdir(path) }, { kio.fs.symlink("x", path) },
      }
    end
    local outside = all_of_them("link")
    for _, backend in ipairs { "uring", "sim" } do
      local function inside() return all_of_them("link") end
      assert.same(outside, support.run(inside, { backend = backend }))
    end
  end)

  -- libuv has one pool for both, and a silent name server holds all files up.
  it("of a file does not wait for name servers, nor the other way round", function()
    support.run(function()
      local all <close> = pipes(2 * INTERNAL)
      local lookups, files = {}, {}
      for i = 1, INTERNAL do
        lookups[i] = kio.spawn(wait_job, all[i].r, nil, { lookup = true })
      end
      until_running(INTERNAL)
      assert.is_true(#kio.fs.readdir("/") > 0)
      local lookup = kio.spawn(core.own.net_lookup, "127.0.0.1", "80", "inet")
      common.until_waiting(lookup)
      for i = 1, INTERNAL do files[i] = kio.spawn(wait_job, all[INTERNAL + i].r) end
      until_running(2 * INTERNAL)
      assert.equal(1, kio.stats().pool.queued) -- that lookup, behind those before it
      for i = 1, INTERNAL do
        all[i].release()
        assert.equal("x", lookups[i]:await())
      end
      assert.same({ "127.0.0.1:80" }, lookup:await())
      assert.equal(INTERNAL, kio.stats().pool.running)
      for i = 1, INTERNAL do
        all[INTERNAL + i].release()
        assert.equal("x", files[i]:await())
      end
    end)
  end)

  it("of a file obeys its timeout", function()
    support.run(function()
      local calls = {
        { "readdir", "/" }, { "realpath", "/" }, { "readlink", "/proc/self/exe" },
        { "chmod", "/none", "600" },
      }
      for _, call in ipairs(calls) do
        local name = call[1]
        local options = { timeout = 0 }
        local _, message, code = kio.fs[name](call[2], call[3] or options, call[3] and options)
        -- the thread may be quicker than the loop
        if code == "ETIMEDOUT" then
          assert.equal(("%s %s: timed out"):format(name, call[2]), message)
        end
      end
    end)
  end)
end)

-- ---- the clock of kio.testing ----

for _, backend in ipairs { "uring", "sim" } do
  describe("the clock that jumps over " .. backend, function()
    it("does not jump over a job, however late", function()
      kio.testing.run(function()
        local all <close> = pipes(1)
        local moment = kio.now()
        local result, message = wait_job(all[1].r, 0.1, { timeout = 0.05 })
        assert.is_nil(message)
        assert.is_nil(result)
        assert.is_true(kio.now() - moment < 0.05)
      end, { backend = backend, settle = 0 })
    end)

    it("jumps again when its task does not wait for the job any more", function()
      kio.testing.run(function()
        local all <close> = pipes(1)
        local job = kio.spawn(wait_job, all[1].r)
        until_running(1)
        job:cancel()
        job:join()
        kio.sleep(3600)
        all[1].release()
      end, { backend = backend, timeout = 10000 })
    end)
  end)
end

-- ---- the end of a run with jobs under way ----

-- Leaves a job behind in a run of its own; what the run has raised, and what ends the job.
local function leave_behind(options)
  local pair
  local ok, err = pcall(kio.run, function()
    local r, w = assert(kio.pipe())
    pair = { r = r, w = w }
    local job = kio.spawn(wait_job, r, nil, options)
    until_running(1)
    job:cancel()
    job:join()
  end, { shutdown_timeout = 0.05 })
  return ok, err, function()
    support.run(function()
      kio.write(pair.w, "x")
      kio.close(pair.r)
      kio.close(pair.w)
    end)
  end
end

describe("a run that ends", function()
  it("leaves a job of nobody behind, which then frees itself", function()
    local ok, err, release = leave_behind {}
    release()
    assert.is_true(ok, err)
  end)

  it("names a job it was to wait for, and does not wait longer", function()
    local ok, err, release = leave_behind { patient = true }
    release()
    assert.is_false(ok)
    assert.matches("did not end within shutdown_timeout: wait_job", tostring(err))
  end)

  it("waits for a job it is to wait for", function()
    local r, w
    kio.run(function()
      r, w = assert(kio.pipe())
      local job = kio.spawn(wait_job, r, 0.05, { patient = true })
      -- on a busy machine it may be over before it is seen to run
      while kio.stats().pool.running < 1 and job:status() ~= "done" do kio.yield() end
      job:cancel()
      job:join()
    end)
    support.run(function()
      kio.close(r)
      kio.close(w)
    end)
  end)

  it("by an error, with jobs queued and under way, disposes of them", function()
    local list = {}
    local ok, err = pcall(kio.run, function()
      for i = 1, 3 * INTERNAL do
        local r, w = assert(kio.pipe())
        list[i] = { r = r, w = w }
        common.until_waiting(kio.spawn(wait_job, r))
      end
      error "meant"
    end)
    support.run(function()
      for _, pipe in ipairs(list) do
        kio.write(pipe.w, "x")
        kio.close(pipe.r)
        kio.close(pipe.w)
      end
    end)
    assert.is_false(ok)
    assert.matches("meant", tostring(err))
  end)
end)
