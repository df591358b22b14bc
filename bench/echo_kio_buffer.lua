-- The echo server with kio that makes no Lua string of what arrives: a buffer for each connection.
-- See load.c for the contract, of which it knows no messages.
package.path = arg[0]:gsub("[^/]*$", "?.lua;") .. package.path
local args = require "echo_args"
local kio = require "kio"

local CHUNK <const> = 4096
local options = args.parse(arg)

local function echo(stream)
  local buffer = kio.buffer(CHUNK)
  while true do
    local n = stream:recv_into(buffer)
    if not n then break end
    buffer:resize(n)
    if not stream:write(buffer) then break end
    buffer:resize(CHUNK)
  end
end

kio.run(function()
  local listener = assert(kio.net.listen("127.0.0.1:0"))
  local connections = args.counter(options.once, function() os.exit(true, true) end)
  args.say_ready(listener:address():match ":(%d+)$")
  for stream in listener:accepts() do
    connections.opened()
    kio.spawn(function()
      echo(stream)
      stream:close()
      connections.closed()
    end)
  end
end)
