---@meta kio.zlib.core
-- The half of kio.zlib that is written in C: deflaters, inflaters, checksums. The conventions are
-- those at the head of kio.d.lua.

---Compresses; made by zlib.deflate. It stays on its worker.
---@class kio.zlib.Deflate: userdata
local Deflate = {}

---What has come out so far: often nothing, as zlib gathers.
---@param ... string
---@return string|nil out, string? message, string? code "EBADF": closed
function Deflate:update(...) end

---All that was given can be read by the peer from what has come out now. "full": and one can begin
---to read here.
---@param how? "sync"|"full" ("sync")
---@return string|nil out, string? message, string? code
function Deflate:flush(how) end

---The last of it, after these bytes.
---@param ... string
---@return string|nil out, string? message, string? code
function Deflate:finish(...) end

---As it was when it was made, with the same memory: for other data.
---@return true|nil done, string? message, string? code
function Deflate:reset() end

---Gives its memory back. Also what `<close>` does.
---@return true
function Deflate:close() end

---Gives back what was compressed; made by zlib.inflate. It stays on its worker.
---@class kio.zlib.Inflate: userdata
local Inflate = {}

---What these bytes bring. A failure stays until a reset.
---@param ... string
---@return string|nil out
---@return string? message
---@return string? code "EBADMSG": none that was compressed so; "EMSGSIZE": beyond `max` or `ratio`
function Inflate:update(...) end

---The same of the last bytes: the data must have come to their end.
---@param ... string
---@return string|nil out, string? message, string? code "ENODATA": something is missing
function Inflate:finish(...) end

---@return boolean ended whether the end of the data has come
function Inflate:ended() end

---@return string bytes that came behind the end
function Inflate:rest() end

---As it was when it was made, with the same memory: for other data.
---@return true|nil done, string? message, string? code
function Inflate:reset() end

---Gives its memory back. Also what `<close>` does.
---@return true
function Inflate:close() end

---@class kio.zlib.Core
local core = {}

---@param format "raw"|"zlib"|"gzip"
---@param window integer
---@param level integer
---@param memory integer
---@param dictionary? string
---@return kio.zlib.Deflate
function core.deflate(format, window, level, memory, dictionary) end

---@param format "raw"|"zlib"|"gzip"|"auto"
---@param window integer
---@param max integer
---@param ratio number
---@param members boolean
---@param dictionary? string
---@return kio.zlib.Inflate
function core.inflate(format, window, max, ratio, members, dictionary) end

---@param bytes string
---@param before? integer the sum of those before
---@return integer sum
function core.crc32(bytes, before) end

---@param bytes string
---@param before? integer the sum of those before
---@return integer sum
function core.adler32(bytes, before) end

return core
