---Replacing what is in a file: in place, or by renaming a new file over it.
local _ENV = require "kio.core".globals
local base = require "kio.fs.base"
local core = require "kio.core"
local File = require "kio.fs.file"

local const = core.const

local replace = {}

-- Writes, syncs if asked, and closes; close may be the one to tell that the disk is full.
local function fill(file, data, sync)
  local done, message, code = file:write(data)
  if done and sync then done, message, code = file:sync() end
  if not done then return nil, message, code end
  return file:close()
end

function replace.in_place(path, data, permissions, options)
  local flags = const.O_WRONLY | const.O_CREAT
    | (options.append and const.O_APPEND or const.O_TRUNC)
  local file <close>, message, code = File.open(path, flags, permissions)
  if not file then return nil, message, code end
  return fill(file, data, options.sync)
end

-- ---- what is replaced ----

---Those without set-user-ID, set-group-ID and the sticky bit.
function replace.plain_permissions(mode) return mode & 511 end

-- The folder a path names something in.
local function directory_of(path)
  local directory = string.match(path, "^(.*)/[^/]*$") or "."
  return directory == "" and "/" or directory
end

local LINKS = 40 -- that lead to nothing, one to the next: as many as the kernel follows

-- The path without links: they stay, and what they lead to is replaced, or made.
local function without_links(path)
  for _ = 1, LINKS do
    local target, message, code = core.realpath(path)
    if target then return target end
    if code ~= "ENOENT" then return nil, (string.gsub(message, "^realpath", "open", 1)), code end
    local next_path = core.readlink(path)
    if not next_path then return path end
    local absolute = string.sub(next_path, 1, 1) == "/"
    path = absolute and next_path or directory_of(path) .. "/" .. next_path
  end
  return nil, string.format("open %s: too many levels of symbolic links", path), "ELOOP"
end

-- Where the new file goes, and the permissions of what is there, but for set-user-ID and its like:
-- the new one may have another owner. A device or a fifo is not to be lost to a rename.
local function destination(path)
  local target, message, code = without_links(path)
  if not target then return nil, message, code end
  local old = core.statx(nil, target)
  if old and old.type == "directory" then
    return nil, string.format("replace %s: is a directory", path), "EISDIR"
  elseif old and old.type ~= "file" then
    return nil, string.format("replace %s: it is no regular file", path), "EINVAL"
  end
  return target, old and replace.plain_permissions(old.mode)
end

-- ---- atomically ----

-- Removes a temporary file that was not renamed. Not an operation, so that it works in a task that
-- has been cancelled.
local Leftover = { __close = function(self) if self.path then os.remove(self.path) end end }

local TRIES = 100 -- of names; that even one is taken is unlikely

-- A new file beside `target`, under a name nobody has; `leftover.path` becomes its path. It calls
-- itself `target` in its messages.
local function new_file(directory, target, permissions, leftover)
  local flags = const.O_WRONLY | const.O_CREAT | const.O_EXCL
  for try = 1, TRIES do
    local path = string.format("%s/.kio-%016x.tmp", directory, math.random(0))
    leftover.path = path
    local file, message, code = File.open(path, flags, permissions)
    if file then
      file.path = target
      return file
    end
    leftover.path = nil
    if code ~= "EEXIST" or try == TRIES then
      return nil, base.rename_subject(message, path, target), code
    end
  end
end

local function sync_directory(directory)
  local file <close>, message, code = File.open(directory, const.O_RDONLY | const.O_DIRECTORY)
  if not file then return nil, message, code end
  return file:sync()
end

-- What `write` has put into the new file is made whole, and gets its name.
local function complete(file, write, temporary, target, options)
  local done, message, code = write(file)
  if done and options.sync ~= false then done, message, code = file:sync() end
  if done then done, message, code = file:close() end
  local flags = options.exclusive and const.RENAME_NOREPLACE or 0
  if done then done, message, code = core.renameat(nil, temporary, nil, target, flags) end
  return done, message, code
end

---Has write(file) fill a new file, which then gets the name, in place of what had it. Options:
---permissions (of what is replaced, else 666 as the umask allows), exact (the umask does not change
---them), sync (false: not at all; true: the directory too), exclusive (there must be none).
function replace.through(path, write, options)
  local target, mode, why = destination(path)
  if not target then return nil, mode, why end
  local directory = directory_of(target)
  local leftover <close> = setmetatable({}, Leftover)
  local file <close>, message, code = new_file(directory, path, options.permissions, leftover)
  if not file then return nil, message, code end
  local done = true
  local kept = options.exact and options.permissions or not options.permissions and mode
  if kept then done, message, code = core.chmod(leftover.path, kept) end
  if done then done, message, code = complete(file, write, leftover.path, target, options) end
  if not done then return nil, base.rename_subject(message, leftover.path, path), code end
  leftover.path = nil
  if options.sync then return sync_directory(directory) end
  return true
end

function replace.atomically(path, data, permissions, sync)
  local options = { permissions = permissions, sync = sync }
  return replace.through(path, function(file) return file:write(data) end, options)
end

return replace
