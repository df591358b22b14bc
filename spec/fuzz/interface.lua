-- Fuzzes the whole interface: calls every function with arguments of every kind, everywhere.
--   lua5.4 spec/fuzz/interface.lua [--seeds A-B] [--flavour name] [--jobs n] [--steps A-B]
--                               [--without pattern]
-- The flavour must have been built. KIO_SEED=n is --seeds n-n. Each seed is a process of its own
-- under a time limit; what ends badly is told with its last calls. Status 0: nothing was found.
-- --steps leaves the other steps of a seed out; --without, functions by a Lua pattern.
-- flavours: test asan tsan
-- timeout: 240
package.path = "./?.lua;" .. package.path
local exec = require "spec.runner.exec"
local plan = require "spec.runner.plan"

local SEEDS = { test = 10, asan = 15, tsan = 6, hostile = 15 } -- of the short run
local LIMIT = 60 -- seconds of a seed; it takes about one
local SLOW = { asan = 2, tsan = 3 }
local BATCH = 200 -- seeds whose folders there are at a time
local SHOWN, REPORT = 12, 80 -- lines of a journal, and of what a process has told

local KNOWN = { seeds = true, flavour = true, jobs = true, steps = true, without = true }

local function range(text)
  local first, last = text:match("^(%d+)%-(%d+)$")
  if not first then first = text:match("^%d+$") end
  return assert(math.tointeger(first), "not a range: " .. text), math.tointeger(last or first)
end

local function parse(args)
  local options = { flavour = "test", jobs = "2" }
  for i = 1, #args, 2 do
    local name = args[i]:match("^%-%-(%l+)$")
    assert(name and KNOWN[name], "unknown argument: " .. args[i])
    options[name] = assert(args[i + 1], args[i] .. " needs a value")
  end
  local few = ("1-%d"):format(SEEDS[options.flavour] or 10)
  options.first, options.last = range(options.seeds or os.getenv "KIO_SEED" or few)
  return options
end

-- ---- one seed as a job ----

-- Addresses are 64 bits wide, but not memory; the sanitizers have limits of their own.
local function limited(flavour)
  if flavour == "asan" or flavour == "tsan" then return "" end
  return "ulimit -v 6000000\n"
end

local function environment(options, root, folder)
  local flavour = options.flavour
  local env = plan.environment(flavour)
  local more = ":log_path=" .. folder .. "/sanitizer:max_allocation_size_mb=512"
    .. ":allocator_may_return_null=1"
  env.ASAN_OPTIONS, env.TSAN_OPTIONS = env.ASAN_OPTIONS .. more, env.TSAN_OPTIONS .. more
  for _, name in ipairs { "LSAN_OPTIONS", "TSAN_OPTIONS" } do
    env[name] = env[name]:gsub("spec/runner/", root .. "/%0")
  end
  env.UBSAN_OPTIONS = env.UBSAN_OPTIONS .. ":log_path=" .. folder .. "/sanitizer"
  env.LUA_PATH, env.TMPDIR = "./lua/?.lua;./lua/?/init.lua;./?.lua;;", folder .. "/place"
  env.KIO_WITHOUT = options.without
  env.LUA_CPATH = ("./build/%s/?.so;;"):format(flavour)
  return env
end

local function job_of(seed, options, root, folder)
  local begin = ("mkdir -p %s/place && mkfifo %s/place/fifo\n%sexec %s"):format(
    folder, folder, limited(options.flavour), plan.sanitizer(options.flavour))
  local call = ("lua5.4 spec/fuzz/interface/seed.lua %d %s %s %s"):format(seed, exec.quote(root),
    folder, options.steps or "")
  return {
    seed = seed, folder = folder, command = "sh -c " .. exec.quote(begin .. call),
    limit = LIMIT * (SLOW[options.flavour] or 1),
    env = environment(options, root, folder),
  }
end

-- ---- what came of it ----

local function last_lines(text, count)
  local lines = {}
  for line in text:gmatch("[^\n]+") do lines[#lines + 1] = "    " .. line end
  return table.concat(lines, "\n", math.max(1, #lines - count + 1))
end

local function first_lines(text, count)
  local lines = {}
  for line in text:gmatch("[^\n]+") do
    lines[#lines + 1] = "    " .. line
    if #lines == count then break end
  end
  return table.concat(lines, "\n")
end

local function reports_of(job)
  return exec.capture(("cat %s/sanitizer.* 2>/dev/null"):format(job.folder))
end

-- Calls guess numbers of descriptors, which other threads may open just then: ThreadSanitizer takes
-- descriptors for memory, and that for a race. The reports without those, how many that are, and of
-- how many; the last may be cut off by the end of the process.
local function without_guesses(reports)
  local others, count, mark = {}, 0, "WARNING: ThreadSanitizer"
  local at = reports:find(mark, 1, true)
  while at do
    local behind = reports:find(mark, at + 1, true)
    local report = reports:sub(at, (behind or #reports + 1) - 1)
    local is_guess = report:find("\n  Location is file descriptor ", 1, true)
    if not is_guess then others[#others + 1] = report end
    at, count = behind, count + 1
  end
  return table.concat(others, "\n"), #others, count
end

local function only_of_guesses(reports)
  local _, others, all = without_guesses(reports)
  return others == 0 and all > 0
end

local function how_it_ended(job, result, journal)
  local status = result.status
  if status == 66 and only_of_guesses(reports_of(job)) then
    status = journal:find("\nFAILURE: ", 1, true) and 3 or 0
  end
  if result.left then return "left processes behind: " .. result.left end
  if status == 124 or status == 137 and result.seconds >= job.limit then
    return ("hung: %d s were over"):format(job.limit)
  elseif status > 128 then return ("crashed: signal %d"):format(status - 128)
  elseif status == 66 then return "a sanitizer's report"
  elseif status == 3 then return "found:"
  elseif status ~= 0 then return ("exit status %d"):format(status)
  elseif not journal:find("-- the end\n", 1, true) then return "ended before its end" end
end

local function show(job, options, how, journal)
  print(("seed %d [%s] %s"):format(job.seed, options.flavour, how))
  for line in journal:gmatch("FAILURE: ([^\n]*)") do print("    " .. line) end
  print("  last calls:")
  print(last_lines(journal, SHOWN))
  local reports = reports_of(job)
  if options.flavour == "tsan" then reports = without_guesses(reports) end
  local told = reports .. exec.read_file(job.dir .. "/err")
  if told ~= "" then print("  told:\n" .. first_lines(told, REPORT)) end
  print(("  again: lua5.4 spec/fuzz/interface.lua --flavour %s --seeds %d"):format(
    options.flavour, job.seed))
  io.stdout:flush()
end

local function run_batch(first, last, options, root, place)
  local jobs, bad = {}, 0
  for seed = first, last do
    jobs[#jobs + 1] = job_of(seed, options, root, ("%s/seed/%d"):format(place, seed))
  end
  exec.run(jobs, math.tointeger(options.jobs), place .. "/job", function(job, result)
    local journal = exec.read_file(job.folder .. "/journal")
    local how = how_it_ended(job, result, journal)
    if how then
      bad = bad + 1
      show(job, options, how, journal)
    end
  end)
  assert(os.execute(("rm -rf %s/seed %s/job"):format(place, place)))
  return bad
end

local function main(args)
  local options, bad = parse(args), 0
  local root = exec.capture("pwd"):match("[^\n]+")
  local place = exec.capture("mktemp -d"):match("%S+")
  for first = options.first, options.last, BATCH do
    local last = math.min(first + BATCH - 1, options.last)
    bad = bad + run_batch(first, last, options, root, place)
  end
  assert(os.execute("rm -rf " .. place))
  print(("%d seeds [%s], %d of them bad"):format(
    options.last - options.first + 1, options.flavour, bad))
  return bad == 0
end

os.exit(main(arg), true)
