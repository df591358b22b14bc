---The methods of buffers that are written in Lua.
local _ENV = require "kio.core".globals
local check = require "kio.check"

local pack, unpack, packsize = string.pack, string.unpack, string.packsize

---@class kio.Buffer
local Buffer = {}

local function length(self, name)
  local size, wrong = check.length(self)
  if not size then check.misuse(string.format("calling '%s' on bad self (%s)", name, wrong)) end
  return size
end

-- What the core's method gives: a finalizer may have closed the buffer since it was looked at.
local function call(self, name, method, ...)
  local ok, value = pcall(method, self, ...)
  if not ok then
    length(self, name)
    error(value, 0)
  end
  return value
end

-- A position in the buffer; negative ones count from its end.
local function place(self, at, name)
  local size = length(self, name)
  local position = math.tointeger(at)
  if not position then check.refuse(1, name, "an integer expected") end
  if position < 0 then position = size + 1 + position end
  if position < 1 or position > size + 1 then
    check.refuse(1, name, "position outside of the buffer")
  end
  return position
end

-- What string.pack or string.unpack complain of, as an error of ours: their first argument is our
-- second.
local function refuse(err, name)
  local index, text = string.match(tostring(err), "bad argument #(%d+) to '[^']*' (%(.*%))$")
  if not index then error(err, 0) end
  check.misuse(string.format("bad argument #%d to '%s' %s", index + 1, name, text))
end

---Puts values at a position, as string.pack does ("!" aligns from there). The position behind them.
---@param at integer
---@param format string
---@param ... any
---@return integer next
function Buffer:pack(at, format, ...)
  at = place(self, at, "pack")
  local packed, data = pcall(pack, format, ...)
  if not packed then refuse(data, "pack") end
  if #data > length(self, "pack") - at + 1 then
    check.refuse(2, "pack", "more bytes than fit behind this position")
  end
  call(self, "pack", self.set, at, data)
  return at + #data
end

local FIRST = 64 -- bytes looked at first, of a format without a fixed size

-- How many bytes are sure to do for a format, or a guess.
local function likely_size(format)
  local fixed, size = pcall(packsize, format)
  return fixed and math.max(size, 1) or FIRST
end

---The values at a position, as string.unpack gives them ("!" aligns from there), and the position
---behind them. Raises when the buffer ends before the last of them.
---@param at integer
---@param format string
---@return any ...
---@return integer next
function Buffer:unpack(at, format, ...)
  check.no_more(2, "unpack", ...)
  at = place(self, at, "unpack")
  local last, size = length(self, "unpack"), likely_size(format)
  local rest = last - at + 1
  while true do
    local bytes = call(self, "unpack", self.string, at, math.min(at + size, last))
    local values = table.pack(pcall(unpack, format, bytes))
    local n = values.n
    if values[1] then
      values[n] = values[n] + at - 1
      return table.unpack(values, 2, n)
    end
    if size >= rest then refuse(values[2], "unpack") end
    size = size * 2 -- it holds a string of any length
  end
end

return Buffer
