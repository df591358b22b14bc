---Deflating and inflating, in steps with bounds, or whole strings. A rock of its own, kio-zlib,
---which needs zlib. See docs/zlib.md.
local _ENV = require "kio.core".globals
local core = require "kio.zlib.loaded"
local options = require "kio.zlib.options"
local whole = require "kio.zlib.whole"

---@class kio.zlib
local zlib = {}

---Compresses what it is given piece by piece.
---@param given? kio.zlib.DeflateOptions
---@return kio.zlib.Deflate
function zlib.deflate(given, ...)
  return core.deflate(table.unpack(options.deflate(given, 1, "deflate", false, ...), 1, 5))
end

---Gives back what was compressed, piece by piece, within bounds.
---@param given? kio.zlib.InflateOptions
---@return kio.zlib.Inflate
function zlib.inflate(given, ...)
  return core.inflate(table.unpack(options.inflate(given, 1, "inflate", false, ...), 1, 6))
end

zlib.compress = whole.compress
zlib.decompress = whole.decompress
zlib.crc32 = core.crc32
zlib.adler32 = core.adler32

return zlib
