-- What a request of HTTP costs with kio, beside nginx (its own `return`, and Lua in it), Node, Go
-- and lua-http, and what it costs its clients, beside Node's fetch. All have one process on one
-- CPU.
local loader = require "loader"
local programs = require "programs"

local FILE_SIZE <const>, FETCHES <const> = 100 << 10, 10000
local MODULES <const> = "/usr/lib/nginx/modules/"
local UNPACKED <const> = "build/nginx-lua" -- by .ci/setup: Lua for nginx, with a LuaJIT of its own

-- nginx takes no port 0; one that is taken ends it, and its run is left out with a word.
local CONFIGURATION <const> = [[
daemon off; master_process off; pid FOLDER/NAME.pid; error_log FOLDER/NAME.log warn;
MODULES
events { worker_connections 1024; }
http {
  SETTINGS
  access_log off; sendfile on; root FOLDER; keepalive_requests 1000000000;
  client_body_temp_path FOLDER/body; proxy_temp_path FOLDER/proxy;
  fastcgi_temp_path FOLDER/fastcgi; uwsgi_temp_path FOLDER/uwsgi; scgi_temp_path FOLDER/scgi;
  server { listen 127.0.0.1:PORT; LOCATIONS }
}
]]

local PLAIN <const> = { MODULES = "", SETTINGS = "", LOCATIONS = [[
  location /hello { default_type text/plain; return 200 "hello, world\n"; }
]] }

local WITH_LUA <const> = {
  MODULES = ("load_module UNPACKED%sndk_http_module.so;"):format(MODULES)
    .. (" load_module UNPACKED%sngx_http_lua_module.so;"):format(MODULES),
  SETTINGS = 'lua_package_path "UNPACKED/usr/share/lua/5.1/?.lua;;";',
  LOCATIONS = [[
    location /hello {
      default_type text/plain;
      content_by_lua_block { ngx.header.content_length = 13 ngx.print "hello, world\n" }
    }
    location /echo {
      default_type application/json;
      content_by_lua_block {
        ngx.req.read_body()
        local body = ngx.req.get_body_data()
        ngx.header.content_length = #body
        ngx.print(body)
      }
    }
]] }

local function write_file(path, text)
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
end

local function absolute(path)
  return path:match "^/" and path or io.popen("pwd"):read "l" .. "/" .. path
end

local function make_folder(plan)
  local out = absolute(plan.out)
  os.execute(("mkdir -p '%s/http'"):format(out))
  write_file(out .. "/http/file", ("0123456789abcdef"):rep(FILE_SIZE // 16))
  return out .. "/http"
end

-- The command of an nginx of that name.
local function nginx(plan, folder, name, words)
  local port = tostring(math.random(20000, 32000))
  local unpacked = absolute(plan.root .. UNPACKED)
  local all = { FOLDER = folder, NAME = name, PORT = port, UNPACKED = unpacked }
  local function fill(text) return (text:gsub("%f[%w]%u%u%u+", all)) end
  local text = CONFIGURATION:gsub("%f[%w]%u%u%u+", words)
  write_file(("%s/%s.conf"):format(folder, name), fill(text))
  local needs = fill(words.MODULES):match "(%S+lua_module.so)" or "/dev/null"
  return { "sh", "-c", ("test -e %s || { echo 'no Lua for nginx here: see .ci/setup'; exit 1; }; "
    .. "echo ready %s; LD_LIBRARY_PATH=$(echo %s/usr/lib/*-linux-gnu) PATH=$PATH:/usr/sbin "
    .. "exec nginx -c %s/%s.conf -e %s/%s.log")
    :format(needs, port, unpacked, folder, name, folder, name) }
end

local function servers_of(plan, folder)
  local kio = programs.kio(plan, "http_kio")
  kio[#kio + 1] = folder
  return {
    { name = "kio", label = "kio", command = kio },
    { name = "kio-again", label = "the same again", command = kio },
    { name = "nginx", label = "nginx", command = nginx(plan, folder, "plain", PLAIN) },
    { name = "nginx-lua", label = "nginx + Lua", command = nginx(plan, folder, "lua", WITH_LUA) },
    { name = "go", label = "Go, net/http", command = { plan.out .. "/http_go", folder } },
    { name = "node", label = "Node, http", command = { "node", plan.root .. "bench/http_node.js",
      folder } },
    { name = "lua-http", label = "lua-http, Lua 5.1",
      command = { "lua5.1", plan.root .. "bench/http_luahttp.lua" } },
  }
end

-- Loaded by wrk, or by what `mode` and `subject` say.
local function loaded(plan, mode, subject, amount, server)
  local words = { "lua5.4", plan.root .. "bench/http_load.lua", mode, subject, amount }
  return table.move(server, 1, #server, #words + 1, words)
end

local function case(plan, servers, name, title, without)
  local list, seconds = {}, math.max(1, math.ceil(plan.seconds))
  for _, server in ipairs(servers) do
    if not without[server.name] then
      list[#list + 1] = { name = server.name, label = server.label,
        command = loaded(plan, "wrk", "/" .. name, seconds, server.command) }
    end
  end
  return { name = name, title = title, arguments = {}, programs = list }
end

local function fetches(plan, folder)
  local function program(name, label, client)
    local server = nginx(plan, folder, name, PLAIN)
    return { name = name, label = label,
      command = loaded(plan, "by", loader.shell(client), FETCHES, server) }
  end
  local kio = programs.kio(plan, "http_fetch_kio")
  return { name = "fetch", title = "client: 10,000 requests", arguments = {}, programs = {
    program("kio", "kio", kio),
    program("kio-again", "the same again", kio),
    program("fetch", "Node, fetch (undici)", { "node", plan.root .. "bench/http_fetch.js" }),
  } }
end

return function(plan)
  local folder = make_folder(plan)
  local servers = servers_of(plan, folder)
  return {
    case(plan, servers, "hello", "hello, 13 bytes", {}),
    case(plan, servers, "echo", "a JSON text of 1 KiB comes back", { nginx = true }),
    case(plan, servers, "file", "a file of 100 KiB", { ["nginx-lua"] = true, ["lua-http"] = true }),
    fetches(plan, folder),
  }
end
