---Argument checks of the file rooms. Each raises an argument error that names the public function
---and points at its caller, so every check is called directly by that function.
local core = require "kio.core"

local check = {}

local CALLER = 4 -- of the public function, seen from `refuse`

local function refuse(index, name, text)
  error(("bad argument #%d to '%s' (%s)"):format(index, name, text), CALLER)
end

---What a value is, for people: "kio.Task", not "userdata".
function check.kind(value)
  local meta = getmetatable(value)
  return type(meta) == "table" and meta.__name or type(value)
end

---Wrong in a way that no check below covers.
function check.refuse(index, name, text)
  refuse(index, name, text)
end

function check.path(value, index, name)
  if type(value) ~= "string" then
    refuse(index, name, "a path (string) expected, got " .. type(value))
  elseif value:find("\0", 1, true) then
    refuse(index, name, "a path cannot contain a zero byte")
  end
end

---A count of bytes or an offset. Returns it as an integer.
function check.count(value, index, name)
  local n = type(value) == "number" and math.tointeger(value)
  if not n then
    refuse(index, name, "an integer expected, got " .. tostring(value))
  elseif n < 0 then
    refuse(index, name, "it cannot be negative")
  end
  return n
end

---A descriptor by its number.
function check.fd(value, index, name)
  if type(value) ~= "number" or not math.tointeger(value) or value < 0 then
    refuse(index, name, "a descriptor expected, got " .. tostring(value))
  end
end

local buffers = core.buffer_methods

---Whether it is a kio.buffer.
function check.is_buffer(value)
  local meta = type(value) == "userdata" and getmetatable(value)
  return meta and meta.__index == buffers
end

---Bytes to be written: a string, or a buffer.
function check.data(value, index, name)
  if type(value) ~= "string" and not check.is_buffer(value) then
    refuse(index, name, "a string expected, got " .. type(value))
  end
end

---A buffer to be filled from `at` on with at most `max` bytes. Returns these two.
function check.room(buffer, at, max, name)
  if not check.is_buffer(buffer) then
    refuse(1, name, "a kio.Buffer expected, got " .. type(buffer))
  end
  local size = #buffer
  at = math.tointeger(at or 1)
  if not at or at < 1 or at > size + 1 then refuse(2, name, "position outside of the buffer") end
  max = math.tointeger(max or size - at + 1)
  if not max or max < 0 or max > size - at + 1 then
    refuse(3, name, "more bytes than the buffer has room for")
  end
  return at, max
end

---A list of sizes. Returns their sum.
function check.sizes(list, index, name)
  if type(list) ~= "table" or #list == 0 then refuse(index, name, "a list of sizes expected") end
  local total = 0
  for i = 1, #list do
    if math.type(list[i]) ~= "integer" or list[i] < 0 then
      refuse(index, name, "every size must be an integer of 0 or more")
    end
    total = total + list[i]
  end
  return total
end

---Strings, numbers and buffers, joined to one string; one of the first or last kind stays as it is.
function check.join(name, ...)
  local list = table.pack(...)
  if list.n == 1 and check.is_buffer(list[1]) then return list[1] end
  for i = 1, list.n do
    local kind = type(list[i])
    if check.is_buffer(list[i]) then
      list[i] = list[i]:string()
    elseif kind ~= "string" and kind ~= "number" then
      refuse(i, name, "a string expected, got " .. kind)
    end
  end
  return table.concat(list)
end

---Permission bits: an integer, or a string of octal digits. Returns the integer, nil for nil.
function check.permissions(value, index, name)
  if value == nil then return nil end
  local bits = type(value) == "string" and value:find("^[0-7]+$") and tonumber(value, 8)
    or math.type(value) == "integer" and value
  if not bits or bits < 0 or bits > 4095 then
    refuse(index, name, "permissions are an integer or octal digits, such as \"644\"")
  end
  return bits
end

---An options table that knows only these keys: `known` maps each to the type of its value.
function check.options(options, index, name, known)
  if options == nil then return end
  if type(options) ~= "table" then
    refuse(index, name, "a table of options expected, got " .. type(options))
  end
  for key, value in pairs(options) do
    local expected = known[key]
    if not expected then
      refuse(index, name, ("unknown option '%s'"):format(tostring(key)))
    elseif expected ~= "any" and type(value) ~= expected then
      refuse(index, name, ("option '%s' must be a %s"):format(key, expected))
    elseif expected == "number" and (value < 0 or value ~= value) then
      refuse(index, name, ("option '%s' cannot be negative or NaN"):format(key))
    end
  end
end

return check
