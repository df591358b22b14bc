-- A reverse proxy: bodies pass through as they come, and a server that is down is passed over.
-- expect: one: GET /a, 0 bytes
-- expect: two: GET /b, 0 bytes
-- expect: two: POST /c, 100000 bytes
-- expect: 502 when no server is left
local kio = require "kio"
local http = require "kio.http"
local HOP_BY_HOP = { connection = true, ["keep-alive"] = true, ["transfer-encoding"] = true,
  te = true, trailer = true, upgrade = true, ["content-length"] = true, expect = true }

local function end_to_end(list)
  local fields = {}
  for _, field in ipairs(list) do
    if not HOP_BY_HOP[field[1]:lower()] then fields[#fields + 1] = field end
  end
  return fields
end

-- A handler that passes requests on to the servers in turn, and to the next one when one is down.
local function proxy(addresses)
  local client, turn = http.client { decompress = false, redirects = 0 }, 0
  return function(req)
    local has_body = req.method ~= "GET" and req.method ~= "HEAD"
    for _ = 1, #addresses do
      turn = turn % #addresses + 1
      local res, _, code = client:request("http://" .. addresses[turn] .. req.target, {
        method = req.method, headers = end_to_end(req:header_list()),
        body = has_body and req:chunks() or nil,
      })
      if res then return res.status, end_to_end(res:header_list()), res:chunks() end
      if code ~= "ECONNREFUSED" then break end -- it may have been done, in part
    end
    return 502, nil, "no server answers\n"
  end
end

local function serve(handler)
  local listener = assert(kio.net.listen "127.0.0.1:0")
  local serving = kio.spawn(http.serve, listener, handler)
  return listener:address(), function() listener:close() serving:await() end
end

local function named(name)
  return function(req) return ("%s: %s %s, %d bytes"):format(name, req.method, req.path,
    #assert(req:body())) end
end

kio.run(function()
  local one, stop_one = serve(named "one")
  local two, stop_two = serve(named "two")
  local front, stop = serve(proxy { one, two })
  local url = "http://" .. front
  for path in ("/a /b"):gmatch "%S+" do print(assert(http.get(url .. path)):body()) end
  stop_one()
  print(assert(http.post(url .. "/c", { body = ("x"):rep(100000) })):body())
  stop_two()
  print(assert(http.get(url .. "/d")).status .. " when no server is left")
  stop()
end)
