local _ENV = require "kio.core".globals

---What a value is, for people: "kio.Task", not "userdata"; its type alone for who has `expected` a
---class of that name. When package.loaded is cleared and kio loaded again there are two copies of
---each class that is written in Lua, and an object of one is none of the other: that is told then.
---@param value any
---@param expected? string
---@return string
local function kind(value, expected)
  local meta = getmetatable(value)
  local name = type(meta) == "table" and rawget(meta, "__name")
  if type(name) ~= "string" then return type(value) end
  if name == expected then return "one of another copy of kio, loaded apart" end
  return expected and type(value) or name
end

return kind
