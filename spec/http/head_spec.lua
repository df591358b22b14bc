-- Heads: what is read from them, how they come, their limits, and what becomes of one that is not
-- read.
-- flavours: test asan hostile
local kio = require "kio"
local core = require "kio.http.core"
local support = require "spec.support"
local wire = require "spec.http.wire"

local CURL <const> = "GET /a/b?c=d HTTP/1.1\r\nHost: example.org:8080\r\n"
  .. "User-Agent: curl/7.88.1\r\nAccept: */*\r\n\r\n"

local function request(line, fields)
  return assert(wire.request(line .. "\r\n" .. (fields or "Host: a\r\n") .. "\r\n"))
end

describe("the head of a request", function()
  it("is read with all it says", function()
    local head, _, _, _, rest = wire.request(CURL .. "next")
    assert.equal("GET", head.method)
    assert.equal("/a/b?c=d", head.target)
    assert.equal("/a/b", head.path)
    assert.equal("c=d", head.query)
    assert.equal("example.org:8080", head.authority)
    assert.equal("1.1", head.version)
    assert.equal("none", head.body)
    assert.equal(0, head.length)
    assert.is_true(head.keep_alive)
    assert.is_false(head.expect_continue)
    for _, name in ipairs { "upgrade", "status", "reason", "nonsense", 1 } do
      assert.is_nil(head[name])
    end
    assert.equal("next", rest)
  end)

  it("gives many of its fields at once", function()
    local head = wire.request(CURL)
    assert.same({ "GET", "/a/b", "c=d", "none", 0, true, false, nil, "1.1", n = 9 },
      table.pack(head:facts()))
  end)

  it("has its headers by name, in any case", function()
    local head = request("GET / HTTP/1.1",
      "Host: a\r\nX-Two: 1\r\nx-two:2 \t\r\nEmpty:\r\nBytes: \t\xff\xfe a\tb\r\n")
    local headers = head.headers
    assert.equal("a", headers.HOST)
    assert.equal("1, 2", headers["x-TWO"])
    assert.equal("", headers.Empty)
    assert.equal("\xff\xfe a\tb", headers.bytes)
    assert.is_nil(headers.other)
    assert.is_nil(headers[1])
    assert.same({ "1", "2" }, head:all("X-TWO"))
    assert.same({}, head:all("other"))
    assert.same({ "Host", "a" }, head:list()[1])
    local names = {}
    for name, value in pairs(headers) do names[#names + 1] = name .. "=" .. value end
    assert.same({ "Host=a", "X-Two=1", "x-two=2", "Empty=", "Bytes=\xff\xfe a\tb" }, names)
  end)

  it("may have an empty line before it", function()
    assert.equal("GET", request("\r\nGET / HTTP/1.1").method)
  end)

  it("has a target of each form", function()
    local cases = { -- line, path, query, authority
      { "GET / HTTP/1.1", "/", nil, "a" },
      { "GET /? HTTP/1.1", "/", "", "a" },
      { "GET /x?y?z HTTP/1.1", "/x", "y?z", "a" },
      { "GET //b/x HTTP/1.1", "//b/x", nil, "a" },
      { "GET /%00|\"{ HTTP/1.1", "/%00|\"{", nil, "a" },
      { "OPTIONS * HTTP/1.1", "*", nil, "a" },
      { "GET http://A HTTP/1.1", "/", nil, "A" },
      { "GET HTTPS://a?x HTTP/1.1", "/", "x", "a" },
      { "GET http://a/b?c HTTP/1.1", "/b", "c", "a" },
      { "CONNECT b:443 HTTP/1.1", "", nil, "b:443" },
    }
    for _, case in ipairs(cases) do
      local head = request(case[1])
      assert.same({ case[2], case[3], case[4] }, { head.path, head.query, head.authority }, case[1])
      assert.equal(case[1]:match " (%S+) ", head.target)
    end
  end)

  it("has a Host of each form, or none in HTTP/1.0", function()
    for _, host in ipairs { "a", "A.b-c_d~e", "1.2.3.4:80", "[::1]", "[::ffff:1.2.3.4]:65535", "",
      "a%20b", "!$&'()*+,;=" } do
      assert.equal(host, request("GET / HTTP/1.1", "Host: " .. host .. "\r\n").authority)
    end
    assert.is_nil(request("GET / HTTP/1.0", "").authority)
    assert.equal("1.0", request("GET / HTTP/1.0", "").version)
  end)

  it("says how the body ends", function()
    local function body(fields, line)
      local head = request(line or "POST / HTTP/1.1", "Host: a\r\n" .. fields)
      return { head.body, head.length }
    end
    assert.same({ "none", 0 }, body "")
    assert.same({ "length", 0 }, body "Content-Length: 0\r\n")
    assert.same({ "length", 3 }, body "content-length:\t003\r\n")
    assert.same({ "length", 1 << 53 }, body "Content-Length: 9007199254740992\r\n")
    assert.same({ "chunked", nil }, body "Transfer-Encoding: ChunKed\r\n")
    assert.same({ "length", 2 }, body("Content-Length: 2\r\n", "GET / HTTP/1.0"))
  end)

  it("says whether the connection goes on, what is waited for, and what it is to become", function()
    local function facts(fields, version)
      local head = request("POST / HTTP/" .. (version or "1.1"), "Host: a\r\n" .. fields)
      return { head.keep_alive, head.expect_continue, head.upgrade }
    end
    assert.same({ true, false }, facts "")
    assert.same({ false, false }, facts "Connection: Close\r\n")
    assert.same({ false, false }, facts "Connection: keep-alive , close\r\n")
    assert.same({ false, false }, facts "Connection: x\r\nConnection: close\r\n")
    assert.same({ true, false }, facts "Connection: closed\r\n")
    assert.same({ false, false }, facts("", "1.0"))
    assert.same({ true, false }, facts("Connection: Keep-Alive\r\n", "1.0"))
    assert.same({ true, true }, facts "Expect: 100-Continue\r\nContent-Length: 1\r\n")
    assert.same({ true, true }, facts "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n")
    assert.same({ true, false }, facts "Expect: 100-continue\r\nContent-Length: 0\r\n")
    assert.same({ false, false },
      facts("Expect: 100-continue\r\nContent-Length: 1\r\n", "1.0"))
    assert.same({ true, false, "websocket" },
      facts "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n")
    assert.same({ true, false }, facts "Upgrade: websocket\r\n")
  end)

  it("is not there when the peer ends before it", function()
    for _, bytes in ipairs { "", "\r\n" } do
      assert.same({ n = 5, [5] = "" }, table.pack(wire.request(bytes)))
    end
  end)

  it("is a failure without a status when the peer ends in it", function()
    for _, cut in ipairs { 1, 5, 20, #CURL - 1 } do
      local head, message, code, status, rest = wire.request(CURL:sub(1, cut))
      assert.is_nil(head)
      assert.matches("the peer ended in the middle of the head$", message)
      assert.same({ "ENODATA", nil, CURL:sub(1, cut) }, { code, status, rest })
    end
  end)
end)

describe("the head of a response", function()
  it("is read with all it says", function()
    local head = wire.response "HTTP/1.1 404 Not found\xff\r\nContent-Length: 3\r\n\r\nabc"
    assert.same({ 404, "Not found\xff", "1.1", "length", 3, true },
      { head.status, head.reason, head.version, head.body, head.length, head.keep_alive })
    for _, name in ipairs { "method", "target", "path", "query", "authority" } do
      assert.is_nil(head[name], name)
    end
  end)

  it("may have no reason", function()
    assert.equal("", wire.response("HTTP/1.1 200 \r\n\r\n").reason)
    assert.equal("", wire.response("HTTP/1.1 200\r\n\r\n").reason)
  end)

  it("says how the body ends", function()
    local function body(status, fields, method)
      local bytes = "HTTP/1.1 " .. status .. " x\r\n" .. fields .. "\r\n"
      local head = assert(wire.response(bytes, method))
      return { head.body, head.length, head.keep_alive }
    end
    assert.same({ "close", nil, false }, body(200, ""))
    assert.same({ "chunked", nil, true }, body(200, "Transfer-Encoding: chunked\r\n"))
    assert.same({ "none", 3, true }, body(200, "Content-Length: 3\r\n", "HEAD"))
    assert.same({ "none", 3, true }, body(304, "Content-Length: 3\r\n"))
    assert.same({ "none", 0, true }, body(204, "Content-Length: 0\r\n"))
    assert.same({ "none", 0, true }, body(101, ""))
    assert.same({ "none", 0, true }, body(100, ""))
    assert.same({ "none", 0, true }, body(200, "", "CONNECT"))
    assert.same({ "close", nil, false }, body(400, "", "CONNECT"))
  end)

  it("is refused by the rules of requests, and its own", function()
    local cases = {
      { "HTTP/1.1 99 x\r\n\r\n", "no number from 100" },
      { "HTTP/1.1 099 x\r\n\r\n", "no number from 100" },
      { "HTTP/1.1 2000 x\r\n\r\n", "more than three digits" },
      { "HTTP/1.1 20\r\n\r\n", "no number" },
      { "HTTP/1.1  200 x\r\n\r\n", "no number" },
      { "HTTP/1.1\t200 x\r\n\r\n", "end with a space" },
      { "HTTP/1.1 200 a\0b\r\n\r\n", "control character" },
      { "HTTP/1.1 200 x\n\n", "bare LF" },
      { "HTTP/2.0 200 x\r\n\r\n", "neither" },
      { "\r\nHTTP/1.1 200 x\r\n\r\n", "without a version" },
      { "ICY 200 OK\r\n\r\n", "without a version" },
      { "HTTP/1.1 200 x\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", "more than one" },
      { "HTTP/1.1 200 x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "beside" },
      { "HTTP/1.0 200 x\r\nTransfer-Encoding: chunked\r\n\r\n", "in HTTP/1.0" },
      { "HTTP/1.1 200 x\r\nTransfer-Encoding: gzip\r\n\r\n", "other than chunked" },
      { "HTTP/1.1 204 x\r\nContent-Length: 1\r\n\r\n", "allows none" },
      { "HTTP/1.1 100 x\r\nTransfer-Encoding: chunked\r\n\r\n", "allows none" },
    }
    for _, case in ipairs(cases) do
      local head, message, code, rest = wire.response(case[1])
      assert.is_nil(head)
      assert.matches("^read_response .*" .. case[2], message)
      assert.same({ "EPROTO", case[1] }, { code, rest })
    end
  end)
end)

-- Bytes of a head that is exactly so long.
local function head_of(size)
  local start = "GET / HTTP/1.1\r\nHost: a\r\nX: "
  return start .. ("x"):rep(size - #start - 4) .. "\r\n\r\n"
end

describe("the limits of heads", function()
  it("hold to the byte", function()
    local function status(bytes, limits) return (select(4, wire.request(bytes, limits))) end
    assert.is_nil(status(head_of(1000), { max_head = 1000 }))
    assert.equal(431, status(head_of(1001), { max_head = 1000 }))
    assert.is_nil(status(head_of(16384)))
    assert.equal(431, status(head_of(16385)))
    assert.is_nil(status("GET /" .. ("a"):rep(99) .. " HTTP/1.1\r\nHost: a\r\n\r\n",
      { max_target = 100 }))
    assert.equal(414, status("GET /" .. ("a"):rep(100) .. " HTTP/1.1\r\nHost: a\r\n\r\n",
      { max_target = 100 }))
    assert.equal(414, status("GET /" .. ("a"):rep(8192)))
    local fields = ("X: y\r\n"):rep(99)
    assert.is_nil(status("GET / HTTP/1.1\r\nHost: a\r\n" .. fields .. "\r\n"))
    assert.equal(431, status("GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n" .. fields .. "\r\n"))
    assert.is_nil(status("GET / HTTP/1.1\r\nHost: a\r\n" .. ("X:\r\n"):rep(999) .. "\r\n",
      { max_fields = 1000 }))
  end)

  it("end a head without an end, whatever it is made of", function()
    for _, piece in ipairs { "a", "X: y\r\n", "\r\nX:", " ", "\r", "\0" } do
      local bytes = "GET / HTTP/1.1\r\nHost: a\r\nX: " .. piece:rep(40000)
      local _, _, _, status, rest = wire.request(bytes)
      assert.is_truthy(status == 431 or status == 400, piece)
      assert.is_true(#rest > 40000)
    end
  end)

  it("are checked when they are made", function()
    for _, wrong in ipairs { { max_head = 10 }, { max_head = 1 << 30 }, { max_fields = 1001 },
      { max_fields = 0 }, { max_target = "1" }, { max_trailers = 1.5 }, { max_hat = 1 }, { 1 } } do
      assert.is_false((pcall(core.limits, wrong)))
    end
    assert.is_false((pcall(core.limits, 1)))
    local noisy = setmetatable({}, { __index = error, __pairs = error, __len = error })
    assert.is_true((pcall(core.limits, noisy)))
  end)
end)

describe("a head that comes in pieces", function()
  -- What the head says, or the failure.
  local function summary(head, _, code, status)
    if not head then return { code, status } end
    local list = {}
    for _, field in ipairs(head:list()) do list[#list + 1] = table.concat(field, "=") end
    return { head.method, head.target, head.body, head.length, table.concat(list, "&") }
  end

  it("is the same wherever it is cut", function()
    local heads = { CURL, "\r\nPOST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nX: \r\n\r\n",
      "GET / HTTP/1.1\r\nHost: a\r\nX: y\n\r\n", "GET / HTTP/2.0\r\nHost: a\n\r\n" }
    wire.connected(function(reader, writer)
      local limits = core.limits()
      for _, bytes in ipairs(heads) do
        reader:unread(bytes)
        local whole = summary(core.read_request(reader, limits, 5, 5))
        if #whole == 2 then reader:read(#bytes) end
        for cut = 1, #bytes - 1 do
          local sending = kio.spawn(function()
            assert(writer:send(bytes:sub(1, cut)))
            kio.sleep(0)
            assert(writer:send(bytes:sub(cut + 1)))
          end)
          assert.same(whole, summary(core.read_request(reader, limits, 5, 5)), cut)
          sending:await()
          if #whole == 2 then assert.equal(bytes, reader:read(#bytes)) end
        end
      end
    end)
  end)

  it("byte for byte costs no more than a look at each", function()
    local bytes = head_of(support.flavour == "hostile" and 200 or 4000)
    local head = wire.connected(function(reader, writer)
      local sending = kio.spawn(function()
        for i = 1, #bytes do assert(writer:send(bytes:sub(i, i))) end
      end)
      local head = assert(core.read_request(reader, core.limits(), 50, 50))
      sending:await()
      return head
    end)
    assert.same({ "Host", "a" }, head:list()[1])
  end)
end)

describe("a head that does not come", function()
  local function late(bytes, idle, whole)
    return wire.connected(function(reader, writer)
      assert(writer:send(bytes))
      local head, message, code, status = core.read_request(reader, core.limits(), idle, whole)
      assert.is_nil(head)
      assert.matches("^read_request .*: ", message)
      return code, status, bytes == "" or reader:read(#bytes)
    end)
  end

  it("is late without a status before its first byte, with 408 in the middle", function()
    assert.same({ "ETIMEDOUT", nil, true }, { late("", 0.01, 50) })
    assert.same({ "ETIMEDOUT", 408, "GET / HT" }, { late("GET / HT", 50, 0.01) })
    assert.same({ "ETIMEDOUT", nil, true }, { late("", 0, 50) })
  end)

  it("has the stream's time unless it is told", function()
    wire.connected(function(reader, writer)
      reader:set_timeout(0.01)
      assert.equal("ETIMEDOUT", (select(3, core.read_request(reader, core.limits()))))
      assert.equal("ETIMEDOUT", (select(3, core.read_response(reader, core.limits(), "GET"))))
      assert(writer:send "GET")
      assert.equal(408, (select(4, core.read_request(reader, core.limits(), 50))))
    end)
  end)

  it("counts from its first byte on", function()
    kio.testing.run(function()
      local listener = assert(kio.net.listen("127.0.0.1:0"))
      local writer <close> = assert(kio.net.connect(listener:address()))
      local reader <close> = assert(listener:accept())
      listener:close()
      kio.spawn(function()
        kio.sleep(7)
        writer:send "GET / "
        kio.sleep(2)
        writer:send "HTTP/1.1\r\n"
      end)
      local start = kio.now()
      local _, _, code, status = core.read_request(reader, core.limits(), 10, 5)
      assert.same({ "ETIMEDOUT", 408 }, { code, status })
      assert.is_true(math.abs(kio.now() - start - 12) < 0.5, kio.now() - start)
    end)
  end)

  it("loses nothing when it is cancelled", function()
    wire.connected(function(reader, writer)
      assert(writer:send(CURL:sub(1, 30)))
      local task = kio.spawn(function() return core.read_request(reader, core.limits(), 50, 50) end)
      repeat kio.sleep(0.001) until task:status() == "waiting"
      task:cancel()
      assert.is_false((task:join()))
      assert(writer:send(CURL:sub(31)))
      assert.equal("/a/b?c=d", core.read_request(reader, core.limits(), 5, 5).target)
    end)
  end)

  it("has one reader", function()
    wire.connected(function(reader, writer)
      local task = kio.spawn(function() return core.read_request(reader, core.limits(), 50, 50) end)
      repeat kio.sleep(0.001) until task:status() == "waiting"
      local limits = core.limits()
      support.expect_error("another task is reading", core.read_request, reader, limits, 5, 5)
      support.expect_error("another task is reading", reader.read, reader, 1)
      assert(writer:send(CURL))
      assert.equal("GET", task:await().method)
    end)
  end)

  it("is told of the stream's end", function()
    wire.connected(function(reader)
      local task = kio.spawn(function() return core.read_request(reader, core.limits(), 50, 50) end)
      repeat kio.sleep(0.001) until task:status() == "waiting"
      reader:close()
      local _, message, code, status = task:await()
      assert.same({ "EBADF", nil }, { code, status })
      assert.matches("^read_request .*closed", message)
      assert.equal("EBADF", (select(3, core.read_request(reader, core.limits(), 5, 5))))
    end)
  end)
end)

describe("misuse of heads", function()
  it("raises", function()
    local head = wire.request(CURL)
    local other = { 1, "x", true, {}, io.stdout, function() end, false }
    for _, value in ipairs(other) do
      assert.is_false((pcall(core.read_request, value, core.limits())))
      assert.is_false((pcall(core.body, value)))
      assert.is_false((pcall(head.list, value)))
      assert.is_false((pcall(head.all, head, value == "x" and {} or value == 1 and {} or value)))
    end
    assert.is_false((pcall(core.read_request)))
    wire.connected(function(reader)
      for _, value in ipairs(other) do
        assert.is_false((pcall(core.read_request, reader, value)))
        local timeout = value == 1 and -1 or value
        assert.is_false((pcall(core.read_request, reader, core.limits(), timeout)))
        assert.is_false((pcall(core.read_body, reader, value)))
      end
      assert.is_false((pcall(core.read_response, reader, core.limits())))
    end)
  end)

  it("is harmless with the debug library", function()
    local head = wire.request(CURL)
    local headers, body = head.headers, core.body(head)
    for _, value in ipairs { head, headers, body, core.limits() } do
      local meta = debug.getmetatable(value)
      local file = io.tmpfile()
      debug.setmetatable(file, meta)
      for _, key in ipairs { "method", "ended", "x", "list" } do
        pcall(function() return file[key] end)
      end
      pcall(pairs, file)
      debug.setmetatable(file, debug.getmetatable(io.stdout))
      file:close()
    end
    assert.is_nil(debug.setuservalue(head, "short", 1)) -- its bytes are in it
    debug.setuservalue(headers, io.stdout, 1)
    assert.is_false((pcall(function() return headers.host end)))
    debug.setuservalue(body, io.stdout, 1)
    assert.is_false((pcall(body.trailers, body)))
  end)
end)

describe("a server that stops", function()
  it("does not hurry who has been woken already", function()
    for turns = 0, 4 do
      wire.connected(function(reader, writer)
        local waiting = kio.spawn(core.read_request, reader, core.limits(), 60, 5)
        kio.yield()
        writer:option("linger", 0)
        writer:close()
        for _ = 1, turns do kio.yield() end
        kio.core.own.stream_hurry(reader)
        local _, _, code = waiting:await()
        assert.truthy(code == "ECONNRESET" or code == "ETIMEDOUT")
      end)
    end
  end)
end)
