-- A chat over WebSockets. With an address it serves until Ctrl-C: `lua5.4 examples/webchat.lua
-- 127.0.0.1:8080`, and the page is http://127.0.0.1:8080/. Without, two programs have a chat.
-- expect: ada hears: " ada is here"
-- expect: ada hears: " bob is here"
-- expect: ada hears: "bob hello"
-- expect: bob hears: "ada hello, bob"
-- expect: ada hears: " bob is gone"
local kio = require "kio"
local http = require "kio.http"
local room = require "examples.webchat.room"

local function demonstrate()
  local listener = assert(kio.net.listen "127.0.0.1:0")
  kio.spawn { daemon = true, http.serve, listener, room.handler }
  local url = "ws://" .. listener:address() .. "/chat?"
  local function hear(ws, who, count)
    for _ = 1, count do print(('%s hears: "%s"'):format(who, (assert(ws:receive())))) end
  end
  local ada <close> = assert(http.websocket(url .. "ada", { protocols = { "chat" } }))
  hear(ada, "ada", 1)
  local bob = assert(http.websocket(url .. "bob", { protocols = { "chat" } }))
  bob:receive() -- that he is here
  bob:send "hello"
  bob:receive()
  hear(ada, "ada", 2)
  ada:send "hello, bob"
  hear(bob, "bob", 1)
  ada:receive()
  bob:close()
  hear(ada, "ada", 1)
end

kio.run(function(address)
  if not address then return demonstrate() end
  assert(http.serve(address, room.handler, { stop_signals = { "INT", "TERM" } }))
end, ...)
