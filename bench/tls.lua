-- What TLS costs with kio: its echo server beside one in C, epoll and OpenSSL; full handshakes and
-- many bytes beside nginx with one process. All of them have the certificate that make has built.
local beside = require "beside"
local counts = require "counts"
local idle = require "idle"
local programs = require "programs"

local tls = {}

local COMPARISON <const> = {
  servers = { "tls-epoll", "tls-again", "tls-kio" },
  yardstick = "tls-epoll", control = "tls-again", unit = "epoll, OpenSSL (C)",
  loads = {
    { name = "tls-50x64", conns = 50, size = 64, depth = 1 },
    { name = "tls-500x64", conns = 500, size = 64, depth = 1 },
    { name = "tls-50x4096", conns = 50, size = 4096, depth = 1 },
  },
  counted = {
    { name = "tls-instructions", counter = "instructions", run = counts.run,
      unit = "per request" },
    { name = "tls-entries", counter = "entries", run = counts.run, unit = "per request" },
    { name = "tls-idle", counter = "idle", run = idle.run, unit = "bytes per connection",
      conns = 10000, size = 64, seconds = 120 },
  },
}

local HANDSHAKES <const>, FILE <const>, BYTES <const> = 4000, 64 << 20, 512 << 20

-- nginx takes no port 0; one that is taken ends it, and its run is left out with a word.
local CONFIGURATION <const> = [[
daemon off; master_process off; pid FOLDER/pid; error_log FOLDER/log warn;
events { worker_connections 1024; }
http {
  access_log off; sendfile on; root FOLDER;
  client_body_temp_path FOLDER/body; proxy_temp_path FOLDER/proxy;
  fastcgi_temp_path FOLDER/fastcgi; uwsgi_temp_path FOLDER/uwsgi; scgi_temp_path FOLDER/scgi;
  server {
    listen 127.0.0.1:PORT ssl;
    ssl_certificate PEM; ssl_certificate_key PEM; ssl_protocols TLSv1.2 TLSv1.3;
  }
}
]]

local function write_file(path, write)
  local file = assert(io.open(path, "wb"))
  write(file)
  file:close()
end

-- A folder with nginx's configuration and the file that is sent; both as whole paths.
local function prepare(plan)
  local here = io.popen("pwd"):read "l"
  local out = plan.out:match "^/" and plan.out or here .. "/" .. plan.out
  local folder = out .. "/nginx"
  os.execute(("mkdir -p '%s'"):format(folder))
  local words = { FOLDER = folder, PORT = tostring(math.random(20000, 32000)),
    PEM = out .. "/tls.pem" }
  write_file(folder .. "/nginx.conf", function(file)
    file:write((CONFIGURATION:gsub("%u+", words)))
  end)
  write_file(folder .. "/bulk", function(file)
    local mib = ("0123456789abcdef"):rep(1 << 16)
    for _ = 1, FILE >> 20 do file:write(mib) end
  end)
  return folder, words
end

-- The program that has such a server do its work.
local function client(plan, mode, amount, server)
  local words = { plan.out .. "/tls_client", mode, amount }
  return table.move(server, 1, #server, #words + 1, words)
end

local function cases(plan)
  local folder, words = prepare(plan)
  local nginx = { "sh", "-c", ("echo ready %s; PATH=$PATH:/usr/sbin exec nginx -c %s/nginx.conf "
    .. "-e %s/log"):format(words.PORT, folder, folder) }
  local function kio(name, ...)
    local list = programs.kio(plan, name)
    table.insert(list, 2, "TLS_PEM=" .. words.PEM)
    return table.move({ ... }, 1, select("#", ...), #list + 1, list)
  end
  local function case(name, title, mode, amount, server)
    local again = client(plan, mode, amount, nginx)
    return { name = name, title = title, arguments = {}, programs = {
      { name = "nginx", label = "nginx, one process", command = again },
      { name = "nginx-again", label = "the same again", command = again },
      { name = "kio", label = "kio", command = client(plan, mode, amount, server) },
    } }
  end
  return {
    case("handshakes", "a full handshake", "handshakes", HANDSHAKES, kio "echo_tls_kio"),
    case("bulk", "a MiB of a file", "get", BYTES, kio("file_tls_kio", folder .. "/bulk")),
  }
end

-- plan as in rounds.lua; prints its tables.
function tls.run(plan)
  beside.run(plan, COMPARISON)
  programs.run(plan, { name = "tls", title = "TLS beside nginx", cases = cases, rounds_most = 9 })
end

return tls
