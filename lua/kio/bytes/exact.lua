---Helpers on plain descriptors: exactly n bytes, all of a string, a whole transfer. Results are as
---those of the raw operations; a failure's fourth result is how many bytes were moved before it.
local _ENV = require "kio.core".globals
local check = require "kio.check"
local core = require "kio.core"
local rest_of = require "kio.bytes.rest"
local transfer = require "kio.bytes.transfer"

local own = core.own

local concat, min = table.concat, math.min
local deadline_of, left, late = transfer.deadline_of, transfer.left, transfer.late

---@class kio.Helpers
local io = {}

local PIECE = 1 << 18 -- of one read: the largest buffer that kio keeps ready
local TIMEOUT = { timeout = "number" }

-- Calls once(due, done), which gives a number of bytes, until there are n of them: how many. When
-- it gives none: nil, message, code, and how many there were before.
local function move(what, fd, n, options, once)
  local done, due = 0, deadline_of(options)
  repeat
    local count, message, code = once(left(due), done)
    done = done + (count or 0)
    if count and done < n then message, code = late(due, what, fd) end
    if not count or message then return nil, message, code, done end
  until done >= n
  return done
end

-- ---- reading exactly ----

local function read_all(fd, n, options, read)
  local parts = {}
  local got, message, code, count = move("read", fd, n, options, function(due, done)
    local data, why, name = read(min(n - done, PIECE), due, done)
    parts[#parts + 1] = data
    if data or why or done == 0 then return data and #data, why, name end
    local text = "read fd %d: the end came after %d of %d bytes"
    return nil, string.format(text, fd, done, n), "ENODATA"
  end)
  if message then return nil, message, code, count, concat(parts) end
  return got and (#parts == 1 and parts[1] or concat(parts))
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
  return read_all(fd, n, options, function(size, rest) return core.read(fd, size, rest) end)
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
  return read_all(fd, n, options, function(size, rest, got)
    return core.pread(fd, size, offset + got, rest)
  end)
end

-- ---- writing all ----

local function write_all(fd, data, options, write)
  return move("write", fd, #data, options, function(due, done)
    local count, message, code = write(rest_of(data, done), due, done)
    if count ~= 0 or #data == 0 then return count, message, code end
    -- A device that takes nothing and gives no reason: trying again would never end.
    return nil, string.format("write fd %d: no progress", fd), "EIO"
  end)
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
  return write_all(fd, data, options, function(rest, due) return core.write(fd, rest, due) end)
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
  return write_all(fd, data, options, function(rest, due, done)
    return core.pwrite(fd, rest, offset + done, due)
  end)
end

-- ---- from one descriptor to another ----

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
  return transfer.run(out_fd, in_fd, offset, count, deadline_of(options))
end

return io
