-- Random values for the codec, the same for the same seed: nested, shared, cyclic.
local values = {}

local SPECIAL = {
  0, -1, 127, 128, -128, math.maxinteger, math.mininteger, 2 ^ 53, 2 ^ 63, -0.0, 0.0, 1 / 0, -1 / 0,
  0 / 0, -(0 / 0), 1e-320, 0.1, "", "\0", "\27Lua", ("x"):rep(7), ("x"):rep(8), ("y"):rep(41),
  ("z"):rep(5000), "\255\254", true, false,
}

-- xorshift32, so that every state of Lua makes the same ones.
local function generator(seed)
  local state = seed * 2654435769 % 4294967296 | 1
  return function(n)
    state = state ~ (state << 13) & 0xffffffff
    state = state ~ (state >> 17)
    state = state ~ (state << 5) & 0xffffffff
    return state % n + 1
  end
end

local function scalar(random)
  local kind = random(4)
  if kind == 1 then return SPECIAL[random(#SPECIAL)] end
  if kind == 2 then return random(1000000) - 500000 end
  if kind == 3 then return (random(1000000) - 500000) / random(1000) end
  return ("%x"):rep(random(4), "-"):format(random(99), random(99), random(99), random(99))
end

local make

local function key(maker)
  local random = maker.random
  local kind = random(8)
  if kind == 1 then
    maker.ids = maker.ids + 1
    return { id = maker.ids, make(maker) }
  end
  local value
  repeat value = scalar(random) until value == value
  return value
end

local function table_value(maker)
  local random, made = maker.random, {}
  maker.made[#maker.made + 1] = made
  for i = 1, random(6) - 1 do
    if random(9) > 1 then made[i] = make(maker) end
  end
  for _ = 1, random(5) - 1 do made[key(maker)] = make(maker) end
  return made
end

-- Two functions that share a variable; which of them is the value is up to chance.
local function function_value(maker)
  local random = maker.random
  local shared, own = make(maker), make(maker)
  local function get() return shared, own end
  local function set(value) shared = value end
  local self
  local function recursive(n)
    if n == 0 then return shared, print, string.format end
    return self(n - 1)
  end
  self = recursive
  local list = { get, set, recursive }
  for _, f in ipairs(list) do maker.made[#maker.made + 1] = f end
  return list[random(3)]
end

function make(maker)
  local random = maker.random
  local kind = random(10)
  maker.budget = maker.budget - 1
  if maker.budget < 0 then kind = 1 end
  if kind <= 3 then return scalar(random) end
  if kind <= 5 and #maker.made > 0 then return maker.made[random(#maker.made)] end
  if kind == 6 then return function_value(maker) end
  if kind == 7 then return ({ _G, string, print, string.rep, math, require })[random(6)] end
  return table_value(maker)
end

-- A list of values, { n = their number, ... }.
function values.random(seed)
  local maker = { random = generator(seed), made = {}, ids = 0, budget = 60 }
  local list = { n = maker.random(4) - 1 }
  for i = 1, list.n do list[i] = make(maker) end
  return list
end

values.generator = generator

return values
