---@meta kio.http.core
-- What of the half of kio.http that is written in C is for WebSockets.

---@class kio.http.Frames: userdata what one connection needs to read and write frames

---@class kio.http.Core
local core = {}

---@param is_client boolean what leaves is masked, and what comes is not
---@param max_message integer bytes of a message
---@param compresses boolean permessage-deflate was agreed upon
---@return kio.http.Frames
function core.frames(is_client, max_message, compresses) end

---The next message or control frame. What has come of one is kept in `frames`, whatever becomes of
---the call.
---@async
---@param stream kio.Stream
---@param frames kio.http.Frames
---@param timeout? number for the next bytes
---@return string|false|nil payload false: a part has come; nil alone: the peer has ended
---@return string? kind "text", "binary", "close", "ping", "pong"; of a failure the message
---@return boolean|string|nil compressed of a failure the code
---@return integer? status of a failure, for the close frame; nil: it is not one of the frames
function core.read_frame(stream, frames, timeout) end

---Writes a frame, when there is room for all of it. Never waits, and works in cancelled tasks.
---@param stream kio.Stream
---@param frames kio.http.Frames
---@param opcode integer
---@param data string
---@param compressed? boolean
---@return boolean|nil written
---@return string? message
---@return string? code
function core.send_frame(stream, frames, opcode, data, compressed) end

---Writes what there is room for of a frame, of whose data `at` bytes have been written.
---@param stream kio.Stream
---@param frames kio.http.Frames
---@param opcode integer
---@param data string not empty
---@param compressed boolean|nil
---@param at integer
---@return integer|nil at
---@return string? message
---@return string? code
function core.send_part(stream, frames, opcode, data, compressed, at) end

---@param bytes string
---@return boolean whether they are UTF-8
function core.is_text(bytes) end

---@param code integer
---@return boolean whether a close frame may have it
function core.is_close_code(code) end

---@return string key of a client: 16 random bytes, in Base64
function core.websocket_key() end

---@param key string
---@return string accept what a server answers to it
function core.websocket_accept(key) end

return core
