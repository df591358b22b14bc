-- The echo server as a user of copas writes it. See load.c for the contract.
package.path = arg[0]:gsub("[^/]*$", "?.lua;") .. package.path
-- Debian installs copas, which is plain Lua, for 5.1 and 5.2 only; it runs on 5.4 all the same.
package.path = package.path .. ";" .. package.path:gsub("5%.4", "5.2")
local args = require "echo_args"
local socket = require "socket"
local copas = require "copas"

local BACKLOG <const> = 1024
local CHUNK <const> = 4096
local options = args.parse(arg)
local connections = args.counter(options.once, function() os.exit(true, true) end)

local function read_chunk(client)
  local data, _, part = copas.receivePartial(client, CHUNK)
  data = data or part
  return data ~= "" and data or nil
end

local function read_message(client)
  return (copas.receive(client, options.message))
end

local read = options.message and read_message or read_chunk

local function echo(client)
  client:setoption("tcp-nodelay", true)
  connections.opened()
  while true do
    local data = read(client)
    if not data then break end
    if not copas.send(client, data) then break end
  end
  client:close()
  connections.closed()
end

local server = assert(socket.bind("127.0.0.1", 0, BACKLOG))
local _, port = server:getsockname()
copas.addserver(server, echo)
args.say_ready(port)
copas.loop()
