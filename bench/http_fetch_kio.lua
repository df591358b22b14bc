-- COUNT requests of /hello over 50 connections with kio.http's client: PORT COUNT.
local http = require "kio.http"
local kio = require "kio"

local CONNECTIONS <const> = 50
local url, count = "http://127.0.0.1:" .. arg[1] .. "/hello", math.tointeger(arg[2])

local function talk(client, n)
  for _ = 1, n do
    local res = assert(client:get(url))
    assert(res:body() == "hello, world\n")
  end
end

local function in_tasks(client, n)
  kio.scope(function(scope)
    for _ = 1, CONNECTIONS do scope:spawn(talk, client, n) end
  end)
end

kio.run(function()
  local client <close> = http.client { max_per_host = CONNECTIONS }
  in_tasks(client, 1)
  local real, cpu = kio.now(), os.clock()
  in_tasks(client, count // CONNECTIONS)
  real, cpu = kio.now() - real, os.clock() - cpu
  print(("real=%.1f cpu=%.1f"):format(real * 1e9 / count, cpu * 1e9 / count))
end)
