---Names that lead elsewhere: symlink, readlink, realpath. Part of kio.fs.
local _ENV = require "kio.core".globals
local check = require "kio.fs.check"
local core = require "kio.core"

---@class kio.fs.Links
local links = {}

local TIMEOUT = { timeout = "number" }

---Makes a symbolic link at `path` that leads to `target`.
---@async
---@param target string
---@param path string
---@param options? kio.Options
---@return true? done, string? message, string? code
function links.symlink(target, path, options, ...)
  check.path(target, 1, "symlink")
  check.path(path, 2, "symlink")
  options = check.options(options, 3, "symlink", TIMEOUT, ...)
  return core.symlink(target, path, options)
end

---Where a symbolic link leads.
---@async
---@param path string
---@param options? kio.Options
---@return string? target, string? message, string? code
function links.readlink(path, options, ...)
  check.path(path, 1, "readlink")
  options = check.options(options, 2, "readlink", TIMEOUT, ...)
  return core.readlink(path, options)
end

---The absolute path, with every link followed.
---@async
---@param path string
---@param options? kio.Options
---@return string? path, string? message, string? code
function links.realpath(path, options, ...)
  check.path(path, 1, "realpath")
  options = check.options(options, 2, "realpath", TIMEOUT, ...)
  return core.realpath(path, options)
end

return links
