-- What the specs of the codec share: a way there and back, and a comparison of what came.
local core = require "kio.core"

local common = {}

-- What codec_unpack gives, or an error. (busted's `assert` would add values.)
local function values_of(ok, ...)
  if not ok then error((...), 3) end
  return ...
end

function common.unpack(parcel) return values_of(core.codec_unpack(parcel)) end

function common.pack(...)
  local parcel, message = core.codec_pack(nil, ...)
  return parcel or error(message, 2)
end

-- The values, packed and unpacked in this state.
function common.round(...) return common.unpack(common.pack(...)) end

-- What `source` returns in the peer for the values.
function common.call(peer, source, ...)
  local parcel, message = core.codec_call(peer, common.pack(...), source)
  if not parcel then error(message, 2) end
  return common.unpack(parcel)
end

-- Why the values cannot be packed.
function common.refusal(...)
  local parcel, message = core.codec_pack(nil, ...)
  if parcel then error("it was packed", 2) end
  return message
end

local function same_number(a, b)
  if math.type(a) ~= math.type(b) then return false end
  return a ~= a and b ~= b or string.pack("n", a) == string.pack("n", b) and a == b
end

local same

-- The keys of tables and functions have no order: they are told apart by what they hold.
local function find_key(key, of, seen)
  if type(key) ~= "table" then return key end
  for other in pairs(of) do
    if type(other) == "table" and other.id == key.id and same(key, other, seen) then
      return other
    end
  end
end

local function same_table(a, b, seen)
  local count = 0
  for key, value in pairs(a) do
    local other = find_key(key, b, seen)
    if other == nil or not same(value, b[other], seen) then return false end
    count = count + 1
  end
  for _ in pairs(b) do count = count - 1 end
  return count == 0
end

local function same_function(a, b, seen)
  if debug.getinfo(a, "S").what == "C" then return a == b end
  if string.dump(a) ~= string.dump(b) then return false end
  for i = 1, debug.getinfo(a, "u").nups do
    local name, value = debug.getupvalue(a, i)
    local other_name, other = debug.getupvalue(b, i)
    local environment = name == "_ENV" -- busted's stands in for the globals, and becomes them
    if name ~= other_name then return false end
    if not environment and not same(value, other, seen) then return false end
    local id, other_id = debug.upvalueid(a, i), debug.upvalueid(b, i)
    if seen[id] and seen[id] ~= other_id then return false end
    seen[id] = other_id
  end
  return true
end

-- Whether two values are built alike: types, numbers to the bit, and which of their tables,
-- functions and variables are the same one.
function same(a, b, seen)
  local kind = type(a)
  if kind ~= type(b) then return false end
  if kind == "number" then return same_number(a, b) end
  if kind ~= "table" and kind ~= "function" then return a == b end
  if seen[a] or seen[b] then return seen[a] == b and seen[b] == a end
  seen[a], seen[b] = b, a
  if kind == "table" then
    if a == _G then return b == _G end
    return same_table(a, b, seen)
  end
  return same_function(a, b, seen)
end

function common.same(a, b) return same(a, b, {}) end

return common
