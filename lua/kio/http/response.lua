---The answer to a request as handlers write it; connections make them, of `connection` and
---`request`. `core.answer` writes its head and says how the body is
---framed. Invariant: `framing` is false until the head was written; what `left` counts are the
---bytes of a declared length that are still to be written.
local _ENV = require "kio.core".globals
local check = require "kio.check"
local check_file = require "kio.http.body".check_file
local fields = require "kio.http.fields"
local http_core = require "kio.http.core"
local optional = require "kio.optional"
local own = require "kio.core".own
local send_file = require "kio.net.send_file"

local getmetatable, select, type = getmetatable, select, type

---@class kio.http.Response
---@field request kio.http.Request
---@field connection kio.http.Connection
---@field status? integer once it was started
---@field framing false|"none"|"head"|"length"|"chunked"|"close"|"whole"|"upgraded"
---@field left? integer
---@field sent integer bytes of its body
---@field done boolean it is whole
---@field added? { [1]: string, [2]: string }[] fields that were set before the start
---@field excess? boolean more than the declared length was to be written
---@field lost? boolean the client has not taken it
---@field writes integer that have not come to their end: what was given up is one for ever
---@field socket? kio.http.WebSocket which the connection has become
---@field encode? fun(res: kio.http.Response, status: integer, headers: table|nil): table|nil what
---its fields become when it is started, and may have what is written become something else
---@field coder? table what packs what is written
---@field last? fun(): string the last bytes of what was written then
---@field pack_file? async fun(res: kio.http.Response, file: kio.File|kio.http.Found,
---offset: integer, count: integer): integer?, string?, string?, integer? sends a part of one then
local Response = { framing = false, done = false, sent = 0, writes = 0 }
Response.__index = Response
Response.__name = "kio.http.Response"

local function check_self(self, name)
  if getmetatable(self) ~= Response then check.bad_self(self, "kio.http.Response", name) end
end

function Response:__tostring()
  check_self(self, "__tostring")
  return string.format("kio.http.Response (%s)", self.status or "not started")
end

local response = { methods = Response }

local put_chunk = http_core.chunks_of(Response)

local OVER = "this request has been answered"

local function check_open(self, name)
  if getmetatable(self) ~= Response then check_self(self, name) end
  local current = self.connection.request == self.request
  if self.done or not current then check.misuse(OVER) end
end

-- ---- fields ----

local function same_name(a, b) return string.lower(a) == string.lower(b) end

local function check_field(self, name, field, value)
  check_open(self, name)
  if self.framing then check.misuse("the response has been started: its fields have been sent") end
  check.type(field, "string", 1, name)
  if type(value) ~= "string" and type(value) ~= "number" then
    check.refuse(2, name, "a string expected, got " .. type(value))
  end
  http_core.encode_fields { { field, tostring(value) } } -- raises for what cannot be sent
end

---A field that the response will have beside those that are there already.
---@param name string
---@param value string|number
---@return kio.http.Response
function Response:add(name, value, ...)
  check_field(self, "add", name, value)
  check.no_more(2, "add", ...)
  self.added, self.connection.begun = self.added or {}, true
  table.insert(self.added, { name, tostring(value) })
  return self
end

---A field that the response will have, in place of those of that name that were set before; one of
---that name that the start brings counts more.
---@param name string
---@param value string|number
---@return kio.http.Response
function Response:set(name, value, ...)
  check_field(self, "set", name, value)
  check.no_more(2, "set", ...)
  local kept = {}
  for _, field in ipairs(self.added or {}) do
    if not same_name(field[1], name) then kept[#kept + 1] = field end
  end
  kept[#kept + 1] = { name, tostring(value) }
  self.added, self.connection.begun = kept, true
  return self
end

-- ---- its start ----

local function check_start(status, headers, index, name)
  local is_status = math.type(status) == "integer" and status >= 200 and status <= 999
  if not is_status then
    check.refuse(index, name, "a status from 200 to 999 expected, got " .. own.text_of(status))
  end
  if headers ~= nil then check.type(headers, "table", index + 1, name, "a table of fields") end
end
response.check_start = check_start

-- What is missing is missing for good, and nothing may follow.
local function lose(self) self.lost, self.connection.plain = true, nil end

-- Writes to the client; true, or nil, message, code when it is gone.
local function put(self, ...)
  self.writes = self.writes + 1
  local written, message, code = self.connection.stream:write(...)
  self.writes = self.writes - 1
  if written then return true end
  lose(self)
  return nil, message, code
end

---The fields that it will have, of those of the start and those that were set before.
---@return table|nil
function response.take_fields(self, headers)
  local added = self.added
  self.added = nil
  if not added or not fields.fit(headers) then return headers end -- who writes them tells
  return fields.merged(added, headers)
end

---Writes the head. `body`: the whole body, which is written too; its size; or nil when it comes in
---pieces. `handler`: what has returned them. True, or nil, message, code.
---@async
function response.begin(self, status, headers, body, handler)
  local connection = self.connection
  headers = response.take_fields(self, headers)
  local simple, plain, text, rest, framing, left = http_core.answer(connection.stream,
    self.request.head, status, headers, body, connection:may_go_on(), connection.reader,
    connection.options.server, handler)
  self.status, self.framing, self.left = status, framing or "whole", left
  connection.plain, connection.begun = simple or plain, true
  local written, message, code = true, nil, nil
  if text then written, message, code = put(self, text) end
  if rest and written then written, message, code = put(self, rest) end
  return written, message, code
end

local begin = response.begin

-- The same for a body that the handler writes itself.
local function start(self, status, headers, size)
  if self.framing then check.misuse "the response has been started before" end
  if self.encode then
    headers = self.encode(self, status, response.take_fields(self, headers))
    if self.last then size = nil end
  end
  return begin(self, status, headers, size)
end
response.start = start

---Sends the status and the fields. With a Content-Length among them the body must have so many
---bytes; without it comes in chunks, or ends with the connection when the client is of HTTP/1.0.
---@async
---@param status integer
---@param headers? table<string, string|number|string[]>|{ [1]: string, [2]: string }[]
---@return kio.http.Response|nil
---@return string? message
---@return string? code
function Response:start(status, headers, ...)
  check_open(self, "start")
  check_start(status, headers, 1, "start")
  if select("#", ...) > 0 then check.no_more(2, "start", ...) end
  local written, message, code = start(self, status, headers)
  if not written then return nil, message, code end
  return self
end

-- ---- its body ----

-- Whether `size` bytes more are to be sent; raises when they may not be.
local function admit(self, size)
  local framing = self.framing
  if framing == "chunked" then return true end
  if framing == "length" then
    if size > self.left then
      self.excess = true
      check.misuse(string.format("more bytes than the declared Content-Length: %d, and %d are left",
        size, self.left))
    end
    self.left = self.left - size
  elseif framing == "none" then
    check.misuse(string.format("a response of status %d has no body", self.status))
  elseif framing == "upgraded" then check.misuse "the connection is no longer one of HTTP" end
  if framing == "head" then own.at_once() end -- nothing is written, and nothing waited for
  return framing ~= "head"
end

local function chunk_size(size) return string.format("%x\r\n", size) end

local function write_framed(self, data)
  if not admit(self, #data) then return true end
  if self.framing ~= "chunked" then return put(self, data) end
  return put(self, chunk_size(#data), data, "\r\n")
end

---Sends more of the body; starts the response with status 200 when nobody has. Waits, as
---stream:write does, while the client is slow to take what was sent before.
---@async
---@param ... string|number|kio.Buffer
---@return kio.http.Response|nil
---@return string? message
---@return string? code
function Response:write(...)
  if put_chunk(self, ...) then return self end
  check_open(self, "write")
  local data = check.join("write", ...)
  if type(data) ~= "string" then data = data:string() end
  if not self.framing then
    local begun, message, code = start(self, 200)
    if self.last then return self:write(data) end -- it is another one now
    if not begun then return nil, message, code end
  end
  if data == "" then own.at_once() return self end
  local written, message, code = write_framed(self, data)
  if not written then return nil, message, code end
  self.sent = self.sent + #data
  return self
end

local function send_part(self, file, offset, count)
  self.writes = self.writes + 1
  local sent, message, code, some =
    send_file(self.connection.stream, file.window or file, offset, count)
  self.writes = self.writes - 1
  some = sent or some or 0
  self.sent = self.sent + some
  if self.framing == "length" then self.left = self.left + count - some end
  if not sent then lose(self) end
  if self.framing == "chunked" and some < count then self.excess = true end
  return sent, message, code, some
end

---The same as Response:send_file, whose arguments are right; also of what place.lua has found.
---@async
function response.send_open(self, file, offset, count)
  local fine, message, code = true, nil, nil
  if not self.framing then fine, message, code = start(self, 200, nil, count) end
  if self.pack_file then return self:pack_file(file, offset, count) end
  if fine and count == 0 then own.at_once() end
  if fine and (not admit(self, count) or count == 0) then return count end
  local chunked, some = self.framing == "chunked", 0
  if fine and chunked then fine, message, code = put(self, chunk_size(count)) end
  if fine then fine, message, code, some = send_part(self, file, offset, count) end
  if fine == count and chunked then fine, message, code = put(self, "\r\n") end
  if not fine then return nil, message, code, some end
  return some
end

---Sends a part of an open file as more of the body: `count` bytes from `offset` on, fewer only when
---there are no more. A response that nobody has started has status 200 and that length.
---@async
---@param file kio.File
---@param offset integer
---@param count integer
---@return integer|nil sent what there was
---@return string? message
---@return string? code
---@return integer? some bytes that have been sent
function Response:send_file(file, offset, count, ...)
  check_open(self, "send_file")
  check_file(file, 1, "send_file")
  offset, count = check.count(offset, 2, "send_file"), check.count(count, 3, "send_file")
  check.no_more(3, "send_file", ...)
  return response.send_open(self, file, offset, count)
end

-- What would change where the answer ends, or for whom it is: others refuse that, or believe it.
local NO_TRAILERS = { ["content-length"] = true, ["transfer-encoding"] = true, host = true }

local function trailer_text(trailers)
  check.type(trailers, "table", 1, "finish", "a table of fields")
  local name = fields.find(trailers, NO_TRAILERS)
  if name then check.refuse(1, "finish", "no trailer can have the field '" .. name .. "'") end
  return http_core.encode_fields(trailers)
end

local FLUSH = { timeout = "number" }

---Sends what was written as far as the client takes it, and waits for that.
---@async
---@param options? kio.Options
---@return kio.http.Response|nil
---@return string? message
---@return string? code
function Response:flush(options, ...)
  check_self(self, "flush")
  options = check.options(options, 1, "flush", FLUSH, ...)
  local done, message, code = self.connection.stream:flush(options)
  if not done then return nil, message, code end
  return self
end

---Ends the body; the end of the handler does the same. `trailers`: fields behind it, for a body in
---chunks; other clients do not get them.
---@async
---@param trailers? table<string, string>
---@return kio.http.Response|nil
---@return string? message
---@return string? code
function Response:finish(trailers, ...)
  check_open(self, "finish")
  if select("#", ...) > 0 then check.no_more(1, "finish", ...) end
  local text = trailers == nil and "" or trailer_text(trailers)
  local begun, message, code = true, nil, nil
  if not self.framing then begun, message, code = begin(self, 200, nil, "") end
  if begun and (self.left or 0) > 0 then
    self.excess = true
    check.misuse(string.format("the body is %d bytes shorter than the declared Content-Length",
      self.left))
  end
  if begun and self.last then begun, message, code = write_framed(self, self.last()) end
  if begun and self.framing == "chunked" then
    begun, message, code = put(self, "0\r\n" .. text .. "\r\n")
  end
  self.done = true
  if not begun then return nil, message, code end
  return self
end

---Ends a body in chunks, without trailers.
---@async
function response.end_chunks(self)
  if self.last then return self:finish() end
  self.done = true
  return put(self, "0\r\n\r\n")
end

---The connection becomes one of another protocol: sends 101 with these fields. The stream is the
---handler's from then on, until it returns.
---@param headers table
---@return kio.Stream|nil stream
---@return string? message
---@return string? code
function response.upgrade(self, headers)
  if self.framing then check.misuse "the response has been started before" end
  local text = "HTTP/1.1 101 Switching Protocols\r\n" .. http_core.encode_fields(headers) .. "\r\n"
  self.status, self.framing = 101, "upgraded"
  self.connection.plain, self.connection.begun = false, true
  local written, message, code = put(self, text)
  if not written then return nil, message, code end
  return self.connection.stream
end

-- ---- in modules of their own, which build on this one ----

local function found(module, why)
  if not module then error(why, 0) end
  return module
end

---Answers with a file: its type, ranges and conditions are seen to. See docs/http_server.md.
---@async
function Response:file(...)
  check_open(self, "file")
  return found(optional.find "http.static").send(self, ...)
end

---Begins a stream of server-sent events.
---@async
function Response:events(...)
  check_open(self, "events")
  return found(optional.find "http.events").start(self, ...)
end

---Makes the connection a WebSocket. A request that is no handshake for one, or comes from another
---site's page, is answered with what is wrong.
---@async
---@param options? kio.http.AcceptOptions
---@return kio.http.WebSocket|nil socket
---@return string? message
---@return string? code "EPROTO"; "EACCES": another site's page
function Response:websocket(options, ...)
  check_open(self, "websocket")
  return require "kio.http.websocket".accept(self, response.upgrade, options, ...)
end

---Sets a cookie.
---@return kio.http.Response
function Response:set_cookie(...)
  check_open(self, "set_cookie")
  return found(optional.find "http.cookies").set(self, ...)
end

return response
