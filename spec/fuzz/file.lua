-- An input is a list of formats, a window's worth of bytes, and what a mode might look like.
--   count of formats, each a byte; the bytes
local kio = require "kio"
local mode = require "kio.fs.mode"

local FORMATS = { "l", "L", "n", "a", 0, 1, 3, 7, 100, "*l", "*n" }

local PATH = os.tmpname()
os.remove(PATH)

local function write_file(bytes)
  local file <close> = assert(io.open(PATH, "wb"))
  file:write(bytes)
end

local function same(a, b) return a == b and math.type(a) == math.type(b) or a ~= a and b ~= b end

local function compare(data, count, bytes)
  local theirs <close> = assert(io.open(PATH, "rb"))
  local ours <close> = assert(kio.fs.open(PATH))
  os.remove(PATH)
  for i = 1, count do
    local format = FORMATS[(data:byte(i + 1) or 0) % #FORMATS + 1]
    local want, got = theirs:read(format), ours:read(format)
    if not same(want, got) then
      error(("read(%s) gave %s instead of %s after %d bytes"):format(format, got, want, #bytes))
    end
    if want == nil and (format == "n" or format == "*n") then return end -- where it stays is open
  end
end

-- A mode by the words of its manual.
local function is_mode(text)
  local letter, rest = text:sub(1, 1), text:sub(2)
  if not ("rwax"):find(letter, 1, true) or letter == "" then return false end
  local left = (letter == "w" or letter == "a") and "+bx" or "+b"
  for mark in rest:gmatch "." do
    local at = left:find(mark, 1, true)
    if not at then return false end
    left = left:sub(1, at - 1) .. left:sub(at + 1) -- each once
  end
  return true
end

return function(data)
  local count = (data:byte() or 0) % 16
  local bytes = data:sub(count + 2)
  assert((mode.flags(data) ~= nil) == is_mode(data), "a mode")
  write_file(bytes)
  kio.run(function() compare(data, count, bytes) end, { backend = "sim" })
end
