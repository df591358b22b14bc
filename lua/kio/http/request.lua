---A request as handlers see it: what its head says, and its body. Its strings are made when they
---are asked for. Connections make them, of `head` and `connection`. Invariant: the head is as it
---came; the body is read by one reader, which is made with the first call that reads.
local _ENV = require "kio.core".globals
local body = require "kio.http.body"
local check = require "kio.check"
local core = require "kio.core"
local event = require "kio.sync.event"
local http_core = require "kio.http.core"
local optional = require "kio.optional"

local take_body = http_core.take_body
local getmetatable = getmetatable

---@class kio.http.Request
---@field method string "GET"
---@field target string as it came: "/a%20b?c=d"
---@field path string of it: "/a%20b"
---@field query string|nil what stands behind its question mark: "c=d"
---@field version "1.0"|"1.1"
---@field headers table<string, string> by name, in any case; several of one joined by ", "
---@field peer kio.Address the other end of the connection
---@field tls kio.tls.Info|nil
---@field head table
---@field connection kio.http.Connection
---@field text? string its body, once it was read whole
local Request = {}

local meta = { __name = "kio.http.Request" }

meta.__index = http_core.head_indexer(Request, function(self, key)
  if key == "peer" then return self.connection.peer end
  if key == "tls" then return self.connection.stream:tls() end
end)

local function check_self(self, name)
  if getmetatable(self) ~= meta then check.bad_self(self, "kio.http.Request", name) end
end

function meta:__tostring()
  check_self(self, "__tostring")
  return string.format("kio.http.Request (%s %s)", self.method, self.target)
end

local request = { meta = meta }

---Its fields as they came.
---@return { [1]: string, [2]: string }[] each a name and a value
function Request:header_list(...)
  check_self(self, "header_list")
  check.no_more(0, "header_list", ...)
  return self.head:list()
end

-- ---- its body ----

local read_options = body.options

local OVER = "the body of a request cannot be read when it has been answered"

local TOO_LARGE = "the body of the request is larger than %d bytes"

---The body is not what it should be: this is what the request is answered with if its handler gives
---up for that. Gives nil, message, code, status. By the beginning of the message a server knows
---whose fault it is (kio.net.serve.tell).
function request.refuse(self, status, words, code)
  self.refused = status
  local peer = self.connection.stream:peer() or self.connection.peer
  return nil, string.format("read_body %s: %s", peer, words), code, status
end

-- The reader; nil, message, code, status when the body is declared too large.
local function reader_of(self, options)
  local connection = self.connection
  if connection.request ~= self then check.misuse(OVER) end
  local reader = connection.reader
  local max = options and options.max
  if reader and max then reader.max = max end
  if reader then return reader end
  max = max or connection.options.max_body
  local head = self.head
  if (head.length or 0) > max then
    return request.refuse(self, 413, string.format(TOO_LARGE, max), "EMSGSIZE")
  end
  connection:expect_body()
  reader = body.new(connection.stream, head, max, connection.options.body_timeout)
  connection.reader = reader
  return reader
end

-- Remembers what the request is to be answered with, should the handler give up for this.
local function told(self, value, message, code, status)
  if value == nil and message then
    self.refused = status or code == "ENOMEM" and 500 or 400
    return nil, message, code
  end
  return value
end

---Its whole body, "" when it has none; the same when it is asked for again.
---@async
---@param options? { max: integer?, timeout: number? }
---@return string|nil body
---@return string? message
---@return string? code "EMSGSIZE": it is larger than the option `max`, or the server's `max_body`
function Request:body(options, ...)
  if getmetatable(self) ~= meta then check.bad_self(self, "kio.http.Request", "body") end
  local connection = self.connection
  if self.text then core.own.at_once()
  elseif not connection.reader and connection.request == self then
    -- Most are short, and have come with the head: these need no reader.
    local whole = take_body(connection.stream, self.head, connection.options.max_body, options, ...)
    if whole then
      self.text = whole
      return whole
    end
  end
  options = read_options(options, 1, "body", ...)
  if self.text then return self.text end
  local reader, message, code, status = reader_of(self, options)
  if not reader then return told(self, nil, message, code, status) end
  local text
  text, message, code, status = reader:rest(options and options.timeout)
  self.text = text
  return told(self, text, message, code, status)
end

---Iterates over its body as it comes; raises on an error.
---@async
---@param options? { max: integer?, timeout: number? }
---@return fun(): string?
function Request:chunks(options, ...)
  check_self(self, "chunks")
  options = read_options(options, 1, "chunks", ...)
  return function()
    local reader, message, code, status = reader_of(self, options)
    local piece
    if reader then piece, message, code, status = reader:piece(nil, options and options.timeout) end
    if piece == nil and message then
      told(self, nil, message, code, status)
      core.own.raise(message, code)
    end
    return piece
  end
end

---A part of its body by a format of Lua's io: "l" (which is usual), "L", "a" or a number of bytes;
---nil at the end.
---@async
---@param format? string|integer
---@param options? { max: integer?, timeout: number? }
---@return string|nil
---@return string? message
---@return string? code
function Request:read(format, options, ...)
  check_self(self, "read")
  format = body.check_format(format or "l", 1, "read")
  options = read_options(options, 2, "read", ...)
  local reader, message, code, status = reader_of(self, options)
  if not reader then return told(self, nil, message, code, status) end
  return told(self, reader:read(format, options and options.timeout))
end

---Iterates over its body by a format as for `read`; raises on an error.
---@async
---@param format? string|integer
---@param options? { max: integer?, timeout: number? }
---@return fun(): string?
function Request:lines(format, options, ...)
  check_self(self, "lines")
  format = body.check_format(format or "l", 1, "lines")
  options = read_options(options, 2, "lines", ...)
  return function()
    local value, message, code = self:read(format, options)
    if value == nil and message then core.own.raise(message, code) end
    return value
  end
end

---The fields behind a body in chunks, once it has been read to its end; nil: there are none.
---@return table<string, string>|nil by name, in any case
function Request:trailers(...)
  check_self(self, "trailers")
  check.no_more(0, "trailers", ...)
  local connection = self.connection
  if connection.request ~= self then check.misuse(OVER) end
  return connection.reader and connection.reader:trailers() or nil
end

-- ---- its client ----

---An event that is set when the client resets the connection. One that only ends its side of it is
---waited for, and cannot be told from one that has gone.
---@return kio.Event
function Request:on_disconnect(...)
  check_self(self, "on_disconnect")
  check.no_more(0, "on_disconnect", ...)
  local connection = self.connection
  if not connection.gone then
    connection.gone = event.new()
    local function watch()
      if connection:await_reset() then connection.gone:set() end
    end
    core.spawn { watch, daemon = true, name = "waiting for the client's going" }
  end
  return connection.gone
end

-- ---- in modules of their own, which build on this one ----

local function found(module, why)
  if not module then error(why, 0) end
  return module
end

---The cookies it brought, by name.
---@return table<string, string>
function Request:cookies(...)
  check_self(self, "cookies")
  return found(optional.find "http.cookies").of(self, ...)
end

---Iterates over the parts of a body of the type multipart/form-data.
---@async
function Request:multipart(...)
  check_self(self, "multipart")
  return found(optional.find "http.multipart").parts(self, ...)
end

return request
