---The formats of file:read, which are those of Lua's io library: "l", "L", "a", "n", a number of
---bytes. Each reader works on a window that is ready (Window.begin) and returns its value; nil at
---the end, or nil, message, code on failure, having taken nothing.
local _ENV = require "kio.core".globals
local core = require "kio.core"
local Window = require "kio.fs.window"

local byte, find, sub = string.byte, string.find, string.sub
local fetch, take, take_all, unread = Window.fetch, Window.take, Window.take_all, Window.unread

local formats = { PIECES_MAX = 1024 } -- of one vectored operation

local function read_line(window, keep)
  local buf, from = window.buf, window.at
  local stop = find(buf, "\n", from, true)
  if stop then
    window.at = stop + 1
    return sub(buf, from, keep and stop or stop - 1)
  end
  while true do
    local data, message, code = fetch(window, 1)
    if message then return nil, message, code end
    if not data then
      local rest = take_all(window)
      return rest ~= "" and rest or nil
    end
    stop = find(data, "\n", 1, true)
    if stop then return take(window, stop, keep and stop or stop - 1) end
  end
end

-- Reading 0 bytes tells whether there is another one.
local function test_end(window)
  if unread(window) > 0 then return "" end
  local data, message, code = fetch(window, 1)
  if not data then return nil, message, code end
  window:settle()
  return ""
end

local function read_bytes(window, n)
  if n == 0 then return test_end(window) end
  local from, have = window.at, unread(window)
  if have >= n then
    window.at = from + n
    return sub(window.buf, from, from + n - 1)
  end
  while have < n do
    local data, message, code = fetch(window, n - have)
    if message then return nil, message, code end
    if not data then return have > 0 and take_all(window) or nil end
    have = have + #data
  end
  local stop = #window.more[#window.more] - (have - n)
  return take(window, stop, stop)
end

local function read_all(window)
  while true do
    local data, message, code = fetch(window, Window.SMALLEST)
    if message then return nil, message, code end
    if not data then return take_all(window) end
  end
end

-- ---- numerals, by the rules of liolib.c (l_read_number) ----

local NUMERAL_MAX = 200 -- characters Lua accepts in a numeral

---The byte at `place` behind the position (0: the next), nil at the end or on failure.
local function peek(scan, place)
  local window = scan.window
  while unread(window) <= place do
    local data, message, code = fetch(window, 1)
    if not data then
      scan.message, scan.code = message, code
      return nil
    end
    window:settle()
  end
  return byte(window.buf, window.at + place)
end

---Accepts the next character if it is in the set.
local function accept(scan, set)
  local char = peek(scan, scan.size)
  if not char or not find(set, string.char(char), 1, true) then return false end
  if scan.size >= NUMERAL_MAX then
    scan.too_long = true
    return false
  end
  scan.size = scan.size + 1
  return true
end

local function accept_digits(scan, set)
  local count = 0
  while accept(scan, set) do count = count + 1 end
  return count
end

local DIGITS, HEX_DIGITS = "0123456789", "0123456789abcdefABCDEF"

local function scan_numeral(scan)
  local digits, exponent, count = DIGITS, "eE", 0
  accept(scan, "+-")
  if accept(scan, "0") then
    if accept(scan, "xX") then digits, exponent = HEX_DIGITS, "pP" else count = 1 end
  end
  count = count + accept_digits(scan, digits)
  if accept(scan, ".") then count = count + accept_digits(scan, digits) end
  if count > 0 and accept(scan, exponent) then
    accept(scan, "+-")
    accept_digits(scan, DIGITS)
  end
end

local function skip_space(scan)
  local window = scan.window
  local char = peek(scan, 0)
  while char and (char == 32 or char >= 9 and char <= 13) do
    window.at = window.at + 1
    char = peek(scan, 0)
  end
end

local function read_number(window)
  local scan = { window = window, size = 0 }
  skip_space(scan)
  if not scan.message then scan_numeral(scan) end
  if scan.message then return nil, scan.message, scan.code end
  local text = sub(window.buf, window.at, window.at + scan.size - 1)
  window.at = window.at + scan.size
  return not scan.too_long and tonumber(text) or nil
end

-- ---- from a format to its reader ----

local readers = {
  l = function(window) return read_line(window, false) end,
  L = function(window) return read_line(window, true) end,
  a = read_all,
  n = read_number,
}

---The reader of a format and its argument; nothing when there is no such format.
function formats.reader(format)
  local usual = readers[format]
  if usual then return usual end
  if type(format) == "number" then
    local n = math.tointeger(format)
    if n and n >= 0 then return read_bytes, n end
  elseif type(format) == "string" then
    return readers[string.match(format, "^%*?(.)")]
  end
end

-- The bytes as a list of strings of these sizes, as far as they go.
local function split(data, sizes)
  local pieces, at = {}, 1
  for i = 1, #sizes do
    if at > #data then break end
    pieces[i] = string.sub(data, at, at + sizes[i] - 1)
    at = at + sizes[i]
  end
  return pieces
end

---A list of strings of these sizes, `total` bytes together, fewer or shorter only at the end.
function formats.readv(window, sizes, total)
  local data, message, code = read_bytes(window, total)
  if not data then return nil, message, code end
  return split(data, sizes)
end

---The same from an offset, for which the window need not be ready.
function formats.preadv(window, sizes, total, offset, options)
  if #sizes <= formats.PIECES_MAX then
    return core.preadv(window.fd, sizes, offset, options)
  end
  local data, message, code = core.pread(window.fd, total, offset, options)
  if not data then return nil, message, code end
  return split(data, sizes)
end

---The values of several readers, each with its argument, up to the first that finds none: the list,
---how long it is with that one, and why when it has failed.
function formats.read_list(window, list)
  local values = {}
  for i = 1, list.n do
    local value, message, code = list[i][1](window, list[i][2])
    if value == nil then return values, i, message, code end
    values[i] = value
  end
  return values, list.n
end

formats.read_line = read_line

return formats
