-- A copy of the project in which one line is wrong: builds it, and looks who notices.
local exec = require "spec.runner.exec"
local rooms = require "spec.mutate.rooms"

local trial = { unknown = "its room has not noticed" }

local SO = "build/test/kio/core.so"
local RESULT = "^(%u*%l*)%s+[%d.]+s%s+[%d.]+s%s+(.-): %d+ passed"

local function run(command) return (os.execute(command)) end

-- A namespace of processes of its own: a wrong line may send signals anywhere.
local apart = run "unshare -pf --mount-proc --kill-child true 2>/dev/null"
  and "unshare -pf --mount-proc --kill-child " or ""

-- A fresh copy of the files git knows, as they are now.
function trial.copy(folder)
  local take = "rm -rf %s && mkdir -p %s && git ls-files -co --exclude-standard -z"
    .. " | tar c --null -T - | tar x -C %s"
  assert(run(take:format(folder, folder, folder)))
end

-- unshare ignores TERM; the runner's jobs are groups of their own, that it ends when it gets that.
local signal = apart ~= "" and "KILL" or "TERM"

local function in_copy(folder, command, limit)
  local format = "cd %s && timeout --foreground -k 5 -s %s %d %s%s 2>&1"
  return format:format(folder, signal, limit, apart, command)
end

-- The lines of one run of the specs, until stop(line) is true. Many a wrong line hangs: no more
-- patience with those than on a quiet machine.
local function run_specs(folder, arguments, limit, stop)
  local command = "env KIO_BUSY=1 lua5.4 spec/runner.lua --flavour test" .. arguments
  local script = "echo $$; " .. in_copy(folder, command, limit)
  local pipe = io.popen("setsid sh -c " .. exec.quote(script) .. " 2>/dev/null")
  local group = pipe:read("l")
  for line in pipe:lines() do
    if stop(line) then
      run(("kill -s %s -- -%s"):format(signal, group))
      break
    end
  end
  pipe:close()
end

-- Runs specs until a job fails that is not in `known`, or one has run that is not `wanted`. The
-- label and the first test that failed; nil: none did.
local function first_failure(folder, arguments, limit, known, wanted)
  local failed, test, ended
  run_specs(folder, arguments, limit, function(line)
    local word, label = line:match(RESULT)
    if word == "FAIL" and not known[label] then failed = label end
    test = failed and line:match("^  FAILED: .-: (.*)")
    ended = line:match("^%d+ passed, %d+ failed") or line == "nothing ran"
      or not failed and label and wanted and not wanted(label)
    return test or ended
  end)
  if failed or ended then return failed, test end
  return "the limit of time"
end

local function write(path, text)
  local file <close> = assert(io.open(path, "wb"))
  assert(file:write(text))
end

local function replaced(text, mutant)
  local n, lines = 0, {}
  for line in text:gmatch("([^\n]*)\n") do
    n = n + 1
    local other = n ~= mutant.line
    assert(other or line == mutant.before, mutant.path .. " has changed since")
    lines[n] = other and line or mutant.after
  end
  return table.concat(lines, "\n") .. "\n"
end

local function build(folder, limit)
  return run(in_copy(folder, "make -s -j2 build-test >/dev/null", limit))
end

local function fails(folder, name, limit)
  return first_failure(folder, " --only " .. exec.quote(name), limit, {}) ~= nil
end

-- Whether the job fails without the wrong line, too. Units are programs of their own: those are
-- believed.
local function fails_anyway(folder, name, limit)
  if not name:match("%.lua$") then return false end
  local so = folder .. "/" .. SO
  assert(run(("mv %s %s/wrong && cp %s/as-it-was %s"):format(so, folder, folder, so)))
  local found = fails(folder, name, limit)
  assert(run(("cp %s/wrong %s"):format(folder, so)))
  return found
end

local function arguments(first)
  local words = {}
  for i, pattern in ipairs(first) do words[i] = " --first " .. exec.quote(pattern) end
  return table.concat(words)
end

local function is_of_room(name, first)
  for _, pattern in ipairs(first) do
    if name:find(pattern) then return true end
  end
end

-- Who notices: fails with the wrong line, twice, and not without. `known` gathers the jobs that
-- fail anyway.
local function witness(folder, first, options, known)
  local ignored, luck = setmetatable({}, { __index = known }), nil
  local limit = options.limit
  local wanted = options.whole == 0 and function(label)
    return label == "build" or is_of_room(label, first)
  end
  while true do
    local label, test = first_failure(folder, arguments(first), limit, ignored, wanted)
    if not label and luck then return "killed by luck by " .. luck end
    if not label then return wanted and trial.unknown or "SURVIVED" end
    local name = label:match("^(%S+) %[")
    local told = label .. (test and ": " .. test or "")
    if not name then return "killed by " .. told end
    if fails_anyway(folder, name, limit) then known[label] = true
    elseif fails(folder, name, limit) then
      return (is_of_room(name, first) and "killed by " or "killed elsewhere by ") .. told
    else
      ignored[label], luck = true, told
    end
  end
end

-- Without what says which lines the code is from.
local function bare(folder, from, to)
  local strip = "objcopy --strip-debug --remove-section=.note.gnu.build-id %s/%s %s/%s"
  assert(run(strip:format(folder, from, folder, to)))
end

local function is_same_code(folder)
  bare(folder, SO, "wrong")
  return run(("cmp -s %s/wrong %s/bare"):format(folder, folder))
end

local function judge(folder, mutant, options, known)
  if not build(folder, options.limit) then return "does not compile" end
  if is_same_code(folder) then return "same code" end
  return witness(folder, rooms(mutant.path), options, known)
end

-- Builds the copy as it is.
function trial.prepare(folder, limit)
  assert(build(folder, limit), "the project does not build")
  assert(run(("cp %s/%s %s/as-it-was"):format(folder, SO, folder)))
  bare(folder, SO, "bare")
end

-- What becomes of a mutant: "SURVIVED", or how it did not.
function trial.of(folder, mutant, options, known)
  local path = folder .. "/" .. mutant.path
  local text = exec.read_file(path)
  write(path, replaced(text, mutant))
  local ok, verdict = pcall(judge, folder, mutant, options, known)
  write(path, text)
  return ok and verdict or error(verdict, 0)
end

return trial
