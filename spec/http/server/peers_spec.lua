-- Real clients: what they make of answers, and the server of what they send.
-- flavours: test
local common = require "spec.http.server.common"
local kio = require "kio"
local peers = require "spec.peers.common"

local DATA = peers.bytes(300000)

local function handler(req, res)
  if req.path == "/hello" then return "hello\n" end
  if req.path == "/pieces" then
    for at = 1, #DATA, 7000 do res:write(DATA:sub(at, at + 6999)) end
    return
  end
  if req.path == "/long" then return DATA end
  if req.path == "/echo" then return 200, nil, assert(req:body { max = 1 << 30 }) end
  if req.path == "/size" then
    local size = 0
    for piece in req:chunks { max = 1 << 30 } do size = size + #piece end
    return size .. "\n"
  end
  if req.path == "/refuse" then return 403, nil, "no\n" end
  return 404
end

-- Serves while f(url) runs, outside of kio's clock.
local function serving(f)
  peers.run(function()
    common.serving(handler, function(address) f("http://" .. address) end)
  end)
end

describe("curl", function()
  local function curl(...)
    return peers.output("curl -sS --max-time 20 " .. table.concat({ ... }, " "))
  end

  it("gets, with both versions, and keeps the connection", function()
    peers.need(pending, "curl")
    serving(function(url)
      for _, version in ipairs { "--http1.0", "--http1.1" } do
        assert.equal("hello\n", curl(version, url .. "/hello"))
        assert.is_true(DATA == curl(version, url .. "/pieces"))
        assert.is_true(DATA == curl(version, url .. "/long"))
      end
      local text = curl("-w '%{num_connects} '", url .. "/hello", url .. "/hello", url .. "/hello")
      assert.equal("hello\n1 hello\n0 hello\n0 ", text)
      assert.matches("^HTTP/1.1 200 OK\r\n.*Content%-Length: 300000\r\n",
        curl("-I", url .. "/long"))
    end)
  end)

  it("sends, waits for 100 Continue, and is refused", function()
    peers.need(pending, "curl")
    local file = peers.file(DATA)
    serving(function(url)
      assert.is_true(DATA == curl("--data-binary @" .. file, url .. "/echo"))
      assert.is_true(DATA == curl("-H 'Transfer-Encoding: chunked' -T " .. file, url .. "/echo"))
      assert.equal("300000\n", curl("-H 'Expect: 100-continue' -T " .. file, url .. "/size"))
      assert.equal("no\n403", curl("-H 'Expect: 100-continue' -w '%{http_code}' -T " .. file,
        url .. "/refuse"))
    end)
  end)
end)

describe("Python's http.client", function()
  it("does it all on one connection", function()
    peers.need(pending, "python3")
    local program = [=[
import http.client, sys
c = http.client.HTTPConnection(sys.argv[1], timeout=20)
def ask(*a, **k):
    c.request(*a, **k)
    r = c.getresponse()
    return r.status, r.read()
assert ask("GET", "/hello") == (200, b"hello\n")
sock = c.sock
long = ask("GET", "/long")[1]
assert len(long) == 300000 and ask("GET", "/pieces") == (200, long)
assert ask("POST", "/echo", body=long) == (200, long)
assert ask("POST", "/echo", body=iter([long[:1000], long[1000:]]), encode_chunked=True,
           headers={"Transfer-Encoding": "chunked"}) == (200, long)
assert ask("GET", "/none") == (404, b"")
assert ask("HEAD", "/long") == (200, b"")
assert c.sock is sock
print("fine")
]=]
    serving(function(url)
      local file = peers.file(program)
      assert.equal("fine\n", peers.output(("python3 %s %s"):format(file, url:match "//(.*)")))
    end)
  end)
end)

describe("Node", function()
  it("has its http and fetch answered", function()
    peers.need(pending, "node")
    local program = [[
const http = require("http"), url = process.argv[2];
const agent = new http.Agent({ keepAlive: true, maxSockets: 2 });
const ask = (method, path, body) => new Promise((done, failed) => {
  const req = http.request(url + path, { method, agent }, res => {
    const parts = [];
    res.on("data", d => parts.push(d));
    res.on("end", () => done([res.statusCode, Buffer.concat(parts)]));
  }).on("error", failed);
  if (body) for (let i = 0; i < body.length; i += 1000) req.write(body.subarray(i, i + 1000));
  req.end();
});
(async () => {
  const [, long] = await ask("GET", "/pieces");
  if (long.length !== 300000) throw new Error("length");
  const all = await Promise.all(Array.from({ length: 20 }, () => ask("POST", "/echo", long)));
  if (!all.every(([status, body]) => status === 200 && body.equals(long))) throw new Error("echo");
  agent.destroy();
  const res = await fetch(url + "/echo", { method: "POST", body: long });
  if (!Buffer.from(await res.arrayBuffer()).equals(long)) throw new Error("fetch");
  if ((await fetch(url + "/none")).status !== 404) throw new Error("status");
  console.log("fine");
  process.exit(0);
})();
]]
    serving(function(url)
      assert.equal("fine\n", peers.output(("node %s %s"):format(peers.file(program), url)))
    end)
  end)
end)

describe("Node's undici", function()
  it("pipelines, and streams", function()
    local node = "env NODE_PATH=/usr/share/nodejs node "
    if not os.execute(node .. "-e 'require(\"undici\")' 2>/dev/null") then
      pending "node's package undici (node-undici) is not installed"
    end
    local program = [[
const { Client } = require("undici"), { Readable } = require("stream");
const client = new Client(process.argv[2], { pipelining: 10 });
const ask = async (method, path, body) => {
  const res = await client.request({ method, path, body });
  return [res.statusCode, Buffer.from(await res.body.arrayBuffer())];
};
(async () => {
  const [, long] = await ask("GET", "/pieces");
  const all = await Promise.all(Array.from({ length: 30 }, (_, i) =>
    ask("GET", i % 2 ? "/hello" : "/long")));
  if (!all.every(([status, body], i) =>
    status === 200 && (i % 2 ? body.toString() === "hello\n" : body.equals(long)))) throw "pipe";
  for (const body of [long, Readable.from([long.subarray(0, 9), long.subarray(9)])]) {
    if (!(await ask("PUT", "/echo", body))[1].equals(long)) throw "echo";
  }
  if ((await ask("HEAD", "/long"))[1].length !== 0) throw "head";
  if ((await ask("POST", "/none", ""))[0] !== 404) throw "status";
  await client.close();
  console.log("fine");
})();
]]
    serving(function(url)
      assert.equal("fine\n", peers.output(node .. peers.file(program) .. " " .. url))
    end)
  end)
end)

describe("Python's aiohttp", function()
  it("asks side by side, in chunks, and waits for 100 Continue", function()
    if not os.execute "/usr/bin/python3 -c 'import aiohttp' 2>/dev/null" then
      pending "Python's package aiohttp (python3-aiohttp) is not installed"
    end
    local program = [=[
import aiohttp, asyncio, sys
async def main(url):
    async with aiohttp.ClientSession() as session:
        async def ask(method, path, **how):
            async with session.request(method, url + path, **how) as res:
                return res.status, await res.read()
        async def pieces():
            for at in range(0, len(long), 7000): yield long[at:at + 7000]
        long = (await ask("GET", "/pieces"))[1]
        assert len(long) == 300000
        answers = await asyncio.gather(*(ask("POST", "/echo", data=long) for _ in range(20)))
        assert answers == [(200, long)] * 20
        assert await ask("POST", "/echo", data=pieces()) == (200, long)
        assert await ask("PUT", "/size", data=long, expect100=True) == (200, b"300000\n")
        assert await ask("PUT", "/refuse", data=long, expect100=True) == (403, b"no\n")
        assert await ask("HEAD", "/long") == (200, b"")
        assert await ask("GET", "/none") == (404, b"")
    print("fine")
asyncio.run(main(sys.argv[1]))
]=]
    serving(function(url)
      assert.equal("fine\n", peers.output(("/usr/bin/python3 %s %s"):format(peers.file(program),
        url)))
    end)
  end)
end)

describe("load generators", function()
  it("wrk and ab get whole answers", function()
    peers.need(pending, "wrk", "ab")
    serving(function(url)
      local text = peers.output(("wrk -t1 -c20 -d1 %s/hello"):format(url))
      assert.is_nil(text:match "Socket errors" or text:match "Non%-2xx")
      for _, flag in ipairs { "", "-k " } do
        text = peers.output(("ab -q %s-n 500 -c 10 %s/hello"):format(flag, url))
        assert.matches("Failed requests: +0", text)
        assert.matches("Complete requests: +500", text)
      end
    end)
  end)
end)

describe("nginx in front", function()
  it("is a client like others", function()
    peers.need(pending, "nginx", "curl")
    serving(function(url)
      local folder = require("spec.support").tmpdir()
      local port = require("spec.support").free_port()
      local conf = ([[
daemon off; master_process off; pid FOLDER/pid; error_log stderr crit;
events {}
http {
  access_log off; client_body_temp_path FOLDER/b; proxy_temp_path FOLDER/p;
  fastcgi_temp_path FOLDER/f; uwsgi_temp_path FOLDER/u; scgi_temp_path FOLDER/s;
  upstream kio { server UPSTREAM; keepalive 4; }
  server {
    listen 127.0.0.1:PORT; client_max_body_size 10m;
    location / { proxy_pass http://kio; proxy_http_version 1.1; proxy_set_header Connection ""; }
  }
}
]]):gsub("FOLDER", folder):gsub("PORT", port):gsub("UPSTREAM", url:match "//(.*)")
      assert(kio.fs.write_file(folder .. "/nginx.conf", conf))
      local nginx <close> = peers.start("nginx -c " .. folder .. "/nginx.conf")
      peers.connect("127.0.0.1:" .. port):close()
      local front = "http://127.0.0.1:" .. port
      local file = peers.file(DATA)
      for _ = 1, 3 do
        assert.equal("hello\n", peers.output("curl -sS " .. front .. "/hello"))
        assert.is_true(DATA == peers.output("curl -sS " .. front .. "/pieces"))
        assert.is_true(DATA == peers.output(("curl -sS --data-binary @%s %s/echo"):format(file,
          front)))
      end
      nginx:kill "TERM"
      nginx:wait()
    end)
  end)
end)
