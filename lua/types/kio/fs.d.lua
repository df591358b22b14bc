---@meta kio.fs
-- Methods of files that are written in C; the others are in lua/kio/fs/file.lua.

---@class kio.File
local File = {}

---At most n bytes at the offset; nil at the end.
---@async
---@param n integer
---@param offset integer
---@param options? kio.Options
---@return string? data, string? message, string? code
function File:pread(n, offset, options) end

---Reads at most `max` bytes at the offset into a buffer: how many; nil at the end. The position
---stays.
---@async
---@param buffer kio.Buffer
---@param at? integer where in the buffer they begin (1)
---@param max? integer default: all the room behind that
---@param offset integer
---@param options? kio.Options
---@return integer? count, string? message, string? code
function File:pread_into(buffer, at, max, offset, options) end
