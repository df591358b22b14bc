---@meta kio.core.buffer
-- Buffers and the operations that fill them. The conventions are those at the head of kio.d.lua.

---Bytes outside of Lua's memory that are read and changed in place; made by kio.buffer. Positions
---count from 1, negative ones from the end. While an operation fills it, every method that looks at
---its bytes raises; while one only reads it, those that change them do. `#buffer` is its length.
---@class kio.Buffer: userdata
---@operator len: integer
local Buffer = {}

---@class kio.Public
local kio = {}

---A buffer of this many zero bytes, or with the bytes of a string.
---@param size_or_text integer|string
---@return kio.Buffer
function kio.buffer(size_or_text) end

---The longest it may be: its length when it was made.
---@return integer
function Buffer:capacity() end

---Ends it there, within its capacity. No byte moves or changes.
---@param size integer
---@return kio.Buffer self
function Buffer:resize(size) end

---A copy of its bytes, from i to j as in string.sub.
---@param i? integer
---@param j? integer
---@return string
function Buffer:string(i, j) end

---Puts a string over the bytes from `at` on; raises when it does not fit.
---@param at integer
---@param text string
---@return kio.Buffer self
function Buffer:set(at, text) end

---The same with bytes i to j of a buffer or string. The two may be one buffer.
---@param at integer
---@param source kio.Buffer|string
---@param i? integer
---@param j? integer
---@return kio.Buffer self
function Buffer:copy(at, source, i, j) end

---Makes bytes i to j all the same.
---@param byte? integer 0 by default
---@param i? integer
---@param j? integer
---@return kio.Buffer self
function Buffer:fill(byte, i, j) end

---The first and last position of the next occurrence of a text, taken as it is.
---@param text string
---@param init? integer where to begin (1)
---@return integer|nil first
---@return integer? last
function Buffer:find(text, init) end

---Bytes i to j as a buffer of their own, which shares the memory and keeps it alive.
---@param i? integer
---@param j? integer
---@return kio.Buffer
function Buffer:slice(i, j) end

---Whether its first byte lies at a multiple of n in memory. A buffer of 4 KiB or more begins at one
---of 4096.
---@param n integer
---@return boolean
function Buffer:aligned(n) end

---Releases the memory, which is freed with the last slice.
---@return boolean|nil done
---@return string? message
---@return string? code "EBUSY" while an operation uses it
function Buffer:close() end

---Reads at the current position into a buffer.
---@async
---@param fd kio.Fd
---@param buffer kio.Buffer
---@param at? integer where in the buffer the bytes begin (1)
---@param size? integer at most this many (all the room behind `at`)
---@param options? kio.Options
---@return integer|nil count nil without a message at the end
---@return string? message
---@return string? code "EBUSY" while another operation uses the buffer
function kio.read_into(fd, buffer, at, size, options) end

---The same at an offset; the position stays.
---@async
---@param fd kio.Fd
---@param buffer kio.Buffer
---@param at? integer
---@param size? integer
---@param offset integer
---@param options? kio.Options
---@return integer|nil count nil without a message at the end
---@return string? message
---@return string? code
function kio.pread_into(fd, buffer, at, size, offset, options) end
