---What becomes of a program's three descriptors, as the options stdin, stdout and stderr say.
local _ENV = require "kio.core".globals

local stdio = {}

local WORDS = { pipe = true, inherit = true, null = true }
local NAMES = { "stdin", "stdout", "stderr" }

-- "inherit" or "null" for a list of that word, which is no text where one may be meant.
local function word_in(value)
  local word = type(value) == "table" and getmetatable(value) == nil and rawget(value, 1)
  return word == "inherit" and word or word == "null" and word
end

-- Whether asking it for its descriptor may run the program's code.
local function is_foreign(value)
  if type(value) ~= "userdata" then return type(value) == "table" end
  local meta = debug.getmetatable(value)
  local name = type(meta) == "table" and rawget(meta, "__name")
  return type(name) ~= "string" or string.sub(name, 1, 4) ~= "kio."
end

-- The word, the descriptor's number, or the userdata that the core asks for its own; nil: neither.
local function one(value, name)
  if value == nil then return "inherit" end
  if word_in(value) then return word_in(value) end
  if WORDS[value] or name == "stderr" and value == "stdout" then return value end
  local fd = value
  if type(value) == "userdata" or type(value) == "table" then
    local ok, number = pcall(function() return value:fd() end)
    fd = ok and number
  end
  if math.type(fd) ~= "integer" or fd < 0 or fd >= 1 << 20 then return nil end
  return is_foreign(value) and fd or value
end

---All three by their names; nil and the name of one that is wrong. Handles that are not kio's are
---asked first, and once: what their `fd` runs may close the others.
function stdio.of(options)
  local all = {}
  for _, foreign in ipairs { true, false } do
    for _, name in ipairs(NAMES) do
      local value = options[name]
      if is_foreign(value) == foreign then all[name] = one(value, name) end
    end
  end
  for _, name in ipairs(NAMES) do
    if not all[name] then return nil, name end
  end
  return all
end

return stdio
