---Files and names in directories. Runs in tasks; most calls are asynchronous operations, and the
---few that block (readdir, symlink, readlink, realpath, chmod) say so: see docs/files.md.
---Every failure is nil, message, code, and the message names the path.
local base = require "kio.fs.base"
local check = require "kio.fs.check"
local core = require "kio.core"
local File = require "kio.fs.file"
local mode = require "kio.fs.mode"
local replace = require "kio.fs.replace"

local const = core.const

local fs = {}

local TIMEOUT = { timeout = "number" }

-- ---- opening ----

local OPEN = { timeout = "number", perm = "any", read_ahead = "number" }

local function open_flags(value)
  if type(value) == "string" then return mode.flags(value) end
  return value == nil and const.O_RDONLY or math.type(value) == "integer" and value
end

---A file object. The mode is one of Lua's io.open, with "x" for a file that must not exist yet, or
---O_ flags of kio.const. Then the permissions of a new file, or options: perm, read_ahead (bytes,
---0: none), timeout.
function fs.open(path, how, options)
  check.path(path, 1, "open")
  local flags = open_flags(how)
  if not flags then check.refuse(2, "open", "invalid mode") end
  if options ~= nil and type(options) ~= "table" then options = { perm = options } end
  check.options(options, 3, "open", OPEN)
  local perm = options and check.permissions(options.perm, 3, "open")
  local ahead = options and options.read_ahead and check.count(options.read_ahead, 3, "open")
  local timeout = options and options.timeout and { timeout = options.timeout }
  return File.open(path, flags, perm, ahead, timeout)
end

-- ---- asking ----

---A table: type, size, mode, mtime and the other fields of stat(2).
function fs.stat(path, options)
  check.path(path, 1, "stat")
  check.options(options, 2, "stat", TIMEOUT)
  return core.statx(nil, path, 0, options)
end

---The same of a symbolic link itself.
function fs.lstat(path, options)
  check.path(path, 1, "lstat")
  check.options(options, 2, "lstat", TIMEOUT)
  return core.statx(nil, path, const.AT_SYMLINK_NOFOLLOW, options)
end

local absent = { ENOENT = true, ENOTDIR = true }

---Whether there is something of that name; nil, message, code when that cannot be told.
function fs.exists(path, options)
  check.path(path, 1, "exists")
  check.options(options, 2, "exists", TIMEOUT)
  local found, message, code = core.statx(nil, path, 0, options)
  if found then return true end
  if absent[code] then return false end
  return nil, message, code
end

---A list of { name =, type = }, in no order, without "." and "..". Blocks.
function fs.readdir(path)
  check.path(path, 1, "readdir")
  return core.readdir(path)
end

-- ---- changing names ----

---Removes a file's name.
function fs.unlink(path, options)
  check.path(path, 1, "unlink")
  check.options(options, 2, "unlink", TIMEOUT)
  return core.unlinkat(nil, path, 0, options)
end

---Gives a file another name; one that has it already loses it.
function fs.rename(from, to, options)
  check.path(from, 1, "rename")
  check.path(to, 2, "rename")
  check.options(options, 3, "rename", TIMEOUT)
  local done, message, code = core.renameat(nil, from, nil, to, 0, options)
  if done then return true end
  return nil, base.rename_subject(message, from, from .. " to " .. to), code
end

---Makes a directory, with these permissions (777) as the umask allows.
function fs.mkdir(path, permissions, options)
  check.path(path, 1, "mkdir")
  permissions = check.permissions(permissions, 2, "mkdir")
  check.options(options, 3, "mkdir", TIMEOUT)
  return core.mkdirat(nil, path, permissions, options)
end

---Removes an empty directory.
function fs.rmdir(path, options)
  check.path(path, 1, "rmdir")
  check.options(options, 2, "rmdir", TIMEOUT)
  local done, message, code = core.unlinkat(nil, path, const.AT_REMOVEDIR, options)
  if done then return true end
  return nil, (message:gsub("^unlink", "rmdir")), code
end

---Makes a symbolic link at `path` that leads to `target`. Blocks.
function fs.symlink(target, path)
  check.path(target, 1, "symlink")
  check.path(path, 2, "symlink")
  return core.symlink(target, path)
end

---Where a symbolic link leads. Blocks.
function fs.readlink(path)
  check.path(path, 1, "readlink")
  return core.readlink(path)
end

---The absolute path, with every link followed. Blocks.
function fs.realpath(path)
  check.path(path, 1, "realpath")
  return core.realpath(path)
end

---Sets permissions: an integer, or octal digits. Blocks.
function fs.chmod(path, permissions)
  check.path(path, 1, "chmod")
  permissions = check.permissions(permissions, 2, "chmod")
  if not permissions then check.refuse(2, "chmod", "permissions expected") end
  return core.chmod(path, permissions)
end

-- ---- whole files ----

---All that is in a file, also in one of /proc, whose size is told as 0.
function fs.read_file(path)
  check.path(path, 1, "read_file")
  local file <close>, message, code = File.open(path, const.O_RDONLY)
  if not file then return nil, message, code end
  return file:read("a")
end

local WRITE = { atomic = "boolean", append = "boolean", sync = "boolean", mode = "any" }

---Makes `data` all that is in a file. Options: mode (of a new file), append, sync (return when it
---is on the device), atomic (others see the old content or the new one, also after a crash).
function fs.write_file(path, data, options)
  check.path(path, 1, "write_file")
  check.data(data, 2, "write_file")
  check.options(options, 3, "write_file", WRITE)
  options = options or {}
  local permissions = check.permissions(options.mode, 3, "write_file")
  if not options.atomic then return replace.in_place(path, data, permissions, options) end
  if options.append then check.refuse(3, "write_file", "either 'atomic' or 'append'") end
  return replace.atomically(path, data, permissions, options.sync)
end

return fs
