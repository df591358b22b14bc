---One connection of a server: its requests one after another, and its end. Invariant: `request` and
---`response` are those of the exchange at hand; the stream stands where the next request begins
---whenever one is waited for.
local _ENV = require "kio.core".globals
local answer = require "kio.http.answer"
local core = require "kio.core"
local http_core = require "kio.http.core"
local linger = require "kio.http.linger"
local options_of = require "kio.http.options"
local request = require "kio.http.request"
local response = require "kio.http.response"
local stopping = require "kio.net.serve.stopping"

local requests, reply = http_core.requests, http_core.reply
local setmetatable = setmetatable
local Request, Response = request.meta, response.methods

local connection = {}

---@class kio.http.Connection
---@field stream kio.Stream
---@field peer kio.Address
---@field server { stopping: boolean? } what serves it
---@field handler fun(req: kio.http.Request, res: kio.http.Response): ...
---@field options kio.http.HandlerOptions
---@field next_request fun(stream: kio.Stream, idle_timeout: number?): ...: any
---@field count integer requests so far, as far as that matters
---@field plain? boolean whether, when another request may follow, nothing of this one is left
---@field request kio.http.Request|false
---@field response kio.http.Response|false the last one that was made
---@field reader kio.http.BodyReader|false of the request's body, when it has begun to be read
---@field begun boolean the handler has begun to answer by itself, or has set fields
---@field gone? kio.Event the client has reset it
local Connection = {}
Connection.__index = Connection

local DROPPED = 1 << 16 -- bytes of a body that nobody wanted, which are read so that it can go on
local PAUSE = 2 -- seconds in which such bytes must go on
local FIRST = 1 -- seconds that one has for its first request when the server stops already

---@class kio.http.Record what is known of a request that was answered
---@field peer kio.Address
---@field method? string nil when its head could not be read
---@field target? string
---@field version? string
---@field headers? table<string, string> the request's
---@field request? kio.http.Request
---@field status integer
---@field sent integer bytes of the answer's body
---@field seconds number from the end of the request's head to the end of the answer

-- ---- the end of one ----

-- The client may read its answer. Nothing follows.
local function part(stream)
  linger(stream)
  return false
end

-- A body that is not whole must not look so.
local function reset(stream)
  stream:option("linger", 0)
  stream:close { timeout = 0 }
  return false
end

-- ---- answers of the server's own ----

local WORDS = {
  [400] = "Bad Request", [408] = "Request Timeout", [413] = "Content Too Large",
  [414] = "URI Too Long", [417] = "Expectation Failed", [431] = "Request Header Fields Too Large",
  [500] = "Internal Server Error", [501] = "Not Implemented",
  [505] = "HTTP Version Not Supported",
}

local TEXT = { ["content-type"] = "text/plain" }

local function tell(self, status, head, sent, began)
  self.options.log {
    peer = self.peer, status = status, sent = sent, seconds = core.now() - began,
    method = head and head.method, target = head and head.target,
    version = head and head.version, headers = head and head.headers,
    request = head and self.request or nil,
  }
end

-- Answers in place of a handler, and lets nothing follow. `head` nil: it could not be read.
local function refuse(self, status, head)
  local body = (WORDS[status] or "Error") .. "\n"
  local _, _, text = http_core.answer(self.stream, head, status, TEXT, body, false, false,
    self.options.server)
  if text then self.stream:write(text) end
  if self.options.log then tell(self, status, head, #body, core.now()) end
  return part(self.stream)
end

-- With room for all that becomes of it: growing costs more than the rest.
local function new_response(self, req)
  return setmetatable({
    connection = self, request = req, status = nil, framing = false, left = nil, done = false,
    sent = 0,
  }, Response)
end

-- The response of the exchange at hand.
local function response_of(self)
  local res = self.response
  if not res or res.request ~= self.request then
    res = new_response(self, self.request)
    self.response = res
  end
  return res
end

-- The handler has raised, nil perhaps. A cancelled task may wait for nothing any more.
function Connection:__close(err)
  if not self.request then return end
  local res = response_of(self)
  if res.done then return end
  if res.socket then res.socket:__close(err == nil and "nil" or err)
  elseif res.framing then reset(self.stream)
  elseif not core.is_cancelled(err) or pcall(core.own.checkpoint) then
    pcall(refuse, self, self.request.refused or 500, self.request.head)
  end
end

-- ---- one exchange ----

---Whether the answer at hand may be followed by another one.
function Connection:may_go_on()
  return not self.server.stopping and self.count < (self.options.max_requests or math.huge)
end

---The body of the request is about to be read: a client that waits for that is told so.
function Connection:expect_body()
  local req = self.request
  local res = self.response
  local asked = req.head.expect_continue and not req.continued and not req.text
  if not asked or res and res.framing then return end
  req.continued = true
  self.stream:write "HTTP/1.1 100 Continue\r\n\r\n"
end

---Waits until the client has reset the connection; false: that cannot be seen any more. One that
---has ended its side wakes a poll once and for all, and counts as there.
---@async
---@return boolean
function Connection:await_reset()
  local fd = self.stream:fd()
  local events = fd and core.poll(fd, "e")
  return events and string.find(events, "e", 1, true) ~= nil
end

-- Reads and drops what nobody has wanted of the body; whether that was all.
local function drop(self, req)
  local head, reader = req.head, self.reader
  local raw = reader and reader.raw or http_core.body(head, DROPPED)
  if raw.ended then return true end
  if head.expect_continue and not req.continued then return false end
  if not reader and (head.length or 0) > DROPPED then return false end
  local left = DROPPED
  while left > 0 and not raw.ended do
    local bytes, message = http_core.read_body(self.stream, raw, left, PAUSE)
    if message then return false end
    left = left - #(bytes or "")
  end
  return raw.ended
end

-- Whether another request may follow this exchange, of which something is special.
local function settle(self, req)
  local stream, head, res, reader = self.stream, req.head, response_of(self), self.reader
  if res.socket then res.socket:close() end
  if res.framing == "upgraded" then return false end
  if res.lost then return reset(stream) end
  if reader and reader.failed then return part(stream) end
  if head.body ~= "none" and not drop(self, req) then return part(stream) end
  if self.plain ~= nil then return true end
  if head.keep_alive then linger(stream) end -- it may have sent the next one
  return false
end

-- The handler is cancelled when the client resets the connection. Whether it came to its end.
local function run_watched(self, req, res)
  return core.scope(function(scope)
    local function watch()
      if self:await_reset() then scope:cancel() end
    end
    scope:spawn { watch, daemon = true, name = "waiting for the client's going" }
    answer.give(res, self.handler, self.handler(req, res))
    return true
  end)
end

-- Has the handler answer. Whether it came to its end.
local function run(self, req, res)
  if self.options.cancel_on_disconnect then return run_watched(self, req, res) end
  answer.give(res, self.handler, self.handler(req, res))
  return true
end

-- Answers one request. Whether another one may follow.
local function exchange(self, head, req, res)
  local log = self.options.log
  local began = log and core.now()
  if not run(self, req, res) then return reset(self.stream) end
  if log then tell(self, res.status, head, res.sent, began) end
  return self.plain or settle(self, req)
end

-- ---- all of them ----

-- What the core has made of options, on this worker.
local made = setmetatable({}, { __mode = "k" })

local function limits_of(options)
  local limits = made[options]
  if not limits then
    limits = http_core.limits(options_of.limits(options))
    made[options] = limits
  end
  return limits
end

local ALONE = { stopping = false } -- serves what no server does

-- How long the first byte of the next request may take, when the server stops; nil: as ever.
local function patience(server, served)
  if not server.stopping then return nil end
  return served and 0 or FIRST
end

-- Whether a handler takes a response: most do not, and need none.
local function takes_response(handler)
  local info = debug.getinfo(handler, "u")
  return info.isvararg or info.nparams > 1
end

-- What reply could not write itself. Whether the client has taken it.
local function send(self, plain, text, rest)
  self.plain = plain
  local stream = self.stream
  return (not text or stream:write(text)) and (not rest or stream:write(rest))
end

-- Most requests have no body, and a string for an answer: these are seen to here, for what is done
-- for each of them costs most.
local function serve_simply(self, stream, server, handler, name)
  local next_request, with_response = self.next_request, takes_response(handler)
  local served = false
  while true do
    local head, message, _, status =
      next_request(stream, server.stopping and patience(server, served) or nil)
    if not head then return message and status and refuse(self, status) end
    local req = setmetatable({ head = head, connection = self, text = false }, Request)
    local res
    if with_response then
      res = new_response(self, req)
      self.response = res
    end
    self.request, served = req, true
    local first, second, third = handler(req, res)
    local simple, plain, text, rest
    if not self.begun then
      simple, plain, text, rest = reply(stream, head, first, second, third, not server.stopping,
        self.reader, name, handler)
    end
    if not simple then
      if simple == nil then answer.give(response_of(self), handler, first, second, third)
      else
        response_of(self).done = true -- whatever comes now, there is no second answer
        if not send(self, plain, text, rest) then return reset(stream) end
      end
      if not self.plain and not settle(self, req) then return end
      self.response, self.begun = false, false
    end
    self.request, self.reader = false, false
  end
end

-- Where more is to be seen to.
local function serve_all(self, stream)
  while true do
    local head, message, _, status =
      self.next_request(stream, patience(self.server, self.count > 0))
    if not head then return message and status and refuse(self, status) end
    self.count = self.count + 1
    local req = setmetatable({ head = head, connection = self, text = false }, Request)
    self.request, self.begun = req, false
    if not exchange(self, head, req, response_of(self)) then return end
    self.request, self.reader, self.response = false, false, false
  end
end

---Serves a connection until one side ends it.
---@async
---@param stream kio.Stream
---@param peer kio.Address
---@param handler function
---@param options kio.http.HandlerOptions as options.read gives them
function connection.serve(stream, peer, handler, options)
  local self <close> = setmetatable({
    stream = stream, peer = peer, server = stopping.servers[stream] or ALONE, handler = handler,
    options = options,
    count = 0, plain = nil, request = false, response = false, reader = false, begun = false,
    next_request = requests(limits_of(options), options.keepalive_timeout, options.header_timeout),
  }, Connection)
  local watched = options.log or options.cancel_on_disconnect or options.max_requests
  if watched then serve_all(self, stream)
  else serve_simply(self, stream, self.server, handler, options.server) end
  self.request = false -- nobody waits for an answer
end

return connection
