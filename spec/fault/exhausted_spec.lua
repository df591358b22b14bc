-- No descriptor is left, by every way to come by one: each is a clear error, leaves nothing behind,
-- and works again when there are some.
-- prlimit does not run under ThreadSanitizer:
-- flavours: test asan
-- without: lua55
-- timeout: 120
local child = require "spec.net.child"
local launcher = require "spec.run.check.child".launcher
local support = require "spec.support"

local function outcome(source, prefix)
  local output, how, status = child.run(source, prefix)
  if status == 77 then return nil, output end
  return output .. how .. " " .. status
end

it("with all descriptors of the process in use each way to come by one fails in words", function()
  local folder = support.tmpdir()
  local source = ("assert(loadfile 'spec/fault/exhausted_program.lua')(%q)"):format(folder)
  assert.equal("23\tways\nexit 0", outcome(source, "prlimit --nofile=48"))
end)

-- Those of the machine: what is refused here are calls that nothing needs in order to start.
it("with all files of the system open, too", function()
  local calls = "socket,socketpair,pipe2,inotify_init1"
  local said, why = outcome([[
    local kio = require "kio"
    local function descriptors() return #assert(kio.fs.readdir "/proc/self/fd") end
    kio.run(function()
      descriptors() -- what a run keeps is there
      local before = descriptors()
      for _, way in ipairs {
        { kio.net.listen, "127.0.0.1:0" }, { kio.net.listen, "unix:@exhausted" },
        { kio.net.udp, "127.0.0.1:0" }, { kio.net.connect, "127.0.0.1:1" },
        { kio.net.connect, "localhost:1" }, { kio.socket, "tcp4" }, { kio.socketpair },
        { kio.pipe }, { kio.fs.watch, "/" }, { kio.process.spawn, { "true", stdout = "pipe" } },
      } do
        local value, message, code = table.unpack(way)(table.unpack(way, 2))
        local clear = code == "ENFILE" and message:find "too many open files in system"
        if value or not clear then print(message) end
      end
      print(descriptors() - before)
    end)]], ("%s ENFILE %s"):format(launcher(), calls))
  if not said then return pending("not possible here: " .. why) end
  assert.equal("0\nexit 0", said)
end)
