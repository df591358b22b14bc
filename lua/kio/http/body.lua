---Reading the body of a message: whole, in pieces as they come, or by format. `core.read_body`
---knows how it is framed; here lies what has come of it and was not asked for yet. Invariant: what
---is unread are the bytes of `kept` from `at` on, and then what follows on the stream.
local _ENV = require "kio.core".globals
local check = require "kio.check"
local core = require "kio.http.core"

---@class kio.http.BodyReader
---@field stream kio.Stream
---@field raw kio.http.Body what is left on the stream
---@field head table of the message
---@field max integer bytes it may have at most
---@field timeout number seconds in which it must go on
---@field kept string
---@field at integer
---@field pull async fun(stream, raw, size?: integer, timeout?: number) reads what is left
---@field failed? table the message, code and status that its reading failed with
local Body = {}
Body.__index = Body

local body = {}

local PIECE = 1 << 16

---@param stream kio.Stream
---@param head table
---@param max integer
---@param timeout number
---@return kio.http.BodyReader
function body.new(stream, head, max, timeout)
  return setmetatable({
    stream = stream, head = head, max = max, timeout = timeout, kept = "", at = 1,
    raw = core.body(head, math.min(max, math.maxinteger)), pull = core.read_body,
  }, Body)
end

---The same over what somebody else reads from the stream: `raw` has the field `ended`.
---@param stream kio.Stream
---@param raw table
---@param pull async fun(stream, raw, size?: integer, timeout?: number) as core.read_body
---@param timeout number
---@return kio.http.BodyReader
function body.over(stream, raw, pull, timeout)
  return setmetatable({
    stream = stream, raw = raw, pull = pull, timeout = timeout, kept = "", at = 1,
  }, Body)
end

---Whether nothing of it is left on the stream.
function Body:ended() return self.raw.ended end

local function fail(self, message, code, status)
  self.failed = { message, code, status }
  return nil, message, code, status
end

-- What comes next of the stream; nil at the end, nil, message, code, status.
local function receive(self, size, timeout)
  if self.failed then return nil, table.unpack(self.failed, 1, 3) end
  local bytes, message, code, status =
    self.pull(self.stream, self.raw, size, timeout or self.timeout)
  if not bytes and message then return fail(self, message, code, status) end
  return bytes
end

-- What is kept; nil: nothing.
local function take_kept(self)
  local kept = self.kept
  if kept == "" then return nil end
  if self.at > 1 then kept = string.sub(kept, self.at) end
  self.kept, self.at = "", 1
  return kept
end

---What comes next, at most `size` bytes; nil at the end, nil, message, code, status.
---@async
---@param size? integer
---@param timeout? number
function Body:piece(size, timeout)
  size = size or PIECE
  if self.kept == "" then return receive(self, size, timeout) end
  local first = string.sub(self.kept, self.at, self.at + size - 1)
  self.at = self.at + #first
  if self.at > #self.kept then self.kept, self.at = "", 1 end
  return first
end

---All that is left, "" when that is nothing; nil, message, code, status.
---@async
---@param timeout? number
function Body:rest(timeout)
  local first = take_kept(self)
  local pieces = { first }
  while not self.raw.ended do
    local bytes, message, code, status = receive(self, PIECE, timeout)
    if message then
      self.kept = table.concat(pieces)
      return nil, message, code, status
    end
    pieces[#pieces + 1] = bytes
  end
  return #pieces == 1 and pieces[1] or table.concat(pieces)
end

-- Has more come and be kept; false at the end, nil, message, code, status.
local function more(self, timeout)
  local bytes, message, code, status = receive(self, PIECE, timeout)
  if message then return nil, message, code, status end
  if not bytes then return false end
  self.kept = (take_kept(self) or "") .. bytes
  return true
end

local function take(self, size, drop)
  local bytes = string.sub(self.kept, self.at, self.at + size - 1)
  self.at = self.at + size + drop
  if self.at > #self.kept then self.kept, self.at = "", 1 end
  return bytes
end

local function read_count(self, count, timeout)
  while #self.kept - self.at + 1 < count do
    local came, message, code, status = more(self, timeout)
    if message then return nil, message, code, status end
    if not came then break end
  end
  local left = #self.kept - self.at + 1
  if left == 0 then return nil end
  return take(self, math.min(count, left), 0)
end

local function read_line(self, keep, timeout)
  local from = self.at
  while true do
    local ending = string.find(self.kept, "\n", from, true)
    if ending then
      local size = ending - self.at
      return keep and take(self, size + 1, 0) or take(self, size, 1)
    end
    from = #self.kept - self.at + 2
    local came, message, code, status = more(self, timeout)
    if message then return nil, message, code, status end
    if not came then return take_kept(self) end
  end
end

---By a format of Lua's io: "l", "L", "a" or a number of bytes.
---@async
---@param format string|integer
---@param timeout? number
function Body:read(format, timeout)
  if type(format) == "number" then return read_count(self, format, timeout) end
  format = string.gsub(format, "^%*", "")
  if format == "a" then return self:rest(timeout) end
  return read_line(self, format == "L", timeout)
end

---That this is one of those formats, the argument at `index` of the public function `name`.
function body.check_format(format, index, name)
  if type(format) == "number" then return check.moved(format, index, name) end
  local is_one = type(format) == "string" and string.find(format, "^%*?[lLa]$")
  if not is_one then check.refuse(index, name, "invalid format") end
  return format
end

---The fields behind it, once it has been read to its end; nil: there are none.
function Body:trailers() return self.raw:trailers() end

return body
