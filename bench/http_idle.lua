-- What an idle HTTP connection costs a server in memory: many that stay, one request each, silence;
-- and as many WebSockets, one message each. It is the growth of the server's resident memory, as in
-- idle.lua, over the connections; the server is a process of its own.
--   ulimit -n 20000; lua5.4 bench/http_idle.lua [connections]
local http = require "kio.http"
local kio = require "kio"

local CONNECTING <const> = 50 -- connections that are opened side by side
local WARM <const> = 100 -- connections before what is counted: code is loaded, memory is taken
local REQUEST <const> = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

if arg[1] == "serve" then
  kio.run(function()
    local listener = assert(kio.net.listen("127.0.0.1:0", { backlog = 1000 }))
    print(listener:address())
    io.stdout:flush()
    http.serve(listener, function(req, res)
      if not req.headers.upgrade then return "hello\n" end
      local ws = assert(res:websocket())
      for message in ws:messages() do ws:send(message) end
    end, { keepalive_timeout = 3600 })
  end)
  return
end

local count = math.tointeger(tonumber(arg[1])) or 10000

local KINDS <const> = {
  { "keep-alive", function(address)
    local stream = assert(kio.net.connect(address))
    assert(stream:write(REQUEST))
    assert(stream:read_until "\r\n\r\n" and stream:read(6) == "hello\n")
    return stream
  end },
  { "WebSocket", function(address)
    local ws = assert(http.websocket("ws://" .. address))
    assert(ws:send "hello" and ws:receive() == "hello")
    return ws
  end },
}

local function open(n, connect, address)
  local all = {}
  kio.scope(function(scope)
    for first = 1, CONNECTING do
      scope:spawn(function()
        for i = first, n, CONNECTING do all[i] = connect(address) end
      end)
    end
  end)
  return all
end

local function resident(pid)
  local file <close> = assert(io.open("/proc/" .. pid .. "/smaps_rollup"))
  return file:read "a":match "Rss:%s+(%d+) kB" * 1024
end

local function measure(name, connect)
  local child <close> = assert(kio.process.spawn { "prlimit", "--nofile=" .. count + 1000,
    arg[-1], arg[0], "serve", stdout = "pipe" })
  local address = assert(child.stdout:read "l")
  local warm = open(WARM, connect, address)
  local before = resident(child.pid)
  local all = open(count, connect, address)
  kio.sleep(1)
  local each = (resident(child.pid) - before) / count
  print(("%d idle %s connections: %.0f bytes each"):format(count, name, each))
  child:kill "KILL"
  child:wait()
  return warm, all -- which were open till now
end

kio.run(function()
  for _, kind in ipairs(KINDS) do measure(table.unpack(kind)) end
end)
