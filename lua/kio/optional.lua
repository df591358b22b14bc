---What is in a rock of its own: found when it is used, its absence told in words.
local _ENV = require "kio.core".globals

local optional = {}

---The module; nil and why it cannot be had.
---@param name string of the module, without "kio."
---@return any module
---@return string? why
function optional.find(name)
  local found, module = pcall(require, "kio." .. name)
  if found then return module end
  return nil, tostring(module)
end

return optional
