---TLS under streams: clients, servers, and what both go by. A rock of its own, kio-tls, which needs
---OpenSSL 3. See docs/tls.md.
local _ENV = require "kio.core".globals
local connect = require "kio.tls.connect"
local context = require "kio.tls.context"
local handshake = require "kio.tls.handshake"

---@class kio.tls
local tls = {}

tls.context = context.new
tls.client = handshake.client
tls.server = handshake.server
tls.connect = connect

return tls
