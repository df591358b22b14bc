---Replacing what is in a file: in place, or by renaming a new file over it. The new one is nobody
---else's to read until it has its name, and gets owner and permissions by its descriptor.
local _ENV = require "kio.core".globals
local core = require "kio.core"
local open_file = require "kio.fs.file".open
local Place = require "kio.fs.place"

local own = core.own
local const = core.const

local replace = {}

---A message that names another subject.
function replace.rename_subject(message, old, new)
  local first, last = string.find(message, old, 1, true)
  if not first then return message end
  return string.sub(message, 1, first - 1) .. new .. string.sub(message, last + 1)
end

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
  local file <close>, message, code = open_file(path, flags, permissions)
  if not file then return nil, message, code end
  return fill(file, data, options.sync)
end

---Those without set-user-ID, set-group-ID and the sticky bit.
function replace.plain_permissions(mode) return mode & 511 end

-- Removes a temporary file that was not renamed. Not an operation, so that it works in a task that
-- has been cancelled.
local Leftover = {
  __close = function(self) if self.name then own.unlink_now(self.directory.fd, self.name) end end,
}

local PRIVATE = 384 -- octal 600
local TRIES = 100 -- of names; that even one is taken is unlikely
local FLAGS = const.O_WRONLY | const.O_CREAT | const.O_EXCL | const.O_NOFOLLOW

-- A new file at `place`, under a name nobody has; `leftover.name` becomes its name. It calls itself
-- what it is to replace in its messages.
local function new_file(place, permissions, leftover)
  for try = 1, TRIES do
    local name = string.format(".kio-%016x.tmp", own.random())
    leftover.name = name
    local file, message, code =
      open_file(place.path, FLAGS, permissions, 0, nil, place.directory.fd, name)
    if file then return file end
    leftover.name = nil
    if code ~= "EEXIST" or try == TRIES then
      return nil, replace.rename_subject(message, name, place.path), code
    end
  end
end

-- Owner and group are those of what is replaced, as far as they may be; so are the permissions
-- unless there are others.
local function set_access(file, place, options)
  local mode = options.exact and options.permissions or options.permissions and "keep" or "like"
  local like = place.old.fd
  if not like and type(mode) == "string" then return true end -- as the umask allowed
  return own.access_set(file.window.fd, place.path, like, mode)
end

-- What `write` has put into the new file is made whole, and gets its name.
local function complete(file, write, temporary, place, options)
  local done, message, code = write(file)
  if done then done, message, code = set_access(file, place, options) end
  if done and options.sync ~= false then done, message, code = file:sync() end
  if done then done, message, code = file:close() end
  local flags = options.exclusive and const.RENAME_NOREPLACE or 0
  local directory = place.directory.fd
  if done then
    done, message, code = core.renameat(directory, temporary, directory, place.name, flags)
  end
  return done, message, code
end

-- What it is made with. Before it has its name only its owner may read what he could not read then.
local function first_permissions(place, options)
  if options.exact or place.old.fd and not options.permissions then return PRIVATE end
  return options.permissions
end

---Has write(file) fill a new file, which then gets the name, in place of what had it. Options:
---permissions (of what is replaced, else 666 as the umask allows), exact (the umask does not change
---them), sync (false: not at all; true: the directory too), exclusive (there must be none).
function replace.through(path, write, options)
  local place <close> = Place.new(path)
  local done, message, code = place:locate()
  if not done then return nil, message, code end
  local leftover <close> = setmetatable({ directory = place.directory }, Leftover)
  local file <close>, why, kind = new_file(place, first_permissions(place, options), leftover)
  if not file then return nil, why, kind end
  done, message, code = complete(file, write, leftover.name, place, options)
  if not done then return nil, replace.rename_subject(message, leftover.name, path), code end
  leftover.name = nil
  if options.sync then return place:sync() end
  return true
end

function replace.atomically(path, data, permissions, sync)
  local options = { permissions = permissions, sync = sync }
  return replace.through(path, function(file) return file:write(data) end, options)
end

return replace
