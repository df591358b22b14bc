-- curl against a server of HTTP/1.1 on kio's streams.
-- Starts programs from the process, which ThreadSanitizer does not bear:
-- flavours: test asan hostile
-- timeout: 180
local http = require "spec.peers.http"
local kio = require "kio"
local peers = require "spec.peers.common"
local support = require "spec.support"

local function curl(arguments, options)
  return peers.output("curl -q -sS --noproxy '*' " .. arguments, options)
end

-- Serves with `handle`; f(url, counts), where counts.connections is how many there were.
local function serving(handle, f)
  peers.need(pending, "curl")
  local counts = { connections = 0 }
  local handler = http.handler(handle)
  peers.run(function()
    peers.serving(function(stream)
      counts.connections = counts.connections + 1
      handler(stream)
    end, function(address) f("http://" .. address, counts) end)
  end)
end

local function hello(stream, request)
  http.answer(stream, request, "200 OK", "you asked for " .. request.path .. "\n")
end

describe("curl", function()
  it("uses one connection for several requests", function()
    serving(hello, function(url, counts)
      local text = curl(("-w '%%{num_connects}\\n' %s/a %s/b %s/c"):format(url, url, url))
      assert.equal("you asked for /a\n1\nyou asked for /b\n0\nyou asked for /c\n0\n", text)
      assert.equal(1, counts.connections)
    end)
  end)

  it("is told by HEAD the length of a body that does not come", function()
    serving(hello, function(url, counts)
      local text = curl(("-I %s/x %s/long"):format(url, url))
      assert.equal("HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\n"
        .. "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n", text)
      assert.equal(1, counts.connections)
    end)
  end)

  it("gets 200 answers over 50 connections, each its own", function()
    serving(hello, function(url)
      local folder = support.tmpdir()
      curl(("-Z --parallel-max 50 '%s/[1-200]' -o '%s/#1'"):format(url, folder))
      for i = 1, 200 do
        assert.equal(("you asked for /%d\n"):format(i), peers.content(folder .. "/" .. i))
      end
    end)
  end)

  it("uploads in chunks when it is told to continue", function()
    local data, got = peers.bytes(peers.size(4 << 20)), nil
    local file = peers.file(data)
    serving(function(stream, request)
      assert.equal("chunked", request.headers["transfer-encoding"])
      assert.equal("100-continue", request.headers.expect)
      got = http.read_body(stream, request)
      http.answer(stream, request, "200 OK", #got .. " bytes\n")
    end, function(url)
      local text = curl("-v -T - -H 'Expect: 100-continue' --expect100-timeout 30 " .. url .. "/up",
        { input = file })
      assert.truthy(text:find("< HTTP/1.1 100 Continue", 1, true), text)
      assert.truthy(text:find(#data .. " bytes\n", 1, true), text)
      assert.is_true(got == data)
    end)
  end)

  it("sends no body that is refused before", function()
    local file = peers.file(peers.bytes(1 << 20))
    local left = "nothing"
    serving(function(stream, request)
      http.answer(stream, request, "417 Expectation Failed", "too large\n", true)
      stream:shutdown "write"
      left = stream:read "a"
      return true
    end, function(url)
      local text = curl(("-w '%%{http_code} %%{size_upload}' -H 'Expect: 100-continue' "
        .. "--expect100-timeout 30 --data-binary @%s -o /dev/null %s/up"):format(file, url))
      assert.equal("417 0", text)
    end)
    assert.equal("", left)
  end)

  it("uploads and downloads 64 MiB byte for byte", function()
    local data, got = peers.bytes(peers.size(64 << 20)), nil
    local file, copy = peers.file(data), support.tmpdir() .. "/copy"
    serving(function(stream, request)
      if request.method == "PUT" then got = http.read_body(stream, request) end
      assert(http.answer(stream, request, "200 OK", request.method == "PUT" and "" or data))
    end, function(url)
      curl(("-H Expect: -T %s %s/up"):format(file, url))
      assert.is_true(got == data)
      curl(("-o %s %s/down"):format(copy, url))
      assert.is_true(peers.content(copy) == data)
    end)
  end)

  it("that gives up in the middle ends the write of this connection, and no other", function()
    local code
    serving(function(stream, request)
      if request.path == "/hello" then return hello(stream, request) end
      stream:write "HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n"
      local block = ("x"):rep(1 << 16)
      repeat code = select(3, stream:write(block)) until code
      return true
    end, function(url)
      curl("-o /dev/null --max-time 0.3 " .. url .. "/endless", { status = 28 })
      assert.equal("you asked for /hello\n", curl(url .. "/hello"))
    end)
    assert.is_true(code == "EPIPE" or code == "ECONNRESET", tostring(code))
  end)

  it("that gives up waiting is seen by a server that only reads", function()
    local ended = kio.sync.event()
    serving(function(stream)
      assert.is_nil((stream:recv()))
      ended:set()
      return true
    end, function(url)
      curl("--max-time 0.1 " .. url .. "/never", { status = 28 })
      ended:wait()
    end)
  end)

  it("is told of a server that breaks off", function()
    serving(function(stream)
      stream:write "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this"
      return true
    end, function(url)
      local text = curl(url .. "/short", { status = 18 })
      assert.truthy(text:find("transfer closed with 91 bytes remaining", 1, true), text)
    end)
  end)
end)

describe("curl, from the example that serves files,", function()
  it("gets them byte for byte, and nothing else", function()
    peers.need(pending, "curl")
    local data = peers.bytes(peers.size(16 << 20))
    local root = peers.file(data):match "^(.*)/data$"
    local folder = support.tmpdir()
    peers.run(function()
      local command = ("%s examples/static.lua %s 127.0.0.1:0"):format(support.lua, root)
      local server <close> = peers.start(command, { lua = true })
      local url = "http://" .. server:expect "^listening on (%S+)$"
      curl(("-Z '%s/data?[1-4]' -o '%s/#1'"):format(url, folder))
      for i = 1, 4 do assert.is_true(peers.content(folder .. "/" .. i) == data) end
      assert.equal("404", curl(("-o /dev/null -w '%%{http_code}' %s/none"):format(url)))
      assert.equal("403",
        curl(("--path-as-is -o /dev/null -w '%%{http_code}' %s/../data"):format(url)))
      server:kill()
      local text, status = server:wait()
      assert.same({ "", 0 }, { text, status })
    end)
  end)
end)
