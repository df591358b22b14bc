---Making and removing several directories at once. Every name is looked up in a directory that is
---held open, one step at a time, so that who moves things about meanwhile can make it fail but
---cannot lead it elsewhere. Removing never follows a symbolic link.
local _ENV = require "kio.core".globals
local check = require "kio.check"
local core = require "kio.core"
local Held = require "kio.fs.held"

local own = core.own
local const = core.const

local tree = {}

-- ---- making ----

local function is_directory(path)
  local stat = core.statx(nil, path)
  return stat ~= nil and stat.type == "directory"
end

local MADE = Held.FLAGS | const.O_NOFOLLOW -- what has just been made here is no link
local RACES = 10 -- with others who remove what has just been there

-- Goes into the directory `name`, which is made when it is missing.
local function enter(held, name, permissions, options)
  local there, message, code = held:move(name)
  for _ = 1, RACES do
    if there or code ~= "ENOENT" then return there, message, code end
    local made, why, kind = core.mkdirat(held.fd, name, permissions, options)
    if not made and kind ~= "EEXIST" then return nil, why, kind end
    there, message, code = held:move(name, made and MADE or nil)
  end
  return nil, string.format("mkdir %s: file exists", name), "EEXIST" -- a link that leads to nothing
end

-- The same for each part of a path.
local function make_each(path, permissions, options)
  local held <close> = Held.new()
  if string.sub(path, 1, 1) == "/" then
    local done, message, code = held:move "/"
    if not done then return nil, message, code end
  end
  for name, stop in string.gmatch(path, "([^/]+)()") do
    local last = not string.find(path, "[^/]", stop)
    local done, message, code = enter(held, name, last and permissions or nil, options)
    if not done then
      local text = string.match(message, "^.*: (.-)$")
      return nil, string.format("mkdir %s: %s", string.sub(path, 1, stop - 1), text), code
    end
  end
  return true
end

---mkdir for a path of which several parts may be missing. A directory that is there already is
---well; others may be making the same ones.
local function make(path, permissions, options)
  local made, message, code = core.mkdirat(nil, path, permissions, options)
  if made or code == "EEXIST" and is_directory(path) then return true end
  if code ~= "ENOENT" or path == "" then return nil, message, code end
  return make_each(path, permissions, options)
end

local MKDIR = { timeout = "number", parents = "boolean" }

---Makes a directory, with these permissions (777) as the umask allows; with `parents` also what is
---missing of the path to it, and one that is there already is well.
---@async
---@param path string
---@param permissions? integer|string|{timeout?: number, parents?: boolean}
---@param options? {timeout?: number, parents?: boolean}
---@return true? done, string? message, string? code
function tree.mkdir(path, permissions, options, ...)
  check.path(path, 1, "mkdir")
  if type(permissions) == "table" then permissions, options = nil, permissions end
  permissions = check.permissions(permissions, 2, "mkdir")
  options = check.options(options, 3, "mkdir", MKDIR, ...)
  options = options or {}
  local timeout = { timeout = options.timeout }
  if options.parents then return make(path, permissions, timeout) end
  return core.mkdirat(nil, path, permissions, timeout)
end

-- ---- removing ----

local function hold(dirfd, name, flags)
  local held = Held.new()
  local message, code
  held.fd, message, code = own.name_fd(core.openat(dirfd, name, flags))
  if not held.fd then return nil, message, code end
  return held
end

local TRIES = 50 -- of one entry that others keep changing
local INSIDE = const.O_RDONLY | const.O_DIRECTORY | const.O_NOFOLLOW

-- A name that has become something else since it was looked at: look again.
local changed = { ENOTDIR = true, ELOOP = true, ENOENT = true, ENOTEMPTY = true, EEXIST = true }

-- The core's words about an operation on `name`, told of the whole path.
local function failed(path, name, operation, message, code)
  local text = string.sub(message, #operation + #name + 4)
  return nil, string.format("remove %s: %s", path, text), code
end

local remove_entry

local function remove_all_in(fd, path)
  local list, message, code = own.readdir_open(fd, path)
  if not list then return failed(path, path, "readdir", message, code) end
  for _, entry in ipairs(list) do
    local done, why, kind = remove_entry(fd, entry.name, path .. "/" .. entry.name, true)
    if not done then return nil, why, kind end
  end
  return true
end

-- Removes the directory, or tells that it is none (any more).
local function remove_directory(dirfd, name, path)
  local held <close>, message, code = hold(dirfd, name, INSIDE)
  if not held then return failed(path, name, "open", message, code) end
  local done
  done, message, code = remove_all_in(held.fd, path)
  if not done then return nil, message, code end
  done, message, code = core.unlinkat(dirfd, name, const.AT_REMOVEDIR)
  if done then return true end
  return failed(path, name, "unlink", message, code)
end

-- `gone_is_well`: somebody else may have removed it.
function remove_entry(dirfd, name, path, gone_is_well)
  local message, code, done
  for _ = 1, TRIES do
    done, message, code = core.unlinkat(dirfd, name, 0)
    if done or gone_is_well and code == "ENOENT" then return true end
    if code ~= "EISDIR" then return failed(path, name, "unlink", message, code) end
    local why, kind
    done, why, kind = remove_directory(dirfd, name, path)
    if done then return true end
    if not changed[kind] then return nil, why, kind end
    message, code = why, kind
  end
  return nil, message, code
end

local REMOVE = { recursive = "boolean" }

local function remove_one(dirfd, name, path, must_be_one)
  local message, code, done = nil, "EISDIR", nil
  if not must_be_one then done, message, code = core.unlinkat(dirfd, name, 0) end
  if code == "EISDIR" then
    done, message, code = core.unlinkat(dirfd, name, const.AT_REMOVEDIR)
  end
  if done then return true end
  return failed(path, name, "unlink", message, code)
end

---Removes a file, an empty directory, or with `recursive` a directory and all that is in it. A
---symbolic link is removed itself; none is ever followed. A path that ends in a slash is that of a
---directory.
---@async
---@param path string
---@param options? {recursive?: boolean}
---@return true? done, string? message, string? code
function tree.remove(path, options, ...)
  check.path(path, 1, "remove")
  options = check.options(options, 2, "remove", REMOVE, ...)
  local parent, name, slash = string.match(path, "^(.-)([^/]+)(/*)$")
  if not name or name == "." or name == ".." then
    return nil, string.format("remove %s: invalid argument", path), "EINVAL"
  end
  local held <close>, message, code = hold(nil, parent == "" and "." or parent, Held.FLAGS)
  if not held then return failed(path, parent == "" and "." or parent, "open", message, code) end
  local must_be_one = slash ~= ""
  if not (options and options.recursive) then
    return remove_one(held.fd, name, path, must_be_one)
  end
  if must_be_one then return remove_directory(held.fd, name, path) end
  return remove_entry(held.fd, name, path, false)
end

return tree
