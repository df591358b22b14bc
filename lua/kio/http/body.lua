---Reading the body of a message: whole, in pieces as they come, or by format. `core.read_body`
---knows how it is framed; here lies what has come of it and was not asked for yet. Invariant: what
---is unread are the bytes of `kept` from `at` on, and then what follows on the stream.
local _ENV = require "kio.core".globals
local check = require "kio.check"
local core = require "kio.http.core"
local own = require "kio.core".own
local File = require "kio.fs.file".File

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

---Whether it is an open file, as bodies may be.
---@param value any
function body.is_file(value) return getmetatable(value) == File end

---That it is an open file, the argument at `index` of the public function `name`.
function body.check_file(value, index, name)
  if body.is_file(value) then return end
  check.refuse(index, name, "kio.File expected, got " .. check.kind(value, "kio.File"))
end

local OPTIONS = { max = "number", timeout = "number" }

---Reads the options of what reads a body, the argument at `index` of the public function `name`.
---@return { max: integer?, timeout: number? }|nil
function body.options(options, index, name, ...)
  options = check.options(options, index, name, OPTIONS, ...)
  local max = options and options.max
  if max and max ~= math.huge and math.type(max) ~= "integer" then
    check.refuse(index, name, "option 'max' must be an integer of 0 or more")
  end
  return options
end

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

---How many bytes of it have come and are unread.
function Body:unread() return #self.kept - self.at + 1 end

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
  own.at_once()
  size = size or PIECE
  if self.kept == "" then return receive(self, size, timeout) end
  local first = string.sub(self.kept, self.at, self.at + size - 1)
  self.at = self.at + #first
  if self.at > #self.kept then self.kept, self.at = "", 1 end
  return first
end

-- Pieces that are joined and kept when no more of them are waited for, for whatever reason.
local Gathered = { __close = function(pieces)
  pieces.body.kept = #pieces == 1 and pieces[1] or table.concat(pieces)
end }

-- Has more come and be kept, until is_enough(piece). They are joined once: a body may come byte by
-- byte. Nothing at the end; nil, message, code, status.
local function gather(self, timeout, is_enough)
  local pieces <close> = setmetatable({ take_kept(self) }, Gathered)
  pieces.body = self
  repeat
    local bytes, message, code, status = receive(self, PIECE, timeout)
    if not bytes then return nil, message, code, status end
    pieces[#pieces + 1] = bytes
  until is_enough(bytes)
end

local function never() return false end

local function rest(self, timeout)
  if not self.raw.ended then
    local _, message, code, status = gather(self, timeout, never)
    if message then return nil, message, code, status end
  end
  return take_kept(self) or ""
end

---All that is left, "" when that is nothing; nil, message, code, status.
---@async
---@param timeout? number
function Body:rest(timeout)
  own.at_once()
  return rest(self, timeout)
end

local function take(self, size, drop)
  local bytes = string.sub(self.kept, self.at, self.at + size - 1)
  self.at = self.at + size + drop
  if self.at > #self.kept then self.kept, self.at = "", 1 end
  return bytes
end

local function read_count(self, count, timeout)
  local left = self:unread()
  if left < count or left == 0 then -- 0 bytes: whether there are more
    local function is_enough(bytes)
      left = left + #bytes
      return left >= count
    end
    local _, message, code, status = gather(self, timeout, is_enough)
    if message then return nil, message, code, status end
  end
  if left == 0 then return nil end
  return take(self, math.min(count, left), 0)
end

local function has_end(bytes) return string.find(bytes, "\n", 1, true) ~= nil end

local function read_line(self, keep, timeout)
  local ending = string.find(self.kept, "\n", self.at, true)
  if not ending then
    local _, message, code, status = gather(self, timeout, has_end)
    if message then return nil, message, code, status end
    ending = string.find(self.kept, "\n", 1, true)
  end
  if not ending then return take_kept(self) end
  local size = ending - self.at
  return keep and take(self, size + 1, 0) or take(self, size, 1)
end

---By a format of Lua's io: "l", "L", "a" or a number of bytes.
---@async
---@param format string|integer
---@param timeout? number
function Body:read(format, timeout)
  own.at_once()
  if type(format) == "number" then return read_count(self, format, timeout) end
  format = string.gsub(format, "^%*", "")
  if format == "a" then return rest(self, timeout) end
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
