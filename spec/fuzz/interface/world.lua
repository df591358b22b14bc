-- What a seed must leave as it was: descriptors, threads, blocks of C memory.
local lfs = require "lfs"

local world = {}

local GRACE = 2.0 -- seconds in which the kernel may finish closing rings and ending threads

-- The folder that is being read, and a sanitizer's report, which is a failure of its own.
local function is_nobodys(target)
  return target:match("^/proc/%d+/fd$") or target:match("/sanitizer%.%d+$")
end

local function descriptors()
  local list = {}
  for name in lfs.dir "/proc/self/fd" do
    local target = tonumber(name) and lfs.symlinkattributes("/proc/self/fd/" .. name, "target")
    if target and not is_nobodys(target) then list[tonumber(name)] = target end
  end
  return list
end

-- The kernel's own io_uring workers outlive a ring by some seconds and are nobody's leak.
local function threads()
  local list = {}
  for name in lfs.dir "/proc/self/task" do
    local file <close> = tonumber(name) and io.open("/proc/self/task/" .. name .. "/comm")
    local comm = file and file:read "l"
    if comm and not comm:match("^iou%-") then list[#list + 1] = comm end
  end
  return list
end

-- Beside what there is at the beginning, one standard stream of each kind is kept for good.
function world.look()
  local kio = require "kio"
  for _, name in ipairs { "stdin", "stdout", "stderr" } do kio[name]() end
  return { descriptors = descriptors(), threads = threads(), counters = kio.core.world() }
end

-- Numbers that calls have returned are the caller's to close.
local function excused(numbers)
  local set = {}
  for _, fd in ipairs(numbers) do set[fd] = true end
  return set
end

local function difference(before, numbers)
  local now, found = world.look(), {}
  local ours = excused(numbers)
  for fd, target in pairs(now.descriptors) do
    if not before.descriptors[fd] and not ours[fd] then
      found[#found + 1] = ("descriptor %d (%s) is left"):format(fd, target)
    end
  end
  -- ThreadSanitizer has a thread of its own.
  local own = os.getenv "KIO_FLAVOUR" == "tsan" and 1 or 0
  if #now.threads > #before.threads + own then
    found[#found + 1] = "threads are left: " .. table.concat(now.threads, ", ")
  end
  for name, count in pairs(now.counters) do
    local was = before.counters[name]
    if count > was then
      found[#found + 1] = ("world().%s is %s, was %s"):format(name, count, was)
    end
  end
  table.sort(found)
  return found
end

-- What is left of a seed, as a list of words. `forget` drops what is held; what that closes may
-- bring something along.
function world.left(before, numbers, forget)
  local core = require("kio").core
  local stop = core.now() + GRACE
  while true do
    forget()
    collectgarbage()
    collectgarbage()
    local found = difference(before, numbers)
    if #found == 0 or core.now() > stop then return found end
    require("system").sleep(0.02)
  end
end

return world
