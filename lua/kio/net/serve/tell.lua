---What a server says on stderr about the error of a handler: with the traceback what may be a fault
---of the program, in one line what the peer did, for that is no fault and happens all the time.
local _ENV = require "kio.core".globals
local own = require "kio.core".own

local STDERR = io.stderr -- kept: a program may have no `io` any more

-- How reads and writes of a connection fail through the peer, or the way to it.
local OF_PEER = {
  "ECONNRESET", "EPIPE", "ETIMEDOUT", "ECONNABORTED", "ENOTCONN", "EHOSTUNREACH", "ENETUNREACH",
  "EHOSTDOWN", "ENETDOWN", "EMSGSIZE", "ENODATA",
}

-- A handshake that failed tells which peer it was with, and why.
local function in_handshake(text, peer)
  local beginning = string.format("handshake %s: ", peer)
  return string.sub(text, 1, #beginning) == beginning
end

-- A handler has given up for what was wrong with the body of a request, and kio.http has told the
-- peer so.
local function in_body(text, peer)
  return string.find(text, string.format("read_body %s: ", peer), 1, true)
end

-- Whether the text of an error is, with whatever in front, the message of an operation on that
-- peer's stream that failed with one of these codes.
local function by_peer(text, peer)
  text = string.match(text, "^(.*) %(E%u+%)$") or text -- an iterator adds the code
  for _, code in ipairs(OF_PEER) do
    local ending = string.format(" %s: %s", peer, own.error_words(code))
    if string.sub(text, -#ending) == ending then return true end
  end
  return false
end

---@param err any
---@param peer kio.Address
---@param traceback? string
return function(err, peer, traceback)
  local text = own.text_of(err)
  local ended = in_handshake(text, peer) or in_body(text, peer) or by_peer(text, peer)
  local stderr = io.stderr or STDERR
  text, peer = own.escape(text, "text"), own.escape(peer)
  if ended then
    stderr:write(string.format("kio: the connection of %s ended: %s\n", peer, text))
  else
    traceback = own.escape(traceback or "", "text")
    stderr:write(string.format("kio: the connection of %s failed: %s\n%s\n", peer, text, traceback))
  end
end
