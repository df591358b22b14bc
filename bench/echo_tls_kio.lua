-- echo_kio.lua with TLS. TLS_PEM names the file of its certificate and key.
package.path = arg[0]:gsub("[^/]*$", "?.lua;") .. package.path
local args = require "echo_args"
local serve = require "echo_serve"
local tls = require "kio.tls"

local context = assert(tls.context { cert = assert(os.getenv "TLS_PEM", "TLS_PEM is not set") })

local function echo(stream)
  if not tls.server(stream, context) then return end
  while true do
    local data = stream:recv()
    if not data then break end
    if not stream:write(data) then break end
  end
end

serve(args.parse(arg), echo)
