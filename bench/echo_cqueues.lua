-- The echo server as a user of cqueues writes it: one coroutine per connection. See load.c for the
-- contract.
package.path = arg[0]:gsub("[^/]*$", "?.lua;") .. package.path
local args = require "echo_args"
local cqueues = require "cqueues"
local socket = require "cqueues.socket"

local CHUNK <const> = 4096
local options = args.parse(arg)
-- A negative count reads up to that many bytes, a positive one exactly that many.
local read_size = options.message or -CHUNK
local loop = cqueues.new()
local connections = args.counter(options.once, function() os.exit(true, true) end)

local function echo(client)
  client:setmode("bn", "bf")
  client:onerror(function(_, _, code) return code end)
  while true do
    local data = client:xread(read_size)
    if not data then break end
    if not client:xwrite(data, "bn") then break end
  end
  client:close()
  connections.closed()
end

local server = assert(socket.listen { host = "127.0.0.1", port = 0, nodelay = true })
assert(server:listen())
local _, _, port = server:localname()
args.say_ready(port)

loop:wrap(function()
  for client in server:clients() do
    connections.opened()
    loop:wrap(echo, client)
  end
end)
assert(loop:loop())
