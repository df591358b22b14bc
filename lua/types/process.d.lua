---@meta kio.core.process
-- The C half of kio.process, and of the streams over what is open already.

---@class kio.core
local kio = {}

---A stream that owns the descriptor of a pipe, a terminal, a device or a file. For kio's own Lua
---half; see kio.stream.
---@param fd kio.Fd
---@return kio.Stream|nil
---@return string? message
---@return string? code
function kio.stream_take(fd) end

---A stream that borrows a standard descriptor. For kio's own Lua half; see kio.stdin.
---@param name "stdin"|"stdout"|"stderr"
---@return kio.Stream|nil
---@return string? message
---@return string? code
function kio.stream_standard(name) end
