-- The echo server with kio that makes no Lua string of what arrives: a buffer for each connection.
-- See load.c for the contract, of which it knows no messages.
package.path = arg[0]:gsub("[^/]*$", "?.lua;") .. package.path
local args = require "echo_args"
local kio = require "kio"
local serve = require "echo_serve"

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

serve(options, echo)
