---Handshakes: a filter goes under the stream, and the task waits until both sides agree. A stream
---whose handshake fails, or is given up, is closed: nobody knows what its bytes mean.
local _ENV = require "kio.core".globals
local check = require "kio.check"
local chooser = require "kio.tls.chooser"
local context = require "kio.tls.context"
local core = require "kio.tls.loaded"
local kio_core = require "kio.core"
local places = require "kio.tls.places"
local transfer = require "kio.bytes.transfer"

local own = kio_core.own
local left = transfer.left

local handshake = {}

local ONE_TRY = { timeout = 0 }
local FAREWELL = { timeout = 1 } -- for an alert, which tells the peer what was wrong

-- Nobody else writes to the stream meanwhile, nor begins another handshake on it; it is closed
-- unless all went well, or another task has it.
local Guard = { __close = function(guard, err)
  own.stream_reserve(guard.stream, false)
  if guard.fine or err ~= nil and not guard.begun and not kio_core.is_cancelled(err) then return end
  guard.stream:close(err == nil and FAREWELL or ONE_TRY)
end }

local function guard_of(stream)
  own.stream_reserve(stream, true)
  return setmetatable({ stream = stream, fine = false, begun = false }, Guard)
end

-- ---- the steps ----

-- A function of the program's says what is to be served. There is none any more when the context
-- has been replaced meanwhile by one without.
local function ask(used, name, protocols)
  local f = chooser.of(used)
  if not f then return used end
  local chosen = f(name, { name = name, alpn = protocols })
  if chosen ~= nil and not context.is_context(chosen) then
    check.misuse("the function 'sni' of a context must return a context or nil, not a "
      .. check.kind(chosen))
  end
  return chosen
end

local function choose(stream, used, due, name, protocols)
  local chosen
  local seconds = left(due)
  if seconds then chosen = kio_core.timeout(seconds.timeout, ask, used, name, protocols)
  else chosen = ask(used, name, protocols) end
  if chosen == nil and due.at and kio_core.now() >= due.at then
    local _, text = own.stream_way(stream)
    return nil, string.format("handshake %s: timed out", text), "ETIMEDOUT"
  end
  core.choose(stream, chosen)
  return true
end

local function await_peer(stream, due, place)
  if place then return place:wait(own.stream_handshake, stream, due) end
  return own.stream_handshake(stream, left(due))
end

local function shake(stream, used, due, place)
  while true do
    local done, message, code = await_peer(stream, due, place)
    if not done then return nil, message, code end
    local state, name, protocols = core.state(stream)
    if state == "ready" then return stream
    elseif state == "choose" then
      if place then place:leave() end
      done, message, code = choose(stream, used, due, name, protocols)
      if not done then return nil, message, code end
    elseif state == "work" then core.worked(stream, (core.work(stream))) -- or the loop does it
    else return nil, "handshake: the stream is closed", "EBADF" end
  end
end

-- What was written before leaves before.
local function put_under(stream, filter, due)
  own.stream_reserve(stream, false)
  local fine, message, code = stream:flush(left(due))
  if fine then fine, message, code = own.stream_filter(stream, filter) end -- raises for misuse
  own.stream_reserve(stream, true)
  return fine, message, code
end

-- Has the filter put under the stream, and shakes hands.
local function run(guard, used, filter, due, place)
  local stream = guard.stream
  local fine, message, code = put_under(stream, filter, due)
  guard.begun = true
  if fine then fine, message, code = shake(stream, used, due, place) end
  guard.fine = fine
  if code == "ETIMEDOUT" then stream:close(ONE_TRY) end
  if not fine then return nil, message, code end
  return stream
end

-- ---- clients ----

---@class kio.tls.ClientOptions: kio.tls.Options, kio.Options
---@field name? string the host whose certificate the server must have, or its address
---@field context? kio.tls.Context in place of all options but `name` and `timeout`

handshake.client_known = { name = "string", context = "userdata", timeout = "number" }
for name, kind in pairs(context.known) do handshake.client_known[name] = kind end

local default -- a client's context without options

-- The context that a client's options name or make.
local function context_of(options, index, name)
  if options.context then
    if not context.is_context(options.context) then
      check.refuse(index, name, "option 'context' must be a kio.tls.Context")
    end
    for key in pairs(context.known) do
      if options[key] ~= nil then
        check.refuse(index, name, string.format("option '%s' is the context's", key))
      end
    end
    return options.context
  end
  local own_options, some = {}, false
  for key in pairs(context.known) do
    own_options[key] = options[key]
    some = some or options[key] ~= nil
  end
  own_options = context.checked(own_options, index, name)
  if some then return context.make(own_options) end
  local message, code
  if not default then default, message, code = context.make(own_options) end
  return default, message, code
end

-- The name as certificates have it, and whether it is an address.
local function plain_name(name)
  name = string.match(name, "^%[(.*)%]$") or name
  local is_address = string.find(name, ":", 1, true) or string.find(name, "^%d+%.%d+%.%d+%.%d+$")
  if is_address then return string.match(name, "^[^%%]*"), true end
  return string.match(name, "^(.-)%.?$"), false
end

---A client's filter by checked options; nil, message, code.
---@param options table
---@param index integer the options' place among the arguments of ...
---@param name string this function
---@param key? string by which its sessions are kept
function handshake.client_filter(options, index, name, key)
  local host = options.name
  if host ~= nil and (host == "" or #host > 253 or string.find(host, "[%z\1-\32/]")) then
    check.refuse(index, name, "option 'name' must be the name or address of a host")
  end
  local used, message, code = context_of(options, index, name)
  if not used then return nil, message, code end
  if not host and not core.unverified(used) then
    check.refuse(index, name, "option 'name' is needed: whose certificate is it to be?")
  end
  local is_address
  if host then host, is_address = plain_name(host) end
  if key then key = (host or "") .. " " .. key end
  local filter
  filter, message, code = core.client(used, host, is_address, key)
  return filter, message, code, used
end

-- ---- the two sides ----

---Shakes hands as a client, by a filter that client_filter has made.
---@async
---@param due table what transfer.deadline_of gives
---@return kio.Stream|nil stream
---@return string? message
---@return string? code
function handshake.as_client(stream, used, filter, due)
  local guard <close> = guard_of(stream)
  return run(guard, used, filter, due)
end

local HEAD, RECORD_MAX = 5, 1 << 14

-- Waits for the client's first word: until then there is nothing to compute, and nothing is made
-- for a client that is silent. What ends the waiting is told by the handshake.
local function await_hello(stream, due)
  local head = stream:peek(HEAD, left(due))
  local is_hello = head and string.find(head, "^\22\3...")
  local size = is_hello and string.unpack(">I2", head, 4) or RECORD_MAX
  if size < RECORD_MAX then stream:peek(HEAD + size, left(due)) end
end

---Shakes hands as a server.
---@async
---@param due table what transfer.deadline_of gives
---@param id? string the server whose places are used
---@param most? integer how many these are
---@return kio.Stream|nil stream
---@return string? message
---@return string? code
function handshake.as_server(stream, used, due, id, most)
  local guard <close> = guard_of(stream)
  await_hello(stream, due)
  local place <close> = places.take(due, id, most)
  local filter, message, code = core.server(used)
  if not filter then return nil, message, code end
  return run(guard, used, filter, due, place)
end

---From now on the stream speaks TLS, as a client. What is unread on it is the server's first word,
---and nothing of it is given to a reader. The stream is closed when this fails.
---@async
---@param stream kio.Stream
---@param options kio.tls.ClientOptions `name` must be there, unless `verify` is false
---@return kio.Stream|nil stream the same
---@return string? message
---@return string? code
function handshake.client(stream, options, ...)
  check.self(stream, "kio.Stream", "client")
  options = check.options(options, 2, "client", handshake.client_known, ...) or {}
  local due = transfer.deadline_of(options)
  local filter, message, code, used = handshake.client_filter(options, 2, "client", stream:peer())
  if not filter then
    stream:close(ONE_TRY)
    return nil, message, code
  end
  return handshake.as_client(stream, used, filter, due)
end

local SERVER = { timeout = "number" }

---From now on the stream speaks TLS, as a server. What is unread on it is the client's first word,
---and nothing of it is given to a reader. The stream is closed when this fails.
---@async
---@param stream kio.Stream
---@param used kio.tls.Context with a certificate
---@param options? kio.Options
---@return kio.Stream|nil stream the same
---@return string? message
---@return string? code
function handshake.server(stream, used, options, ...)
  check.self(stream, "kio.Stream", "server")
  if not context.is_context(used) then check.refuse(2, "server", "kio.tls.Context expected, got "
    .. check.kind(used)) end
  options = check.options(options, 3, "server", SERVER, ...)
  local _, _, timeout = own.stream_way(stream)
  local due = transfer.deadline_of { timeout = options and options.timeout or timeout }
  return handshake.as_server(stream, used, due)
end

return handshake
