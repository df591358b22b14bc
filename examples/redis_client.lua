-- A client of Redis: many commands in flight, and messages published to it. Given an address it
-- talks to the server there; else it starts a redis-server or, without one, redis_server.lua.
-- expect: PONG
-- expect: 10001 commands in flight, the last answer: 10000
-- expect: refused: ERR value is not an integer
-- expect: news: one, two, three
local kio = require "kio"
local redis = require "examples.redis.client"

-- A server that is ready, and its address.
local function start()
  local path = os.tmpname()
  os.remove(path)
  local options = { "redis-server", "--port", 0, "--save", "", "--unixsocket", path }
  options.stdout = "pipe"
  local server = kio.process.spawn(options) or assert(kio.process.spawn {
    arg[-1], "examples/redis_server.lua", "unix:" .. path, stdout = "pipe",
  })
  for line in server.stdout:lines() do
    if line:find "ready to accept" or line:find "listening" then break end
  end
  return server, "unix:" .. path
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

kio.run(function()
  if arg[1] then return main(arg[1]) end
  local server <close>, address = start() -- which ends it, however this ends
  main(address)
  server:kill()
  server:wait()
  os.remove((address:gsub("^unix:", "")))
end)
