-- A server of files over HTTP: send_file moves them from file to socket without making strings.
-- Given a folder and an address it serves there; else one folder to one client, itself.
-- Run: lua5.4 examples/static.lua [folder address]
-- expect: 200 300000 bytes, all of them right
-- expect: 404 0 bytes
-- expect: 403 0 bytes
local kio = require "kio"

local REASONS = { [200] = "OK", [403] = "Forbidden", [404] = "Not Found" }

local function head(stream, status, size)
  stream:write("HTTP/1.0 ", status, " ", REASONS[status], "\r\nContent-Length: ", size, "\r\n\r\n")
end

local function serve(stream, root)
  local target = (stream:read("l") or ""):match("^GET (/[^ ?]*)")
  repeat local line = stream:read("l") until not line or line:match("^\r?$")
  if not target or target:find("..", 1, true) then return head(stream, 403, 0) end
  local file <close> = kio.fs.open(root .. target)
  if not file then return head(stream, 404, 0) end
  head(stream, 200, file:stat().size)
  assert(stream:send_file(file))
end

local function get(address, target)
  local stream <close> = assert(kio.net.connect(address))
  stream:write("GET ", target, " HTTP/1.0\r\n\r\n")
  local status = stream:read("l"):match("^HTTP/1%.%d (%d+)")
  repeat until stream:read("l") == "\r"
  return status, stream:read("a")
end

kio.run(function()
  local listener = assert(kio.net.listen(arg[2] or "127.0.0.1:0"))
  local root = arg[1] or os.tmpname()
  local function handle(stream) serve(stream, root) end
  if arg[1] then
    io.stdout:write("listening on ", listener:address(), "\n"):flush()
    return listener:serve(handle, { stop_signals = { "TERM", "INT" } })
  end
  kio.spawn(listener.serve, listener, handle)
  local text = ("0123456789"):rep(30000)
  assert(kio.fs.remove(root) and kio.fs.mkdir(root))
  assert(kio.fs.write_file(root .. "/page", text))
  local status, body = get(listener:address(), "/page")
  io.write(status, " ", #body, " bytes", body == text and ", all of them right" or "", "\n")
  for _, target in ipairs { "/none", "/../page" } do
    status, body = get(listener:address(), target)
    io.write(status, " ", #body, " bytes\n")
  end
  listener:close()
  kio.fs.remove(root, { recursive = true })
end)
