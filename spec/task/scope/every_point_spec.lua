-- timeout: 120
-- flavours: test asan hostile
-- A program that uses every primitive is cancelled at every turn of the loop, and so at every point
-- where one of its tasks waits: afterwards every handle is closed, every lock is free, and nothing
-- is left in the loop.
local kio = require "kio"
local lfs = require "lfs"
local support = require "spec.support"

-- ---- the reference program ----

-- A handle of our own, whose closing needs operations itself.
local function transaction(world)
  world.open = world.open + 1
  return setmetatable({}, { __close = function()
    kio.shield(kio.timeout, 5, function()
      kio.sleep(world.pause)
      world.mutex:lock()
      world.open = world.open - 1
      world.mutex:unlock()
    end)
  end })
end

local function serve(scope, listener)
  for accepted in listener:accepts() do
    scope:spawn(function()
      local stream <close> = accepted
      for line in stream:lines() do assert(stream:write(line:upper(), "\n")) end
    end)
  end
end

local function ask(address, text)
  local stream <close> = assert(kio.net.connect(address))
  assert(stream:send(text .. "\n"))
  return stream:read "l"
end

local function network(world)
  local answers
  kio.scope(function(scope)
    local listener <close> = assert(kio.net.listen(world.name))
    local server = scope:spawn { serve, scope, listener, daemon = true, name = "server" }
    answers = kio.all {
      function() return ask(listener:address(), "one") end,
      function() return ask(listener:address(), "two") end,
    }
    server:cancel()
    server:join()
  end)
  return table.concat(answers, " ")
end

local function files(world)
  local path = ("%s/%d"):format(world.folder, world.number)
  local file <close> = assert(kio.fs.open(path, "w+"))
  assert(file:write("some ", "text\n"))
  file:seek("set", 0)
  local text = file:read "l"
  assert(kio.fs.unlink(path))
  return text
end

local function sharing(world)
  local channel, event = kio.sync.channel(1), kio.sync.event()
  local sender = kio.spawn(function()
    event:wait()
    for i = 1, 4 do
      local _ <close> = world.mutex:lock()
      channel:send(i)
    end
    channel:close()
  end)
  event:set()
  local sum = 0
  for value in channel:iter() do
    local _ <close> = world.semaphore:acquire()
    kio.yield()
    sum = sum + value
  end
  sender:await()
  return sum
end

local function groups(world)
  local a, b = kio.socketpair()
  local ends <close> = setmetatable({}, { __close = function()
    kio.close(a)
    kio.close(b)
  end })
  local won = kio.race {
    function() return kio.recv(a, 1) end,
    function() kio.sleep(world.pause) return "sleep" end,
  }
  local total = 0
  for _, n in kio.as_completed { function() return kio.write(b, "xy") end,
    kio.spawn(function() return #kio.read(a, 2) end) } do
    total = total + n
  end
  assert(ends)
  return won .. " " .. total
end

local function deadlines(world)
  local _, _, code = kio.timeout(world.pause, kio.sleep, 1000)
  local task = kio.spawn(kio.sleep, 1000)
  local joined = task:join { timeout = world.pause }
  task:cancel()
  task:join()
  return code .. " " .. tostring(joined)
end

local function reference(world)
  local _ <close> = transaction(world)
  local list = kio.map({ network, files, sharing, groups, deadlines }, function(f)
    return f(world)
  end, { limit = world.limit })
  return table.concat(list, ", ")
end

local EXPECTED = "ONE TWO, some text, 10, sleep 4, ETIMEDOUT nil"

-- ---- cancelling it ----

local function count_descriptors()
  local count = 0
  for name in lfs.dir "/proc/self/fd" do count = count + (tonumber(name) and 1 or 0) end
  return count
end

local function check_clean(world, descriptors, k)
  collectgarbage()
  collectgarbage()
  kio.yield() -- what the collector has closed
  kio.yield()
  local stats = kio.stats()
  local left = {
    tasks = #kio.tasks() - 1, pending = stats.pending, timers = stats.timers,
    buffers = stats.buffers, descriptors = count_descriptors() - descriptors, open = world.open,
  }
  assert(world.mutex:try_lock(), "the mutex is not free")
  world.mutex:unlock()
  assert(world.semaphore:try_acquire(), "the semaphore is not free")
  world.semaphore:release()
  for what, count in pairs(left) do
    assert(count == 0, ("cancelled at turn %d: %d %s left"):format(k, count, what))
  end
end

-- The ways to be cut off: each runs `reference` in a task and gives what cuts it off. The task
-- returns nil then.
local ways = {}

function ways.task(world)
  local task = kio.spawn(reference, world)
  return task, function() task:cancel() end
end

function ways.scope(world)
  local inner
  local task = kio.spawn(function()
    return (kio.scope(function(scope)
      inner = scope
      return reference(world)
    end))
  end)
  return task, function() if inner then inner:cancel() else task:cancel() end end
end

ways["a sibling's error"] = function(world)
  local event = kio.sync.event()
  local task = kio.spawn(function()
    local ok, result = pcall(kio.scope, function(scope)
      scope:spawn { daemon = true, function()
        event:wait()
        error("a sibling", 0)
      end }
      return reference(world)
    end)
    return ok and result or nil, not ok and assert(result == "a sibling", result)
  end)
  return task, function() event:set() end
end

-- Runs the program for k turns and cuts it off. Whether it had come to its end.
local function cut_at(k, world, way)
  world.mutex, world.semaphore = kio.sync.mutex(), kio.sync.semaphore(1)
  world.open, world.number = 0, k
  local descriptors = count_descriptors()
  local task, cut = way(world)
  for _ = 1, k do kio.yield() end
  cut()
  local ok, result = task:join()
  assert(ok or kio.is_cancelled(result), tostring(result))
  assert(not ok or result == nil or result == EXPECTED, tostring(result))
  check_clean(world, descriptors, k)
  return ok and result ~= nil
end

local function cut_everywhere(world, way, stride)
  local k = 0
  while not cut_at(k, world, way) do k = k + stride end
  return k
end

local worlds = {
  sim = { pause = 0.000005, stride = 1 },
  uring = { pause = 0.00005, stride = support.scale { full = 1, test = 3, rest = 7 } },
}

for backend, settings in pairs(worlds) do
  describe("on " .. backend .. ", a program cut off at every turn", function()
    for name, way in pairs(ways) do
      it("leaves nothing behind: by " .. name, function()
        support.run(function()
          local world = {
            pause = settings.pause, folder = support.tmpdir(),
            name = "unix:@kio-every-" .. support.free_port(),
          }
          assert.is_true(cut_everywhere(world, way, settings.stride) > 10) -- all side by side
          world.limit = 1
          local turns = cut_everywhere(world, way, settings.stride)
          assert.is_true(turns > 40, turns .. " turns")
        end, { backend = backend })
      end)
    end
  end)
end
