-- A copy of the project in which one line is wrong: builds it, and looks who notices.
local exec = require "spec.runner.exec"
local rooms = require "spec.mutate.rooms"

local trial = {}

local SO = "build/test/kio/core.so"

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

local function in_copy(folder, command, limit)
  return ("cd %s && timeout -k 5 %d %s%s 2>&1"):format(folder, limit, apart, command)
end

-- Runs the jobs of a pattern until one fails that is not in `known`. Its label; nil: none did.
local function first_failure(folder, only, limit, known)
  local command = "lua5.4 spec/runner.lua --flavour test"
  if only then command = command .. " --only " .. exec.quote(only) end
  local script = "echo $$; " .. in_copy(folder, command, limit)
  local pipe = io.popen("setsid sh -c " .. exec.quote(script))
  local group, found, counted = pipe:read("l"), nil, false
  for line in pipe:lines() do
    local label = line:match("^FAIL%s+[%d.]+s%s+(.-): %d+ passed")
    counted = counted or line:match("^%d+ passed, %d+ failed") or line == "nothing ran"
    if label and not known[label] then
      found = label
      break
    end
  end
  if found then run(("kill -TERM -- -%s 2>/dev/null"):format(group)) end
  pipe:close()
  return found or not counted and "the limit of time" or nil
end

local function write(path, text)
  local file <close> = assert(io.open(path, "wb"))
  assert(file:write(text))
end

local function replaced(text, mutant)
  local n, lines = 0, {}
  for line in text:gmatch("([^\n]*)\n") do
    n = n + 1
    if n == mutant.line then
      assert(line == mutant.before, mutant.path .. " has changed since")
      line = mutant.after
    end
    lines[n] = line
  end
  return table.concat(lines, "\n") .. "\n"
end

local function build(folder, limit)
  return run(in_copy(folder, "make -s build-test >/dev/null", limit))
end

-- Whether the job fails without the wrong line, too. Units are programs of their own: those are
-- believed.
local function fails_anyway(folder, label, limit)
  local name = label:match("^(%S+%.lua) %[")
  if not name then return false end
  local so = folder .. "/" .. SO
  assert(run(("mv %s %s/wrong && cp %s/as-it-was %s"):format(so, folder, folder, so)))
  local found = first_failure(folder, name, limit, {})
  assert(run(("cp %s/wrong %s"):format(folder, so)))
  return found ~= nil
end

-- The job that the wrong line has made fail; nil: none. `known` gathers those that fail anyway.
local function victim(folder, only, limit, known)
  while true do
    local label = first_failure(folder, only, limit, known)
    if not label or not fails_anyway(folder, label, limit) then return label end
    known[label] = true
  end
end

local function judge(folder, mutant, limit, known)
  if not build(folder, limit) then return "does not compile" end
  if run(("cmp -s %s/%s %s/as-it-was"):format(folder, SO, folder)) then return "same code" end
  for _, pattern in ipairs(rooms(mutant.path)) do
    local label = victim(folder, pattern, limit, known)
    if label then return "killed by " .. label end
  end
  local label = victim(folder, nil, limit, known)
  return label and "killed by " .. label or "SURVIVED"
end

-- Builds the copy as it is.
function trial.prepare(folder, limit)
  assert(build(folder, limit), "the project does not build")
  assert(run(("cp %s/%s %s/as-it-was"):format(folder, SO, folder)))
end

-- What becomes of a mutant: "SURVIVED", or how it did not.
function trial.of(folder, mutant, limit, known)
  local path = folder .. "/" .. mutant.path
  local text = exec.read_file(path)
  write(path, replaced(text, mutant))
  local ok, verdict = pcall(judge, folder, mutant, limit, known)
  write(path, text)
  return ok and verdict or error(verdict, 0)
end

return trial
