-- Runs jobs, a few at a time. Plain Lua cannot wait for several processes, xargs -P can: it starts
-- `spec/runner/job` for one directory after the other, and each prints one line when it is done.
local exec = {}

local function write_file(path, text)
  local file <close> = assert(io.open(path, "w"))
  assert(file:write(text))
end

function exec.quote(word)
  if word:match("^[%w_./=:,+-]+$") then return word end
  return "'" .. word:gsub("'", "'\\''") .. "'"
end

function exec.capture(command)
  local pipe <close> = assert(io.popen(command))
  return pipe:read("a")
end

function exec.read_file(path)
  local file <close> = io.open(path)
  return file and file:read("a") or ""
end

-- The environment of make (jobserver, command line variables) must not reach the jobs.
local function command_text(job, dir)
  local lines = { "unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES" }
  for name, value in pairs(job.env or {}) do
    lines[#lines + 1] = ("export %s=%s"):format(name, exec.quote(value))
  end
  lines[#lines + 1] = "export KIO_REPORT=" .. exec.quote(dir .. "/report")
  lines[#lines + 1] = "exec " .. job.command
  return table.concat(lines, "\n") .. "\n"
end

local function prepare(jobs, root)
  local by_dir, dirs = {}, {}
  for i, job in ipairs(jobs) do
    local dir = ("%s/%03d"):format(root, i)
    job.dir, by_dir[dir], dirs[i] = dir, job, dir
  end
  assert(os.execute(("rm -rf %s && mkdir -p %s"):format(root, table.concat(dirs, " "))))
  for _, job in ipairs(jobs) do
    write_file(job.dir .. "/command", command_text(job, job.dir))
    write_file(job.dir .. "/limit", ("%d\n"):format(job.limit))
  end
  write_file(root .. "/list", table.concat(dirs, "\n") .. "\n")
  return by_dir
end

-- The seconds of processor time, of user and system, that the shell's `times` tells.
local function processor_seconds(dir)
  local sum, text = 0, exec.read_file(dir .. "/times"):gsub(",", ".")
  for minutes, seconds in text:gmatch("(%d+)m([%d.]+)s") do sum = sum + minutes * 60 + seconds end
  return sum
end

-- Calls done(job, result) as each job ends; result: status, seconds, cpu (seconds of processor
-- time), left (names of processes).
function exec.run(jobs, lanes, root, done)
  if #jobs == 0 then return end
  local by_dir = prepare(jobs, root)
  local command = "xargs -n 1 -P %d spec/runner/job < %s/list"
  local pipe <close> = assert(io.popen(command:format(lanes, root)))
  for line in pipe:lines() do
    local dir, status, ms, left = line:match("^(%S+) (%d+) (%d+) ?(.*)$")
    local job = assert(by_dir[dir], "unexpected line from a job: " .. line)
    by_dir[dir] = nil
    done(job, {
      status = tonumber(status),
      seconds = tonumber(ms) / 1000,
      cpu = processor_seconds(dir),
      left = left ~= "" and left:gsub(",+$", "") or nil,
    })
  end
  for _, job in pairs(by_dir) do done(job, { status = -1, seconds = 0, cpu = 0 }) end
end

return exec
