---Sockets: listening, connecting, accepting, datagrams.
local _ENV = require "kio.core".globals
local adopt = require "kio.net.adopt"
local by_address = require "kio.net.connect"
local own = require "kio.core".own
local listener = require "kio.net.listener"
local names = require "kio.net.names"
local pass = require "kio.net.pass"
local serve = require "kio.net.serve"
local stream = require "kio.net.stream"
local systemd = require "kio.net.systemd"
local udp = require "kio.net.udp"

---@class kio.net: kio.Adopt, kio.Systemd
local net = {}

net.listen = by_address.listen
net.connect = by_address.connect
net.resolve = names.resolve
net.udp = udp.open
for name, f in pairs(adopt) do net[name] = f end
for name, f in pairs(systemd) do net[name] = f end

---@class kio.Listener
local Listener = own.listener_methods

-- Handles have their methods from C; these come beside them.
for name, f in pairs(stream) do own.stream_methods[name] = f end
for name, f in pairs(pass.Stream) do own.stream_methods[name] = f end
for name, f in pairs(udp.methods) do own.udp_methods[name] = f end
for name, f in pairs(pass.Udp) do own.udp_methods[name] = f end
for name, f in pairs(listener.methods) do Listener[name] = f end
Listener.serve = serve

return net
