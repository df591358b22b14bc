---Files by the paths of URLs: what a path names below a root. The kernel is asked for nothing that
---lies outside: openat2(2) follows no link out of the root, whoever moves things about meanwhile;
---before Linux 5.6 a link that leads out is found by where the opened file lies.
local _ENV = require "kio.core".globals
local core = require "kio.core"
local form = require "kio.http.form"
local Held = require "kio.fs.held"
local http_core = require "kio.http.core"
local Window = require "kio.fs.window"

local own = core.own
local const = core.const

local place = {}

-- ---- paths of URLs ----

---The path of a request's target, as it came.
---@param target string
---@return string
function place.path_of(target)
  local path = string.match(target, "^[^?#]*")
  if string.sub(path, 1, 1) == "/" then return path end
  return string.match(path, "^%a[%w+.-]*://[^/]*(/.*)$") or "/"
end

---The names in a path, decoded, and whether it ends with a slash; nil: it names nothing that could
---be a file: a "." or "..", a slash or a zero byte in a name, or, unless they are wanted, a name
---that begins with a dot.
---@param path string
---@param dotfiles? boolean
---@return string[]|nil parts
---@return boolean folder
function place.parts(path, dotfiles)
  local parts = {}
  for written in string.gmatch(path, "[^/]+") do
    local part = form.decode(written)
    if string.find(part, "[/%z]") or part == "." or part == ".." then return nil, false end
    if string.sub(part, 1, 1) == "." and not dotfiles then return nil, false end
    parts[#parts + 1] = part
  end
  return parts, string.sub(path, -1) == "/" or #parts == 0
end

---The path of a URL that has these names.
function place.url(parts)
  local escaped = {}
  for i, part in ipairs(parts) do escaped[i] = form.escape(part) end
  return "/" .. table.concat(escaped, "/")
end

-- ---- opening ----

---What was found, without what a kio.File has for reading it in other ways; closed with its block,
---unless it leaves it.
---@class kio.http.Found: kio.Sendable
---@field path string what it was opened as
---@field type string
---@field about? kio.http.About of a file
---@field packed? boolean it is the neighbour that was compressed before
---@field leaves boolean its block is about to end without it
local Found = {}
Found.__index = Found

-- Made before there is a descriptor, so that nothing can fail once there is one.
local function new(path)
  return setmetatable({
    path = path, fd = false, straight = false, seekable = false, near = false, leaves = false,
    type = nil, about = nil,
  }, Found)
end

function Found:take()
  self.leaves = true
  return self
end

---At most `size` bytes from `offset` on; nil at the end.
---@async
function Found:pread(size, offset)
  return core.pread(self.fd, size, offset)
end

function Found:__close()
  if self.leaves then self.leaves = false
  elseif self.near then Window.close_now(self)
  elseif self.fd then Window.close(self) end
end

-- Its task has been left, and unwinds no more.
function Found:__gc()
  if own.finalizes() then Window.close_now(self) end
end

-- Whether what was opened lies below the root, for kernels that cannot see to it themselves.
local function is_below(fd, root)
  local path = own.readlink("/proc/self/fd/" .. own.fd_of_name(fd))
  local top = own.readlink("/proc/self/fd/" .. own.fd_of_name(root))
  if not path or not top then return false end
  return top == "/" or path == top or string.sub(path, 1, #top + 1) == top .. "/"
end

local PLAIN = const.O_RDONLY | const.O_NONBLOCK

-- Opens a path of the system's, or, with a root, what that name leads to below it.
local function open(found, root)
  local name = found.path
  local message, code
  if not root then
    found.fd, message, code = own.name_fd(core.openat(nil, name, PLAIN))
    return found.fd, message, code
  end
  found.fd, message, code = own.name_fd(own.open_below(root.fd, name))
  if code ~= "ENOSYS" then return found.fd, message, code end
  found.fd, message, code = own.name_fd(core.openat(root.fd, name, PLAIN))
  if not found.fd or is_below(found.fd, root.fd) then return found.fd, message, code end
  return nil, "openat " .. name .. ": leads out of the root", "EXDEV"
end

-- What is opened by that name; nil, message, code.
local function look(name, root)
  local found <close> = new(name)
  local opened, message, code = open(found, root)
  if not opened then return nil, message, code end
  local fd = own.fd_of_name(opened)
  local about = fd and http_core.file_about(fd)
  if not about then return nil, "stat " .. name .. ": the system cannot tell", "EIO" end
  found.type = about.type
  if about.type == "file" then
    found.about, found.straight, found.seekable = about, opened, true
  end
  return found:take()
end

-- The file `found`, or its neighbour when that is wanted, there, and not older.
local function best_of(found, packed, root)
  if not packed then return found:take() end
  local neighbour <close> = look(found.path .. ".gz", root)
  local fits = neighbour and neighbour.about and neighbour.about.mtime >= found.about.mtime
  if not fits then return found:take() end
  neighbour.packed = true
  return neighbour:take()
end

local function find_index(root, name, index, packed)
  if not index then return nil, 404 end
  name = name == "." and index or name .. "/" .. index
  local found <close> = look(name, root)
  if not found or not found.about then return nil, 404 end
  return best_of(found, packed, root), 200, name
end

local MISSING = {
  ENOENT = 404, ENOTDIR = 404, EXDEV = 404, ELOOP = 404, ENAMETOOLONG = 404, ENXIO = 404,
  EACCES = 403, EPERM = 403,
}

local function status_of(message, code)
  local status = MISSING[code]
  if not status then own.raise(message, code) end
  return nil, status
end

---What these names lead to below the folder `path`: what was found, its name there; else nil and a
---status, 301 for a folder whose path lacks its slash. Raises when the system cannot do it.
---@async
---@param path string
---@param parts string[]
---@param folder boolean whether the path has ended with a slash
---@param index string|false
---@param packed boolean|nil whether the compressed neighbour is wanted
---@return kio.http.Found|nil found
---@return integer status
---@return string? name
function place.find(path, parts, folder, index, packed)
  local root <close> = Held.new()
  local held, message, code = root:move(path)
  if not held then own.raise(message, code) end
  local name = #parts > 0 and table.concat(parts, "/") or "."
  local found <close>, why, reason = look(name, root)
  if not found then return status_of(why, reason) end
  if found.about and not folder then return best_of(found, packed, root), 200, name end
  if found.type ~= "directory" then return nil, 404 end
  if not folder then return nil, 301 end
  return find_index(root, name, index, packed)
end

---What is at a path of the system's; nil, message, code when that is no file.
---@async
---@param path string
---@param packed boolean|nil
---@return kio.http.Found|nil found
---@return string? message
---@return string? code
function place.open(path, packed)
  local found <close>, message, code = look(path)
  if not found then return nil, message, code end
  if found.about then return best_of(found, packed) end
  return nil, string.format("open %s: it is no file", path), found.type == "directory"
    and "EISDIR" or "EINVAL"
end

return place
