-- HTTP with lua-http: /hello, /echo as http_kio.lua has them; Debian has it for Lua 5.3 at most.
local headers = require "http.headers"
local server = require "http.server"

local function answer(_, stream)
  local path = assert(stream:get_headers()):get ":path"
  local body = path == "/echo" and assert(stream:get_body_as_string()) or "hello, world\n"
  local head = headers.new()
  head:append(":status", "200")
  head:append("content-type", path == "/echo" and "application/json" or "text/plain")
  head:append("content-length", tostring(#body))
  assert(stream:write_headers(head, false))
  assert(stream:write_chunk(body, true))
end

local listening = assert(server.listen { host = "127.0.0.1", port = 0, onstream = answer })
assert(listening:listen())
print("ready " .. select(3, listening:localname()))
io.stdout:flush()
assert(listening:loop())
