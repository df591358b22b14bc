---A response as who asked sees it: its head, and its body as it comes. Invariant: the lease of the
---connection is here until the body was read to its end, or given up; then it goes back to the pool
---if nothing is left over, else the connection is closed. So nobody gets the rest of this answer.
local _ENV = require "kio.core".globals
local body = require "kio.http.body"
local check = require "kio.check"
local core = require "kio.http.core"
local kio_core = require "kio.core"
local inflating = require "kio.http.client.inflating"

local own = kio_core.own
local getmetatable = getmetatable

---@class kio.http.ClientResponse
---@field status integer
---@field reason string
---@field version "1.0"|"1.1"
---@field headers kio.http.Headers by name, in any case; repeated ones joined by ", "
---@field url string what was asked in the end, after redirects
---@field package head kio.http.Head
---@field package shown string what was asked, for messages
---@field package text? string the body, when it was read whole
---@field package reader kio.http.BodyReader
---@field package source kio.http.Source
local Response = { __name = "kio.http.ClientResponse" }

---What is left of the body on the connection.
---@class kio.http.Source
---@field ended boolean whether all of it was read
---@field raw kio.http.Body
---@field lease? kio.Lease nil: the connection is not in use any more
---@field reusable boolean
---@field coder? table what inflates it
---@field max number bytes that may come of it
---@field whole? boolean they are those of one value, which are kept until all of it is there
---@field reading? boolean a task waits for more of it
---@field received integer
local Source = {}
Source.__index = Source

local DISCARDED_MAX = 1 << 16 -- unread bytes that are dropped for the sake of the connection
local MAX = 1 << 24

function Source:trailers() return (self.raw:trailers()) end

-- The connection is not needed any more.
local function let_go(source, clean)
  local lease = source.lease
  source.lease = nil
  if not lease then return end
  if clean and source.reusable then lease:release() else lease:drop() end
end

local Attempt = { __close = function(attempt)
  attempt.source.reading = nil
  if not attempt.fine then let_go(attempt.source, false) end
end }

local function fail(source, message, code)
  source.ended = true
  let_go(source, false)
  return nil, message, code
end

-- What comes next from the stream; nil at the end.
local function receive(stream, source, size, timeout)
  if not source.lease then return nil, "the response was closed", "EBADF" end
  if source.reading then check.misuse "another task is reading the body of this response" end
  source.reading = true
  local attempt <close> = setmetatable({ source = source }, Attempt)
  local bytes, message, code = core.read_body(stream, source.raw, size, timeout)
  attempt.fine = bytes or not message
  if source.raw.ended then let_go(source, true) end
  return bytes, message, code
end

local TOO_LARGE = "the body is larger than %d bytes"
local TOO_LONG = "what is to be read at once is longer than %d bytes"

local function too_large(source)
  local words = source.whole and string.format(TOO_LONG, MAX)
    or string.format(TOO_LARGE, source.max)
  return fail(source, words, "EMSGSIZE")
end

-- The same, inflated, and not more of it than may be.
local function pull(stream, source, size, timeout)
  if source.ended then return nil end
  local bytes, message, code
  if source.coder then bytes, message, code = inflating.pull(stream, source, receive, timeout)
  else bytes, message, code = receive(stream, source, size, timeout) end
  if message then return fail(source, message, code) end
  if not bytes then source.ended = true return nil end
  source.received = source.received + #bytes
  if source.received > source.max then return too_large(source) end
  if not source.lease and not source.coder then source.ended = true end
  return bytes
end

local response = { Response = Response }

---@param plan kio.http.Plan
---@param head kio.http.Head
---@param lease kio.Lease of the connection, which is the response's from now on
---@param reusable boolean whether the connection is of use when the body was read
---@return kio.http.ClientResponse
function response.new(plan, head, lease, reusable)
  local raw = core.body(head)
  local source = setmetatable({
    ended = raw.ended, raw = raw, lease = lease, reusable = reusable, max = math.huge, received = 0,
  }, Source)
  local stream = lease.member.stream
  if raw.ended then let_go(source, true)
  else source.coder = inflating.coder(plan, head) end
  return setmetatable({
    head = head, status = head.status, url = plan.text, source = source,
    reader = body.over(stream, source, pull, plan.body_timeout), shown = plan.shown,
  }, Response)
end

local of_head = { reason = true, version = true, headers = true }

function Response:__index(key)
  if of_head[key] then
    local value = rawget(self, "head")[key]
    self[key] = value
    return value
  end
  return Response[key]
end

function Response:__tostring()
  if getmetatable(self) ~= Response then
    check.bad_self(self, "kio.http.ClientResponse", "__tostring")
  end
  return string.format("kio.http.ClientResponse (%d, %s)", self.status, self.shown)
end

local function check_self(self, name)
  if getmetatable(self) ~= Response then check.bad_self(self, "kio.http.ClientResponse", name) end
end

-- ---- its body ----

local read_options = body.options

-- Tells what was asked, too.
local function told(self, value, message, code)
  if value ~= nil or not message then return value end
  return nil, self.shown .. ": " .. message, code
end

---Its whole body, "" when there is none.
---@async
---@param options? { max: integer?, timeout: number? } bytes at most (16 MiB); seconds in which it
---must go on
---@return string|nil body
---@return string? message
---@return string? code "EMSGSIZE": it is larger than `max`; "ENODATA": its end is missing
function Response:body(options, ...)
  check_self(self, "body")
  options = read_options(options, 1, "body", ...)
  local source = self.source
  if rawget(self, "text") then
    own.at_once()
    return self.text
  end
  source.max, source.whole = options and options.max or MAX, false
  if source.lease and not source.coder and (self.head.length or 0) > source.max then
    return told(self, too_large(source))
  end
  local text, message, code = self.reader:rest(options and options.timeout)
  self.text = text
  return told(self, text, message, code)
end

-- How much may come of the body for a call that reads by format: `max`, or what a line or "a" may
-- have beside what was read before. Who asks for a number of bytes has said it.
local function bound(self, format, max)
  local source = self.source
  source.whole = not max and type(format) ~= "number"
  if source.whole then source.max = source.received - self.reader:unread() + MAX
  else source.max = max or math.huge end
end

---A part of its body by a format of Lua's io: "l" (which is usual), "L", "a" or a number of bytes;
---nil at the end.
---@async
---@param format? string|integer
---@param options? { max: integer?, timeout: number? } bytes at most of all that was read so far; by
---default a line or "a" has 16 MiB at most
---@return string|nil
---@return string? message
---@return string? code "EMSGSIZE": there is more of it; "ENODATA": the end is missing
function Response:read(format, options, ...)
  check_self(self, "read")
  format = body.check_format(format or "l", 1, "read")
  options = read_options(options, 2, "read", ...)
  bound(self, format, options and options.max)
  return told(self, self.reader:read(format, options and options.timeout))
end

---Iterates over its body as it comes; raises on an error.
---@async
---@param options? kio.Options
---@return fun(): string?
function Response:chunks(options, ...)
  check_self(self, "chunks")
  options = read_options(options, 1, "chunks", ...)
  self.source.max, self.source.whole = options and options.max or math.huge, false
  return function()
    local piece, message, code = self.reader:piece(nil, options and options.timeout)
    if piece == nil and message then own.raise(self.shown .. ": " .. message, code) end
    return piece
  end
end

---Iterates over its body by a format as for `read`; raises on an error.
---@async
---@param format? string|integer
---@param options? { max: integer?, timeout: number? } as for `read`
---@return fun(): string?
function Response:lines(format, options, ...)
  check_self(self, "lines")
  format = body.check_format(format or "l", 1, "lines")
  options = read_options(options, 2, "lines", ...)
  return function()
    local value, message, code = self:read(format, options)
    if value == nil and message then own.raise(message, code) end
    return value
  end
end

---The fields behind a body in chunks, once it has been read to its end; nil: there are none.
---@return kio.http.Headers|nil
function Response:trailers(...)
  check_self(self, "trailers")
  check.no_more(0, "trailers", ...)
  return self.source:trailers()
end

---Its fields as they came.
---@return { [1]: string, [2]: string }[]
function Response:header_list(...)
  check_self(self, "header_list")
  check.no_more(0, "header_list", ...)
  return self.head:list()
end

-- ---- its end ----

local ONCE = 0 -- seconds: what is here

-- Drops what is here of the rest; the connection is clean then, if that was all.
local function drop_rest(self)
  local source, dropped = self.source, 0
  local stream = self.reader.stream
  while source.lease and dropped <= DISCARDED_MAX do
    local bytes, message = receive(stream, source, DISCARDED_MAX, ONCE)
    if not bytes and message then break end
    dropped = dropped + #(bytes or "")
  end
end

---Gives the rest of the body up. A short one that has arrived is dropped, and the connection stays;
---else that is closed. Closing again does nothing.
---@async
function Response:close(...)
  check_self(self, "close")
  check.no_more(0, "close", ...)
  local source = self.source
  local is_short = (self.head.length or 0) <= DISCARDED_MAX
  if source.lease and source.reusable and is_short and not source.reading then drop_rest(self) end
  if not source.lease then own.done_at_once() end
  let_go(source, false)
end

function Response:__close(err)
  check_self(self, "__close")
  if err ~= nil then let_go(self.source, false) end
  Response.close(self)
end

return response
