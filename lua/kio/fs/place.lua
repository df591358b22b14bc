---Where a file goes that is to be replaced or made: a name in a directory that is held open, with
---what has that name now held too. A path is looked up once, one link at a time; from then on
---nothing is done by path, so that who owns a directory on the way cannot swap what it leads to.
local _ENV = require "kio.core".globals
local core = require "kio.core"
local Held = require "kio.fs.held"

local own = core.own
local const = core.const

---@class kio.Place
---@field path string what was asked for, for messages
---@field directory kio.Held
---@field name string in it
---@field old kio.Held what has that name; its fd is nil when nothing has
---@field stat? kio.Stat of that
local Place = {}
Place.__index = Place

function Place.new(path)
  return setmetatable({ path = path, directory = Held.new(), old = Held.new() }, Place)
end

function Place:__close()
  self.old:__close()
  self.directory:__close()
end

local ITSELF = const.O_PATH | const.O_NOFOLLOW
local LINKS = 40 -- that lead one to the next: as many as the kernel follows

-- The words of an operation on a part of the path, told of opening the whole of it.
local function failed(self, message, code)
  return nil, string.format("open %s: %s", self.path, string.match(message, "^.*: (.-)$")), code
end

local function is_directory(self)
  return nil, string.format("replace %s: is a directory", self.path), "EISDIR"
end

-- Goes to what `path` names, seen from the directory.
local function step(self, path)
  local parent, name = string.match(path, "^(.-)([^/]+)$")
  if not name then -- only a directory has such a name
    local there, message, code = core.statx(self.directory.fd, path)
    if there then return is_directory(self) end
    return failed(self, message, code)
  end
  local done, message, code = true, nil, nil
  if parent ~= "" or not self.directory.fd then
    done, message, code = self.directory:move(parent == "" and "." or parent)
  end
  if not done then return failed(self, message, code) end
  self.name = name
  return true
end

-- Takes hold of what is there, if something is.
local function take_old(self)
  local message, code, done
  self.old:__close()
  self.old.fd, message, code = own.name_fd(core.openat(self.directory.fd, self.name, ITSELF))
  if not self.old.fd then
    if code == "ENOENT" then return true end
    return failed(self, message, code)
  end
  done, message, code = core.statx(self.old.fd, "", const.AT_EMPTY_PATH)
  if not done then return failed(self, message, code) end
  self.stat = done
  return true
end

---Looks the path up. Links are followed, also one that leads to nothing. A device or a fifo is
---refused: it is not to be lost to a rename.
function Place:locate()
  local path = self.path
  for _ = 0, LINKS do
    local done, message, code = step(self, path)
    if done then done, message, code = take_old(self) end
    if not done then return nil, message, code end
    local kind = self.old.fd and self.stat.type
    if kind == "directory" then return is_directory(self) end
    if kind and kind ~= "file" and kind ~= "link" then
      return nil, string.format("replace %s: it is no regular file", self.path), "EINVAL"
    end
    if kind ~= "link" then return true end
    path, message, code = own.readlink_open(self.old.fd, self.path)
    if not path then return failed(self, message, code) end
  end
  return nil, string.format("open %s: too many levels of symbolic links", self.path), "ELOOP"
end

---Returns when the name is on the device.
function Place:sync()
  local readable <close> = Held.new()
  local done, message, code
  readable.fd, message, code =
    own.name_fd(core.openat(self.directory.fd, ".", const.O_RDONLY | const.O_DIRECTORY))
  if not readable.fd then return failed(self, message, code) end
  done, message, code = core.fsync(readable.fd)
  if done then return true end
  return nil, string.format("sync %s: %s", self.path, string.match(message, "^.*: (.-)$")), code
end

return Place
