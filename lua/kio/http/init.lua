---HTTP/1.1: servers, see docs/http_server.md, and what they need beside, docs/http_extras.md;
---clients, docs/http_client.md; WebSockets, docs/websocket.md.
local _ENV = require "kio.core".globals
local client = require "kio.http.client"
local compress = require "kio.http.compress"
local form = require "kio.http.form"
local forwarded = require "kio.http.forwarded"
local log = require "kio.http.log"
local proxy_line = require "kio.http.proxy_line"
local router = require "kio.http.router"
local server = require "kio.http.server"
local static = require "kio.http.static"
local websocket = require "kio.http.websocket"

---@class kio.http
local http = {}

http.serve = server.serve
http.handler = server.handler
http.router = router.new
http.websocket = websocket.connect
http.files = static.files
http.proxied = proxy_line.handler
http.client, http.jar = client.new, client.jar
http.get, http.post, http.request = client.get, client.post, client.request
http.compress, http.form, http.forwarded, http.log = compress, form, forwarded, log

return http
