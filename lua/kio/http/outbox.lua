---What a WebSocket sends: whole frames one after another, whoever sends them. A frame that the
---output has room for is written at once. Else its sender waits in line, and writes it when there
---is room, or, when it is larger than the output ever has room for, in parts. Invariants: no frame
---begins behind one that is not whole; a frame that fits is written as a whole or not at all, so
---that a sender which gives up while it waits leaves the connection as it was.
local _ENV = require "kio.core".globals
local core = require "kio.http.core"
local mutex = require "kio.sync.mutex"
local transfer = require "kio.bytes.transfer"

local left = transfer.left

local outbox = {}

local CLOSE <const>, PONG <const> = 8, 10

---@class kio.http.Outbox
---@field stream kio.Stream
---@field frames kio.http.Frames
---@field peer string for messages
---@field fail fun(message: string, code: string) a frame was cut off
---@field lock? kio.Mutex whose line it is
---@field waiting integer senders in that line, the one at its head among them
---@field last? boolean the close frame was sent, or is in line: nothing else is sent any more
---@field over? boolean the connection has ended
---@field pong? string the answer to the newest ping, while it has not been sent
local Outbox = {}
Outbox.__index = Outbox

---@return kio.http.Outbox
function outbox.new(stream, frames, peer, fail)
  return setmetatable({
    stream = stream, frames = frames, peer = peer, fail = fail, waiting = 0,
  }, Outbox)
end

---Writes a frame if that needs no waiting. False: it would; nil, message, code.
---@param opcode integer
---@param data string
---@param compressed? boolean
function Outbox:try(opcode, data, compressed)
  if self.waiting > 0 then return false end
  return core.send_frame(self.stream, self.frames, opcode, data, compressed)
end

-- ---- in line ----

-- A coroutine that an error has ended runs no __close unless somebody closes it.
local Place = { __close = function(place)
  local box = place.box
  place.box = nil
  if box then box.waiting = box.waiting - 1 end
end }
Place.__gc = Place.__close

local Half = { __close = function(half)
  local box = half.box
  half.box = nil
  if box then box.fail("a message was cut off while it was sent", "ECONNABORTED") end
end }
Half.__gc = Half.__close

local function send_in_parts(self, opcode, data, compressed, due)
  local half <close> = setmetatable({ box = self }, Half)
  local at = 0
  while true do
    local came, message, code =
      core.send_part(self.stream, self.frames, opcode, data, compressed, at)
    if not came then return nil, message, code end
    at = came
    if at == #data then break end
    came, message, code = self.stream:flush(left(due))
    if not came then return nil, message, code end
  end
  half.box = nil
  return true
end

local function closing(self)
  return nil, string.format("send %s: the connection is being closed", self.peer), "EPIPE"
end

-- The line is this sender's.
local function send_alone(self, opcode, data, compressed, due)
  if self.over or self.last and opcode ~= CLOSE then return closing(self) end
  local flushed, message, code = self.stream:flush(left(due))
  if not flushed then return nil, message, code end
  if self.over or self.last and opcode ~= CLOSE then return closing(self) end
  if self.pong then self:send_pong() end
  local sent
  sent, message, code =
    core.send_frame(self.stream, self.frames, opcode, data, compressed)
  if sent == false then return send_in_parts(self, opcode, data, compressed, due) end
  return sent, message, code
end

local function send_in_turn(self, opcode, data, compressed, due)
  self.lock = self.lock or mutex.new()
  local _ <close> = setmetatable({ box = self }, Place)
  self.waiting = self.waiting + 1
  local lock <close> = self.lock:lock(left(due))
  if not lock then return nil, string.format("send %s: timed out", self.peer), "ETIMEDOUT" end
  return send_alone(self, opcode, data, compressed, due)
end

---Writes a frame, when it is its turn.
---@async
---@param opcode integer
---@param data string
---@param compressed boolean
---@param due { at: number? }
---@return true|nil sent, string? message, string? code
function Outbox:send(opcode, data, compressed, due)
  local sent, message, code = self:try(opcode, data, compressed)
  if sent == false then return send_in_turn(self, opcode, data, compressed, due) end
  return sent, message, code
end

---Waits until those who are in line have sent, or given up.
---@async
---@param due { at: number? }
function Outbox:await_line(due)
  if self.waiting > 0 then
    local _ <close> = self.lock:lock(left(due))
  end
end

-- ---- answers ----

---Writes the answer that waits, if there is room for it between two frames.
function Outbox:send_pong()
  local sent = core.send_frame(self.stream, self.frames, PONG, self.pong)
  if sent ~= false then self.pong = nil end
end

---Answers a ping, now or when there is room; an older answer that still waits is left out.
---@param payload? string
function Outbox:answer(payload)
  if payload then self.pong = payload end
  if self.pong and self.waiting == 0 then self:send_pong() end
end

return outbox
