---Methods of streams that are written in Lua.
local core = require "kio.core"

---@class kio.Stream
local Stream = core.stream_methods

-- What an iterator gives its loop: a value, nil at the end; an error is raised, as by io.lines.
local function value_or_raise(value, message)
  if value == nil and message then error(message, 3) end
  return value
end

---Iterates over what `read` gives for one format; raises on an error.
---@param format? string|integer as for `read`; default "l"
---@param options? {max?: integer, timeout?: number}
---@return fun(): string?
---@async
function Stream:lines(format, options)
  format = format or "l"
  options = options or {}
  return function() return value_or_raise(self:read(format, options)) end
end

---Iterates over what arrives, in pieces as it comes; raises on an error.
---@param max? integer most bytes of a piece
---@param options? {timeout?: number}
---@return fun(): string?
---@async
function Stream:chunks(max, options)
  return function() return value_or_raise(self:recv(max, options)) end
end

return Stream
