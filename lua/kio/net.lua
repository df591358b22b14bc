---Sockets: listening, connecting, accepting, datagrams.
local _ENV = require "kio.core".globals
require "kio.net.connect"
local accept = require "kio.accept"
local check = require "kio.fs.check"
local core = require "kio.core"
local handover = require "kio.handover"
local names = require "kio.net.names"
local serve = require "kio.serve"

---@class kio.net: kio.Handover
local net = {}

net.listen = core.net_listen
net.connect = core.net_connect
net.resolve = names.resolve
net.udp = require "kio.net.udp"
for name, f in pairs(handover) do net[name] = f end

---@class kio.Listener
local Listener = core.listener_methods

---Iterates over connections until the listener is closed. Waits out a lack of descriptors or
---memory, passes over connections that died in the queue, and raises any other error.
---@return async fun(): kio.Stream?, kio.Address?
function Listener:accepts(...)
  check.self(self, "kio.Listener", "accepts")
  check.no_more(0, "accepts", ...)
  local state = accept.state()
  return function()
    local stream, peer, code = accept.next(self, state)
    if not stream and peer then core.raise(peer, code) end
    return stream, peer
  end
end

Listener.serve = serve

return net
