---What listener:serve does with TLS: each connection shakes hands before its handler is called. The
---pool computes so many handshakes of a server at a time at most, on each worker; peers that are
---waited for keep nobody out. Functions of other workers call these by their names here.
local _ENV = require "kio.core".globals
local chooser = require "kio.tls.chooser"
local core = require "kio.tls.loaded"
local handshake = require "kio.tls.handshake"
local info = require "kio.tls.info"
local kio_core = require "kio.core"
local semaphore = require "kio.sync.semaphore"
local transfer = require "kio.bytes.transfer"

local own = kio_core.own

local serving = { info = info, stays = chooser.stays }

local TIMEOUT, HANDSHAKES = 10, 64

-- Permits of a server on this worker; kept by those who hold one.
local permits = setmetatable({}, { __mode = "v" })
local made = 0

---@async
function serving.shake(stream, context, timeout, most, id)
  local permit = permits[id] or semaphore.new(most)
  permits[id] = permit
  local due = transfer.deadline_of { timeout = timeout }
  local filter, message = core.server(context)
  if filter then filter, message = handshake.run(stream, context, filter, due, permit) end
  if not filter then error(message, 0) end
end

---The handler of a server with these options: shakes hands first.
---@param handler async fun(stream: kio.Stream, peer: kio.Address)
---@param options kio.ServeOptions
---@return async fun(stream: kio.Stream, peer: kio.Address)
function serving.wrap(handler, options)
  made = made + 1
  local context, id = options.tls, string.format("%d:%d", own.thread_id(), made)
  local timeout, most = options.handshake_timeout or TIMEOUT, options.max_handshakes or HANDSHAKES
  local shake = serving.shake
  return function(stream, peer)
    shake(stream, context, timeout, most, id)
    return handler(stream, peer)
  end
end

return serving
