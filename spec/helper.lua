-- Loaded by busted before the specs. After every test the world must be as it was before: the same
-- number of descriptors and threads, and every counter of kio.core.world() at zero. A test that
-- leaves something behind fails.
package.path = "./?.lua;" .. package.path
local busted = require "busted"
local lfs = require "lfs"
local system = require "system"

-- Seconds in which the kernel may finish closing rings and ending threads: on a busy machine it may
-- be late. Only a test that leaves something behind waits for so long.
local GRACE = 10.0
local FORGIVING = 0.2 -- of these the first, before the sanitizer's own thread is taken for that

local function read_line(path)
  local file <close> = io.open(path)
  return file and file:read("l")
end

local function descriptors()
  local list, n = {}, 0
  for name in lfs.dir("/proc/self/fd") do
    local target = tonumber(name) and lfs.symlinkattributes("/proc/self/fd/" .. name, "target")
    -- not the one that reads this folder
    if target and not target:match("^/proc/%d+/fd$") then
      n = n + 1
      list[tonumber(name)] = target
    end
  end
  return n, list
end

-- The kernel's own io_uring workers outlive a ring by some seconds and are nobody's leak.
local function threads()
  local list, n = {}, 0
  for name in lfs.dir("/proc/self/task") do
    local comm = tonumber(name) and read_line("/proc/self/task/" .. name .. "/comm")
    if comm and not comm:match("^iou%-wrk") then
      n = n + 1
      list[tonumber(name)] = comm
    end
  end
  return n, list
end

-- ThreadSanitizer starts a thread of its own beside the first one that a process creates.
local forgivable = os.getenv("KIO_FLAVOUR") == "tsan" and 1 or 0

local function look()
  local world = { counters = {} }
  world.descriptor_count, world.descriptors = descriptors()
  world.thread_count, world.threads = threads()
  local core = package.loaded["kio.core"]
  if type(core) == "table" and core.world then world.counters = core.world() end
  return world
end

local function new_entries(before, after)
  local list = {}
  for id, what in pairs(after) do
    if before[id] ~= what then list[#list + 1] = ("%d (%s)"):format(id, what) end
  end
  table.sort(list)
  return table.concat(list, ", ")
end

-- What differs between the two, in words; nil when nothing does.
local function difference(before, after)
  local texts = {}
  for _, kind in ipairs { "descriptor", "thread" } do
    local old, new = before[kind .. "_count"], after[kind .. "_count"]
    if new ~= old then
      local names = new_entries(before[kind .. "s"], after[kind .. "s"])
      texts[#texts + 1] = ("%d %ss before, %d after: %s"):format(old, kind, new, names)
    end
  end
  for name, count in pairs(after.counters) do
    if count ~= 0 then texts[#texts + 1] = ("kio.core.world().%s is %s"):format(name, count) end
  end
  table.sort(texts)
  return #texts > 0 and table.concat(texts, "; ") or nil
end

local function forgive(was, now)
  if forgivable > 0 and now.thread_count == was.thread_count + 1 then
    forgivable, was.thread_count = 0, now.thread_count
  end
end

local function settle()
  collectgarbage()
  collectgarbage()
end

-- Garbage holds what is seen: with nothing to see there is nothing to collect.
local function changed_since(before)
  if not difference(before, look()) then return nil end
  local start = system.monotime()
  while true do
    settle()
    local now = look()
    local changed = difference(before, now)
    if not changed then return nil end
    local waited = system.monotime() - start
    if waited > FORGIVING then forgive(before, now) end
    if waited > GRACE then return difference(before, now) end
    system.sleep(0.02)
  end
end

-- TLS is another rock's, which puts it there when it is told so. These specs cut connections off:
-- what has come is what counts in them, and an end is one. Why it cannot; nil: it has.
local function put_tls_under()
  local material = require "spec.tls.material"
  local tls, why = material.find()
  if not tls then return why end
  local options = material.options(nil, {
    ca = material.ca(), tickets = 0, truncation = "end",
  })
  require "kio.tls.core".test_under(assert(tls.context(options)))
end

local lacks = os.getenv "KIO_FILTER" == "tls" and put_tls_under() or nil

local before, name

-- Whether a list of words has the value, or that for a byte at a time.
local function is_among(words, value)
  for word in words:gmatch "%S+" do
    if word == value or os.getenv "KIO_CHUNK" and word == value .. "-chunk" then return true end
  end
end

-- Why a test is skipped where this variable is set; nil: it is not.
local function unfit_by(variable, rules, element)
  local set = os.getenv(variable)
  if not set or set == "" then return nil end
  for _, rule in ipairs(require(rules)) do
    local path, test, why, only = table.unpack(rule)
    local here = element.trace.source:find(path, 1, true) and element.name:find(test)
    if here and (not only or is_among(only, set)) then return why end
  end
end

local function unfit(element)
  return lacks or unfit_by("KIO_FILTER", "spec.runner.filters", element)
    or unfit_by("KIO_BACKEND", "spec.runner.backends", element)
end

busted.subscribe({ "test", "start" }, function(element)
  name = element.name
  local why = unfit(element)
  if why then element.run = function() element.env.pending(why) end end
  return nil, true
end)

-- Registered on the root: the first before_each to run, and the last after_each.
busted.before_each(function()
  local now = look()
  if not before or difference(before, now) then
    settle()
    now = look()
  end
  before, name = now, nil
end)

busted.after_each(function()
  require("spec.support").cleanup()
  local changed = changed_since(before)
  if changed then
    error(("world check: the test %q left the world changed: %s"):format(name, changed), 0)
  end
end)
