-- What the specs of WebSockets share: one end that is kio's, over a connection whose other end is a
-- plain stream, and frames as that end writes and reads them. All of it is called in a task.
local kio = require "kio"
local connection = require "spec.net.connection"
local socket = require "kio.http.socket"

local websocket = {}

websocket.TEXT, websocket.BINARY, websocket.CLOSE, websocket.PING, websocket.PONG = 1, 2, 8, 9, 10

local MASK, LARGE = "\x37\xfa\x21\x3d", 4096

local WORDS = 50 -- that are masked at once

local function masked(payload, mask)
  if mask == "\0\0\0\0" then return payload end
  local word, list = string.unpack("<I4", mask), {}
  local format = ("<" .. ("I4"):rep(WORDS))
  local whole = #payload - #payload % (4 * WORDS)
  for at = 1, whole, 4 * WORDS do
    local words = { format:unpack(payload, at) }
    for i = 1, WORDS do words[i] = words[i] ~ word end
    list[#list + 1] = format:pack(table.unpack(words, 1, WORDS))
  end
  for i = whole + 1, #payload do
    list[#list + 1] = string.char(payload:byte(i) ~ mask:byte((i - 1) % 4 + 1))
  end
  return table.concat(list)
end

-- A frame. `how`: fin (default true), rsv (0 to 7), mask (default: as a client's, that of what is
-- large changes nothing; false: none), width (0, 2 or 8: of the length).
function websocket.frame(opcode, payload, how)
  how = how or {}
  payload = payload or ""
  local size = #payload
  local width = how.width or (size < 126 and 0 or size < 65536 and 2 or 8)
  local mask = how.mask
  if mask == nil then mask = size < LARGE and MASK or "\0\0\0\0" end
  local first = (how.fin == false and 0 or 0x80) | (how.rsv or 0) << 4 | opcode
  local second = (mask and 0x80 or 0) | (width == 0 and size or width == 2 and 126 or 127)
  local length = width == 0 and "" or string.pack(">I" .. width, size)
  return string.char(first, second) .. length .. (mask or "") ..
    (mask and masked(payload, mask) or payload)
end

-- Text and options of a fragment that is not the last.
function websocket.part(opcode, payload, how)
  local options = { fin = false }
  for key, value in pairs(how or {}) do options[key] = value end
  return websocket.frame(opcode, payload, options)
end

-- Reads a frame of kio's: its opcode, payload and first byte; nil at the end.
function websocket.read_frame(stream)
  local start = stream:read(2)
  if not start or #start < 2 then return nil end
  local first, second = start:byte(1, 2)
  local size, mask = second & 0x7f, nil
  if size == 126 then size = string.unpack(">I2", stream:read(2))
  elseif size == 127 then size = string.unpack(">I8", stream:read(8)) end
  if second & 0x80 ~= 0 then mask = stream:read(4) end
  local payload = size > 0 and stream:read(size) or ""
  if mask then payload = masked(payload, mask) end
  return first & 0x0f, payload, first
end

-- A frame of this kind and with this payload has come.
function websocket.expect(stream, opcode, payload)
  local came, what = websocket.read_frame(stream)
  local text = what and #what > 60 and what:sub(1, 60) .. "..." or what
  if came ~= opcode then
    error(("frame %s expected, got %s %q"):format(opcode, came, text or ""), 2)
  end
  if payload and what ~= payload then
    error(("payload %q expected, got %q"):format(payload:sub(1, 60), text), 2)
  end
  return what
end

-- A close frame with this code has come, and behind it the end.
function websocket.expect_close(stream, code)
  local payload = websocket.expect(stream, websocket.CLOSE)
  local got = #payload >= 2 and string.unpack(">I2", payload) or nil
  if got ~= code then error(("close %s expected, got %s"):format(code, got), 2) end
  return payload:sub(3)
end

-- kio's end, and the plain stream at the other one. `how`: client (kio's end is one), max_message,
-- heartbeat, compress, narrow (a connection that holds little), pair (options of it).
function websocket.open(how)
  how = how or {}
  local other, stream
  if how.narrow then other, stream = connection.narrow()
  else other, stream = connection.pair(how.pair) end
  local made = socket.new {
    stream = stream, peer = "the peer", client = how.client or false,
    max_message = how.max_message or 1 << 20, heartbeat = how.heartbeat or false,
    compress = how.compress,
  }
  return made, other
end

-- Both ends are kio's: the server's and the client's.
function websocket.pair(how)
  how = how or {}
  local client, server
  if how.narrow then client, server = connection.narrow()
  else client, server = connection.pair(how.pair) end
  local function make(stream, is_client)
    return socket.new {
      stream = stream, peer = is_client and "the server" or "the client", client = is_client,
      max_message = how.max_message or 1 << 20, heartbeat = how.heartbeat or false,
      compress = how.compress,
    }
  end
  return make(server, false), make(client, true)
end

-- Answers each message with itself, until the end.
function websocket.echo(made)
  return kio.spawn(function()
    while true do
      local message, kind, code = made:receive()
      if not message then return kind, code end
      if kind == "binary" then message = { binary = message } end
      made:send(message)
    end
  end)
end

return websocket
