---The file object: what kio.fs.open returns. World failures are nil, message, code, and the message
---names the path. Methods at the position are for one task at a time: a second one raises. Those at
---an offset may run in any number of tasks at once.
local _ENV = require "kio.core".globals
local check = require "kio.check"
local core = require "kio.core"
local direct = require "kio.fs.direct"
local formats = require "kio.fs.formats"
local output = require "kio.fs.output"
local Window = require "kio.fs.window"

local own = core.own
local const = core.const
local pack, unpack = table.pack, table.unpack

local TIMEOUT = { timeout = "number" }

---@class kio.File
---@field path string what it was opened as
local File = { __name = "kio.File" }
File.__index = File

-- ---- how failures are told ----

-- The operation and the path in place of the core's words for the descriptor.
local function fail(self, what, message, code, ...)
  if code == "EBADF" and not self.window.fd then message = "the file is closed"
  else message = string.match(message, "^[^:]*: (.*)$") or message end
  return nil, string.format("%s %s: %s", what, self.path, message), code, ...
end

-- Passes a result on; nil without a message is the end of the file.
local function result(self, what, value, message, ...)
  if value == nil and message then return fail(self, what, message, ...) end
  return value
end

-- What a result of the output room means to the user: the file, or a failure with its count.
local function written(self, what, count, ...)
  if count then return self end
  return fail(self, what, ...)
end

local function closed(self, what)
  own.at_once()
  return fail(self, what, "", "EBADF")
end

-- Why there is nothing to be done at an offset.
local function no_offset(self, what)
  if not self.window.fd then return closed(self, what) end
  return fail(self, what, "illegal seek", "ESPIPE")
end

local function self_of(self, name)
  if getmetatable(self) ~= File then check.bad_self(self, "kio.File", name) end
  return self.window
end

-- ---- reading ----

local function read_several(self, window, list)
  local values, n, message, code = formats.read_list(window, list)
  if not message then return unpack(values, 1, n) end
  values[n + 1], values[n + 2] = select(2, fail(self, "read", message, code))
  return unpack(values, 1, n + 2)
end

---The value of each format; nil at the first that finds none. On failure nil, message, code stand
---in the place of the first value that could not be read: those before it are not lost.
---@async
---@param ... string|integer "l", "L", "n", "a", or a number of bytes; default "l"
---@return string|number|nil value, ...
function File.read(self, ...)
  local window = self_of(self, "read")
  local n = select("#", ...)
  local list = n > 1 and { n = n }
  local reader, argument = formats.read_line, nil
  for i = 1, n do
    reader, argument = formats.reader((select(i, ...)))
    if not reader then check.refuse(i, "read", "invalid format") end
    if list then list[i] = { reader, argument } end
  end
  if not window.fd then return closed(self, "read") end
  window:begin()
  if list then return read_several(self, window, list) end
  return result(self, "read", reader(window, argument))
end

local function value_or_error(value, message, code, ...)
  if value == nil and message then own.raise(message, code) end
  return value, message, code, ...
end

-- The usual loop, with one format: nothing but the reader in each round.
local function each_value(self, window, format)
  local reader, argument = formats.reader(format)
  return function()
    if not window.fd then own.raise(select(2, closed(self, "read"))) end
    window:begin()
    local value, message, code = reader(window, argument)
    if message then own.raise(select(2, fail(self, "read", message, code))) end
    return value
  end
end

---Iterates over the values of the formats (default "l"); a failure is raised, with
---its code behind the message.
---@param ... string|integer
---@return async fun(): string|number|nil, ...
function File.lines(self, ...)
  local window, list = self_of(self, "lines"), pack(...)
  for i = 1, list.n do
    if not formats.reader(list[i]) then check.refuse(i, "lines", "invalid format") end
  end
  if list.n <= 1 then return each_value(self, window, list.n == 0 and "l" or list[1]) end
  return function() return value_or_error(self:read(unpack(list, 1, list.n))) end
end

---The next bytes as a list of strings of these sizes, fewer or shorter only at the end; nil there.
---@async
---@param sizes integer[]
---@return string[]? list, string? message, string? code
function File.readv(self, sizes, ...)
  local window = self_of(self, "readv")
  local copy, total = check.sizes(sizes, 1, "readv")
  check.no_more(1, "readv", ...)
  if not window.fd then return closed(self, "readv") end
  window:begin()
  return result(self, "readv", formats.readv(window, copy, total))
end

---Reads at most `max` bytes at the position into a buffer: how many; nil at the end.
---@async
---@param buffer kio.Buffer
---@param at? integer where in the buffer they begin (1)
---@param max? integer default: all the room behind that
---@return integer? count, string? message, string? code
function File.read_into(self, buffer, at, max, ...)
  local window = self_of(self, "read_into")
  check.no_more(3, "read_into", ...)
  at, max = check.room(buffer, at, max, "read_into")
  if not window.fd then return closed(self, "read_into") end
  window:begin()
  return result(self, "read_into", window:read_into(buffer, at, max))
end

-- ---- writing ----

---Writes strings, numbers and buffers, all of them, and returns the file; on failure the fourth
---result is how many bytes were written.
---@async
---@param ... string|number|kio.Buffer
---@return kio.File? file, string? message, string? code, integer? written
function File.write(self, ...)
  local window, data = self_of(self, "write"), ...
  if type(data) == "string" and select("#", ...) == 1 then check.data(data, 1, "write")
  else data = check.join("write", ...) end
  if not window.fd then return closed(self, "write") end
  window:begin_write()
  return written(self, "write", output.write(window, data))
end

---The same for a list of strings and numbers, without joining them.
---@async
---@param list (string|number)[]
---@return kio.File? file, string? message, string? code, integer? written
function File.writev(self, list, ...)
  local window = self_of(self, "writev")
  check.no_more(1, "writev", ...)
  local pieces, size = check.pieces(list, 1, "writev")
  if not window.fd then return closed(self, "writev") end
  window:begin_write()
  return written(self, "writev", output.writev(window, pieces, size))
end

-- ---- the position ----

local whences = { set = true, cur = true, ["end"] = true }

---Moves the position, as in Lua's io; returns it.
---@param whence? "set"|"cur"|"end"
---@param offset? integer
---@return integer? position, string? message, string? code
function File.seek(self, whence, offset, ...)
  local window = self_of(self, "seek")
  check.no_more(2, "seek", ...)
  whence, offset = whence or "cur", math.tointeger(offset or 0)
  if not whences[whence] then check.refuse(1, "seek", "invalid whence: set, cur or end") end
  if not offset then check.refuse(2, "seek", "an integer expected") end
  if not window:seeks() then return no_offset(self, "seek") end
  window:begin()
  return result(self, "seek", window:seek(whence, offset))
end

-- ---- at an offset ----

-- The usual calls of these two are done in C (op/file_at.c; lua/types/kio/fs.d.lua has what they
-- are), and come here with all others.

local function pread(self, n, offset, options, ...)
  local window = self_of(self, "pread")
  n, offset = check.moved(n, 1, "pread"), check.count(offset, 2, "pread")
  options = check.options(options, 3, "pread", TIMEOUT, ...)
  if not window:seeks() then return no_offset(self, "pread") end
  if window.direct then return fail(self, "pread", direct.NO_STRINGS, "EINVAL") end
  return result(self, "pread", core.pread(window.fd, n, offset, options))
end

local function pread_into(self, buffer, at, max, offset, options, ...)
  local window = self_of(self, "pread_into")
  at, max = check.room(buffer, at, max, "pread_into")
  offset = check.count(offset, 4, "pread_into")
  options = check.options(options, 5, "pread_into", TIMEOUT, ...)
  if not window:seeks() then return no_offset(self, "pread_into") end
  local wrong = direct.wrong(window.direct, buffer, at, max, offset)
  if wrong then return fail(self, "pread_into", wrong, "EINVAL") end
  return result(self, "pread_into", core.pread_into(window.fd, buffer, at, max, offset, options))
end

own.file_at(File, { pread = pread, pread_into = pread_into }, fail)

---What is there at an offset, as a list of strings of these sizes; nil at the end.
---@async
---@param sizes integer[]
---@param offset integer
---@param options? kio.Options
---@return string[]? list, string? message, string? code
function File.preadv(self, sizes, offset, options, ...)
  local window = self_of(self, "preadv")
  local total
  sizes, total = check.sizes(sizes, 1, "preadv")
  check.moved(total, 1, "preadv")
  offset = check.count(offset, 2, "preadv")
  options = check.options(options, 3, "preadv", TIMEOUT, ...)
  if not window:seeks() then return no_offset(self, "preadv") end
  if window.direct then return fail(self, "preadv", direct.NO_STRINGS, "EINVAL") end
  return result(self, "preadv", formats.preadv(window, sizes, total, offset, options))
end

---Writes the whole string or buffer at the offset and returns the file; the position stays.
---@async
---@param data string|number|kio.Buffer
---@param offset integer
---@return kio.File? file, string? message, string? code, integer? written
function File.pwrite(self, data, offset, ...)
  local window = self_of(self, "pwrite")
  check.no_more(2, "pwrite", ...)
  data = check.data(data, 1, "pwrite")
  offset = check.count(offset, 2, "pwrite")
  if not window:seeks() then return no_offset(self, "pwrite") end
  return written(self, "pwrite", output.pwrite(window, data, offset))
end

---The same for a list of strings and numbers.
---@async
---@param list (string|number)[]
---@param offset integer
---@return kio.File? file, string? message, string? code, integer? written
function File.pwritev(self, list, offset, ...)
  local window = self_of(self, "pwritev")
  check.no_more(2, "pwritev", ...)
  local pieces, size = check.pieces(list, 1, "pwritev")
  offset = check.count(offset, 2, "pwritev")
  if not window:seeks() then return no_offset(self, "pwritev") end
  return written(self, "pwritev", output.pwritev(window, pieces, size, offset))
end

-- ---- the file itself ----

---What statx(2) tells about it: see kio.fs.stat.
---@async
---@param options? kio.Options
---@return kio.Stat? stat, string? message, string? code
function File.stat(self, options, ...)
  local window = self_of(self, "stat")
  options = check.options(options, 1, "stat", TIMEOUT, ...)
  if not window.fd then return closed(self, "stat") end
  return result(self, "stat", core.statx(window.fd, "", const.AT_EMPTY_PATH, options))
end

---Sets its permissions, whatever names it has by now: an integer, or octal digits.
---@async
---@param permissions integer|string
---@return true? done, string? message, string? code
function File.chmod(self, permissions, ...)
  local window = self_of(self, "chmod")
  check.no_more(1, "chmod", ...)
  permissions = check.permissions(permissions, 1, "chmod")
  if not permissions then check.refuse(1, "chmod", "permissions expected") end
  if not window.fd then return closed(self, "chmod") end
  return result(self, "chmod", own.access_set(window.fd, self.path, nil, permissions))
end

---Returns when what was written is on the device; data_only leaves out times and the like.
---@async
---@param data_only? boolean
---@param options? kio.Options
---@return true? done, string? message, string? code
function File.sync(self, data_only, options, ...)
  local window = self_of(self, "sync")
  options = check.options(options, 2, "sync", TIMEOUT, ...)
  if not window.fd then return closed(self, "sync") end
  local sync = data_only and core.fdatasync or core.fsync
  return result(self, "sync", sync(window.fd, options))
end

---Makes it this long; the position stays.
---@async
---@param length integer
---@param options? kio.Options
---@return true? done, string? message, string? code
function File.truncate(self, length, options, ...)
  local window = self_of(self, "truncate")
  length = check.count(length, 1, "truncate")
  options = check.options(options, 2, "truncate", TIMEOUT, ...)
  if not window.fd then return closed(self, "truncate") end
  local _ <close> = window:doubts()
  return result(self, "truncate", core.ftruncate(window.fd, length, options))
end

---Of a file opened with `direct`: what offsets, sizes and the places of buffers in memory must be
---multiples of; nil of any other.
---@return integer?
function File.alignment(self, ...)
  local rules = self_of(self, "alignment").direct
  check.no_more(0, "alignment", ...)
  return rules and math.max(rules.memory, rules.offset) or nil
end

---Its descriptor's number, nil when it is closed.
---@return kio.Fd?
function File.fd(self, ...)
  check.no_more(0, "fd", ...)
  local fd = self_of(self, "fd").fd
  return fd and own.fd_of_name(fd) or nil
end
File.fileno = File.fd

---Ends what other tasks have under way on it (they get EBADF), and closes. A second close does
---nothing. Never refused to a cancelled task. Where an operation cannot run it blocks for a moment.
---@async
---@return true? done, string? message, string? code
function File.close(self, ...)
  local window = self_of(self, "close")
  check.no_more(0, "close", ...)
  if not window.fd then
    own.done_at_once()
    return true
  end
  local done, message, code = window:close()
  if done then return true end
  local text = string.match(message, "^[^:]*: (.*)$") or message
  return nil, string.format("close %s: %s", self.path, text), code
end

function File.__close(self)
  self_of(self, "__close")
  File.close(self)
end

function File.__gc(self)
  if not own.finalizes() then return end -- by hand: it may be in use
  self.window:close_now()
end

function File.__tostring(self)
  self_of(self, "__tostring")
  local fd = File.fd(self)
  local state = fd and string.format("fd %d, open", fd) or "closed"
  return string.format("kio.File (%s, path %s)", state, own.escape(self.path))
end

-- ---- opening ----

local file = { File = File }

---A file object for what openat(2) opens; see kio.fs.open. With `dirfd` it is `name` in that
---directory, and `path` is for messages.
function file.open(path, flags, permissions, read_ahead, timeout, dirfd, name)
  local window = Window.new(read_ahead)
  local self = setmetatable({ path = path, window = window }, File)
  local fd, message, code =
    own.name_fd(core.openat(dirfd, name or path, flags, permissions, timeout))
  if not fd then return nil, message, code end
  window:attach(fd, flags)
  return self
end

return file
