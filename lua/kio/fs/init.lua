---Files and names in directories. Every call is an operation of a task; readdir, symlink, readlink,
---realpath and chmod may also be called outside of one, where they block. See docs/files.md.
---Every failure is nil, message, code, and the message names the path.
local _ENV = require "kio.core".globals
local check = require "kio.check"
local core = require "kio.core"
local open_file = require "kio.fs.file".open
local mode = require "kio.fs.mode"
local replace = require "kio.fs.replace"
local tree = require "kio.fs.tree"

local own = core.own
local const = core.const

---@class kio.fs
local fs = {
  copy = require "kio.fs.copy", mkdir = tree.mkdir, remove = tree.remove,
  watch = require "kio.fs.watch",
}

local TIMEOUT = { timeout = "number" }

-- ---- opening ----

---@class kio.OpenOptions: kio.Options
---@field perm? integer|string permissions of a new file (666), as the umask allows
---@field direct? boolean past the kernel's cache: O_DIRECT, with aligned buffers only
---@field read_ahead? integer bytes one read brings at most beyond what is asked for (256 KiB)

local OPEN = { timeout = "number", perm = "any", read_ahead = "number", direct = "boolean" }

local function open_flags(value)
  if type(value) == "string" then return mode.flags(value) end
  if value == nil then return const.O_RDONLY end
  return math.type(value) == "integer" and value >= 0 and value <= 0x7fffffff and value
end

---A file object. The mode is one of Lua's io.open, with "x" for a file that must not exist yet, or
---O_ flags of kio.const. Then the permissions of a new file, or options: perm, read_ahead (bytes,
---0: none), timeout.
---@async
---@param path string
---@param how? string|integer
---@param options? kio.OpenOptions|integer|string
---@return kio.File? file, string? message, string? code
function fs.open(path, how, options, ...)
  check.path(path, 1, "open")
  local flags = open_flags(how)
  if not flags then check.refuse(2, "open", string.format("invalid mode '%s'", how)) end
  if options ~= nil and type(options) ~= "table" then options = { perm = options } end
  options = check.options(options, 3, "open", OPEN, ...)
  local perm = options and check.permissions(options.perm, 3, "open")
  local ahead = options and options.read_ahead and check.count(options.read_ahead, 3, "open")
  local timeout = options and options.timeout and { timeout = options.timeout }
  if options and options.direct then flags = flags | const.O_DIRECT end
  return open_file(path, flags, perm, ahead, timeout)
end

-- ---- asking ----

---A table: type, size, mode, mtime and the other fields of stat(2).
---@async
---@param path string
---@param options? kio.Options
---@return kio.Stat? stat, string? message, string? code
function fs.stat(path, options, ...)
  check.path(path, 1, "stat")
  options = check.options(options, 2, "stat", TIMEOUT, ...)
  return core.statx(nil, path, 0, options)
end

---The same of a symbolic link itself.
---@async
---@param path string
---@param options? kio.Options
---@return kio.Stat? stat, string? message, string? code
function fs.lstat(path, options, ...)
  check.path(path, 1, "lstat")
  options = check.options(options, 2, "lstat", TIMEOUT, ...)
  return core.statx(nil, path, const.AT_SYMLINK_NOFOLLOW, options)
end

local absent = { ENOENT = true, ENOTDIR = true }

---Whether there is something of that name; nil, message, code when that cannot be told.
---@async
---@param path string
---@param options? kio.Options
---@return boolean? exists, string? message, string? code
function fs.exists(path, options, ...)
  check.path(path, 1, "exists")
  options = check.options(options, 2, "exists", TIMEOUT, ...)
  local found, message, code = core.statx(nil, path, 0, options)
  if found then return true end
  if absent[code] then return false end
  return nil, message, code
end

---A list of { name =, type = }, in no order, without "." and "..".
---@async
---@param path string
---@param options? kio.Options
---@return { name: string, type: string }[]? list, string? message, string? code
function fs.readdir(path, options, ...)
  check.path(path, 1, "readdir")
  options = check.options(options, 2, "readdir", TIMEOUT, ...)
  return own.readdir(path, options)
end

-- ---- changing names ----

---Removes a file's name.
---@async
---@param path string
---@param options? kio.Options
---@return true? done, string? message, string? code
function fs.unlink(path, options, ...)
  check.path(path, 1, "unlink")
  options = check.options(options, 2, "unlink", TIMEOUT, ...)
  return core.unlinkat(nil, path, 0, options)
end

---Gives a file another name; one that has it already loses it.
---@async
---@param from string
---@param to string
---@param options? kio.Options
---@return true? done, string? message, string? code
function fs.rename(from, to, options, ...)
  check.path(from, 1, "rename")
  check.path(to, 2, "rename")
  options = check.options(options, 3, "rename", TIMEOUT, ...)
  local done, message, code = core.renameat(nil, from, nil, to, 0, options)
  if done then return true end
  return nil, replace.rename_subject(message, from, from .. " to " .. to), code
end

---Removes an empty directory.
---@async
---@param path string
---@param options? kio.Options
---@return true? done, string? message, string? code
function fs.rmdir(path, options, ...)
  check.path(path, 1, "rmdir")
  options = check.options(options, 2, "rmdir", TIMEOUT, ...)
  local done, message, code = core.unlinkat(nil, path, const.AT_REMOVEDIR, options)
  if done then return true end
  return nil, (string.gsub(message, "^unlink", "rmdir")), code
end

---Sets permissions: an integer, or octal digits.
---@async
---@param path string
---@param permissions integer|string
---@param options? kio.Options
---@return true? done, string? message, string? code
function fs.chmod(path, permissions, options, ...)
  check.path(path, 1, "chmod")
  permissions = check.permissions(permissions, 2, "chmod")
  if not permissions then check.refuse(2, "chmod", "permissions expected") end
  options = check.options(options, 3, "chmod", TIMEOUT, ...)
  return own.chmod(path, permissions, options)
end

-- ---- names that lead elsewhere ----

---Makes a symbolic link at `path` that leads to `target`.
---@async
---@param target string
---@param path string
---@param options? kio.Options
---@return true? done, string? message, string? code
function fs.symlink(target, path, options, ...)
  check.path(target, 1, "symlink")
  check.path(path, 2, "symlink")
  options = check.options(options, 3, "symlink", TIMEOUT, ...)
  return own.symlink(target, path, options)
end

---Where a symbolic link leads.
---@async
---@param path string
---@param options? kio.Options
---@return string? target, string? message, string? code
function fs.readlink(path, options, ...)
  check.path(path, 1, "readlink")
  options = check.options(options, 2, "readlink", TIMEOUT, ...)
  return own.readlink(path, options)
end

---The absolute path, with every link followed.
---@async
---@param path string
---@param options? kio.Options
---@return string? path, string? message, string? code
function fs.realpath(path, options, ...)
  check.path(path, 1, "realpath")
  options = check.options(options, 2, "realpath", TIMEOUT, ...)
  return own.realpath(path, options)
end

-- ---- whole files ----

---All that is in a file, also in one of /proc, whose size is told as 0.
---@async
---@param path string
---@return string? data, string? message, string? code
function fs.read_file(path, ...)
  check.no_more(1, "read_file", ...)
  check.path(path, 1, "read_file")
  local file <close>, message, code = open_file(path, const.O_RDONLY)
  if not file then return nil, message, code end
  return file:read("a")
end

---@class kio.WriteFileOptions
---@field atomic? boolean others see the old content or the new one, also after a crash
---@field append? boolean add to what is there
---@field sync? boolean return when it is on the device; false: an atomic write does not wait either
---@field mode? integer|string permissions of a new file (666), as the umask allows

local WRITE = { atomic = "boolean", append = "boolean", sync = "boolean", mode = "any" }

---Makes `data` all that is in a file. Options: mode (of a new file), append, sync (return when it
---is on the device), atomic (others see the old content or the new one, also after a crash).
---@async
---@param path string
---@param data string|number|kio.Buffer
---@param options? kio.WriteFileOptions
---@return true? done, string? message, string? code
function fs.write_file(path, data, options, ...)
  check.path(path, 1, "write_file")
  data = check.data(data, 2, "write_file")
  options = check.options(options, 3, "write_file", WRITE, ...)
  options = options or {}
  local permissions = check.permissions(options.mode, 3, "write_file")
  if not options.atomic then return replace.in_place(path, data, permissions, options) end
  if options.append then check.refuse(3, "write_file", "either 'atomic' or 'append'") end
  return replace.atomically(path, data, permissions, options.sync)
end

return fs
