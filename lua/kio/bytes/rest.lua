---What is left of a string or a buffer behind `done` bytes.
---@param data string|kio.Buffer
---@param done integer
---@return string|kio.Buffer
local _ENV = require "kio.core".globals
return function(data, done)
  if done == 0 then return data end
  return type(data) == "string" and string.sub(data, done + 1) or data:slice(done + 1)
end
