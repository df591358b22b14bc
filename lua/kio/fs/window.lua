---The position of an open file, and what has been read ahead of it.
---A seekable file keeps its position here, in user space, and is read by pread: so lines read
---ahead, seek and write agree. Any other descriptor is read at its current position.
---What has been fetched is `buf` from index `at` on, then the pieces in `more`; only a success
---takes from it, so an operation that fails or is cancelled midway loses no byte.
local _ENV = require "kio.core".globals
local core = require "kio.core"
local direct = require "kio.fs.direct"

local own = core.own

local sub, concat = string.sub, table.concat
local max, min = math.max, math.min

local SMALLEST, LARGEST = 4096, 1 << 18 -- of one fetch: the sizes of buffers that kio keeps ready

local Window = { SMALLEST = SMALLEST }
Window.__index = Window

-- One operation at the position at a time: it holds the window, or for output of what cannot seek
-- (a terminal is read and written independently) the window's `out`.
local Hold = { __close = function(hold) hold.busy = false end }
Window.__close = Hold.__close

-- A write at an offset makes what was read ahead before its end doubtful.
local Doubt = { __close = function(doubt) doubt.window.doubtful = true end }

---What is to be closed after such a write.
function Window.doubts(self)
  if not self.doubt then self.doubt = setmetatable({ window = self }, Doubt) end
  return self.doubt
end

---A window without a descriptor: made first, so that nothing can fail once there is one.
function Window.new(read_ahead)
  local largest = read_ahead or LARGEST
  return setmetatable({
    fd = false,          -- false: closed
    straight = false,    -- the same while a read at an offset has nothing else to look at
    seekable = false,
    append = false,      -- writes go to the end, wherever the position is
    top = 0,             -- seekable: the offset where the next fetch starts
    buf = "", at = 1, more = {},
    smallest = min(SMALLEST, largest), largest = largest,
    ahead = min(SMALLEST, largest), -- how much the next fetch brings; doubles while reading on
    busy = false, doubtful = false,
    waited = false,      -- not seekable: whether somebody has been at the other end
    out = false, doubt = false,
    direct = false,      -- the rules of O_DIRECT
    short = false,       -- direct: where a read has come to the end
    near = false,        -- see kio.Sendable
  }, Window)
end

local ACCESS = core.const.O_WRONLY | core.const.O_RDWR

function Window.attach(self, fd, flags)
  self.fd, self.append = fd, flags & core.const.O_APPEND ~= 0
  self.waited = flags & ACCESS == core.const.O_WRONLY
  self.seekable = own.lseek(fd, "cur") ~= nil
  self.out = self.seekable and self or setmetatable({ busy = false }, Hold)
  if flags & core.const.O_DIRECT ~= 0 then self.direct = direct.rules(fd) end
  self.straight = self.seekable and not self.direct and fd
  -- As in C: what can only append begins at the end, what also reads at the start.
  if self.append and self.waited then self.top = own.lseek(fd, "end") or 0 end
end

---Whether it is open, and has a position that can be set.
function Window.seeks(self) return self.fd and self.seekable end

---Closes, whatever has become of the task that does. Nil, message, code when that failed.
function Window.close(self)
  local fd = self.fd
  self.fd, self.straight = false, false
  if not own.fd_of_name(fd) then return true end -- its number was closed
  local ran, done, message, code = pcall(core.close, fd)
  if not ran then done, message, code = own.close_now(fd) end
  if code == "ENOMEM" then self.fd = fd end -- it never got to the kernel
  return done, message, code
end

---The same where nothing can wait, and nobody is told.
function Window.close_now(self)
  local fd = self.fd
  self.fd, self.straight = false, false
  if fd then own.close_now(fd) end
end

---How many bytes are held beyond the position, between two operations.
function Window.unread(self) return #self.buf - self.at + 1 end

---Joins what is held in pieces.
function Window.settle(self)
  self.buf = sub(self.buf, self.at) .. concat(self.more)
  self.at, self.more = 1, {}
end

---Forgets what was read ahead; of what cannot seek that would lose it.
function Window.drop(self)
  if not self.seekable then return end
  self.top = self.top - self:unread()
  self.buf, self.at = "", 1
end

-- One task at a time is in the middle of an operation at the position.
local function check_free(hold)
  if hold.busy then own.raise "another task is using the position of this file" end
end

---Prepares for an operation at the position.
function Window.begin(self)
  check_free(self)
  if self.more[1] then self:settle() end
  if self.doubtful then
    self:drop()
    self.doubtful = false
  end
end

---The same for one that only writes.
function Window.begin_write(self)
  if self.out == self then self:begin() else check_free(self.out) end
end

local function position(self) return self.top - self:unread() end

-- Moves the position of a seekable file.
local function move(self, target)
  if target == position(self) then return end
  self:drop()
  self.top, self.ahead = target, self.smallest
end

---Moves the position of a seekable file by `offset` bytes from there; returns it.
---@param whence "set"|"cur"|"end"
function Window.seek(self, whence, offset)
  local origin, message, code = whence == "cur" and position(self) or 0, nil, nil
  if whence == "end" then origin, message, code = own.lseek(self.fd, "end") end
  if not origin then return nil, message, code end
  if origin + offset < 0 then return nil, "invalid argument", "EINVAL" end
  move(self, origin + offset)
  return origin + offset
end

-- ---- reading ----

---A fifo that nobody has opened for writing looks as if it had ended: waits for its first byte, or
---for the end of its first writer.
function Window.await_writer(self)
  if self.waited then return true end
  local ready, message, code = core.poll(self.fd, "r")
  self.waited = ready ~= nil
  return ready, message, code
end

local function read_current(self, size)
  local ready, message, code = self:await_writer()
  if not ready then return nil, message, code end
  return core.read(self.fd, size)
end

local function read_held(self, size)
  self.busy = true
  local _ <close> = self
  if not self.fd then return nil, "closed", "EBADF" end
  if self.direct then return nil, direct.NO_STRINGS, "EINVAL" end
  if self.seekable then return core.pread(self.fd, size, self.top) end
  return read_current(self, size)
end

---Fetches the next piece, of at least `want` bytes if there are, but bounded, so that the loop
---turns between two. Returns it; nil at the end; nil, message, code on failure.
function Window.fetch(self, want)
  local data, message, code = read_held(self, min(max(want, self.ahead), max(LARGEST, self.ahead)))
  if not data then return nil, message, code end
  self.more[#self.more + 1] = data
  self.top = self.top + #data
  self.ahead = min(self.ahead * 2, self.largest)
  return data
end

---Takes all that is held, up to index `stop` of the newest piece; the result ends at `upto`.
function Window.take(self, stop, upto)
  local buf, at, more = self.buf, self.at, self.more
  local last = #more
  local newest = more[last]
  if upto < #newest then more[last] = sub(newest, 1, upto) end
  local taken = more[1]
  if last > 1 or at <= #buf then taken = sub(buf, at) .. concat(more) end
  self.more = {}
  if stop == #newest then self.buf, self.at = "", 1 -- frees a large piece
  else self.buf, self.at = newest, stop + 1 end
  return taken
end

---Takes all that is held.
function Window.take_all(self)
  local newest = self.more[#self.more]
  if newest then return self:take(#newest, #newest) end
  local rest = sub(self.buf, self.at)
  self.buf, self.at = "", 1
  return rest
end

-- ---- into buffers ----

local function take_held(self, buffer, at, size)
  local n = min(size, self:unread())
  buffer:set(at, string.sub(self.buf, self.at, self.at + n - 1))
  self.at = self.at + n
  return n
end

local function fill(self, buffer, at, size)
  self.busy = true
  local _ <close> = self
  if not self.seekable then
    local ready, message, code = self:await_writer()
    if not ready then return nil, message, code end
    return core.read_into(self.fd, buffer, at, size)
  end
  if self.direct and self.top == self.short then return nil end
  local wrong = direct.wrong(self.direct, buffer, at, size, self.top)
  if wrong then return nil, wrong, "EINVAL" end
  local n, message, code = core.pread_into(self.fd, buffer, at, size, self.top)
  self.top = self.top + (n or 0)
  self.short = n and n < size and self.top
  return n, message, code
end

---Moves at most `size` bytes into a buffer, first of what has been read ahead: how many; nil at the
---end; nil, message, code on failure.
function Window.read_into(self, buffer, at, size)
  if self:unread() > 0 and size > 0 then return take_held(self, buffer, at, size) end
  return fill(self, buffer, at, size)
end

return Window
