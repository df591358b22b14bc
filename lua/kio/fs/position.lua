---The methods of a file object at its position. One task at a time: a second one raises.
local _ENV = require "kio.core".globals
local base = require "kio.fs.base"
local check = require "kio.fs.check"
local core = require "kio.core"
local formats = require "kio.fs.formats"
local output = require "kio.fs.output"

---@class kio.File
local File = base.File
local fail, result, written, closed = base.fail, base.result, base.written, base.closed
local self_of, refuse_second, no_position = base.self_of, base.refuse_second, base.no_position
local read_line = formats.read_line
local pack, unpack = table.pack, table.unpack

-- ---- reading ----

local function read_several(self, window, list)
  local values = {}
  for i = 1, list.n do
    local value, message, code = list[i][1](window, list[i][2])
    if message then
      values[i + 1], values[i + 2] = select(2, fail(self, "read", message, code))
      return unpack(values, 1, i + 2)
    elseif value == nil then
      return unpack(values, 1, i)
    end
    values[i] = value
  end
  return unpack(values, 1, list.n)
end

---The value of each format; nil at the first that finds none. On failure nil, message, code stand
---in the place of the first value that could not be read: those before it are not lost.
---@async
---@param ... string|integer "l", "L", "n", "a", or a number of bytes; default "l"
---@return string|number|nil value, ...
function File.read(self, ...)
  local window = self_of(self, "read")
  local n = select("#", ...)
  local list = n > 1 and { n = n }
  local reader, argument = read_line, nil
  for i = 1, n do
    reader, argument = formats.reader((select(i, ...)))
    if not reader then check.refuse(i, "read", "invalid format") end
    if list then list[i] = { reader, argument } end
  end
  if not window.fd then return closed(self, "read") end
  if not window:begin() then refuse_second() end
  if list then return read_several(self, window, list) end
  return result(self, "read", reader(window, argument))
end

local function value_or_error(value, message, code, ...)
  if value == nil and message then core.raise(message, code) end
  return value, message, code, ...
end

-- The usual loop, with one format: nothing but the reader in each round.
local function each_value(self, window, format)
  local reader, argument = formats.reader(format)
  return function()
    if not window.fd then core.raise(select(2, closed(self, "read"))) end
    if not window:begin() then refuse_second() end
    local value, message, code = reader(window, argument)
    if message then core.raise(select(2, fail(self, "read", message, code))) end
    return value
  end
end

---Iterates over the values of the formats (default "l"); a failure is raised, with
---its code behind the message.
---@param ... string|integer
---@return async fun(): string|number|nil, ...
function File.lines(self, ...)
  local window, list = self_of(self, "lines"), pack(...)
  for i = 1, list.n do
    if not formats.reader(list[i]) then check.refuse(i, "lines", "invalid format") end
  end
  if list.n <= 1 then return each_value(self, window, list.n == 0 and "l" or list[1]) end
  return function() return value_or_error(self:read(unpack(list, 1, list.n))) end
end

---The bytes as a list of strings of these sizes, as far as they go.
function base.split(data, sizes)
  local pieces, at = {}, 1
  for i = 1, #sizes do
    if at > #data then break end
    pieces[i] = string.sub(data, at, at + sizes[i] - 1)
    at = at + sizes[i]
  end
  return pieces
end

---The next bytes as a list of strings of these sizes, fewer or shorter only at the end; nil there.
---@async
---@param sizes integer[]
---@return string[]? list, string? message, string? code
function File.readv(self, sizes, ...)
  local window = self_of(self, "readv")
  local own, total = check.sizes(sizes, 1, "readv")
  check.no_more(1, "readv", ...)
  if not window.fd then return closed(self, "readv") end
  if not window:begin() then refuse_second() end
  local data, message, code = formats.read_bytes(window, total)
  if not data then return result(self, "readv", nil, message, code) end
  return base.split(data, own)
end

-- ---- writing ----

---Writes strings, numbers and buffers, all of them, and returns the file; on failure the fourth
---result is how many bytes were written.
---@async
---@param ... string|number|kio.Buffer
---@return kio.File? file, string? message, string? code, integer? written
function File.write(self, ...)
  local window, data = self_of(self, "write"), ...
  if type(data) == "string" and select("#", ...) == 1 then check.data(data, 1, "write")
  else data = check.join("write", ...) end
  if not window.fd then return closed(self, "write") end
  if not window:begin_write() then refuse_second() end
  return written(self, "write", output.write(window, data))
end

---The same for a list of strings and numbers, without joining them.
---@async
---@param list (string|number)[]
---@return kio.File? file, string? message, string? code, integer? written
function File.writev(self, list, ...)
  local window = self_of(self, "writev")
  check.no_more(1, "writev", ...)
  local pieces, size = check.pieces(list, 1, "writev")
  if not window.fd then return closed(self, "writev") end
  if not window:begin_write() then refuse_second() end
  return written(self, "writev", output.writev(window, pieces, size))
end

-- ---- the position ----

local whences = { set = true, cur = true, ["end"] = true }

---Moves the position, as in Lua's io; returns it.
---@param whence? "set"|"cur"|"end"
---@param offset? integer
---@return integer? position, string? message, string? code
function File.seek(self, whence, offset, ...)
  local window = self_of(self, "seek")
  check.no_more(2, "seek", ...)
  whence, offset = whence or "cur", math.tointeger(offset or 0)
  if not whences[whence] then check.refuse(1, "seek", "invalid whence: set, cur or end") end
  if not offset then check.refuse(2, "seek", "an integer expected") end
  if not window.fd then return closed(self, "seek") end
  if not window.seekable then return no_position(self, "seek") end
  if not window:begin() then refuse_second() end
  local origin = whence == "cur" and window:position() or 0
  if whence == "end" then
    local message, code
    origin, message, code = core.lseek(window.fd, "end")
    if not origin then return fail(self, "seek", message, code) end
  end
  if origin + offset < 0 then return fail(self, "seek", "invalid argument", "EINVAL") end
  window:move(origin + offset)
  return origin + offset
end

return File
