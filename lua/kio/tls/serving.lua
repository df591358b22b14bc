---What listener:serve does with TLS: each connection shakes hands before its handler is called.
---Functions of other workers call these by their names here.
local _ENV = require "kio.core".globals
local chooser = require "kio.tls.chooser"
local handshake = require "kio.tls.handshake"
local info = require "kio.tls.info"
local kio_core = require "kio.core"
local transfer = require "kio.bytes.transfer"

local own = kio_core.own

local serving = { info = info, stays = chooser.stays }

local TIMEOUT = 10

local made = 0

---@async
function serving.shake(stream, context, timeout, most, id)
  local due = transfer.deadline_of { timeout = timeout }
  local fine, message = handshake.as_server(stream, context, due, id, most)
  if not fine then error(message, 0) end
end

---The handler of a server with these options: shakes hands first.
---@param handler async fun(stream: kio.Stream, peer: kio.Address)
---@param options kio.ServeOptions
---@return async fun(stream: kio.Stream, peer: kio.Address)
function serving.wrap(handler, options)
  made = made + 1
  local context, id = options.tls, string.format("%d:%d", own.thread_id(), made)
  local timeout, most = options.handshake_timeout or TIMEOUT, options.max_handshakes
  local shake = serving.shake
  return function(stream, peer)
    shake(stream, context, timeout, most, id)
    return handler(stream, peer)
  end
end

return serving
