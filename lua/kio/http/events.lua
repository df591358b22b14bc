---Server-sent events: a response that stays open, on which the server tells what happens. While
---nothing does a comment goes out from time to time, so that nobody on the way takes the connection
---for dead, and a client that is gone is noticed. Invariant: who writes holds `writing`.
local _ENV = require "kio.core".globals
local check = require "kio.check"
local core = require "kio.core"
local fields = require "kio.http.fields"
local mutex = require "kio.sync.mutex"

---@class kio.http.Events
---@field last_id string|nil the id of the last event that the client had got: Last-Event-ID
---@field package res kio.http.Response
---@field package writing kio.Mutex
---@field package sent_at number
---@field package gone? { [1]: string, [2]: string } how writing failed
---@field package closed boolean
---@field package beat? kio.Task
local Events = { __name = "kio.http.Events" }
Events.__index = Events

---@class kio.http.Event
---@field data? string|number lines; what the page gets
---@field event? string its name ("message", says the browser)
---@field id? string|number the client comes back with it after a break
---@field retry? integer milliseconds after which it does

local events = {}

local KNOWN = { data = "string", event = "string", id = "string", retry = "number" }
local NUMBERS = { "data", "id" } -- may be numbers, which become what tostring makes of them
local OPTIONS = { heartbeat = "number", headers = "table" }
local HEARTBEAT = 15

-- ---- as text ----

-- Lines end in CR, in LF, or in both, for who reads them.
local function lines_of(text)
  text = string.gsub(string.gsub(text, "\r\n", "\n"), "\r", "\n")
  return string.gmatch(text .. "\n", "([^\n]*)\n")
end

local function check_event(event, index, name, ...)
  if type(event) == "string" then event = { data = event } end
  check.type(event, "table", index, name, "a string or a table")
  event = check.copy(event)
  for _, key in ipairs(NUMBERS) do
    if type(event[key]) == "number" then event[key] = tostring(event[key]) end
  end
  event = check.options(event, index, name, KNOWN, ...)
  for _, key in ipairs { "event", "id" } do
    if event[key] and string.find(event[key], "[\r\n%z]") then
      check.refuse(index, name, "field '" .. key .. "' cannot contain line ends or zero bytes")
    end
  end
  if event.retry then event.retry = check.count(event.retry, index, name, "field 'retry'") end
  return event
end

local function format(event, index, name, ...)
  event = check_event(event, index, name, ...)
  local parts = {}
  local function add(field, value) parts[#parts + 1] = field .. ": " .. value .. "\n" end
  if event.event then add("event", event.event) end
  if event.id then add("id", event.id) end
  if event.retry then add("retry", event.retry) end
  if event.data then
    for line in lines_of(event.data) do add("data", line) end
  end
  parts[#parts + 1] = "\n"
  return table.concat(parts)
end

---An event as it is sent.
---@param event string|kio.http.Event a string: its data
---@return string
function events.format(event, ...) return format(event, 1, "format", ...) end

-- ---- sending ----

local function self_of(self, name)
  if getmetatable(self) ~= Events then check.bad_self(self, "kio.http.Events", name) end
end

local function put(self, text)
  local _ <close> = self.writing:lock()
  if self.gone then return nil, table.unpack(self.gone, 1, 2) end
  if self.closed or self.res.done then
    return nil, "send events: the response has ended", "EBADF"
  end
  self.sent_at = core.now()
  local written, message, code = self.res:write(text)
  if written then return self end
  self.gone = { message, code }
  return nil, message, code
end

---Sends an event. Waits while the client does not take what it was sent.
---@async
---@param event string|kio.http.Event a string: its data
---@return kio.http.Events|nil self
---@return string? message
---@return string? code
function Events:send(event, ...)
  self_of(self, "send")
  return put(self, format(event, 1, "send", ...))
end

---Sends a comment, which pages do not see.
---@async
---@param text? string
---@return kio.http.Events|nil self
---@return string? message
---@return string? code
function Events:comment(text, ...)
  self_of(self, "comment")
  check.no_more(1, "comment", ...)
  if text ~= nil then check.type(text, "string", 1, "comment") end
  local parts = {}
  for line in lines_of(text or "") do parts[#parts + 1] = ": " .. line .. "\n" end
  return put(self, table.concat(parts) .. "\n")
end

-- A comment whenever nothing else was sent for so long, until there is nobody to send it to.
local function keep_alive(self, seconds)
  while not (self.closed or self.gone or self.res.done) do
    local left = self.sent_at + seconds - core.now()
    if left > 0 then core.sleep(left) else self:comment() end
  end
end

---No more events. The response ends with its handler.
function Events:close(...)
  self_of(self, "close")
  check.no_more(0, "close", ...)
  self.closed = true
  if self.beat then self.beat:cancel() end
end

function Events:__close()
  self_of(self, "__close")
  Events.close(self)
end

function Events:__tostring()
  self_of(self, "__tostring")
  return string.format("kio.http.Events (%s)", self.gone and "gone" or self.closed and "closed"
    or "open")
end

-- ---- its start ----

-- Where the program says otherwise that counts.
local USUAL = {
  { "cache-control", "no-cache" }, { "x-accel-buffering", "no" }, -- nginx would gather events
}

-- What events are is not the program's to say.
local function fields_of(headers)
  local list = { { "content-type", "text/event-stream" } }
  for _, field in ipairs(fields.listed(headers)) do
    if fields.name(field) ~= "content-type" then list[#list + 1] = field end
  end
  return list
end

---Starts a response that sends events.
---@async
---@param res kio.http.Response
---@param options? { heartbeat: number?, headers: table? } heartbeat: seconds after which a comment
---is sent when nothing else was (15; 0: never)
---@return kio.http.Events|nil events
---@return string? message
---@return string? code
function events.start(res, options, ...)
  options = check.options(options, 1, "events", OPTIONS, ...) or {}
  for _, field in ipairs(USUAL) do res:set(field[1], field[2]) end
  local started, message, code = res:start(200, fields_of(options.headers))
  if not started then return nil, message, code end
  local self = setmetatable({
    res = res, writing = mutex.new(), sent_at = core.now(), closed = false,
    last_id = res.request.headers["last-event-id"],
  }, Events)
  local seconds = options.heartbeat or HEARTBEAT
  if seconds > 0 then
    self.beat = core.spawn { keep_alive, self, seconds, daemon = true, name = "events' heartbeat" }
  end
  return self
end

return events
