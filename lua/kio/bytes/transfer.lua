---A transfer from one descriptor to another, for kio.sendfile and stream:send_file, and a deadline
---over several operations.
local _ENV = require "kio.core".globals
local core = require "kio.core"

local own = core.own
local min = math.min

local transfer = {}

local PIECE = 1 << 18 -- of one read: the largest buffer that kio keeps ready

-- ---- a deadline over several operations ----

-- Of options that have been checked.
local function deadline_of(options)
  return { at = options and options.timeout and core.now() + options.timeout }
end

-- What is left of it, as the options of one operation.
local function left(due)
  return due.at and { timeout = math.max(0, due.at - core.now()) }
end

-- A message and a code when it has passed: what need not wait does not look at the clock.
local function late(due, what, fd)
  if not due.at or core.now() < due.at then return nil end
  return string.format("%s fd %d: timed out", what, fd), "ETIMEDOUT"
end

local CHUNK = 1 << 16 -- what a pipe holds

-- A transfer to a socket goes through a buffer: the kernel would splice in one of its few threads
-- and hold it until the peer reads, so a handful of slow peers would stop everybody's transfers.
-- Any other owns a pipe: what is still in it when the transfer fails goes with it, and can never
-- come out in a later one. A seekable source is left where the last byte that was sent ends.
local Transfer = {}
Transfer.__index = Transfer

-- A coroutine that an error has ended runs no __close unless somebody closes it.
function Transfer.__gc(self)
  local pipe_in, pipe_out = self.pipe_in, self.pipe_out
  self.pipe_in, self.pipe_out = false, false
  if pipe_in then own.close_now(pipe_in) end
  if pipe_out then own.close_now(pipe_out) end
end

function Transfer.__close(self)
  Transfer.__gc(self)
  if self.buffer then self.buffer:close() end
  if self.moves_source then own.lseek(self.source, "set", self.start + self.done) end
end

-- The core's words, about these two instead of the pipe.
function Transfer.fail(self, out, message, code)
  local text = string.match(message, "^%a+ fd %d+: (.*)$") or message
  return nil, string.format("sendfile fd %d to fd %d: %s", self.source, out, text), code, self.done
end

local function open_pipe(self)
  local message, code
  self.pipe_out, self.pipe_in, code = core.pipe()
  if self.pipe_out then
    self.pipe_out, self.pipe_in = own.name_fd(self.pipe_out), own.name_fd(self.pipe_in)
    return self
  end
  message, self.pipe_in = self.pipe_in, false
  return nil, message, code
end

local function new_transfer(source, out, offset, count)
  local self = setmetatable({
    source = source, start = offset, done = 0,
    pipe_out = false, pipe_in = false, moves_source = false, buffer = false,
  }, Transfer)
  local position, message, code = own.lseek(source, "cur")
  if not offset then
    self.start = position
    self.moves_source = position ~= nil
  end
  if not core.getsockname(out) then return open_pipe(self) end
  if offset and not position then return self:fail(out, message, code) end
  self.buffer = core.buffer(math.max(min(count, PIECE), 1))
  return self
end

-- One pipeful into the pipe, or as much as fits into the buffer: how many bytes, 0 at the end.
function Transfer.fill(self, size, due)
  local at = self.start and self.start + self.done
  if self.buffer then
    local n, message, code
    size = min(size, #self.buffer)
    if at then n, message, code = core.pread_into(self.source, self.buffer, 1, size, at, left(due))
    else n, message, code = core.read_into(self.source, self.buffer, 1, size, left(due)) end
    return n or not message and 0 or nil, message, code
  end
  size = min(size, CHUNK)
  return core.splice(self.source, at, self.pipe_in, nil, size, left(due))
end

-- The next part of `size` bytes out again, of which `left_over` are to go.
function Transfer.out(self, out, size, left_over, due)
  if not self.buffer then
    return core.splice(self.pipe_out, nil, out, nil, left_over, left(due))
  end
  return core.send(out, self.buffer:slice(size - left_over + 1, size), 0, left(due))
end

-- All of it out again.
function Transfer.drain(self, out, size, due)
  local goal = self.done + size
  while self.done < goal do
    local n, message, code = self:out(out, size, goal - self.done, due)
    if not n then return nil, message, code end
    if n == 0 then return nil, string.format("write fd %d: no progress", out), "EIO" end
    self.done = self.done + n
  end
  return true
end

function Transfer.run(self, out, count, due)
  while self.done < count do
    local size, message, code = self:fill(count - self.done, due)
    if size == 0 then break end
    if size then size, message, code = self:drain(out, size, due) end
    if size and self.done < count then message, code = late(due, "write", out) end
    if message then return self:fail(out, message, code) end
  end
  return self.done
end

---Moves `count` bytes, or what there is of them: how many; or nil, message, code, how many before.
function transfer.run(out, source, offset, count, due)
  local self <close>, message, code = new_transfer(source, out, offset, count)
  if not self then return nil, message, code, 0 end
  return self:run(out, count, due)
end

transfer.deadline_of, transfer.left, transfer.late = deadline_of, left, late

return transfer
