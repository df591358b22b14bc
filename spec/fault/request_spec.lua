-- timeout: 120
-- flavours: asan hostile
-- The n-th request of the ring fails, for n = 1, 2, 3 ... until a program has had no such request;
-- with each of the errors a kernel may give to any of them. A program ends in its result or in an
-- error that names the reason, nothing is left behind, and the process serves one more echo. All on
-- the simulated ring, where nothing depends on how fast it goes: what the flavour test could show,
-- asan shows. With KIO_FULL=1 each request, else some of them.
local core = require "kio.core"
local lfs = require "lfs"
local programs = require "spec.fault.programs"
local support = require "spec.support"

-- At most so far from one request that fails to the next one: each run draws others.
local MOST = support.scale { full = 1, rest = 3 }

local NAMES = {
  "echo", "twice_in_one_run", "raw_sockets", "files", "file_objects", "scopes", "caught", "tasks",
  "datagrams", "buffers", "passed",
}

local REASONS = {
  EIO = "input/output error", ECONNRESET = "connection reset by peer",
  EMFILE = "too many open files", ENOBUFS = "no buffer space available",
  ECANCELED = "operation canceled", EINTR = "interrupted system call",
  EAGAIN = "resource temporarily unavailable",
}

local OPERATIONS = {
  "read", "write", "readv", "writev", "fsync", "open", "unlink", "stat", "close", "accept",
  "connect", "recv", "send", "recvmsg", "sendmsg", "shutdown",
}

local function descriptors()
  local count = 0
  for _ in lfs.dir("/proc/self/fd") do count = count + 1 end
  return count
end

local function close_owned()
  for i, fd in ipairs(programs.fds) do
    if fd then core.own.close_now(fd) end
    programs.fds[i] = false
  end
end

-- Runs a program under a script. What it came to, in words: "ok", or its error.
local function outcome(name, script)
  core.sim(script)
  local ok, result, message = pcall(programs[name], { backend = "sim" })
  close_owned()
  collectgarbage()
  collectgarbage()
  if not ok then return tostring(result) end
  if result == nil then return message end
  return result == programs.expected and "ok" or "wrong result: " .. tostring(result)
end

-- The error must tell the reason the ring gave.
local function check(said, reason, world, where)
  if said ~= "ok" then assert.matches(reason, said, 1, true, where) end
  assert.equal(world, descriptors(), where)
  assert.same({ blocks = 0, schedulers = 0, scripts = 0 }, core.world(), where)
end

for _, name in ipairs(NAMES) do
  describe("the program " .. name, function()
    for code, reason in pairs(REASONS) do
      it("survives that its n-th request fails with " .. code, function()
        local n, failed, world = 0, 0, descriptors()
        repeat
          n = n + math.random(MOST)
          local said = outcome(name, { { nth = n, result = code } })
          local fired = core.sim_fired()
          check(said, reason, world, ("request %d: %s"):format(n, said))
          if said ~= "ok" then failed = failed + 1 end
          assert.equal("ok", outcome("echo", {}))
        until fired == 0
        assert.is_true(n > 5 and (failed > 0 or name == "caught" or name == "twice_in_one_run"))
      end)

      it("survives that all its requests of one kind fail with " .. code, function()
        local world, fired = descriptors(), 0
        for _, op in ipairs(OPERATIONS) do
          local said = outcome(name, { { op = op, result = code } })
          fired = fired + core.sim_fired()
          check(said, reason, world, ("every %s: %s"):format(op, said))
        end
        assert.is_true(fired > 0)
        assert.equal("ok", outcome("echo", {}))
      end)
    end
  end)
end
