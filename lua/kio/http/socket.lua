---An open WebSocket. One task reads: it answers pings and the peer's close on the way, and notices
---when the peer is gone, so somebody should. Any number may send (kio.http.outbox). Invariant: once
---`ended` is set the stream is closed, or about to be, and every later call says so.
local _ENV = require "kio.core".globals
local check = require "kio.check"
local core = require "kio.http.core"
local ending = require "kio.http.ending"
local event = require "kio.sync.event"
local kio_core = require "kio.core"
local outbox = require "kio.http.outbox"
local transfer = require "kio.bytes.transfer"

local own, now = kio_core.own, kio_core.now
local deadline_of, left = transfer.deadline_of, transfer.left
local finish, fail, lose = ending.finish, ending.fail, ending.lose

local socket = {}

local TEXT <const>, BINARY <const>, CLOSE <const>, PING <const> = 1, 2, 8, 9
local NORMAL <const>, GOING_AWAY <const>, NO_CODE <const> = 1000, 1001, 1005
local NO_TEXT <const>, TOO_BIG <const>, BROKEN <const> = 1007, 1009, 1011

local CLOSING = { timeout = 5 } -- for the close handshake, and for what was sent before it
local POLL = 0.05 -- seconds between two looks whether an answer has room now
local ONE_TRY = { timeout = 0 }
local NEVER = {}
local LATE = "receive %s: timed out"
local REASON_MAX = 123 -- bytes

---@class kio.http.WebSocket
---@field protocol? string which of those that were offered
---@field peer kio.Address|string the other end
---@field close_code? integer what the peer has closed with: 1005 without a code, 1006 it did not
---@field close_reason? string its words, often ""
---@field package stream kio.Stream
---@field package frames kio.http.Frames
---@field package box kio.http.Outbox
---@field package compress? kio.http.Compression
---@field package heartbeat? number seconds
---@field package heard number when the peer was heard last
---@field package fresh? boolean it has been since `heard` was set
---@field package pinged? boolean it was pinged since
---@field package reader? kio.Task the task that receives
---@field package guard table whose __close says that it does not any more
---@field package over? kio.Event set when it ends, for those who wait for that
---@field package ended? { [1]: string?, [2]: string? } message and code, none after a fair end
local Socket = { __name = "kio.http.WebSocket" }
Socket.__index = Socket

local function check_self(self, name)
  if getmetatable(self) ~= Socket then check.bad_self(self, "kio.http.WebSocket", name) end
end

function Socket:__tostring()
  check_self(self, "__tostring")
  local state = self.ended and "closed" or self.box.last and "closing" or "open"
  return string.format("kio.http.WebSocket (%s, peer %s)", state, self.peer)
end

-- ---- reading ----

-- How long to wait for the next bytes, at most; nil: as long as it takes.
local function wait_for(self, due)
  local at, wait = due.at, nil
  if self.heartbeat then
    local time = now()
    if self.fresh then self.heard, self.fresh = time, false end
    wait = math.max(0, math.min(at or math.huge, self.heard + self.heartbeat) - time)
  elseif at then
    wait = math.max(0, at - now())
  end
  if self.box.pong then wait = math.min(wait or POLL, POLL) end
  return wait
end

-- No byte has come in that time. Whether the caller's own time is over.
local function late(self, due, waited)
  local time = now()
  self.box:answer()
  if self.heartbeat and time >= self.heard + self.heartbeat then
    if self.pinged then
      local words = "the peer has not answered a ping for %g seconds"
      lose(self, string.format(words, self.heartbeat), "ECONNRESET")
      return false
    end
    self.pinged, self.heard = true, time
    self.box:try(PING, "")
  end
  if due.at then return time >= due.at end
  return not waited -- the stream's own time then
end

-- What came is no frame. True, message, code: the caller gives up for now.
local function nothing_came(self, due, waited, message, code, status)
  if self.ended then return false
  elseif status then fail(self, status, message, code)
  elseif not message then lose(self, "the peer has ended without a close frame", "ECONNRESET")
  elseif code ~= "ETIMEDOUT" then lose(self, message, code)
  elseif late(self, due, waited) then return true, message, code end
  return false
end

local ANSWERS = {}

function ANSWERS:ping(payload)
  if not self.box.last then self.box:answer(payload) end
end

function ANSWERS.pong() end

-- A connection that has seen a close frame in both directions is over.
function ANSWERS:close(payload)
  self.close_code, self.close_reason = NO_CODE, ""
  if #payload >= 2 then
    self.close_code, self.close_reason = string.unpack(">I2", payload), string.sub(payload, 3)
  end
  if self.box.last then self.box:await_line(deadline_of(CLOSING)) -- ours may be in it
  else
    self.box.last = true
    self.box:send(CLOSE, string.sub(payload, 1, 2), false, deadline_of(CLOSING))
  end
  finish(self)
  self.stream:close(CLOSING)
end

-- What a compressed message says; nil: it was not to be had, and the connection has failed.
local function inflated(self, payload, kind)
  local message, words, code = self.compress:inflate(payload)
  if message and (kind ~= "text" or core.is_text(message)) then return message end
  local status = code == "EMSGSIZE" and TOO_BIG or code == "ENOMEM" and BROKEN or NO_TEXT
  fail(self, status, words or "a text is not UTF-8", code or "EILSEQ")
end

-- nil alone after a fair end.
local function how_ended(self)
  local message, code = self.ended[1], self.ended[2]
  if message then return nil, message, code end
  return nil
end

local BEHIND = 64 -- frames that are looked at when the time is over: a message may lie behind pings

-- Whether it is time to give up, although something comes all the time.
local function is_over(due, looked)
  return due.at ~= nil and looked > BEHIND and now() >= due.at
end

-- `drops`: messages are passed over.
local function receive_on(self, due, drops)
  local looked = 0
  while not self.ended do
    looked = looked + 1
    if is_over(due, looked) then return nil, string.format(LATE, self.peer), "ETIMEDOUT" end
    local waits = wait_for(self, due)
    local message, kind, third, status = core.read_frame(self.stream, self.frames, waits)
    if message == nil then
      local over, words, code = nothing_came(self, due, waits, kind, third, status)
      if over then return nil, words, code end
    else
      self.fresh, self.pinged = true, false
      local answer = message and ANSWERS[kind]
      if answer then answer(self, message)
      elseif message and third then message = inflated(self, message, kind) end
      if message and not answer and not drops then return message, kind end
    end
  end
  return how_ended(self)
end

local Reading = { __close = function(reading) reading.socket.reader = nil end }

local GONE = { done = true, failed = true, cancelled = true }

-- Whether another task receives.
local function is_read(self)
  local reader = self.reader
  return reader and reader ~= own.current() and not GONE[reader:status()]
end

local function receive(self, due, drops)
  if self.ended then
    own.at_once()
    return how_ended(self)
  end
  if is_read(self) then check.misuse "another task is receiving from this WebSocket" end
  self.reader = own.current()
  local _ <close> = self.guard
  return receive_on(self, due, drops)
end

local ONLY_TIMEOUT = { timeout = "number" }

---The next message, and whether it is "text" or "binary". nil alone: the peer has closed the
---connection as it should, `close_code` and `close_reason` tell why; nil, message, code: it was
---lost.
---@async
---@param options? kio.Options
---@return string|nil message
---@return string? kind "text", "binary"; of a failure the words
---@return string? code "ECONNRESET": the peer is gone; "ETIMEDOUT": nothing has come yet
function Socket:receive(options, ...)
  check_self(self, "receive")
  options = check.options(options, 1, "receive", ONLY_TIMEOUT, ...)
  return receive(self, options and deadline_of(options) or NEVER)
end

---Iterates over messages and their kinds, up to a fair end; raises when the connection is lost.
---@async
---@param options? kio.Options for each message
---@return fun(): string|nil, string?
function Socket:messages(options, ...)
  check_self(self, "messages")
  options = check.options(options, 1, "messages", ONLY_TIMEOUT, ...)
  return function()
    local message, kind, code = receive(self, options and deadline_of(options) or NEVER)
    if message == nil and kind then own.raise(kind, code) end
    return message, kind
  end
end

-- ---- sending ----

local function refused(self, name)
  local why = self.ended and "the connection has ended" or "the connection is being closed"
  return nil, string.format("%s %s: %s", name, self.peer, why), "EPIPE"
end

-- The opcode and the bytes of what a program sends.
local function read_message(message)
  if type(message) ~= "table" then
    if type(message) == "number" then message = tostring(message) end
    check.type(message, "string", 1, "send", "a string, or { binary = ... },")
    if not core.is_text(message) then
      check.refuse(1, "send", "a text must be UTF-8; { binary = ... } sends any bytes")
    end
    return TEXT, message
  end
  for key in next, message do
    if key ~= "binary" then check.refuse(1, "send", "{ binary = bytes } expected") end
  end
  local data = check.data(rawget(message, "binary"), 1, "send")
  return BINARY, type(data) == "string" and data or data:string()
end

---Sends a message: a text, or any bytes as { binary = bytes }. Waits for its turn, and for room,
---while the peer is slow to take what was sent before. Who gives up meanwhile has sent nothing; but
---a message larger than a stream gathers may be cut off then, which ends the connection.
---@async
---@param message string|number|{ binary: string|kio.Buffer }
---@param options? kio.Options
---@return kio.http.WebSocket|nil self
---@return string? message
---@return string? code
function Socket:send(message, options, ...)
  check_self(self, "send")
  options = check.options(options, 2, "send", ONLY_TIMEOUT, ...)
  local opcode, data = read_message(message)
  own.at_once()
  if self.box.last then return refused(self, "send") end
  local packed = self.compress and self.compress:deflate(data)
  local due = options and deadline_of(options) or NEVER
  local sent, words, code = self.box:send(opcode, packed or data, packed and true, due)
  if not sent then return nil, words, code end
  return self
end

---Sends a ping. Its answer comes to whoever receives, who takes it for a sign of life.
---@async
---@param payload? string of at most 125 bytes
---@param options? kio.Options
---@return kio.http.WebSocket|nil self
---@return string? message
---@return string? code
function Socket:ping(payload, options, ...)
  check_self(self, "ping")
  options = check.options(options, 2, "ping", ONLY_TIMEOUT, ...)
  payload = payload == nil and "" or payload
  check.type(payload, "string", 1, "ping")
  if #payload > 125 then check.refuse(1, "ping", "at most 125 bytes") end
  own.at_once()
  if self.box.last then return refused(self, "ping") end
  local due = options and deadline_of(options) or NEVER
  local sent, words, code = self.box:send(PING, payload, false, due)
  if not sent then return nil, words, code end
  return self
end

-- ---- closing ----

-- However a close ends, the connection has ended.
local Shut = { __close = function(shut)
  local self = shut.socket
  finish(self, "closed before the peer had closed", "ECANCELED")
  self.stream:close(ONE_TRY)
end }

local function await_close(self, due)
  while not self.ended do
    local message, words, code
    if is_read(self) then -- who will see it
      self.over = self.over or event.new()
      message, words, code = self.over:wait(left(due))
    else
      message, words, code = receive(self, due, true)
    end
    if not message and not self.ended then return nil, words, code end
  end
  if self.ended[1] then return how_ended(self) end
  return true
end

local function close(self, code, reason, due)
  if self.ended then
    self.stream:close(CLOSING)
    return true
  end
  local _ <close> = setmetatable({ socket = self }, Shut)
  local sent, message, err = true, nil, nil
  if not self.box.last then
    self.box.last = true
    sent, message, err = self.box:send(CLOSE, string.pack(">I2", code) .. reason, false, due)
  end
  if sent then sent, message, err = await_close(self, due) end
  if sent then return true end
  return nil, string.format("close %s: %s", self.peer, ending.words(message)), err
end

local function check_close(code, reason)
  if math.type(code) ~= "integer" or not core.is_close_code(code) then
    check.refuse(1, "close", "a code that a close frame may have expected, such as 1000 or 4000")
  end
  check.type(reason, "string", 2, "close")
  if #reason > REASON_MAX then check.refuse(2, "close", "at most 123 bytes")
  elseif not core.is_text(reason) then check.refuse(2, "close", "a reason must be UTF-8") end
end

---Closes: tells the peer, waits until it has answered (5 seconds, unless told), drops messages that
---come meanwhile, and closes the stream. True when both have said so.
---@async
---@param code? integer default 1000
---@param reason? string at most 123 bytes
---@param options? kio.Options
---@return true|nil done
---@return string? message
---@return string? code
function Socket:close(code, reason, options, ...)
  check_self(self, "close")
  options = check.options(options, 3, "close", ONLY_TIMEOUT, ...)
  code, reason = code == nil and NORMAL or code, reason == nil and "" or reason
  check_close(code, reason)
  return close(self, code, reason, deadline_of(options and options.timeout and options or CLOSING))
end

-- Of an error that unwinds, or a cancellation, the peer is told what can be told without waiting.
function Socket:__close(err)
  check_self(self, "__close")
  if err == nil or self.ended then return close(self, NORMAL, "", deadline_of(CLOSING)) end
  local was_last = self.box.last
  finish(self, "closed with its block", "ECANCELED")
  local code = kio_core.is_cancelled(err) and GOING_AWAY or BROKEN
  if not was_last then self.box:try(CLOSE, string.pack(">I2", code)) end
  self.stream:close(ONE_TRY)
end

---@class kio.http.WebSocketParts
---@field stream kio.Stream
---@field peer string
---@field client boolean
---@field max_message integer
---@field heartbeat number|false
---@field protocol? string
---@field compress? kio.http.Compression

---One over a stream whose handshake is over.
---@param parts kio.http.WebSocketParts
---@return kio.http.WebSocket
function socket.new(parts)
  local self = {
    stream = parts.stream, peer = parts.peer, protocol = parts.protocol,
    compress = parts.compress, heartbeat = parts.heartbeat or nil, fresh = true, heard = 0,
  }
  self.frames = core.frames(parts.client, parts.max_message, parts.compress ~= nil)
  self.guard = setmetatable({ socket = self }, Reading)
  self.box = outbox.new(self.stream, self.frames, self.peer, function(message, code)
    finish(self, message, code)
    self.stream:close(ONE_TRY)
  end)
  return setmetatable(self, Socket)
end

return socket
