-- What specs share. Loads kio only when it is used, so that specs without it can use the rest.
local lfs = require "lfs"

local support = {}

support.flavour = os.getenv("KIO_FLAVOUR") or "test"

-- The build that this flavour has: some are another one's with a ring, a filter beside it.
support.build = os.getenv("KIO_BUILD") or support.flavour

-- How many, how long: what the table says for the flavour, else its `rest`. With KIO_FULL=1 in each
-- flavour what is there for `full`, or else for `test`.
function support.scale(by)
  if os.getenv "KIO_FULL" then return by.full or by.test end
  return by[support.flavour] or by.rest
end

-- The interpreter that runs this, for programs that specs start.
support.lua = os.getenv("KIO_LUA") or "lua5.4"

-- Which ring the runs of specs have that do not choose one.
local backend = os.getenv("KIO_BACKEND")
support.backend = backend and backend ~= "" and backend or "uring"

-- How many bytes a receive or send moves at most; nil: no bound. Few specs need to know.
support.chunk = tonumber(os.getenv("KIO_CHUNK"))

-- Runs f as the main task of a fresh loop and returns its results; a loop that ends without f
-- having ended is an error.
function support.run(f, opts)
  local kio = require "kio"
  local ended = false
  local results = table.pack(kio.run(function(...)
    local own = table.pack(f(...))
    ended = true
    return table.unpack(own, 1, own.n)
  end, opts))
  assert(ended, "kio.run returned before its main function did")
  return table.unpack(results, 1, results.n)
end

-- Calls f, which must raise; the error must match the pattern. Returns the error.
function support.expect_error(pattern, f, ...)
  local results = table.pack(pcall(f, ...))
  if results[1] then error("expected an error that matches " .. pattern, 2) end
  local message = tostring(results[2])
  if not message:find(pattern) then
    error(("expected an error that matches %q, got: %s"):format(pattern, message), 2)
  end
  return results[2]
end

-- Spec files run side by side: what they choose at random must not depend on the time.
local function random_number()
  local file <close> = assert(io.open("/dev/urandom", "rb"))
  file:setvbuf("no")
  return (string.unpack("<I4", file:read(4)))
end

-- A port that nobody listens on or is connected from; below the range the kernel hands out itself.
function support.free_port()
  local taken = {}
  for _, path in ipairs { "/proc/net/tcp", "/proc/net/tcp6", "/proc/net/udp", "/proc/net/udp6" } do
    local file <close> = io.open(path)
    for line in (file and file:lines() or function() end) do
      local port = line:match("^%s*%d+: %x+:(%x+)")
      if port then taken[tonumber(port, 16)] = true end
    end
  end
  local port
  repeat port = 20000 + random_number() % 12000 until not taken[port]
  return port
end

local function remove(path)
  local mode = lfs.symlinkattributes(path, "mode")
  if mode == "directory" then
    for name in lfs.dir(path) do
      if name ~= "." and name ~= ".." then remove(path .. "/" .. name) end
    end
    assert(lfs.rmdir(path))
  elseif mode then
    assert(os.remove(path))
  end
end

-- Has this process allowed `count` descriptors; the reason when that cannot be.
function support.allow_descriptors(count)
  local limits <close> = assert(io.open("/proc/self/limits"))
  local soft, hard = limits:read("a"):match("Max open files%s+(%S+)%s+(%S+)")
  local function below(limit) return limit ~= "unlimited" and tonumber(limit) < count end
  if not below(soft) then return true end
  if below(hard) then return false, "ulimit -Hn allows only " .. hard .. " descriptors" end
  local stat <close> = assert(io.open("/proc/self/stat"))
  local command = ("prlimit --pid %d --nofile=%d:%s"):format(stat:read("n"), count, hard)
  return os.execute(command), "prlimit cannot raise the soft limit of descriptors"
end

-- How many threads the kernel has for the rings of this process.
function support.kernel_threads()
  local count = 0
  for name in lfs.dir "/proc/self/task" do
    local file <close> = io.open("/proc/self/task/" .. name .. "/comm")
    if file and file:read():match "^iou%-wrk" then count = count + 1 end
  end
  return count
end

local folders = {}

-- A new empty folder, removed with all it holds when the test is over.
function support.tmpdir()
  local path = ("%s/kio-%08x"):format(os.getenv("TMPDIR") or "/tmp", random_number())
  assert(lfs.mkdir(path))
  folders[#folders + 1] = path
  return path
end

-- Has the collector do a whole cycle whenever something is allocated; and again what Lua's own
-- settings say.
local OLD <const> = _VERSION == "Lua 5.4"
local usual = {}

function support.collect_eagerly()
  if OLD then return collectgarbage("incremental", 4, 1000, 20) end
  for name, value in pairs { pause = 0, stepmul = 0, stepsize = 1 } do
    usual[name] = collectgarbage("param", name, value)
  end
end

function support.collect_as_usual()
  if OLD then return collectgarbage("incremental", 200, 100, 13) end
  for name, value in pairs(usual) do collectgarbage("param", name, value) end
end

-- Runs f; `deed` is done by a finalizer at the n-th moment from now at which one can run.
function support.at_moment(n, deed, f, ...)
  local left = n
  local function wait()
    setmetatable({}, { __gc = function()
      left = left - 1
      if left == 0 then deed() elseif left > 0 then wait() end
    end })
  end
  collectgarbage()
  collectgarbage "stop"
  wait()
  support.collect_eagerly()
  collectgarbage "restart"
  local results = table.pack(pcall(f, ...))
  support.collect_as_usual()
  left = 0
  return table.unpack(results, 1, results.n)
end

-- Called by the helper after every test.
function support.cleanup()
  for _, path in ipairs(folders) do remove(path) end
  folders = {}
end

return support
