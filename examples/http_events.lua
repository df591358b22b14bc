-- Server-sent events: a page that hears of what happens at once, and after a break of what it has
-- missed. Given an address it serves there; else two clients, its own.
-- Run: lua5.4 examples/http_events.lua [address]
-- expect: early: 1 2 3
-- expect: late, after 1: 2 3
local http = require "kio.http"
local kio = require "kio"

local PAGE = [[<!doctype html><title>ticks</title><pre id=list></pre>
<script>new EventSource("/events").onmessage = e => list.append(e.data + "\n")</script>]]

local OPTIONS = { stop_signals = { "TERM", "INT" }, drain_timeout = 0.5 } -- pages come back
local news, clients = {}, {} -- all that has happened; the channels of those who want to know

local function tell(text)
  news[#news + 1] = text
  for client in pairs(clients) do client:try_send(#news) end -- one that is far behind misses some
end

local function events(res)
  local stream <close> = assert(res:events { heartbeat = 15 })
  local channel = kio.sync.channel(100)
  clients[channel] = true
  local _ <close> = setmetatable({}, { __close = function() clients[channel] = nil end })
  for id = (tonumber(stream.last_id) or 0) + 1, #news do channel:try_send(id) end
  for id in channel:iter() do
    if not stream:send { id = tostring(id), data = news[id] } then return end -- it has gone
  end
end

local function handle(req, res)
  if req.path == "/events" then return events(res) end
  return 200, { ["Content-Type"] = "text/html" }, PAGE
end

-- The data of the first `count` events.
local function listen(address, count, last)
  local stream <close> = assert(kio.net.connect(address))
  stream:write("GET /events HTTP/1.0\r\nLast-Event-ID: ", last, "\r\n\r\n")
  local data = {}
  for line in stream:lines() do
    data[#data + 1] = line:match "^data: (.*)" -- nil: another field
    if #data == count then return table.concat(data, " ") end
  end
end

local function demonstrate(listener)
  kio.spawn { http.serve, listener, handle, OPTIONS, daemon = true }
  local early = kio.spawn(listen, listener:address(), 3, "0")
  for i = 1, 3 do tell(tostring(i)) end
  print("early: " .. early:await())
  print("late, after 1: " .. listen(listener:address(), 2, "1"))
end

kio.run(function()
  if not arg[1] then return demonstrate(assert(kio.net.listen "127.0.0.1:0")) end
  kio.spawn { function() while true do tell(os.date()) kio.sleep(1) end end, daemon = true }
  assert(http.serve(arg[1], handle, OPTIONS))
end)
