---The methods of streams that are written in Lua.
local _ENV = require "kio.core".globals
local check = require "kio.check"
local core = require "kio.core"
local optional = require "kio.optional"
local send_file = require "kio.net.send_file"

local own = core.own

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

---What is known of the TLS that the stream speaks; nil: it speaks none, or not yet.
---@return kio.tls.Info|nil
function Stream:tls(...)
  check.self(self, "kio.Stream", "tls")
  check.no_more(0, "tls", ...)
  if own.stream_way(self) then return nil end -- nothing is between it and its descriptor
  local info = optional.find "tls.info"
  return info and info(self)
end

---Sends a part of an open file: `count` bytes from `offset` on, or what there is of them; how many
---that was. Output that was written before leaves before. No string is made of them where the
---stream's bytes are its descriptor's; else they pass through the stream as any output does. The
---file's position stays. Nobody else may write to the stream meanwhile.
---@async
---@param file kio.File
---@param offset? integer default 0: its first byte
---@param count? integer default: all that follows
---@param options? kio.Options default: the stream's own timeout
---@return integer? count, string? message, string? code, integer? sent
function Stream:send_file(file, offset, count, options, ...)
  check.self(self, "kio.Stream", "send_file")
  local meta = getmetatable(file)
  if type(meta) ~= "table" or rawget(meta, "__name") ~= "kio.File" then
    check.refuse(1, "send_file", "kio.File expected, got " .. check.kind(file))
  end
  offset = offset ~= nil and check.count(offset, 2, "send_file") or 0
  count = count ~= nil and check.count(count, 3, "send_file") or math.maxinteger - offset
  options = check.options(options, 4, "send_file", CHUNKS, ...)
  return send_file(self, file.window, offset, count, options)
end

return Stream
