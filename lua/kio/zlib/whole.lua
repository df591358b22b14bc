---Strings compressed as a whole: what is large is computed by a thread of the pool, while the loop
---goes on. The functions that do it are found by their names here in that thread's Lua state.
local _ENV = require "kio.core".globals
local check = require "kio.check"
local core = require "kio.zlib.loaded"
local kio_core = require "kio.core"
local options = require "kio.zlib.options"

local own = kio_core.own

local whole = {}

-- Bytes that are computed in the loop at most, in two milliseconds or so. How many come out of an
-- inflater nobody knows before: what would be more is given up, and begun anew on the pool.
local DEFLATED, INFLATED = 1 << 16, 1 << 19

local MAX = 3 -- the place of `max` among the arguments of an inflater

---@param bytes string
---@param arguments table
---@return string|nil out, string? message, string? code
function whole.deflate(bytes, arguments)
  local coder <close> = core.deflate(table.unpack(arguments, 1, 5))
  return coder:finish(bytes)
end

---@param bytes string
---@param arguments table
---@return string|nil out, string? rest, string? code rest: what came behind the end; or the message
function whole.inflate(bytes, arguments)
  local coder <close> = core.inflate(table.unpack(arguments, 1, 6))
  local out, message, code = coder:finish(bytes)
  if not out then return nil, message, code end
  return out, coder:rest()
end

-- On the pool, unless there is too much to do, or no task that could wait: then here.
local function on_pool(f, bytes, arguments)
  local job = own.current()
    and kio_core.spawn_blocking { f, bytes, arguments, name = "kio.zlib" }
  if not job then return f(bytes, arguments) end
  return job:await()
end

-- In the loop when that does not take long.
local function inflate_quickly(bytes, arguments)
  local max = arguments[MAX]
  if not own.current() or max <= INFLATED then return whole.inflate(bytes, arguments) end
  local bounded = check.copy(arguments)
  bounded[MAX] = INFLATED
  local out, rest, code = whole.inflate(bytes, bounded)
  if code == "EMSGSIZE" then return on_pool(whole.inflate, bytes, arguments) end
  return out, rest, code
end

---The bytes, compressed. Options: those of a deflater, and `where`.
---@async
---@param bytes string
---@param given? kio.zlib.DeflateOptions|{ where?: kio.zlib.Where }
---@return string out
function whole.compress(bytes, given, ...)
  local arguments, where = options.deflate(given, 2, "compress", true, ...)
  check.type(bytes, "string", 1, "compress")
  local pool = where == "pool" or where == "auto" and #bytes >= DEFLATED
  if pool then return on_pool(whole.deflate, bytes, arguments) end
  return whole.deflate(bytes, arguments)
end

---What was compressed, and the bytes behind its end. Options: those of an inflater, and `where`.
---@async
---@param bytes string
---@param given? kio.zlib.InflateOptions|{ where?: kio.zlib.Where }
---@return string|nil out
---@return string rest "" as a rule; of a failure the message
---@return string? code
function whole.decompress(bytes, given, ...)
  local arguments, where = options.inflate(given, 2, "decompress", true, ...)
  check.type(bytes, "string", 1, "decompress")
  if where == "loop" then return whole.inflate(bytes, arguments) end
  if where == "auto" and #bytes < INFLATED then return inflate_quickly(bytes, arguments) end
  return on_pool(whole.inflate, bytes, arguments)
end

return whole
