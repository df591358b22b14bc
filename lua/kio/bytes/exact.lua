---Helpers on plain descriptors: exactly n bytes, all of a string, a whole transfer. Results are as
---those of the raw operations; a failure's fourth result is how many bytes were moved before it.
local _ENV = require "kio.core".globals
local check = require "kio.check"
local core = require "kio.core"
local rest_of = require "kio.bytes.rest"

local own = core.own

local concat, min = table.concat, math.min

---@class kio.Helpers
local io = {}

local PIECE = 1 << 18 -- of one read: the largest buffer that kio keeps ready
local TIMEOUT = { timeout = "number" }

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

-- ---- reading exactly ----

local function too_short(fd, parts, got, n)
  if got == 0 then return nil end
  local message = string.format("read fd %d: the end came after %d of %d bytes", fd, got, n)
  return nil, message, "ENODATA", got, concat(parts)
end

-- Calls once(size, due, got) until it has given n bytes.
local function read_until(fd, n, options, once)
  local parts, got, due = {}, 0, deadline_of(options)
  repeat
    local data, message, code = once(min(n - got, PIECE), left(due), got)
    if message then return nil, message, code, got, concat(parts) end
    if not data then return too_short(fd, parts, got, n) end
    parts[#parts + 1] = data
    got = got + #data
    if got < n then message, code = late(due, "read", fd) end
    if message then return nil, message, code, got, concat(parts) end
  until got >= n
  return #parts == 1 and parts[1] or concat(parts)
end

---n bytes from the current position. At the end, before the first byte: nil; after it, and on any
---failure: nil, message, code ("ENODATA" at the end), the number of bytes read, and these bytes.
---@async
---@param fd kio.Fd
---@param n integer
---@param options? kio.Options
---@return string? data, string? message, string? code, integer? count, string? partial
function io.read_exactly(fd, n, options, ...)
  check.fd(fd, 1, "read_exactly")
  n = check.count(n, 2, "read_exactly")
  options = check.options(options, 3, "read_exactly", TIMEOUT, ...)
  return read_until(fd, n, options, function(size, rest) return core.read(fd, size, rest) end)
end

---The same from an offset; the position stays.
---@async
---@param fd kio.Fd
---@param n integer
---@param offset integer
---@param options? kio.Options
---@return string? data, string? message, string? code, integer? count, string? partial
function io.pread_exactly(fd, n, offset, options, ...)
  check.fd(fd, 1, "pread_exactly")
  n, offset = check.count(n, 2, "pread_exactly"), check.count(offset, 3, "pread_exactly")
  options = check.options(options, 4, "pread_exactly", TIMEOUT, ...)
  return read_until(fd, n, options, function(size, rest, got)
    return core.pread(fd, size, offset + got, rest)
  end)
end

-- ---- writing all ----

-- A device that takes nothing and gives no reason: trying again would never end.
local function stuck(fd, done)
  return nil, string.format("write fd %d: no progress", fd), "EIO", done
end

-- Calls once(data, due, done) until all of data is written.
local function write_until(fd, data, options, once)
  local done, due = 0, deadline_of(options)
  repeat
    local n, message, code = once(rest_of(data, done), left(due), done)
    if not n then return nil, message, code, done end
    if n == 0 and #data > 0 then return stuck(fd, done) end
    done = done + n
    if done < #data then message, code = late(due, "write", fd) end
    if message then return nil, message, code, done end
  until done >= #data
  return done
end

---Writes the whole string or buffer at the current position; how many bytes that was.
---@async
---@param fd kio.Fd
---@param data string|number|kio.Buffer
---@param options? kio.Options
---@return integer? count, string? message, string? code, integer? written
function io.write_all(fd, data, options, ...)
  check.fd(fd, 1, "write_all")
  data = check.data(data, 2, "write_all")
  options = check.options(options, 3, "write_all", TIMEOUT, ...)
  return write_until(fd, data, options, function(rest, due) return core.write(fd, rest, due) end)
end

---The same at an offset; the position stays.
---@async
---@param fd kio.Fd
---@param data string|number|kio.Buffer
---@param offset integer
---@param options? kio.Options
---@return integer? count, string? message, string? code, integer? written
function io.pwrite_all(fd, data, offset, options, ...)
  check.fd(fd, 1, "pwrite_all")
  data = check.data(data, 2, "pwrite_all")
  offset = check.count(offset, 3, "pwrite_all")
  options = check.options(options, 4, "pwrite_all", TIMEOUT, ...)
  return write_until(fd, data, options, function(rest, due, done)
    return core.pwrite(fd, rest, offset + done, due)
  end)
end

-- ---- from one descriptor to another ----

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
    if n == 0 then return stuck(out) end
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

---Moves bytes from one descriptor to another without making strings of them: `count` bytes
---or, without it, up to the end; from `offset` on or, without it, from the source's position,
---which then moves by what was sent. How many bytes were moved. What had left a source that cannot
---seek and did not reach its destination is lost when the transfer fails.
---@async
---@param out_fd kio.Fd
---@param in_fd kio.Fd
---@param offset? integer
---@param count? integer
---@param options? kio.Options
---@return integer? count, string? message, string? code, integer? sent
function io.sendfile(out_fd, in_fd, offset, count, options, ...)
  check.fd(out_fd, 1, "sendfile")
  check.fd(in_fd, 2, "sendfile")
  offset = offset ~= nil and check.count(offset, 3, "sendfile") or nil
  count = count ~= nil and check.count(count, 4, "sendfile") or math.maxinteger
  options = check.options(options, 5, "sendfile", TIMEOUT, ...)
  if count == 0 then own.at_once() end
  local transfer <close>, message, code = new_transfer(in_fd, out_fd, offset, count)
  if not transfer then return nil, message, code, 0 end
  return transfer:run(out_fd, count, deadline_of(options))
end

return io
