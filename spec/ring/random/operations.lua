-- Operations with random arguments, for spec/ring/random/descriptors.lua.
local kio = require "kio"

local c = kio.const
local operations = {}

local HUGE <const> = 300000 -- more than a pipe or a socket holds

local FLAGS <const> = {
  c.MSG_PEEK, c.MSG_TRUNC, c.MSG_WAITALL, c.MSG_DONTWAIT, c.MSG_PEEK | c.MSG_TRUNC, 0, 0, 0, 0, 0,
}

local function data(p)
  local n = p.roll(12)
  return n == 12 and ("h"):rep(HUGE) or ("abcdefghijkl"):sub(p.roll(3), n)
end

local function size(p) return p.roll(12) == 1 and HUGE or p.roll(12) - 1 end

local function sizes(p) return { p.roll(5), p.roll(5) } end

local function pieces(p) return { data(p), "+", data(p) } end

local function offset(p) return p.roll(20) - 1 end

local function with_flags(options, flags)
  return { timeout = options and options.timeout, flags = flags }
end

-- Each gives the operation's name, the way its bytes take, and a function of a descriptor and
-- options.
operations.waiting = {
  function(p)
    local n = size(p)
    return "read", "in", function(fd, options) return kio.read(fd, n, options) end
  end,
  function(p)
    local n, flags = size(p), p:one_of(FLAGS)
    return "recv", "in", function(fd, options) return kio.recv(fd, n, flags, options) end
  end,
  function(p)
    local list = sizes(p)
    return "readv", "in", function(fd, options) return kio.readv(fd, list, options) end
  end,
  function(p)
    local n, flags = size(p), p:one_of(FLAGS)
    return "recvmsg", "in", function(fd, options)
      return kio.recvmsg(fd, n, with_flags(options, flags))
    end
  end,
  function(p)
    local n = p.roll(9)
    return "read_into", "in", function(fd, options)
      return kio.read_into(fd, kio.buffer(10), 1, n, options)
    end
  end,
  function(p)
    local n, at = size(p), offset(p)
    return "pread", "in", function(fd, options) return kio.pread(fd, n, at, options) end
  end,
  function(p)
    local list, at = sizes(p), offset(p)
    return "preadv", "in", function(fd, options) return kio.preadv(fd, list, at, options) end
  end,
  function()
    return "accept", "in", function(fd, options)
      local got, message, code = kio.accept(fd, options)
      if not got then return nil, message, code end
      kio.core.own.close_now(got)
      return "accepted"
    end
  end,
  function(p)
    local text = data(p)
    return "write", "out", function(fd, options) return kio.write(fd, text, options) end
  end,
  function(p)
    local text, flags = data(p), p.roll(5) == 1 and c.MSG_DONTWAIT or 0
    return "send", "out", function(fd, options) return kio.send(fd, text, flags, options) end
  end,
  function(p)
    local list = pieces(p)
    return "writev", "out", function(fd, options) return kio.writev(fd, list, options) end
  end,
  function(p)
    local list = pieces(p)
    return "sendmsg", "out", function(fd, options) return kio.sendmsg(fd, list, options) end
  end,
  function(p)
    local text, at = data(p), offset(p)
    return "pwrite", "out", function(fd, options) return kio.pwrite(fd, text, at, options) end
  end,
  function(p)
    local to = p.roll(4) == 1 and "unix:@kio-nobody-listens-there" or p.address
    return "connect", "out", function(fd, options) return kio.connect(fd, to, options) end
  end,
  function(p)
    local events = p:one_of { "r", "w", "rw", "p" }
    return "poll", "poll", function(fd, options) return kio.poll(fd, events, options) end
  end,
}

-- Those that wait for nobody: the name, and a function of a descriptor.
operations.at_once = {
  function(p)
    local how = p:one_of { "read", "write", "both" }
    return "shutdown", function(fd) return kio.shutdown(fd, how) end
  end,
  function() return "fsync", kio.fsync end,
  function(p)
    local n = p.roll(40)
    return "ftruncate", function(fd) return kio.ftruncate(fd, n) end
  end,
  function()
    return "statx", function(fd)
      local found, message, code = kio.statx(fd, "", c.AT_EMPTY_PATH)
      return found and found.type, message, code
    end
  end,
}

return operations
