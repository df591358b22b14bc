-- Turns what a job left behind into counts: { passed, failed, skipped } of { name, text }.
local exec = require "spec.runner.exec"

local report = {}

local SIGNALS = {
  [4] = "SIGILL", [6] = "SIGABRT", [7] = "SIGBUS", [8] = "SIGFPE", [9] = "SIGKILL",
  [11] = "SIGSEGV", [13] = "SIGPIPE", [15] = "SIGTERM",
}
local TAIL = 20000 -- bytes of a job's output that are shown

local function outcome() return { passed = 0, failed = {}, skipped = {} } end

local function fail(out, name, text) out.failed[#out.failed + 1] = { name = name, text = text } end

-- How a process ended, in words; nil when it ended well.
local function status_text(job, result)
  local status = result.status
  if status == 0 then return nil end
  if status == 124 or (status == 137 and result.seconds >= job.limit) then
    return ("timed out after %d s"):format(job.limit)
  end
  if status < 0 then return "was never run" end
  local signal = status > 128 and status - 128
  if signal then return ("crashed: signal %d %s"):format(signal, SIGNALS[signal] or "") end
  return ("exit status %d"):format(status)
end

local function ending(job, result)
  local text = status_text(job, result)
  if not result.left then return text end
  return (text and text .. ", " or "") .. "left processes behind: " .. result.left
end

local function output(job)
  local parts = {}
  for _, name in ipairs { "out", "err" } do
    local text = exec.read_file(job.dir .. "/" .. name):gsub("%s+$", "")
    if #text > TAIL then text = "[...]\n" .. text:sub(-TAIL) end
    if text ~= "" then parts[#parts + 1] = text end
  end
  return table.concat(parts, "\n")
end

local read = {}

function read.busted(job, result)
  local out, running, ended = outcome(), nil, false
  for line in exec.read_file(job.dir .. "/report"):gmatch("[^\n]+") do
    local record = load("return " .. line, "=report", "t", {})
    record = record and record() or { kind = "torn" }
    local kind = record.kind
    if kind == "start" then running = record.name else running = nil end
    if kind == "passed" then out.passed = out.passed + 1
    elseif kind == "failed" then fail(out, record.name, record.text)
    elseif kind == "skipped" then
      out.skipped[#out.skipped + 1] = { name = record.name, text = record.text }
    end
    ended = ended or kind == "end"
  end
  local bad = ending(job, result)
  if not ended then
    bad = (bad or "ended early") .. (running and (" in the test: " .. running) or "")
  elseif result.status == 1 and #out.failed > 0 and not result.left then
    bad = nil -- the status only repeats the failures
  end
  if bad then fail(out, bad, output(job))
  elseif out.passed + #out.skipped + #out.failed == 0 then
    fail(out, "no test in this file", output(job))
  end
  return out
end

function read.command(job, result)
  local out, bad = outcome(), ending(job, result)
  if bad then fail(out, bad, output(job)) else out.passed = 1 end
  return out
end

function read.program(job, result)
  if result.status ~= 77 or result.left then return read.command(job, result) end
  local out = outcome()
  local reason = output(job):match("([^\n]*)%s*$")
  out.skipped[1] = { name = job.name, text = reason ~= "" and reason or "exit status 77" }
  return out
end

-- The lines an example promises in its opening comment.
local function expectations(path)
  local list = {}
  for line in io.lines(path) do
    if not line:match("^%-%-") and not line:match("^#!") then break end
    local how, text = line:match("^%-%-%s*(expect[%l-]*): ?(.*)$")
    local known = how == "expect" or how == "expect-match"
    if known then list[#list + 1] = { how = how, text = text } end
  end
  return list
end

local function compare(path, text)
  local wanted, n = expectations(path), 0
  if #wanted == 0 then return "has no `-- expect:` line in its opening comment" end
  for line in text:gmatch("([^\n]*)\n?") do
    if line == "" and n >= #wanted then break end
    n = n + 1
    local want = wanted[n]
    if not want then return ("line %d was not expected: %s"):format(n, line) end
    local good
    if want.how == "expect" then good = line == want.text else good = line:find(want.text) end
    if not good then return ("line %d: %s: %s\n  got: %s"):format(n, want.how, want.text, line) end
  end
  if n < #wanted then return ("line %d is missing: %s"):format(n + 1, wanted[n + 1].text) end
end

-- `says`: a text that it must also write to its standard error.
local function wrong_output(job)
  local difference = compare(job.name, exec.read_file(job.dir .. "/out"))
  if difference or not job.says then return difference end
  local said = exec.read_file(job.dir .. "/err"):find(job.says, 1, true)
  return not said and "does not say: " .. job.says or nil
end

function read.example(job, result)
  local out = read.program(job, result)
  if out.passed == 0 then return out end
  local difference = wrong_output(job)
  if difference then
    out.passed = 0
    fail(out, "wrong output", difference .. "\n" .. output(job))
  end
  return out
end

function report.read(job, result) return read[job.kind](job, result) end

return report
