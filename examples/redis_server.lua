-- A server that speaks Redis' protocol, for redis-cli and redis-benchmark: given an address it
-- serves there. It reads and answers one command after the other; the answers to those that arrived
-- together still leave in one send. Protocol and commands are modules in the folder redis.
-- expect: PONG
-- expect: OK
-- expect: 2
-- expect: ERR unknown command
-- expect: 2 sends, of client and server together
local kio = require "kio"
local resp = require "examples.redis.resp"
local commands = require "examples.redis.commands"
local pubsub = require "examples.redis.pubsub"

commands.PUBLISH = pubsub.publish

local function next_command(stream)
  if stream:peek() == "*" then return resp.read(stream) end
  local line, words = stream:read "l", {} -- typed by hand
  for word in (line or ""):gmatch "%S+" do words[#words + 1] = word end
  return line and words
end

local function unknown() error("unknown command", 0) end

local function handle(stream)
  for words in next_command, stream do
    local name = tostring(words[1]):upper()
    if name == "SUBSCRIBE" then return pubsub.subscribe(stream, words[2]) end
    local ok, value = pcall(commands[name] or unknown, table.unpack(words, 2))
    if not ok then value = { err = "ERR " .. value } end
    if words[1] then stream:write(resp.encode(value)) end -- an empty line is no command
  end
end

local function demonstrate(address)
  local stream <close> = assert(kio.net.connect(address))
  local before = kio.stats().ops.send or 0
  stream:write("PING\r\n", "SET hits 1\r\n", "INCR hits\r\n", "DANCE\r\n")
  for _ = 1, 4 do
    local value = resp.read(stream)
    print(type(value) == "table" and (value.ok or value.err) or value)
  end
  print(("%d sends, of client and server together"):format(kio.stats().ops.send - before))
end

kio.run(function()
  local listener = assert(kio.net.listen(arg[1] or "127.0.0.1:0"))
  if arg[1] then
    io.stdout:write("listening on ", listener:address(), "\n"):flush()
    local stop = { stop_signals = { "TERM", "INT" }, drain_timeout = 1 }
    return listener:serve(handle, stop)
  end
  kio.spawn(listener.serve, listener, handle)
  demonstrate(listener:address())
  listener:close()
end)
