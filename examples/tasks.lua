-- Tasks: side by side, with errors, deadlines and cancellation.
-- expect: side by side: 60
-- expect: joined: false, no luck
-- expect: awaited through three tasks: no luck
-- expect: too slow: ETIMEDOUT
-- expect: cancelled: kio.Cancelled, cleaned up
-- expect: the pipe still has what was written: not lost
-- expect: nobody awaited it: no luck
local kio = require "kio"

local function slow_double(n)
  kio.sleep(0.01)
  return 2 * n
end

local function unlucky()
  kio.sleep(0.001)
  error("no luck", 0)
end

local function side_by_side()
  local tasks, sum = {}, 0
  for i = 1, 3 do tasks[i] = kio.spawn(slow_double, i * 5) end
  for _, task in ipairs(tasks) do sum = sum + task:await() end
  print("side by side: " .. sum)
end

local function errors()
  local ok, err = kio.spawn(unlucky):join()
  print(("joined: %s, %s"):format(ok, err))
  local function through(n) return n == 0 and unlucky() or kio.spawn(through, n - 1):await() end
  print("awaited through three tasks: " .. select(2, pcall(through, 3)))
end

local function cancellation()
  local from, to = kio.pipe()
  local result, _, code = kio.read(from, 100, { timeout = 0.001 })
  print("too slow: " .. (result or code))
  local task = kio.spawn(function()
    local ok, err = pcall(kio.read, from, 100)
    kio.shield(kio.sleep, 0.001) -- cleaning up may wait under a shield
    return ok or tostring(err)
  end)
  kio.yield()
  task:cancel()
  print(("cancelled: %s, cleaned up"):format(task:await()))
  kio.write(to, "not lost")
  print("the pipe still has what was written: " .. kio.read(from, 100))
  kio.close(from)
  kio.close(to)
end

kio.run(function()
  side_by_side()
  errors()
  cancellation()
end)
local _, message = pcall(kio.run, function() kio.spawn(unlucky) end)
print("nobody awaited it: " .. message:match "^[^\n]*")
