---How WebSockets end. Each function is given one (kio.http.socket), and leaves it ended: its stream
---is closed, or about to be.
local _ENV = require "kio.core".globals
local linger = require "kio.http.linger"

local ending = {}

local CLOSE <const> = 8
local LOST <const> = 1006
local REASON_MAX = 123
local ONE_TRY = { timeout = 0 }

---What a message says, without the operation and its subject.
function ending.words(message)
  return string.match(message, "^%a[%w_]* .-: (.*)$") or message
end

---Says that it has ended, once: fairly, or by a failure.
---@param self kio.http.WebSocket
---@param words? string
---@param code? string
function ending.finish(self, words, code)
  if self.ended then return end
  local message = words and string.format("receive %s: %s", self.peer, ending.words(words))
  self.ended = { message, code }
  self.close_code = self.close_code or LOST
  self.box.last, self.box.over = true, true
  if self.over then self.over:set() end
end

---The connection is gone. A peer that goes without a close frame when it was told of the end is no
---failure.
---@param self kio.http.WebSocket
---@param words string
---@param code string
function ending.lose(self, words, code)
  if self.box.last then ending.finish(self)
  else ending.finish(self, words, code) end
  self.stream:close(ONE_TRY)
end

local Closing = { __close = function(closing) closing.stream:close(ONE_TRY) end }

---The peer has broken a rule, or the connection cannot go on: it is told by this status.
---@async
---@param self kio.http.WebSocket
---@param status integer
---@param words string
---@param code string
function ending.fail(self, status, words, code)
  local was_last = self.box.last
  ending.finish(self, words, code)
  local _ <close> = setmetatable({ stream = self.stream }, Closing)
  local reason = string.sub(ending.words(words), 1, REASON_MAX)
  local told = not was_last and self.box:try(CLOSE, string.pack(">I2", status) .. reason)
  if told then linger(self.stream) end
end

return ending
