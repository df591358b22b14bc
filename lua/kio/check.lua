---Argument checks of every room. Each raises an error that names the public function and points at
---whoever has called it: at the innermost function that is not in one of kio's own files.
local _ENV = require "kio.core".globals
local own = require "kio.core".own
local getmetatable, rawget, rawlen, select, type = getmetatable, rawget, rawlen, select, type
local unpack = table.unpack

local check = {}

local MOVED_MAX = 0x7ffff000 -- what the kernel moves in one call at most
local TOO_LONG = "a string of 2 GiB or more: write it in pieces"
local PASSED_MAX = 253 -- descriptors in one message

-- All of them lie in this file's folder, and below.
own.own_files((string.gsub(debug.getinfo(1, "S").source, "check%.lua$", "")))

-- ---- raising ----

---Misuse that is no matter of one argument.
function check.misuse(text) own.raise(text) end

---Wrong in a way that no check below covers.
local function refuse(index, name, text)
  own.raise(string.format("bad argument #%d to '%s' (%s)", index, name, text))
end
check.refuse = refuse

---A method called on something that is none of its class.
function check.bad_self(value, class, name)
  own.raise(string.format("calling '%s' on bad self (%s expected, got %s)", name, class,
    check.kind(value, class)))
end

---What a value is, for people: "kio.Task", not "userdata"; its type alone for who has `expected` a
---class of that name. When package.loaded is cleared and kio loaded again there are two copies of
---each class that is written in Lua, and an object of one is none of the other: that is told then.
---@param value any
---@param expected? string
---@return string
function check.kind(value, expected)
  local meta = getmetatable(value)
  local name = type(meta) == "table" and rawget(meta, "__name")
  if type(name) ~= "string" then return type(value) end
  if name == expected then return "one of another copy of kio, loaded apart" end
  return expected and type(value) or name
end

-- ---- tables that are read once ----
-- What a program changes in them later, or in the middle of the call, changes nothing.

---The table's own fields as another table, which nobody else can change; metamethods do not run.
---What is no table stays as it is.
function check.copy(fields)
  if type(fields) ~= "table" then return fields end
  local copy = {}
  for key, value in next, fields do copy[key] = value end
  return copy
end

local SHORT = 100 -- a list that the stack takes, which costs a third of what a loop does

---The list as another one; metamethods do not run. What is no table stays so.
function check.copy_list(list)
  if type(list) ~= "table" then return list end
  if getmetatable(list) == nil and rawlen(list) <= SHORT then return { unpack(list) } end
  local copy = {}
  for i = 1, rawlen(list) do copy[i] = rawget(list, i) end
  return copy
end

-- ---- arguments ----

-- The number of the first of these that is not nil; nil: all are.
local function excess(...)
  for i = 1, select("#", ...) do if (select(i, ...)) ~= nil then return i end end
end

-- Whether the public function is what a loop is over: it is given the control variable then.
local function is_iterator() return debug.getinfo(3, "n").namewhat == "for iterator" end

---That nothing but nils was given behind the last argument a function takes, its `count`-th.
function check.no_more(count, name, ...)
  local more = excess(...)
  if more and not is_iterator() then refuse(count + more, name, "too many arguments") end
end

function check.path(value, index, name)
  check.type(value, "string", index, name, "a path (string)")
  if string.find(value, "\0", 1, true) then
    refuse(index, name, "a path cannot contain a zero byte")
  end
end

---A count or an offset, `what` says of what. Returns it as an integer.
function check.count(value, index, name, what)
  local n = type(value) == "number" and math.tointeger(value)
  if not n then
    refuse(index, name, string.format("%s expected, got %s",
      what and what .. " (an integer)" or "an integer", own.text_of(value)))
  elseif n < 0 then
    refuse(index, name, (what or "it") .. " cannot be negative")
  end
  return n
end

---A count of bytes that one operation can move. Returns it as an integer.
function check.moved(value, index, name)
  local n = check.count(value, index, name)
  if n > MOVED_MAX then
    refuse(index, name, "more bytes than one operation can move (2 GiB)")
  end
  return n
end

---A value of this type; `what` in its place in the message.
function check.type(value, expected, index, name, what)
  if type(value) ~= expected then
    refuse(index, name, string.format("%s expected, got %s", what or "a " .. expected, type(value)))
  end
end

-- What is wrong with a number of seconds; nil: nothing.
local function wrong_seconds(value)
  if type(value) ~= "number" then return "a timeout in seconds expected, got " .. type(value) end
  if value < 0 or value ~= value then return "a timeout cannot be negative or NaN" end
end

---A number of seconds of 0 or more, or nil. Returns it.
function check.seconds(value, index, name)
  local wrong = value ~= nil and wrong_seconds(value)
  if wrong then refuse(index, name, wrong) end
  return value
end

-- The field `timeout` of a table of options that has no other.
local function only_timeout(options)
  for key in next, options do
    if key ~= "timeout" then return nil, string.format("unknown option '%s'", own.text_of(key)) end
  end
  return rawget(options, "timeout")
end

---The same as it stands, or as the field `timeout` of a table of options.
function check.timeout(value, index, name)
  local wrong
  if type(value) == "table" then value, wrong = only_timeout(value) end
  wrong = wrong or value ~= nil and wrong_seconds(value)
  if wrong then refuse(index, name, wrong) end
  return value
end

---A descriptor by its number.
function check.fd(value, index, name)
  local fd = type(value) == "number" and math.tointeger(value)
  if not fd or fd < 0 or fd > 0x7fffffff then
    refuse(index, name, "a descriptor expected, got " .. own.text_of(value))
  end
end

---That a method was called on an object of its class, which is written in C.
function check.self(value, class, name)
  local meta = type(value) == "userdata" and getmetatable(value)
  if not meta or rawget(meta, "__name") ~= class then check.bad_self(value, class, name) end
end

---What f(...) gives, a function of the core that checks its arguments itself: an error about one of
---them becomes one of the public function, which has so many `fewer`. Slow.
function check.told(name, fewer, f, ...)
  local results = table.pack(pcall(f, ...))
  if results[1] then return table.unpack(results, 2, results.n) end
  local err, index, text = results[2], nil, nil
  if type(err) == "string" then
    index, text = string.match(err, "bad argument #(%d+) to '[^']*' (%(.*%))$")
  end
  if not index then error(err, 0) end
  own.raise(string.format("bad argument #%d to '%s' %s", index - fewer, name, text))
end

local buffers = own.buffer_methods

---Whether it is a kio.buffer.
function check.is_buffer(value)
  local meta = type(value) == "userdata" and getmetatable(value)
  return type(meta) == "table" and rawget(meta, "__index") == buffers
end

local streams = own.stream_methods

---Whether it is a kio.Stream.
function check.is_stream(value)
  local meta = type(value) == "userdata" and getmetatable(value)
  return type(meta) == "table" and rawget(meta, "__index") == streams
end

local function length(value) return #value end

---How many bytes a buffer has; nil and what is wrong when it is none, or is closed.
function check.length(value)
  if not check.is_buffer(value) then
    return nil, "a kio.Buffer expected, got " .. type(value)
  end
  local open, size = pcall(length, value)
  if not open then return nil, "a closed buffer" end
  return size
end

---Bytes to be written: a string, a number as tostring writes it, or a buffer. Returns them.
function check.data(value, index, name)
  if type(value) == "number" then return tostring(value) end
  local size, wrong
  if type(value) == "string" then size = #value
  elseif check.is_buffer(value) then size, wrong = check.length(value)
  else wrong = "a string expected, got " .. type(value) end
  if not size then refuse(index, name, wrong) end
  if size > MOVED_MAX then refuse(index, name, TOO_LONG) end
  return value
end

---A list of strings and numbers to be written. Returns one of strings, and their size.
function check.pieces(list, index, name)
  local pieces, size = check.copy_list(list), 0
  local some = type(pieces) == "table" and #pieces > 0
  if not some then refuse(index, name, "a list of strings expected") end
  for i = 1, #pieces do
    local kind = type(pieces[i])
    if kind == "number" then pieces[i] = tostring(pieces[i])
    elseif kind ~= "string" then refuse(index, name, "every piece must be a string") end
    size = size + #pieces[i]
  end
  if size > MOVED_MAX then
    refuse(index, name, "strings of 2 GiB or more: write them in pieces")
  end
  return pieces, size
end

---A buffer to be filled from `at` on with at most `max` bytes. Returns these two.
function check.room(buffer, at, max, name)
  local size, wrong = check.length(buffer)
  if not size then refuse(1, name, wrong) end
  at = math.tointeger(at or 1)
  if not at or at < 1 or at > size + 1 then refuse(2, name, "position outside of the buffer") end
  max = math.tointeger(max or size - at + 1)
  if not max or max < 0 or max > size - at + 1 then
    refuse(3, name, "more bytes than the buffer has room for")
  end
  return at, max
end

---A list of sizes. Returns a copy, and their sum.
function check.sizes(list, index, name)
  local sizes, total = check.copy_list(list), 0
  local some = type(sizes) == "table" and #sizes > 0
  if not some then refuse(index, name, "a list of sizes expected") end
  for i = 1, #sizes do
    if math.type(sizes[i]) ~= "integer" or sizes[i] < 0 then
      refuse(index, name, "every size must be an integer of 0 or more")
    end
    total = total + sizes[i]
  end
  return sizes, total
end

---What is to be passed to another process: a string, and descriptors with it. Returns a copy of
---their list.
function check.passed(data, list, name)
  check.type(data, "string", 1, name)
  check.type(list, "table", 2, name)
  local copy = check.copy_list(list)
  if #copy > PASSED_MAX then refuse(2, name, "more than 253 descriptors") end
  for _, each in ipairs(copy) do
    local kind = type(each)
    if math.type(each) ~= "integer" and kind ~= "userdata" and kind ~= "table" then
      refuse(2, name, "a descriptor or handle expected, got " .. kind)
    end
  end
  return copy
end

---Strings, numbers and buffers, joined to one string; one of the first or last kind stays as it is.
function check.join(name, ...)
  local first = ...
  if type(first) == "string" and select("#", ...) == 1 and #first <= MOVED_MAX then
    return first
  end
  local list = table.pack(...)
  if list.n == 1 and check.is_buffer(list[1]) then return list[1] end
  for i = 1, list.n do
    local kind = type(list[i])
    if check.is_buffer(list[i]) then
      local open, bytes = pcall(list[i].string, list[i])
      if not open then refuse(i, name, "a closed buffer") end
      list[i] = bytes
    elseif kind ~= "string" and kind ~= "number" then
      refuse(i, name, "a string expected, got " .. kind)
    end
  end
  local text = table.concat(list)
  if #text > MOVED_MAX then refuse(1, name, TOO_LONG) end
  return text
end

---Permission bits: an integer, or a string of octal digits. Returns the integer, nil for nil.
function check.permissions(value, index, name)
  if value == nil then return nil end
  local bits = type(value) == "string" and string.find(value, "^[0-7]+$") and tonumber(value, 8)
    or math.type(value) == "integer" and value
  if not bits or bits < 0 or bits > 4095 then
    refuse(index, name, "permissions are an integer or octal digits, such as \"644\"")
  end
  return bits
end

---An options table that knows only these keys: `known` maps each to the type of its value. Returns
---a copy of it, and of tables in it, as `copy` does; nil for nil. They are the last argument: what
---was given behind it must be nil.
function check.options(options, index, name, known, ...)
  if options == nil and select("#", ...) == 0 then return nil end
  if options ~= nil then check.type(options, "table", index, name, "a table of options") end
  local copy = check.copy(options)
  for key, value in next, copy or {} do
    local expected = known[key]
    if not expected then
      refuse(index, name, string.format("unknown option '%s'", own.text_of(key)))
    elseif expected ~= "any" and type(value) ~= expected then
      refuse(index, name, string.format("option '%s' must be a %s", key, expected))
    elseif expected == "number" and (value < 0 or value ~= value) then
      refuse(index, name, string.format("option '%s' cannot be negative or NaN", key))
    elseif expected == "table" then
      copy[key] = check.copy(value)
    end
  end
  local more = excess(...)
  if more and not is_iterator() then refuse(index + more, name, "too many arguments") end
  return copy
end

return check
