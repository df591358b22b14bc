-- What there is to run: finds the spec files, C programs and examples, reads their first lines
-- (`flavours: test asan`, `timeout: 120`) and makes one job of each file and flavour.
local exec = require "spec.runner.exec"

local plan = {}

local LIMIT = 60 -- seconds, on a machine that does nothing else
-- Times that beside others' work; a limit is there to end what hangs.
local BUSY = tonumber(os.getenv "KIO_BUSY") or 4
-- What runs jobs but those of `lua55`, which have programs of their own.
local LUA, LUA55 = "lua5.4", "lua5.5"
local SLOW = { asan = 2, tsan = 2, workers = 2 } -- sanitizers get this many times the limit
local SPEC_FLAVOURS = "test asan hostile tsan workers"
local THREAD_FLAVOURS = "test asan hostile tsan" -- they have several workers anyway
-- Of every run in the flavour `workers`, which is built like tsan. The specs' tasks are on the
-- first, and it shows what the start, wakes and end of another do to them. For more: spec/worker.
local WORKERS = "2"
local UNIT_FLAVOURS = "test asan"

local function list(pattern)
  local command = "for f in %s; do [ -e \"$f\" ] && echo \"$f\"; done; true"
  local files = {}
  for path in exec.capture(command:format(pattern)):gmatch("[^\n]+") do files[#files + 1] = path end
  return files
end

-- The settings in the comment that opens a file. `without`: of the flavours that are another one's
-- with something beside it, those in which it could show nothing more.
local SETTINGS = { flavours = true, timeout = true, needs = true, without = true }

local function header(path)
  local found, n = {}, 0
  for line in io.lines(path) do
    n = n + 1
    if n > 12 then break end
    local key, value = line:match("^[%s/*-]*(%l+):%s*(.-)[%s*/]*$")
    if SETTINGS[key] then found[key] = value end
  end
  return found
end

-- The sanitizer must come first in the process; address randomisation at the wide setting of some
-- kernels is more than the sanitizers of gcc 12 can place their shadow in.
local preload = {}
function plan.sanitizer(flavour)
  local names = ({ asan = "libasan.so libubsan.so", tsan = "libtsan.so" })[flavour]
  if not names then return "" end
  if not preload[flavour] then
    local paths = {}
    for name in names:gmatch("%S+") do
      paths[#paths + 1] = exec.capture("gcc -print-file-name=" .. name):match("%S+")
    end
    if flavour == "tsan" then
      paths[#paths + 1] = exec.capture("pwd"):match("%S+") .. "/build/tsan/longjmp.so"
    end
    local fixed = os.execute("setarch -R true 2>/dev/null") and "setarch -R " or ""
    preload[flavour] = ("%senv LD_PRELOAD='%s' "):format(fixed, table.concat(paths, " "))
  end
  return preload[flavour]
end

local function build_of(flavour)
  local builds = { tidy = "release", chunk = "hostile", workers = "tsan", xor = "test" }
  builds.stutter, builds.stack, builds.tls = "test", "test", "test"
  builds.eperm, builds.enosys = "test", "test"
  builds["tls-chunk"] = "hostile"
  builds.epoll, builds["epoll-asan"], builds["epoll-tsan"] = "test", "asan", "tsan"
  return builds[flavour] or flavour
end

function plan.environment(flavour)
  return {
    KIO_FLAVOUR = flavour == "workers" and "tsan" or flavour,
    KIO_BUILD = build_of(flavour),
    KIO_BACKEND = flavour == "epoll" and "epoll" or nil,
    KIO_THREADS = flavour == "workers" and WORKERS or nil,
    KIO_LUA = LUA,
    ASAN_OPTIONS = "detect_leaks=1:abort_on_error=0:exitcode=66:detect_stack_use_after_return=1",
    LSAN_OPTIONS = "suppressions=spec/runner/lsan.supp:print_suppressions=0",
    UBSAN_OPTIONS = "halt_on_error=1:print_stacktrace=1",
    TSAN_OPTIONS = "suppressions=spec/runner/tsan.supp:exitcode=66:second_deadlock_stack=1",
  }
end

-- `covered`: `workers` is the build of `tsan` with more threads, where each race of one worker and
-- its pool shows as well. So a file that runs there runs as `tsan` only for who asks.
local function file_jobs(jobs, kind, path, flavours, command)
  local settings = header(path)
  flavours = settings.flavours or flavours
  for flavour in flavours:gmatch("%S+") do
    jobs[#jobs + 1] = {
      kind = kind,
      name = path,
      flavour = flavour,
      covered = flavour == "tsan" and flavours:find("workers", 1, true) ~= nil,
      limit = (tonumber(settings.timeout) or LIMIT) * (SLOW[flavour] or 1) * BUSY,
      env = plan.environment(flavour),
      command = command(flavour),
    }
  end
end

local function busted(lua, path)
  return lua .. " spec/runner/busted.lua --ignore-lua -o spec/runner/handler.lua " .. path
end

local function spec_jobs(jobs, path, flavours)
  file_jobs(jobs, "busted", path, flavours, function(flavour)
    return plan.sanitizer(build_of(flavour)) .. busted(LUA, path)
  end)
end

-- Rooms that a ring has no part in, and those where it is another program that the version of Lua
-- could be told from. A single file says so in its header.
local APART = {
  epoll = {
    "^spec/docs/", "^spec/codec/", "^spec/sync/", "^spec/task/scope/", "^spec/tls/peers/",
  },
  lua55 = {
    "^spec/peers/", "^spec/tls/peers/", "^spec/ring/", "^spec/run/check/", "^spec/process/signal/",
    "^spec/stress/",
  },
}

local function is_without(path, flavour)
  if os.getenv "KIO_FULL" then return false end
  for _, pattern in ipairs(APART[flavour]) do
    if path:find(pattern) then return true end
  end
  for word in (header(path).without or ""):gmatch "[%w-]+" do
    if word == flavour then return true end
  end
end

-- Every receive and every send moves one byte at most: what works on streams must not notice.
local CHUNKED = { "^spec/net/[^/]+$", "^spec/hostile/", "^spec/bytes/", "^spec/tls/" }

local function chunk_job(jobs, path)
  for i = 1, #jobs do
    local job = jobs[i]
    if job.name == path and job.flavour == "hostile" then
      local env = plan.environment("hostile")
      env.KIO_CHUNK = "1"
      jobs[#jobs + 1] = {
        kind = "busted", name = path, flavour = "chunk", limit = job.limit * 2, env = env,
        command = job.command,
      }
    end
  end
end

-- What the streams of these specs bring passes through a filter of the test builds, at both ends.
-- spec/runner/filters.lua names what has no meaning then.
local FILTERED = "^spec/net/[^/]+$"
local FILTERS = { "xor", "stutter", "tls" }
-- These also through xor over stutter over xor (`stack`), and through TLS whose records come and go
-- a byte at a time.
local FILTERED_MORE = {
  ["spec/net/close_spec.lua"] = true, ["spec/net/echo_spec.lua"] = true,
  ["spec/net/read_spec.lua"] = true, ["spec/net/recv_spec.lua"] = true,
  ["spec/net/stream_spec.lua"] = true, ["spec/net/write_spec.lua"] = true,
}

local function filter_job(jobs, job, flavour, filter)
  local env = plan.environment(job.flavour == "test" and flavour or job.flavour)
  env.KIO_FILTER = filter
  env.KIO_CHUNK = flavour == "tls-chunk" and "1" or nil
  jobs[#jobs + 1] = {
    kind = "busted", name = job.name, flavour = flavour, limit = job.limit * 2, env = env,
    command = job.command,
  }
end

local function filter_jobs(jobs, path)
  for i = 1, #jobs do
    local job = jobs[i]
    if job.name == path and job.flavour == "test" then
      for _, filter in ipairs(FILTERS) do filter_job(jobs, job, filter, filter) end
      if FILTERED_MORE[path] then filter_job(jobs, job, "stack", "stack") end
    elseif job.name == path and job.flavour == "hostile" and FILTERED_MORE[path] then
      filter_job(jobs, job, "tls-chunk", "tls")
    end
  end
end

-- The same on epoll, where io_uring is not to be had. spec/runner/backends.lua names what has no
-- meaning there. Files are the part that has threads of its own: that is run under sanitizers, too.
local EPOLL = { test = "^spec/", asan = "^spec/fs/", tsan = "^spec/fs/" }

local function epoll_jobs(jobs, path)
  for i = 1, #jobs do
    local job = jobs[i]
    local among = job.name == path and EPOLL[job.flavour]
    if among and path:find(among) and not is_without(path, "epoll") then
      local env = plan.environment(job.flavour == "test" and "epoll" or job.flavour)
      env.KIO_BACKEND = "epoll"
      jobs[#jobs + 1] = {
        kind = "busted", name = path, limit = job.limit, env = env, command = job.command,
        flavour = job.flavour == "test" and "epoll" or "epoll-" .. job.flavour,
      }
    end
  end
end

-- Rooms whose specs have several workers, or another Lua state, anyway.
local function has_threads(path)
  return path:match("^spec/thread/") or path:match("^spec/worker/") or path:match("^spec/codec/")
end

local function is_chunked(path)
  for _, pattern in ipairs(CHUNKED) do
    if path:find(pattern) then return true end
  end
end

local function unit_jobs(jobs, path)
  local name = path:match("([^/]+)%.c$")
  file_jobs(jobs, "program", path, UNIT_FLAVOURS, function(flavour)
    local fixed = plan.sanitizer(flavour):match("^setarch %-R ") or ""
    return ("%sbuild/%s/c/%s"):format(fixed, build_of(flavour), name)
  end)
end

-- Kept inputs of a fuzzing target, without the fuzzer.
local function replay_job(jobs, path)
  local name = path:match("([^/]+)%.c$")
  file_jobs(jobs, "program", path, "asan", function()
    local fixed = plan.sanitizer("asan"):match("^setarch %-R ") or ""
    return ("%sbuild/asan/fuzz/%s spec/fuzz/corpus/%s"):format(fixed, name, name)
  end)
end

-- A program that starts others in its flavour, and is not in it itself.
local function driver_jobs(jobs, path)
  file_jobs(jobs, "program", path, "", function(flavour)
    return ("lua5.4 %s --flavour %s --jobs 1"):format(path, flavour)
  end)
end

-- Behind a filter that refuses io_uring: the same output, and a word about the ring when asked.
local REFUSED = { eperm = "EPERM", enosys = "ENOSYS" }

-- What an example needs that is not everywhere, and how to see that it is here.
local FOUND = {
  ["kio.tls"] = "pkg-config --exists 'openssl >= 3'", openssl = "command -v openssl >/dev/null",
  ["kio.zlib"] = "pkg-config --exists zlib",
}

local function missing(path)
  for need in (header(path).needs or ""):gmatch "%S+" do
    if not os.execute(FOUND[need] .. " 2>/dev/null") then return need end
  end
end

local function example_job(jobs, path, flavour)
  local lacks = missing(path)
  local err = REFUSED[flavour]
  local prefix = err and ("build/test/c/seccomp %s %s "):format(err,
    "io_uring_setup,io_uring_enter,io_uring_register") or ""
  jobs[#jobs + 1] = lacks and {
    kind = "program", name = path, flavour = flavour, limit = LIMIT,
    command = ("sh -c 'echo needs %s; exit 77'"):format(lacks),
  } or {
    kind = "example",
    name = path,
    flavour = flavour,
    limit = (tonumber(header(path).timeout) or LIMIT) * BUSY,
    env = {
      LUA_PATH = "./lua/?.lua;./lua/?/init.lua;;",
      LUA_CPATH = ("./build/%s/?.so;;"):format(build_of(flavour)),
      KIO_LOG = err and "debug" or nil,
    },
    command = prefix .. LUA .. " " .. path,
    says = err and ("io_uring is not to be had (%s): this process has epoll"):format(err),
  }
end

-- ---- on Lua 5.5 ----

-- Busted's Lua files are where the other Lua finds them; of its libraries in C the flavour has some
-- of its own.
local later
local function environment55()
  if not later then
    local here = exec.capture("pwd"):match("[^\n]+")
    later = plan.environment("lua55")
    later.KIO_LUA = LUA55
    later.PATH = ("%s/build/lua-5.5/bin:%s"):format(here, os.getenv "PATH")
    later.LUA_PATH = "./lua/?.lua;./lua/?/init.lua;" ..
      exec.capture(LUA .. " -e 'io.write(package.path)'")
    later.LUA_CPATH = here .. "/build/lua55/?.so"
  end
  return later
end

-- What its compiler refuses: the variables of loops, for one, are constant there.
local COMPILES = "find lua spec examples bench rockspec -name '*.lua' -o -name '*.rockspec'"
  .. " | xargs build/lua-5.5/bin/luac5.5 -p"

-- Each other spec that runs as `test`, and each example, once more.
local function lua55_jobs(jobs)
  jobs[#jobs + 1] = {
    kind = "command", name = "luac5.5", flavour = "lua55", limit = LIMIT * BUSY,
    command = "sh -c " .. exec.quote(COMPILES),
  }
  for i = 1, #jobs do
    local job = jobs[i]
    local spec = job.kind == "busted" and job.flavour == "test"
      and not is_without(job.name, "lua55")
    local example = job.kind == "example" and job.flavour == "release"
    if spec or example then
      jobs[#jobs + 1] = {
        kind = job.kind, name = job.name, flavour = "lua55", limit = job.limit,
        env = environment55(),
        command = spec and busted(LUA55, job.name) or LUA55 .. " " .. job.name,
      }
    end
  end
end

-- A program that makes what jobs need, which may not be had; nil: they need none. Then they are
-- left out, and its reason is told.
function plan.requirement(jobs)
  for _, job in ipairs(jobs) do
    if job.flavour == "lua55" then
      return {
        kind = "program", name = "Lua 5.5", flavour = "lua55", limit = 300 * BUSY,
        command = "spec/runner/lua55",
      }
    end
  end
end

local function command_job(jobs, name, limit, command)
  jobs[#jobs + 1] =
    { kind = "command", name = name, flavour = name, limit = limit * BUSY, command = command }
end

function plan.jobs()
  local jobs = {}
  for _, path in ipairs(list("spec/stress/*_spec.lua")) do
    spec_jobs(jobs, path, "test")
    epoll_jobs(jobs, path)
  end
  command_job(jobs, "rock", 300, "spec/runner/rock")
  command_job(jobs, "lint", 600, "make --no-print-directory lint")
  for _, path in ipairs(list("spec/tidy/*_spec.lua")) do spec_jobs(jobs, path, "tidy") end
  for _, path in ipairs(list("spec/c/*.c")) do unit_jobs(jobs, path) end
  for _, path in ipairs(list("spec/fuzz/*.c")) do
    if path ~= "spec/fuzz/replay.c" then replay_job(jobs, path) end
  end
  driver_jobs(jobs, "spec/fuzz/interface.lua")
  for _, path in ipairs(list("spec/*/*_spec.lua spec/*/*/*_spec.lua")) do
    if not path:match("^spec/stress/") and not path:match("^spec/tidy/") then
      spec_jobs(jobs, path, has_threads(path) and THREAD_FLAVOURS or SPEC_FLAVOURS)
      if is_chunked(path) then chunk_job(jobs, path) end
      if path:find(FILTERED) then filter_jobs(jobs, path) end
      epoll_jobs(jobs, path)
    end
  end
  for _, path in ipairs(list("examples/*.lua")) do
    for _, flavour in ipairs { "release", "eperm", "enosys" } do
      example_job(jobs, path, flavour)
    end
  end
  lua55_jobs(jobs)
  return jobs
end

-- What make has to build before these jobs can run.
function plan.build(jobs, lanes)
  local seen, targets = {}, {}
  local function need(flavour)
    if not seen[flavour] then targets[#targets + 1] = "build-" .. flavour end
    seen[flavour] = true
  end
  for _, job in ipairs(jobs) do
    if job.kind ~= "command" then need(build_of(job.flavour)) end
  end
  local command = ("make --no-print-directory -j%d %s"):format(lanes, table.concat(targets, " "))
  if #targets == 0 then command = "true" end
  local build = {}
  command_job(build, "build", 1200, command)
  return build[1]
end

return plan
