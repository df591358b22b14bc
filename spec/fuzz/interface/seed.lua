-- One seed of the fuzzer, in a process of its own: lua5.4 seed.lua <seed> <root> <folder> [a-b]
-- Works in <folder>/place, writes <folder>/journal; exit status 3 when something was found.
local lfs = require "lfs"

local seed, root, folder = math.tointeger(arg[1]), arg[2], arg[3]
local FIRST, LAST = (arg[4] or "1-1000000"):match("^(%d+)%-?(%d*)$")
FIRST, LAST = tonumber(FIRST), tonumber(LAST) or tonumber(FIRST)

-- The folder changes: what is looked for later must be found from there.
local here = ";" .. root:gsub("%%", "%%%%") .. "/"
for _, which in ipairs { "path", "cpath" } do
  package[which] = (";" .. package[which]):gsub(";%./", here):sub(2)
end
assert(lfs.chdir(folder .. "/place"))
collectgarbage("generational")

local kio = require "kio"
local journal = require "spec.fuzz.interface.journal"
local handles = require "spec.fuzz.interface.handles"
local pool = require "spec.fuzz.interface.pool"
local random_of = require "spec.fuzz.interface.random"
local steps = require "spec.fuzz.interface.steps"
local targets = require "spec.fuzz.interface.targets"
local world = require "spec.fuzz.interface.world"

local ROUNDS, OUTSIDE, INSIDE = 3, 4, 25 -- runs of a seed, steps between and in them

local before = world.look()
journal.open(folder .. "/journal")
local step = 0

local function do_steps(count, task)
  for _ = 1, count do
    step = step + 1
    if step >= FIRST and step <= LAST then steps.one(seed, step, task) end
  end
end

local function gather(ok, found)
  if not ok then return steps.check(found, "steps elsewhere") end
  if found and found > 0 then journal.fail("%d times elsewhere", found) end
end

-- The same beside us, in other states.
local function elsewhere(random, threads)
  local first = step + 1
  step = step + 20
  if first < FIRST or first > LAST then return nil end
  local path = folder .. "/journal"
  local where = random(3)
  if where == 1 and threads > 1 then
    return handles.beside(function()
      gather(pcall(function()
        return kio.thread.spawn(steps.elsewhere, root, path, seed, first, 10, true):await()
      end))
    end)
  elseif where == 2 then
    return handles.beside(function()
      gather(pcall(function()
        return kio.spawn_blocking(steps.elsewhere, root, path, seed, first, 5):await()
      end))
    end)
  end
end

local function main(random, threads)
  return function()
    local other = elsewhere(random, threads)
    do_steps(INSIDE, true)
    if other then
      other:join { timeout = 20 }
      other:cancel()
    end
    pool.clear(true)
  end
end

local function round(random)
  local threads = random(2) == 1 and 1 or random(4)
  journal.write("-- a run on %d threads", threads)
  local ok, err = pcall(kio.run, main(random, threads), {
    threads = threads, shutdown_timeout = 10, watchdog = 10, on_error = function() end,
    on_worker_error = "keep",
  })
  if ok then return end
  local text = tostring(err)
  steps.check(err, "kio.run")
  if text:find("within shutdown_timeout", 1, true) then journal.fail("%s", text) end
end

-- The folder that steps find at their beginning.
local function furnish()
  assert(lfs.mkdir "folder" and lfs.mkdir "folder/inner" and lfs.link("file", "link", true))
  local file <close> = assert(io.open("file", "w"))
  file:write(("hello\n"):rep(1000))
end

local function conclude()
  local left = world.left(before, pool.numbers(), pool.clear)
  for _, what in ipairs(left) do journal.fail("%s", what) end
  journal.write("-- the end")
  os.exit(journal.failures() == 0 and 0 or 3, true)
end

furnish()
targets.load(root)
local random = random_of(seed, 0)
targets.focus(random_of(seed, -1))
for _ = 1, ROUNDS do
  do_steps(OUTSIDE, false)
  round(random)
end
do_steps(OUTSIDE, false)
conclude()
