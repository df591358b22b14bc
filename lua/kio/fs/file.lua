---The file object: what kio.fs.open returns. World failures are nil, message, code, and the message
---names the path. Methods at the position (kio.fs.position) are for one task at a time; those at an
---offset may run in any number of tasks at once.
local _ENV = require "kio.core".globals
local base = require "kio.fs.base"
local check = require "kio.fs.check"
local core = require "kio.core"
local direct = require "kio.fs.direct"
local output = require "kio.fs.output"
local Window = require "kio.fs.window"
---@class kio.File
local File = require "kio.fs.position"
require "kio.fs.into"

local const = core.const
local result, written, closed = base.result, base.written, base.closed
local fail = base.fail
local self_of, no_position = base.self_of, base.no_position

local TIMEOUT = { timeout = "number" }

-- ---- at an offset ----

---At most n bytes at the offset; nil at the end.
---@async
---@param n integer
---@param offset integer
---@param options? kio.Options
---@return string? data, string? message, string? code
function File.pread(self, n, offset, options, ...)
  local window = self_of(self, "pread")
  n, offset = check.moved(n, 1, "pread"), check.count(offset, 2, "pread")
  options = check.options(options, 3, "pread", TIMEOUT, ...)
  if not window.fd then return closed(self, "pread") end
  if not window.seekable then return no_position(self, "pread") end
  if window.direct then return fail(self, "pread", direct.NO_STRINGS, "EINVAL") end
  return result(self, "pread", core.pread(window.fd, n, offset, options))
end

---The same as a list of strings of these sizes.
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
  if not window.fd then return closed(self, "preadv") end
  if not window.seekable then return no_position(self, "preadv") end
  if window.direct then return fail(self, "preadv", direct.NO_STRINGS, "EINVAL") end
  if #sizes <= output.PIECES_MAX then
    return result(self, "preadv", core.preadv(window.fd, sizes, offset, options))
  end
  local data, message, code = core.pread(window.fd, total, offset, options)
  if not data then return result(self, "preadv", nil, message, code) end
  return base.split(data, sizes)
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
  if not window.fd then return closed(self, "pwrite") end
  if not window.seekable then return no_position(self, "pwrite") end
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
  if not window.fd then return closed(self, "pwritev") end
  if not window.seekable then return no_position(self, "pwritev") end
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
  return result(self, "chmod", core.access_set(window.fd, self.path, nil, permissions))
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
  local _ <close> = window.doubt
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
  return fd and core.plain_fd(fd) or nil
end
File.fileno = File.fd

---Ends what other tasks have under way on it (they get EBADF), and closes. A second close does
---nothing. Never refused to a cancelled task. Where an operation cannot run it blocks for a moment.
---@async
---@return true? done, string? message, string? code
function File.close(self, ...)
  local window = self_of(self, "close")
  check.no_more(0, "close", ...)
  local fd = window.fd
  if not fd then return true end
  window.fd = false
  if not core.plain_fd(fd) then return true end -- its number was closed
  local ran, done, message, code = pcall(core.close, fd)
  if not ran then done, message, code = core.close_now(fd) end
  if done then return true end
  if code == "ENOMEM" then window.fd = fd end -- it never got to the kernel
  local text = string.match(message, "^[^:]*: (.*)$") or message
  return nil, string.format("close %s: %s", self.path, text), code
end

function File.__close(self)
  self_of(self, "__close")
  File.close(self)
end

function File.__gc(self)
  if not core.finalizes() then return end -- by hand: it may be in use
  local window = self.window
  local fd = window.fd
  window.fd = false
  if fd then core.close_now(fd) end
end

function File.__tostring(self)
  self_of(self, "__tostring")
  local fd = File.fd(self)
  local state = fd and string.format("fd %d, open", fd) or "closed"
  return string.format("kio.File (%s, path %s)", state, core.escape(self.path))
end

-- ---- opening ----

---A file object for what openat(2) opens; see kio.fs.open. With `dirfd` it is `name` in that
---directory, and `path` is for messages.
function File.open(path, flags, permissions, read_ahead, timeout, dirfd, name)
  local window = Window.new(read_ahead)
  local self = setmetatable({ path = path, window = window }, File)
  local fd, message, code =
    core.name_fd(core.openat(dirfd, name or path, flags, permissions, timeout))
  if not fd then return nil, message, code end
  window:attach(fd, flags)
  if flags & const.O_DIRECT ~= 0 then window.direct = direct.rules(fd) end
  return self
end

return File
