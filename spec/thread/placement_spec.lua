-- Which worker begins a job that any may take. A worker is held by a loop in plain Lua that looks
-- for a file; the jobs that others must take meanwhile tell that they ran in the same way.
local kio = require "kio"
local support = require "spec.support"

local JOBS <const> = support.flavour == "hostile" and 40 or 100
local LIMIT <const> = 60 -- seconds after which a loop gives up, and the test fails

local function exists(path)
  local file = io.open(path)
  if file then file:close() end
  return file ~= nil
end

local function touch(path) assert(io.open(path, "w")):close() end

-- Holds its thread until the file is there; whether that came true.
local function hold_until(path)
  local give_up = os.time() + LIMIT
  repeat
    local file = io.open(path)
    if file then file:close() end
    if file then return true end
  until os.time() > give_up
  return false
end

-- The same until so many of the files are there.
local function hold_until_most(paths, count)
  local give_up = os.time() + LIMIT
  local found
  repeat
    found = 0
    for _, path in ipairs(paths) do found = found + (exists(path) and 1 or 0) end
  until found >= count or os.time() > give_up
  return found >= count
end

local function run(f, options)
  local path = os.tmpname()
  os.remove(path)
  options = options or {}
  options.threads = options.threads or 3
  local made = {}
  local function name(what)
    local file = ("%s-%s"):format(path, what)
    made[#made + 1] = file
    return file
  end
  support.run(function() f(name) end, options)
  for _, file in ipairs(made) do os.remove(file) end
end

-- A worker that has begun to hold its thread, until `path` is there.
local function hold(worker, path, begun)
  local task = kio.thread.spawn_on(worker, function(hold_here, release, mark)
    assert(io.open(mark, "w")):close()
    return hold_here(release)
  end, hold_until, path, begun)
  repeat kio.yield() until exists(begun)
  return task
end

local function id() return kio.thread.id() end

describe("a job for any worker", function()
  it("does not wait for one that is held", function()
    run(function(name)
      local held = hold(2, name "release", name "begun")
      local tasks = {}
      for i = 1, JOBS do tasks[i] = kio.thread.spawn(id) end
      for _, task in ipairs(tasks) do assert.not_equal(2, task:await()) end
      touch(name "release")
      assert.is_true(held:await())
    end)
  end)

  it("is run by the others, too, while the one that asked is held", function()
    run(function(name)
      local paths = {}
      local held = hold(3, name "release", name "begun")
      for i = 1, JOBS do
        paths[i] = name(i)
        kio.thread.spawn(function(path) assert(io.open(path, "w")):close() end, paths[i])
      end
      kio.yield() -- by now all are offered, and this worker, too, may have taken one of them or two
      assert.is_true(hold_until_most(paths, JOBS - 10)) -- worker 2 runs these
      touch(name "release")
      assert.is_true(held:await())
    end)
  end)

  it("is passed on by a worker that was woken for it and got something else to do", function()
    run(function(name)
      for round = 1, support.flavour == "hostile" and 10 or 30 do
        local release, done = name("release" .. round), name("done" .. round)
        for worker = 2, 3 do kio.thread.spawn_on(worker, id):await() end
        kio.sleep(0.001) -- they sleep, most times
        kio.thread.spawn(function(path) assert(io.open(path, "w")):close() end, done)
        local held = kio.thread.spawn_on(round // 2 % 2 + 2, hold_until, release)
        local ran = kio.spawn(hold_until, done) -- after both have been sent, in the same turn
        assert.is_true(ran:await())
        touch(release)
        assert.is_true(held:await())
      end
    end)
  end)

  it("is seen by a worker that polls instead of sleeping", function()
    run(function(name)
      kio.thread.spawn_on(2, id):await()
      local done = name "done"
      kio.thread.spawn(function(path) assert(io.open(path, "w")):close() end, done)
      assert.is_true(kio.spawn(hold_until, done):await())
    end, { threads = 2, busy_poll = 3600 })
  end)

  it("is taken now and then when all are busy", function()
    run(function()
      local function work(from)
        local ended = false
        kio.spawn(function() while not ended do kio.yield() end end)
        repeat kio.yield() until from:try_receive()
        ended = true
      end
      local stop = kio.thread.channel(3)
      local busy = kio.thread.each(work, stop)
      local tasks = {}
      for i = 1, 20 do
        tasks[i] = kio.thread.spawn(function() return true end)
      end
      for _, task in ipairs(tasks) do assert.is_true(task:await()) end
      for _, task in ipairs(busy) do
        assert.equal("waiting", task:status()) -- for its worker, which is busy to the last
        stop:send(true)
      end
      for _, task in ipairs(busy) do task:await() end
    end)
  end)

  it("goes to one worker once, whoever is woken", function()
    run(function(name)
      local paths = {}
      for i = 1, JOBS do paths[i] = name(i) end
      kio.scope(function(scope)
        for worker = 1, 3 do
          scope:spawn(function()
            kio.thread.spawn_on(worker, function(list, first)
              kio.scope(function()
                for i = first, #list, 3 do
                  kio.thread.spawn(function(path)
                    assert(io.open(path, "a")):write("x"):close()
                  end, list[i])
                end
              end)
            end, paths, worker):await()
          end)
        end
      end)
      for _, path in ipairs(paths) do
        local file <close> = assert(io.open(path))
        assert.equal("x", file:read "a")
      end
    end)
  end)
end)

describe("a job for one worker", function()
  it("stays with it, however idle the others are", function()
    run(function(name)
      local held = hold(2, name "release", name "begun")
      local tasks = {}
      for i = 1, JOBS do tasks[i] = kio.thread.spawn_on(2, id) end
      for _ = 1, JOBS do kio.thread.spawn_on(3, id):await() end
      for _, task in ipairs(tasks) do assert.equal("waiting", task:status()) end
      touch(name "release")
      assert.is_true(held:await())
      for _, task in ipairs(tasks) do assert.equal(2, task:await()) end
    end)
  end)
end)
