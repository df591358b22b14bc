-- A client of Redis: many commands in flight, and messages published to it. Given an address it
-- talks to the server there; else it starts a redis-server or, without one, redis_server.lua.
-- expect: PONG
-- expect: 10001 commands in flight, the last answer: 10000
-- expect: refused: ERR value is not an integer
-- expect: news: one, two, three
local kio = require "kio"
local redis = require "examples.redis.client"

local COMMAND = [[
  echo $$
  command -v redis-server >/dev/null && exec redis-server --port 0 --save '' --unixsocket %s
  exec lua5.4 examples/redis_server.lua unix:%s]]

-- The address of a server that is ready, and a function that ends it.
local function start()
  local path = os.tmpname()
  os.remove(path)
  local output = assert(io.popen(COMMAND:format(path, path)))
  local pid = output:read "n"
  for line in output:lines() do
    if line:find "ready to accept" or line:find "listening" then break end
  end
  return "unix:" .. path, function()
    os.execute("kill " .. pid)
    output:close()
    os.remove(path)
  end
end

local function news(address)
  local subscriber <close> = redis.connect(address)
  local messages = subscriber:subscribe "news"
  local publisher <close> = redis.connect(address)
  for _, text in ipairs { "one", "two", "three" } do publisher:call("PUBLISH", "news", text) end
  print(("news: %s, %s, %s"):format(messages(), messages(), messages()))
end

local function main(address)
  local client <close> = redis.connect(address, { timeout = 5 })
  print(client:call("PING").ok)
  local commands = { { "SET", "hits", "0" } }
  for _ = 1, 10000 do commands[#commands + 1] = { "INCR", "hits" } end
  local answers = client:pipeline(commands)
  print(("%d commands in flight, the last answer: %d"):format(#commands, answers[#answers]))
  client:call("SET", "name", "kio")
  print("refused: " .. client:call("INCR", "name").err:match "^ERR value is not an integer")
  news(address)
end

local address, stop = arg[1], function() end
if not address then address, stop = start() end
local ok, err = pcall(kio.run, function() main(address) end)
stop()
assert(ok, err)
