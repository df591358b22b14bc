---Copying a file: into a new one beside the destination, which gets its name when it is whole.
local check = require "kio.fs.check"
local core = require "kio.core"
local File = require "kio.fs.file"
local replace = require "kio.fs.replace"

local PIECE = 1 << 18

local COPY = { mode = "any", overwrite = "boolean", sync = "boolean" }

-- Everything from the position of one file to that of another, in pieces through one buffer.
local function move(source, target)
  local buffer <close> = core.buffer(PIECE)
  while true do
    local n, message, code = source:read_into(buffer)
    if not n then return not message or nil, message, code end
    local done
    done, message, code = target:write(n == PIECE and buffer or buffer:slice(1, n))
    if not done then return nil, message, code end
  end
end

---@class kio.CopyOptions
---@field mode? integer|string permissions of the copy; default those of the original
---@field overwrite? boolean whether a file that is there may be replaced (true)
---@field sync? boolean return when the copy is on the device (false)

---Copies what is in a file. The destination appears, or is replaced, when all is there: it is never
---a part, whatever fails, also when the task is cancelled. Links are followed.
---@async
---@param from string
---@param to string
---@param options? kio.CopyOptions
---@return true? done, string? message, string? code
local function copy(from, to, options)
  check.path(from, 1, "copy")
  check.path(to, 2, "copy")
  check.options(options, 3, "copy", COPY)
  options = options or {}
  local permissions = check.permissions(options.mode, 3, "copy")
  local source <close>, message, code = File.open(from, core.const.O_RDONLY, nil, 0)
  if not source then return nil, message, code end
  local stat
  stat, message, code = source:stat()
  if not stat then return nil, message, code end
  if stat.type == "directory" then return nil, "copy " .. from .. ": is a directory", "EISDIR" end
  return replace.through(to, function(target) return move(source, target) end, {
    permissions = permissions or stat.mode, exact = true,
    sync = options.sync or false, exclusive = options.overwrite == false,
  })
end

return copy
