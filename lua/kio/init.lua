---kio: straight-line asynchronous Lua on io_uring. See docs/guide.md.

-- Older versions of Lua come as far as this: what is below they have parsed, and do not run.
local wrong
if _VERSION == "Lua 5.4" or _VERSION == "Lua 5.5" then
  local loaded, why = pcall(require, "kio.core")
  if not loaded and string.find(why, "undefined symbol: lua") then
    wrong = "kio.core was built for another version of Lua than this, " .. _VERSION
      .. ": build it anew\n" .. why
  end
else
  local this = type(jit) == "table" and jit.version .. " (" .. _VERSION .. ")" or _VERSION
  wrong = "kio needs Lua 5.4 or 5.5, and this is " .. this
end
if wrong then error(wrong, 3) end -- blames who calls require

local _ENV = require "kio.core".globals
local core = require "kio.core"
local buffer = require "kio.bytes.buffer"
local checks = require "kio.run.check"
local fs = require "kio.fs"
local group = require "kio.group"
local helpers = require "kio.bytes.exact"
local net = require "kio.net"
local pool = require "kio.pool"
local process = require "kio.process"
local signal = require "kio.signal"
local start = require "kio.run.start"
local standard = require "kio.process.standard"
local select_ready = require "kio.sync.select"
local sync = require "kio.sync"
local testing = require "kio.testing"
local thread = require "kio.thread"

local own = core.own

---@class kio: kio.Public, kio.Group, kio.Helpers, kio.Standard, kio.Checks, kio.Starts
local kio = { core = core, fs = fs, io = helpers, net = net, sync = sync, select = select_ready }
kio.pool = pool.new
kio.process = process
kio.signal = signal
kio.testing = testing
kio.thread = thread

for _, name in ipairs {
  "stop", "spawn_blocking", "spawn", "scope", "timeout", "deadline", "shield",
  "sleep", "yield", "now", "is_cancelled", "stats", "tasks", "traceback",
  "read", "write", "pread", "pwrite", "readv", "writev", "preadv", "pwritev",
  "buffer", "read_into", "pread_into",
  "fsync", "fdatasync", "fallocate", "ftruncate", "splice",
  "openat", "unlinkat", "mkdirat", "renameat", "statx", "close",
  "accept", "connect", "recv", "send", "sendmsg", "recvmsg", "shutdown", "poll", "cancel",
  "socket", "socketpair", "pipe", "bind", "listen", "getsockname", "getpeername",
  "Cancelled", "const",
} do
  kio[name] = core[name]
end

for name, f in pairs(buffer) do own.buffer_methods[name] = f end
for name, f in pairs(standard) do kio[name] = f end
for name, helper in pairs(helpers) do kio[name] = helper end
for name, f in pairs(checks) do kio[name] = f end
for name, f in pairs(start) do kio[name] = f end
for name, f in pairs(group) do kio[name] = f end

return kio
