-- Handles of kio.http, kio.pool and kio.zlib. Runs in a task; what is served is served for a while.
local kio = require "kio"
local core = require "kio.http.core"
local http = require "kio.http"
local zlib = require "kio.zlib"

local REQUEST = "POST /a?b=c HTTP/1.1\r\nHost: a\r\nCookie: a=b\r\n"
  .. "Content-Type: multipart/form-data; boundary=x\r\n"
  .. "Transfer-Encoding: chunked\r\n\r\n5\r\n--x\r\n\r\n"
local ANSWER = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"
local UPGRADE = "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
  .. "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
local FRAMES = "\x89\x80\0\0\0\0\x81\x82\0\0\0\0hi\x01\x82\0\0\0\0ha" -- a ping, a text, a half one
local WHILE = 0.02 -- seconds

-- Makers by class. `pair()` gives two connected streams, `beside(f, ...)` spawns.
return function(pair, beside)
  local function served(request, take)
    local near, far = pair()
    if not near then return nil end
    local given
    beside(http.handler(function(req, res)
      given = take(req, res)
      kio.sleep(WHILE)
    end), near, "fuzz")
    far:write(request)
    for _ = 1, 10 do
      if given ~= nil then break end
      kio.yield()
    end
    return given
  end

  local function read_head()
    local near, far = pair()
    far:write(REQUEST)
    return core.read_request(near, core.limits(), 1, 1)
  end

  local function pool()
    return kio.pool { max = 2, connect = function() return (pair()) end }
  end

  local function asked()
    local near, far = pair()
    local client = http.client { connect = function() return near end }
    far:write(ANSWER)
    return client:get("http://127.0.0.1:1/", { timeout = WHILE })
  end

  local function socket()
    return served(UPGRADE .. FRAMES, function(_, res) return res:websocket() end)
  end

  -- A maker of what `take` gives of an exchange.
  local function of_exchange(take)
    return function() return served(REQUEST, take) end
  end

  return {
    ["kio.http.Request"] = { of_exchange(function(req) return req end) },
    ["kio.http.Response"] = {
      of_exchange(function(_, res) return res end),
      of_exchange(function(_, res) return res:start(200, { ["Content-Length"] = 9 }) end),
    },
    ["kio.http.Events"] = { of_exchange(function(_, res) return res:events() end) },
    ["kio.http.Parts"] = { of_exchange(function(req) return req:multipart() end) },
    ["kio.http.WebSocket"] = { socket },
    ["kio.http.Router"] = { http.router },
    ["kio.http.Client"] = { function() return http.client { timeout = WHILE } end },
    ["kio.http.ClientResponse"] = { asked },
    ["kio.http.Jar"] = { http.jar },
    ["kio.http.Head"] = { read_head },
    ["kio.http.Headers"] = { function() return read_head().headers end },
    ["kio.http.Body"] = { function() return core.body(read_head()) end },
    ["kio.http.Limits"] = { core.limits },
    ["kio.http.Frames"] = {
      function() return core.frames(true, 100, false) end,
      function() return core.frames(false, 1 << 20, true) end,
    },
    ["kio.Pool"] = { pool },
    ["kio.Lease"] = { function() return pool():acquire { timeout = WHILE } end },
    ["kio.zlib.Deflate"] = { zlib.deflate },
    ["kio.zlib.Inflate"] = { zlib.inflate },
  }
end
