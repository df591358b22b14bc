-- The echo server as a user of luv writes it: callbacks. See load.c for the contract.
package.path = arg[0]:gsub("[^/]*$", "?.lua;") .. package.path
local args = require "echo_args"
local uv = require "luv"

local BACKLOG <const> = 1024
local options = args.parse(arg)
local server = uv.new_tcp()
local connections = args.counter(options.once, function() server:close() end)

local function finish(client)
  if client:is_closing() then return end
  client:close()
  connections.closed()
end

-- try_write first: libuv's write arms the poll again after each one, a third system call.
local function send(client, data)
  local sent = client:try_write(data) or 0
  if sent < #data then client:write(data:sub(sent + 1)) end
end

local function echo_chunks(client)
  return function(err, data)
    if err or not data then return finish(client) end
    send(client, data)
  end
end

local function echo_messages(client)
  local size, rest = options.message, ""
  return function(err, data)
    if err or not data then return finish(client) end
    rest = rest .. data
    local from = 1
    while #rest - from + 1 >= size do
      send(client, rest:sub(from, from + size - 1))
      from = from + size
    end
    rest = rest:sub(from)
  end
end

local echo = options.message and echo_messages or echo_chunks

assert(server:bind("127.0.0.1", 0))
assert(server:listen(BACKLOG, function(err)
  assert(not err, err)
  local client = uv.new_tcp()
  server:accept(client)
  client:nodelay(true)
  connections.opened()
  client:read_start(echo(client))
end))
args.say_ready(server:getsockname().port)
uv.run()
