---White space around words in fields. Pure function of a string.
local _ENV = require "kio.core".globals

---The text without the spaces and tabs at its ends, in a time that grows as it does: a pattern with
---a lazy part before white space and the end takes the square, and a peer chooses how long it is.
---@param text string
---@return string
return function(text)
  local first = string.find(text, "[^ \t]")
  return first and string.match(text, "^.*[^ \t]", first) or ""
end
