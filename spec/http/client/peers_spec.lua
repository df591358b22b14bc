-- The HTTP client against the servers that people have: nginx, Node and Python. They are skipped,
-- and say so, where they are not installed.
-- flavours: test
-- timeout: 120
local http = require "kio.http"
local kio = require "kio"
local peers = require "spec.peers.common"
local support = require "spec.support"

-- Where /usr/sbin is no part of the path.
local NGINX = os.execute "test -x /usr/sbin/nginx" and "/usr/sbin/nginx" or "nginx"

local CONFIGURATION = [[
daemon off; master_process off; pid FOLDER/pid; error_log FOLDER/log warn;
events { worker_connections 64; }
http {
  access_log off; default_type text/plain; gzip on; gzip_min_length 1; gzip_types text/plain;
  client_body_temp_path FOLDER/body; proxy_temp_path FOLDER/proxy;
  fastcgi_temp_path FOLDER/fastcgi; uwsgi_temp_path FOLDER/uwsgi; scgi_temp_path FOLDER/scgi;
  keepalive_requests 5;
  server {
    listen unix:FOLDER/sock; root FOLDER/site;
    location /old { return 301 /text; }
    location /echo { return 200 "$request_method $http_x_mark $content_length"; }
    location /none { return 204; }
  }
}
]]

local NODE = [[
const http = require('http');
const server = http.createServer({ keepAliveTimeout: 2000 }, (req, res) => {
  const parts = [];
  req.on('data', d => parts.push(d));
  req.on('end', () => {
    const body = Buffer.concat(parts);
    if (req.url === '/slow') return setTimeout(() => res.end('late'), 10000);
    res.writeHead(200, { 'X-Chunked': req.headers['transfer-encoding'] || 'no', Trailer: 'X-End' });
    res.write(req.method + ' ' + req.url + ' ' + body.length + '\n');
    res.write(body);
    res.addTrailers({ 'X-End': 'yes' });
    res.end();
  });
});
server.listen(0, '127.0.0.1', () => console.log('port ' + server.address().port));
]]

local PYTHON = [[
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = sys.argv[1]
    def do_GET(self):
        body = (self.command + ' ' + self.path).encode()
        self.send_response(200)
        if self.protocol_version == 'HTTP/1.1': self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def do_POST(self):
        body = self.rfile.read(int(self.headers['Content-Length']))
        self.send_response(201)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *arguments): pass
server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
print('port', server.server_address[1], flush=True)
server.serve_forever()
]]

local AIOHTTP = [[
import asyncio
from aiohttp import web
async def echo(request):
    body = await request.read()
    res = web.StreamResponse(headers={'X-Method': request.method, 'X-Path': request.path})
    if 'length' in request.query: res.content_length = len(body)
    else: res.enable_chunked_encoding()
    await res.prepare(request)
    for at in range(0, len(body), 10000): await res.write(body[at:at + 10000])
    await res.write_eof()
    return res
async def main():
    app = web.Application(client_max_size=1 << 20)
    app.router.add_route('*', '/{path:.*}', echo)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, '127.0.0.1', 0)
    await site.start()
    print('port', site._server.sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
]]

local function write(path, text)
  local file <close> = assert(io.open(path, "wb"))
  assert(file:write(text))
  return path
end

-- Runs f(url, process) beside a program that prints its port.
local function beside(command, f)
  peers.run(function()
    local process <close> = peers.start(command)
    local fine, message = pcall(f, "http://127.0.0.1:" .. process:expect "port (%d+)")
    process:kill()
    process:wait()
    if not fine then error(message, 0) end
  end)
end

describe("the HTTP client", function()
  it("talks to nginx", function()
    peers.need(pending, NGINX)
    local folder = support.tmpdir()
    local data = peers.bytes(300000)
    assert(require "lfs".mkdir(folder .. "/site"))
    write(folder .. "/site/text", data)
    write(folder .. "/nginx.conf", (CONFIGURATION:gsub("FOLDER", folder)))
    peers.run(function()
      local nginx <close> = peers.start(("%s -c %s/nginx.conf -e %s/log"):format(NGINX, folder,
        folder))
      local address = "unix:" .. folder .. "/sock"
      peers.connect(address):close()
      local connects = 0
      local client <close> = http.client { connect = function(_, options)
        connects = connects + 1
        return kio.net.connect(address, options)
      end }
      local function get(path, options)
        return assert(client:get("http://site" .. path, options))
      end
      assert.equal(data, get "/text":body())
      assert.equal(data, get("/text", { decompress = false }):body())
      local moved = get "/old"
      assert.equal("http://site/text", moved.url)
      moved:close()
      assert.equal(404, get "/missing".status)
      assert.same({ 204, "" }, { get "/none".status, get "/none":body() })
      local marked = get("/echo", { headers = { ["X-Mark"] = "here" } })
      assert.equal("GET here ", marked:body())
      assert.equal("GET", get "/echo":body():match "%u+")
      assert.equal(405, assert(client:post("http://site/text", { body = "x" })).status)
      local before = connects
      for _ = 1, 20 do assert.equal(204, get "/none".status) end -- nginx closes after each fifth
      assert.is_true(connects > before)
      nginx:kill()
      nginx:wait()
    end)
  end)

  it("talks to Node", function()
    peers.need(pending, "node")
    local path = write(support.tmpdir() .. "/server.js", NODE)
    beside("node " .. path, function(url)
      local client <close> = http.client()
      for i = 1, 5 do
        local res = assert(client:get(url .. "/" .. i))
        assert.equal("GET /" .. i .. " 0\n", res:body())
        assert.equal("yes", res:trailers()["x-end"])
      end
      assert.equal(1, client.transport.shelf.count)
      local data = peers.bytes(200000)
      local at = 0
      local res = assert(client:post(url .. "/up", { body = function()
        at = at + 1
        local piece = data:sub((at - 1) * 7000 + 1, at * 7000)
        return piece ~= "" and piece or nil
      end }))
      assert.equal("chunked", res.headers["x-chunked"])
      assert.equal("POST /up 200000", res:read())
      assert.equal(data, res:read "a")
      res = assert(client:put(url, { body = data, expect = true }))
      assert.equal("no", res.headers["x-chunked"])
      assert.equal("ETIMEDOUT", select(3, client:get(url .. "/slow", { timeout = 0.05 })))
      assert.equal("GET /after 0\n", assert(client:get(url .. "/after")):body())
    end)
  end)

  it("talks to Python's aiohttp", function()
    if not os.execute "/usr/bin/python3 -c 'import aiohttp' 2>/dev/null" then
      pending "Python's package aiohttp (python3-aiohttp) is not installed"
    end
    local path = write(support.tmpdir() .. "/server.py", AIOHTTP)
    beside("/usr/bin/python3 " .. path, function(url)
      local client <close> = http.client()
      local data = peers.bytes(200000)
      for _, query in ipairs { "?length", "" } do
        for _, expect in ipairs { false, true } do
          local res = assert(client:post(url .. "/up" .. query, { body = data, expect = expect }))
          assert.same({ 200, "POST", "/up" },
            { res.status, res.headers["x-method"], res.headers["x-path"] })
          assert.is_true(res:body() == data)
        end
        assert.equal("", assert(client:get(url .. "/" .. query)):body())
      end
      -- To a HEAD in chunks it sends their end, too, which may come after the next request.
      assert.equal("", assert(client:head(url .. "/?length")):body())
      local pieces = { "in ", "pieces" }
      local res = assert(client:put(url, { body = function() return table.remove(pieces, 1) end }))
      assert.equal("in pieces", res:body())
      assert.equal(1, client.transport.shelf.count)
    end)
  end)

  for _, version in ipairs { "HTTP/1.0", "HTTP/1.1" } do
    it("talks to Python's http.server by " .. version, function()
      peers.need(pending, "python3")
      local path = write(support.tmpdir() .. "/server.py", PYTHON)
      beside(("python3 %s %s"):format(path, version), function(url)
        local client <close> = http.client()
        for i = 1, 3 do assert.equal("GET /" .. i, assert(client:get(url .. "/" .. i)):body()) end
        assert.equal(version == "HTTP/1.1" and 1 or 0, client.transport.shelf.count)
        local res = assert(client:post(url, { body = "text", timeout = 5 }))
        assert.same({ 201, "text" }, { res.status, res:body() })
        assert.equal(501, assert(client:delete(url)).status)
      end)
    end)
  end
end)
