-- The scenario `tls` with kio: answers each request with the file that is its argument, by TLS.
-- TLS_PEM names the file of its certificate and key.
package.path = arg[0]:gsub("[^/]*$", "?.lua;") .. package.path
local args = require "echo_args"
local kio = require "kio"
local tls = require "kio.tls"

local context = assert(tls.context { cert = assert(os.getenv "TLS_PEM", "TLS_PEM is not set") })
local path = assert(arg[1], "usage: file_tls_kio.lua FILE")

local function answer(stream)
  if not stream:read_until "\r\n\r\n" then return end
  local file <close> = assert(kio.fs.open(path))
  stream:write("HTTP/1.0 200 OK\r\nContent-Length: ", file:stat().size, "\r\n\r\n")
  stream:send_file(file)
end

kio.run(function()
  local listener = assert(kio.net.listen "127.0.0.1:0")
  args.say_ready(listener:address():match ":(%d+)$")
  listener:serve(answer, { tls = context, on_error = function() end })
end)
