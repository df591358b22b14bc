-- The test driver: builds, runs every suite and spec file as a process of its own, and counts.
--   lua5.4 spec/runner.lua [--only pattern] [--flavour name] [--jobs n] [--list]
--                          [--first pattern]...
-- `first` leaves nothing out: what has one of those in its name comes first, in their order.
-- Each line tells the seconds that a job took, and those of the processor that it used; a table
-- at the end, where these went. Exit status 0 only when something ran and nothing failed; the last
-- line is always the count.
package.path = "./?.lua;" .. package.path
local costs = require "spec.runner.costs"
local exec = require "spec.runner.exec"
local plan = require "spec.runner.plan"
local report = require "spec.runner.report"

local SUMMARY = "build/summary"
-- Specs wait a fifth of their time, for timeouts and each other: so many run beside what the
-- processors can do at once.
local WAITING = 1

local function parse(args)
  local options, i = { jobs = 2, first = {} }, 1
  while args[i] do
    local name = args[i]:match("^%-%-(%l+)$")
    if name == "list" then options.list = true
    elseif name == "first" then
      options.first[#options.first + 1] = assert(args[i + 1], args[i] .. " needs a value")
      i = i + 1
    elseif name == "only" or name == "flavour" or name == "jobs" then
      options[name] = assert(args[i + 1], args[i] .. " needs a value")
      i = i + 1
    else error("unknown argument: " .. args[i], 0) end
    i = i + 1
  end
  options.jobs = math.tointeger(tonumber(options.jobs)) or 2
  return options
end

local function label(job)
  if job.name == job.flavour then return job.name end
  return ("%s [%s]"):format(job.name, job.flavour)
end

local function named(job, pattern)
  return job.name:find(pattern, 1, true) or job.name:find(pattern) ~= nil
end

local function wanted(job, options)
  if job.covered and not options.flavour then return false end
  if options.flavour and job.flavour ~= options.flavour then return false end
  return not options.only or named(job, options.only)
end

local function rank(job, first)
  for i, pattern in ipairs(first) do
    if named(job, pattern) then return i end
  end
  return #first + 1
end

-- Those that may take longest come first, so that no lane is left alone with one at the end.
local function before(a, b)
  if a.rank ~= b.rank then return a.rank < b.rank end
  if a.limit ~= b.limit then return a.limit > b.limit end
  return a.number < b.number
end

-- The jobs that are wanted, in their order: `first`, their limits, the plan.
local function chosen(options)
  local list = {}
  for i, job in ipairs(plan.jobs()) do
    if wanted(job, options) then
      job.number, job.rank = i, rank(job, options.first)
      list[#list + 1] = job
    end
  end
  table.sort(list, before)
  return list
end

local function indent(text) return "    " .. text:gsub("\n", "\n    ") end

local function show(job, result, out, total)
  local counts = ("%d passed, %d failed, %d skipped"):format(out.passed, #out.failed, #out.skipped)
  local word = #out.failed > 0 and "FAIL" or "ok"
  local times = ("%6.1fs %6.1fs"):format(result.seconds, result.cpu)
  print(("%-4s %s  %s: %s"):format(word, times, label(job), counts))
  for _, skip in ipairs(out.skipped) do
    local reason = skip.text ~= "" and skip.text or "no reason given"
    print(("  skipped: %s: %s"):format(skip.name, reason))
  end
  for _, failure in ipairs(out.failed) do
    print(("  FAILED: %s: %s"):format(label(job), failure.name))
    if failure.text ~= "" then print(indent(failure.text)) end
    total.names[#total.names + 1] = ("%s: %s"):format(label(job), failure.name)
  end
  io.stdout:flush()
end

local function run(jobs, lanes, root, total)
  exec.run(jobs, lanes, root, function(job, result)
    local out = report.read(job, result)
    show(job, result, out, total)
    total.cpu = total.cpu + result.cpu
    costs.add(total.costs, label(job), job.flavour, result.cpu)
    total.passed = total.passed + out.passed
    total.failed = total.failed + #out.failed
    total.skipped = total.skipped + #out.skipped
  end)
end

local function finish(total)
  if #total.names > 0 then
    print("\nfailed:")
    for _, name in ipairs(total.names) do print("  " .. name) end
  end
  costs.show(total.costs)
  if total.passed + total.failed + total.skipped == 0 then print("nothing ran") end
  local cpu, elapsed = total.cpu + os.clock(), os.time() - total.start
  print(("%.1f minutes of processor time in %.1f minutes"):format(cpu / 60, elapsed / 60))
  local format = "%d passed, %d failed, %d skipped"
  local line = format:format(total.passed, total.failed, total.skipped)
  local file <close> = assert(io.open(SUMMARY, "w"))
  file:write(line, "\n")
  print(line)
  return total.failed == 0 and total.passed > 0
end

-- A build that works is not a test, one that does not is a failure.
local function build(jobs, lanes, total)
  run({ plan.build(jobs, lanes) }, 1, "build/report-build", total)
  total.passed = 0
  return total.failed == 0
end

-- The jobs without those that need what cannot be had: that is one skip.
local function possible(jobs, total)
  local needed = plan.requirement(jobs)
  local passed, skipped, failed = total.passed, total.skipped, total.failed
  if not needed then return jobs end
  run({ needed }, 1, "build/report-needed", total)
  total.passed = passed
  if total.skipped == skipped and total.failed == failed then return jobs end
  local rest = {}
  for _, job in ipairs(jobs) do
    if job.flavour ~= needed.flavour then rest[#rest + 1] = job end
  end
  return rest
end

local function main(args)
  local options = parse(args)
  local total = { passed = 0, failed = 0, skipped = 0, names = {}, cpu = 0, start = os.time() }
  total.costs = costs.new()
  local jobs = chosen(options)
  if options.list then
    for _, job in ipairs(jobs) do print(label(job)) end
    return true
  end
  assert(os.execute("mkdir -p build && rm -f " .. SUMMARY))
  jobs = possible(jobs, total)
  if #jobs > 0 and build(jobs, options.jobs, total) then
    run(jobs, options.jobs + WAITING, "build/report", total)
  end
  return finish(total)
end

os.exit(main(arg), true)
