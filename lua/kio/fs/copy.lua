---Copying a file: into a new one beside the destination, which gets its name when it is whole.
local _ENV = require "kio.core".globals
local check = require "kio.check"
local core = require "kio.core"
local open_file = require "kio.fs.file".open
local replace = require "kio.fs.replace"

local own = core.own

local PIECE = 1 << 18

local COPY = { mode = "any", overwrite = "boolean", sync = "boolean" }

-- At most `count` bytes from the position of one file to that of another, in pieces through one
-- buffer. How many are left because the file has ended.
local function move(source, target, buffer, count)
  while count > 0 do
    local n, message, code = source:read_into(buffer, 1, math.min(PIECE, count))
    if message then return nil, message, code end
    if not n then break end
    local done
    done, message, code = target:write(n == PIECE and buffer or buffer:slice(1, n))
    if not done then return nil, message, code end
    count = count - n
  end
  return count
end

-- The next bytes from `at` on that are no hole: where they begin and end. Without any the beginning
-- is `size`; false, message, code on failure.
local function next_extent(fd, at, size)
  local first, message, code = own.lseek(fd, "data", at)
  if not first and code == "ENXIO" then first = size end
  if not first then return false, message, code end
  return first, first < size and own.lseek(fd, "hole", first) or size
end

-- A file of `size` bytes with holes, whose copy has them, too.
local function move_extents(source, target, buffer, size)
  local at = 0
  while true do
    local first, stop, code = next_extent(source:fd(), at, size)
    if not first then return nil, stop, code end
    if first >= size then return target:truncate(size) end
    source:seek("set", first)
    target:seek("set", first)
    local left, message
    left, message, code = move(source, target, buffer, stop - first)
    if not left then return nil, message, code end
    if left > 0 then return true end -- of /sys, or it has become shorter
    at = stop
  end
end

local BLOCK = 512 -- what stat.blocks counts

local function move_all(source, target, stat)
  local buffer <close> = core.buffer(PIECE)
  if stat.type == "file" and stat.blocks * BLOCK < stat.size then
    return move_extents(source, target, buffer, stat.size)
  end
  return move(source, target, buffer, math.maxinteger)
end

---@class kio.CopyOptions
---@field mode? integer|string permissions of the copy; default those of the original
---@field overwrite? boolean whether a file that is there may be replaced (true)
---@field sync? boolean return when the copy is on the device (false)

---Copies what is in a file; its holes stay holes. The destination appears, or is replaced, when all
---is there: it is never a part, whatever fails, also when the task is cancelled. Links are
---followed.
---@async
---@param from string
---@param to string
---@param options? kio.CopyOptions
---@return true? done, string? message, string? code
local function copy(from, to, options, ...)
  check.path(from, 1, "copy")
  check.path(to, 2, "copy")
  options = check.options(options, 3, "copy", COPY, ...)
  options = options or {}
  local permissions = check.permissions(options.mode, 3, "copy")
  local source <close>, message, code = open_file(from, core.const.O_RDONLY, nil, 0)
  if not source then return nil, message, code end
  local stat
  stat, message, code = source:stat()
  if not stat then return nil, message, code end
  if stat.type == "directory" then return nil, "copy " .. from .. ": is a directory", "EISDIR" end
  return replace.through(to, function(target) return move_all(source, target, stat) end, {
    permissions = permissions or replace.plain_permissions(stat.mode), exact = true,
    sync = options.sync or false, exclusive = options.overwrite == false,
  })
end

return copy
