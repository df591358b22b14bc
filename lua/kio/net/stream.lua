---The methods of streams that are written in Lua.
local _ENV = require "kio.core".globals
local check = require "kio.check"
local own = require "kio.core".own

---@class kio.Stream
local Stream = {}

-- What an iterator gives its loop: a value, nil at the end; an error is raised, as by io.lines.
local function value_or_raise(value, message, code)
  if value == nil and message then own.raise(message, code) end
  return value
end

local FORMATS = { l = true, L = true, a = true, ["*l"] = true, ["*L"] = true, ["*a"] = true }
local LINES = { max = "number", timeout = "number" }
local CHUNKS = { timeout = "number" }

---Iterates over what `read` gives for one format; raises on an error: its message names the line
---of the loop, and ends in the code, "(ECONNRESET)".
---@param format? string|integer as for `read`; default "l"
---@param options? {max?: integer, timeout?: number}
---@return fun(): string?
---@async
function Stream:lines(format, options, ...)
  check.self(self, "kio.Stream", "lines")
  format = format or "l"
  if type(format) == "number" then check.moved(format, 1, "lines")
  elseif not FORMATS[format] then check.refuse(1, "lines", "invalid format") end
  options = check.options(options, 2, "lines", LINES, ...)
  options = options or {}
  return function() return value_or_raise(self:read(format, options)) end
end

---Iterates over what arrives, in pieces as it comes; raises on an error, as `lines` does.
---@param max? integer most bytes of a piece
---@param options? {timeout?: number}
---@return fun(): string?
---@async
function Stream:chunks(max, options, ...)
  check.self(self, "kio.Stream", "chunks")
  if max ~= nil and check.count(max, 1, "chunks") == 0 then
    check.refuse(1, "chunks", "must be at least 1 byte")
  end
  options = check.options(options, 2, "chunks", CHUNKS, ...)
  return function() return value_or_raise(self:recv(max, options)) end
end

return Stream
