-- The HTTP client against servers that do what they are told: what it sends, what it makes of what
-- comes, which connections it keeps.
-- flavours: test asan
local common = require "spec.http.client.common"
local kio = require "kio"
local http = require "kio.http"
local support = require "spec.support"
local testing = require "kio.testing"

local ok, with_server = common.ok, common.with_server

local function code(...)
  local value, message, why = ...
  assert(value == nil and type(message) == "string", "no failure: " .. tostring(value))
  return why
end

local function idle(client) return client.transport.shelf.count end

describe("an HTTP client", function()
  it("gets what a server has, over one connection", function()
    with_server(function(req) return ok("you asked for " .. req.target, "X-A: 1\r\nx-a: 2\r\n") end,
      function(url, log)
        local client <close> = http.client()
        for i = 1, 3 do
          local res <close> = assert(client:get(url .. "/a?b=" .. i))
          assert.equal(200, res.status)
          assert.equal("OK", res.reason)
          assert.equal("1.1", res.version)
          assert.equal("1, 2", res.headers["X-a"])
          assert.equal(url .. "/a?b=" .. i, res.url)
          assert.equal("you asked for /a?b=" .. i, res:body())
          assert.equal("you asked for /a?b=" .. i, res:body())
          assert.equal(1, idle(client))
        end
        assert.same({ 1, 3 }, { log.connections, log.requests })
        local sent = log.all[1]
        assert.equal(url:match "//(.*)", sent.fields.host)
        assert.equal("kio", sent.fields["user-agent"])
        assert.is_nil(sent.fields["content-length"])
        assert.matches("^kio.http.Client %(1 idle%)$", tostring(client))
      end)
  end)

  it("sends bodies in every form", function()
    with_server(function(req) return ok(req.method .. ":" .. (req.body or "none")) end,
      function(url, log)
        local client <close> = http.client()
        local function sent(...)
          local res <close> = assert(client:request(...))
          local text = res:body()
          return text, log.all[#log.all]
        end
        assert.equal("PUT:text", (sent(url, { method = "PUT", body = "text" })))
        assert.equal("POST:", (sent(url, { method = "POST" })))
        assert.equal("0", log.all[#log.all].fields["content-length"])
        local text, req = sent(url, { method = "POST", form = { a = "1 2", b = "&" } })
        assert.equal("POST:a=1+2&b=%26", text)
        assert.equal("application/x-www-form-urlencoded", req.fields["content-type"])
        local pieces = { "one", "", "two" }
        local function iterator() return table.remove(pieces, 1) end
        text, req = sent(url, { method = "POST", body = iterator })
        assert.equal("POST:onetwo", text)
        assert.equal("chunked", req.fields["transfer-encoding"])
        assert.equal(3, req.chunks)
        pieces = { "one", "two" }
        text, req = sent(url, { method = "POST", body = iterator, length = 6 })
        assert.equal("POST:onetwo", text)
        assert.equal("6", req.fields["content-length"])
        local path = support.tmpdir() .. "/file"
        assert(kio.fs.write_file(path, ("x"):rep(100000)))
        local file <close> = assert(kio.fs.open(path))
        text = sent(url, { method = "PUT", body = file })
        assert.equal("PUT:" .. ("x"):rep(100000), text)
        assert.equal(1, log.connections)
      end)
  end)

  it("has methods for methods", function()
    with_server(function(req)
      if req.method == "HEAD" then return "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n" end
      return ok(req.method)
    end, function(url, log)
      local client <close> = http.client()
      assert.equal("", assert(client:head(url)):body())
      assert.equal("PUT", assert(client:put(url, { body = "" })):body())
      assert.equal("POST", assert(client:post(url)):body())
      assert.equal("DELETE", assert(client:delete(url)):body())
      assert.equal("PATCH", assert(client:patch(url, { body = "" })):body())
      assert.equal("GET", assert(http.get(url)):body())
      assert.equal("POST", assert(http.post(url)):body())
      assert.equal("PATCH", assert(http.request(url, { method = "PATCH" })):body())
      assert.equal(2, log.connections)
    end)
  end)

  it("sends a user's fields, and refuses those that are not a user's", function()
    with_server(function() return ok "" end, function(url, log)
      local client <close> = http.client { user_agent = "me/1" }
      assert(client:get(url, { headers = { Accept = "a", ["X-List"] = { 1, "2" } } }))
      assert.equal("a", log.all[1].fields.accept)
      assert.matches("X%-List: 1\r\nX%-List: 2", log.all[1].text)
      assert.equal("me/1", log.all[1].fields["user-agent"])
      assert(client:get(url, { headers = { { "Host", "other" }, { "User-Agent", "x" } } }))
      assert.equal("other", log.all[2].fields.host)
      assert.is_nil(log.all[2].text:find "me/1")
      for _, case in ipairs {
        { { ["Content-Length"] = "1" }, "'Content%-Length' is not a user's" },
        { { connection = "close" }, "'connection' is not a user's" },
        { { ["X-A"] = "a\r\nX-B: b" }, "X%-A" },
        { { ["X A"] = "a" }, "X A" },
        { { [1] = "x" }, "names must be strings" },
      } do
        local err = support.expect_error(case[2], client.get, client, url, { headers = case[1] })
        assert.is_string(err)
      end
      assert.equal(2, log.requests)
    end)
  end)

  it("reads a body in pieces, by format and by lines", function()
    with_server(function() return "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
      .. "4\r\none\n\r\n8\r\ntwo\nthre\r\n1\r\ne\r\n0\r\nX-End: yes\r\n\r\n" end,
      function(url, log)
        local client <close> = http.client()
        local res = assert(client:get(url))
        local lines = {}
        for line in res:lines() do lines[#lines + 1] = line end
        assert.same({ "one", "two", "three" }, lines)
        assert.equal("yes", res:trailers()["x-end"])
        res = assert(client:get(url))
        assert.same({ "on", "e", "two\n", "three" },
          { res:read(2), res:read(), res:read "L", res:read "a" })
        assert.is_nil(res:read(1))
        local all = ""
        for piece in assert(client:get(url)):chunks() do all = all .. piece end
        assert.equal("one\ntwo\nthree", all)
        assert.equal(1, log.connections)
      end)
  end)

  it("reads a body that ends with the connection, and does not keep that", function()
    with_server(function(_, stream) stream:write "HTTP/1.0 200 OK\r\n\r\nall of it" end,
      function(url, log)
        local client <close> = http.client()
        assert.equal("all of it", assert(client:get(url)):body())
        assert.equal("all of it", assert(client:get(url)):body())
        assert.same({ 2, 0 }, { log.connections, idle(client) })
      end)
  end)

  it("passes over responses that only inform, but not for ever", function()
    local informs = 2
    with_server(function()
      return ("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"):rep(informs) .. ok "done"
    end, function(url)
      local client <close> = http.client()
      assert.equal("done", assert(client:get(url)):body())
      informs = 11
      assert.equal("EPROTO", code(client:get(url)))
    end)
  end)

  it("takes no change of the protocol, which it has not asked for", function()
    local text = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"
    with_server(function() return text end, function(url, log)
      local client <close> = http.client()
      for i = 1, 2 do
        assert.equal("EPROTO", select(3, client:get(url)))
        assert.same({ i, i }, { log.requests, log.connections })
      end
    end)
  end)

  it("takes a status of 400 and more for a response", function()
    with_server(function() return ok("gone", "", "404 Not Found") end, function(url)
      local client <close> = http.client()
      local res = assert(client:get(url))
      assert.same({ 404, "Not Found", "gone" }, { res.status, res.reason, res:body() })
    end)
  end)

  it("refuses larger bodies than it was told", function()
    with_server(function(req)
      if req.target == "/chunked" then
        return "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\n0123456789\r\n0\r\n\r\n"
      end
      return ok "0123456789"
    end, function(url)
      local client <close> = http.client()
      for _, path in ipairs { "/", "/chunked" } do
        local res <close> = assert(client:get(url .. path))
        local body, message, why = res:body { max = 9 }
        assert.same({ nil, "EMSGSIZE" }, { body, why })
        assert.matches("^GET http://[%d.:]+/.*: the body is larger than 9 bytes$", message)
        assert.equal("0123456789", assert(client:get(url .. path)):body { max = 10 })
      end
    end)
  end)

  it("keeps no more of a line, or of the rest, than 16 MiB", function()
    local MIB = ("x"):rep(1 << 20)
    with_server(function(_, stream)
      stream:write "HTTP/1.1 200 OK\r\n\r\nfirst\n"
      while stream:write(MIB) do end
    end, function(url)
      local client <close> = http.client()
      local function refused(read)
        local res <close> = assert(client:get(url))
        assert.equal("first", res:read())
        local value, message, why = read(res)
        assert.same({ nil, "EMSGSIZE" }, { value, why })
        assert.matches("GET .*: what is to be read at once is longer than 16777216 bytes$", message)
      end
      refused(function(res) return res:read() end)
      refused(function(res) return res:read "L" end)
      refused(function(res) return res:read "a" end)
      local res <close> = assert(client:get(url))
      assert.matches("%(EMSGSIZE%)$", support.expect_error("longer than 16777216 bytes", function()
        for line in res:lines() do assert.equal("first", line) end
      end))
      local other <close> = assert(client:get(url))
      local _, message, why = other:read("l", { max = 5 })
      assert.equal("EMSGSIZE", why)
      assert.matches("the body is larger than 5 bytes$", message)
    end)
  end)

  it("bounds lines, not how many there are, nor what is asked for by its size", function()
    local LINE, COUNT = ("x"):rep((1 << 20) - 1) .. "\n", 17
    local SIZE = #LINE * COUNT
    with_server(function(_, stream)
      stream:write("HTTP/1.1 200 OK\r\nContent-Length: " .. SIZE .. "\r\n\r\n")
      for _ = 1, COUNT do if not stream:write(LINE) then return end end
    end, function(url)
      local client <close> = http.client()
      local lines = 0
      for line in assert(client:get(url)):lines "L" do
        assert.is_true(line == LINE)
        lines = lines + 1
      end
      assert.equal(COUNT, lines)
      assert.equal(SIZE, #assert(client:get(url)):read(SIZE))
      assert.equal(SIZE, #assert(client:get(url)):read("a", { max = SIZE }))
      local res <close> = assert(client:get(url))
      assert.equal("EMSGSIZE", code(res:read("a", { max = SIZE - 1 })))
    end)
  end)

  it("tells who waits for responses that nobody has read", function()
    with_server(function() return ok "x" end, function(url)
      local client <close> = http.client { max_per_host = 1 }
      local kept <close> = assert(client:get(url))
      local _, message, why = client:get(url, { timeout = 0.01 })
      assert.equal("ETIMEDOUT", why)
      assert.matches("timed out: all 1 connections to its place are in use", message)
      kept:close()
    end)
  end)

  it("refuses what its option 'connect' gives that is no stream", function()
    support.run(function()
      for _, thing in ipairs { 5, {}, io.stdout } do
        local client <close> = http.client { connect = function() return thing end }
        support.expect_error("'connect' must give a kio.Stream", client.get, client, "http://a/")
      end
    end)
  end)

  it("refuses limits that are none", function()
    with_server(function() return ok "x" end, function(url)
      local client <close> = http.client()
      local res <close> = assert(client:get(url))
      for _, max in ipairs { 1.5, -1, 0 / 0 } do
        support.expect_error("argument #1 to 'body' %(option 'max'", res.body, res, { max = max })
      end
      assert.equal("x", res:body { max = math.huge })
    end)
  end)

  it("tells a body that ends early", function()
    with_server(function(_, stream)
      stream:write "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345"
    end, function(url)
      local client <close> = http.client()
      assert.equal("ENODATA", code(assert(client:get(url)):body()))
      local res = assert(client:get(url))
      assert.equal("12345", res:read(5))
      assert.equal("ENODATA", code(res:read(5)))
      support.expect_error("ENODATA", function() for _ in res:chunks() do end end)
      assert.equal(0, idle(client))
    end)
  end)

  it("names what it asked for in its errors, without secrets", function()
    support.run(function()
      local client <close> = http.client()
      local port = support.free_port()
      local _, message, why = client:get("http://127.0.0.1:" .. port .. "/x?token=secret")
      assert.equal(("GET http://127.0.0.1:%d/x?...: connect 127.0.0.1:%d: connection refused")
        :format(port, port), message)
      assert.equal("ECONNREFUSED", why)
      _, message, why = client:get "http://me:secret@a/"
      assert.equal("GET http://a/: it contains a user's name or password", message)
      assert.equal("EINVAL", why)
      assert.equal("EINVAL", code(client:get "/relative"))
    end)
  end)

  it("sends a user's name and password where it may", function()
    with_server(function() return ok "" end, function(url, log)
      local client <close> = http.client()
      local with_user = url:gsub("//", "//Aladdin:open%%20sesame@")
      local res = assert(client:get(with_user, { userinfo = true }))
      assert.equal("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", log.all[1].fields.authorization)
      assert.equal(url, res.url)
    end)
  end)

  it("asks before it sends a body, if it is told to", function()
    with_server(function(req, stream)
      if req.target == "/no" then
        stream:write "HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n"
        return nil
      end
      return ok(req.body)
    end, function(refusing)
      local client <close> = http.client()
      local refused = assert(client:put(refusing .. "/no", { body = "text", expect = true }))
      assert.equal(417, refused.status)
      local listener <close> = assert(kio.net.listen "127.0.0.1:0")
      local asked = kio.spawn(function()
        local stream <close> = assert(listener:accept())
        local head = stream:read_until "\r\n\r\n"
        assert(stream:peek(1, { timeout = 0 }) == nil)
        stream:write "HTTP/1.1 100 Continue\r\n\r\n"
        local body = stream:read(4)
        stream:write(ok(body))
        return head
      end)
      local res = assert(client:put("http://" .. listener:address(),
        { body = "text", expect = true }))
      assert.equal("text", res:body())
      assert.matches("\r\nExpect: 100%-continue", asked:await())
    end)
  end)
end)

describe("a connection of an HTTP client", function()
  it("is not used again after an answer that was not read to its end", function()
    with_server(function(req) return ok(req.target:rep(60000)) end, function(url, log)
      local client <close> = http.client()
      for i = 1, 3 do
        local res <close> = assert(client:get(url .. "/" .. i))
        assert.equal("/" .. i, res:read(2))
      end
      assert.same({ 3, 0 }, { log.connections, idle(client) })
    end)
  end)

  it("is used again when what was not read was short and had come", function()
    with_server(function(req) return ok(req.target) end, function(url, log)
      local client <close> = http.client()
      for i = 1, 5 do
        local res <close> = assert(client:get(url .. "/" .. i))
        kio.sleep(0.001)
        assert.equal(200, res.status)
      end
      assert.equal(1, log.connections)
    end)
  end)

  it("is closed by an error, a timeout, a cancellation, and the collector", function()
    with_server(function(req, stream)
      if req.target == "/slow" then kio.sleep(0.2) end
      if req.target == "/half" then
        stream:write "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345"
        kio.sleep(0.2)
        return nil
      end
      return ok(req.target)
    end, function(url)
      local client <close> = http.client { max_per_host = 1 }
      assert.equal("ETIMEDOUT", code(client:get(url .. "/slow", { timeout = 0.01 })))
      assert.equal("/a", assert(client:get(url .. "/a")):body())
      local res = assert(client:get(url .. "/half", { body_timeout = 0.01 }))
      assert.equal("ETIMEDOUT", code(res:body()))
      assert.equal("/b", assert(client:get(url .. "/b")):body())
      local task = kio.spawn(client.get, client, url .. "/slow")
      kio.sleep(0.01)
      task:cancel()
      task:join()
      assert.equal("/c", assert(client:get(url .. "/c")):body())
      pcall(function()
        local _ <close> = assert(client:get(url .. "/half"))
        error "in the middle"
      end)
      assert.equal("/d", assert(client:get(url .. "/d")):body())
      do assert(client:get(url .. "/half")) end
      collectgarbage()
      collectgarbage()
      assert.equal("/e", assert(client:get(url .. "/e", { timeout = 5 })):body())
    end)
  end)

  it("is not waited for past the deadline when the server takes no more of a body", function()
    testing.run(function()
      local listener <close> = assert(kio.net.listen "127.0.0.1:0")
      local accepting = kio.spawn(listener.accept, listener)
      local client <close>, started = http.client(), kio.now()
      local large = ("x"):rep(1 << 24)
      assert.equal("ETIMEDOUT", code(client:post("http://" .. listener:address(),
        { body = large, timeout = 0.25 })))
      assert.is_true(kio.now() - started < 0.3)
      accepting:await():close()
    end, { watchdog = false })
  end)

  it("is closed when the server says so, or will say so soon", function()
    local fields
    with_server(function() return ok("x", fields) end, function(url, log)
      local client <close> = http.client()
      fields = "Connection: close\r\n"
      assert(client:get(url)):body()
      assert.equal(0, idle(client))
      fields = "Keep-Alive: timeout=1\r\n"
      assert(client:get(url)):body()
      fields = "Keep-Alive: timeout=5, max=10\r\n"
      assert(client:get(url)):body()
      assert(client:get(url)):body()
      assert.equal(3, log.connections)
    end)
  end)

  it("is gone as soon as stray bytes or the end come", function()
    local stray = true
    with_server(function(_, stream)
      stream:write(ok "x"):flush()
      kio.sleep(0.005)
      if stray then stream:write "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged" return "" end
    end, function(url, log)
      local client <close> = http.client()
      for _ = 1, 2 do
        assert.equal("x", assert(client:get(url)):body())
        kio.sleep(0.05)
        assert.equal("x", assert(client:post(url)):body())
        kio.sleep(0.05)
        stray = false
      end
      assert.equal(4, log.connections)
    end, nil, function(f) return testing.run(f, { watchdog = false }) end)
  end)

  it("waits for its turn when there are too many", function()
    local now, most = 0, 0
    with_server(function()
      now = now + 1
      most = math.max(most, now)
      kio.sleep(0.002)
      now = now - 1
      return ok "x"
    end, function(url, log)
      local client <close> = http.client { max_per_host = 3 }
      local urls = {}
      for i = 1, 20 do urls[i] = url end
      kio.map(urls, function(each) return assert(client:get(each)):body() end)
      assert.same({ 3, 3 }, { most, log.connections })
      assert.equal(3, idle(client))
    end)
  end)
end)

describe("a request that fails on a connection that was idle", function()
  -- Closes each connection instead of answering its second request.
  local function spiteful(before)
    return function(req, stream, log)
      req.nth = (log[stream] or 0) + 1
      log[stream] = req.nth
      if req.nth == 2 then
        if before then stream:write(before):flush() end
        return nil
      end
      return ok(req.body or req.target)
    end
  end

  local function again(before, options, f)
    with_server(spiteful(before), function(url, log)
      local client <close> = http.client()
      assert(client:get(url .. "/first")):body()
      f(log, client:request(url .. "/second", options))
    end)
  end

  it("is sent once more, on a new connection, if that is harmless", function()
    for _, options in ipairs {
      {}, { method = "PUT", body = "/second" }, { method = "DELETE" },
      { method = "POST", body = "/second", headers = { ["Idempotency-Key"] = "1" } },
    } do
      again(nil, options, function(log, res)
        assert.equal("/second", assert(res):body())
        assert.same({ 2, 3 }, { log.connections, log.requests })
      end)
    end
  end)

  it("is not sent once more if it is not", function()
    for _, options in ipairs {
      { method = "POST", body = "x" }, { method = "PATCH", body = "x" },
    } do
      again(nil, options, function(log, ...)
        assert.equal("ECONNRESET", code(...))
        assert.same({ 1, 2 }, { log.connections, log.requests })
      end)
    end
    local pieces = { "a", "b" }
    again(nil, { method = "PUT", body = function() return table.remove(pieces, 1) end },
      function(log, ...)
        assert.is_string(code(...))
        assert.equal(2, log.requests)
      end)
  end)

  it("is not sent once more when something of an answer has come", function()
    for _, before in ipairs { "H", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 100 Continue\r\n\r\n" } do
      again(before, {}, function(log, ...)
        assert.is_string(code(...))
        assert.same({ 1, 2 }, { log.connections, log.requests })
      end)
    end
  end)

  it("is not sent once more on a connection that was new", function()
    with_server(function() return nil end, function(url, log)
      local client <close> = http.client()
      local res, message, why = client:get(url)
      assert.same({ nil, "ECONNRESET" }, { res, why })
      assert.matches("has closed the connection instead of answering", message)
      assert.equal(1, log.requests)
    end)
  end)
end)

describe("misuse of an HTTP client", function()
  local cases = {
    { "'client' %(unknown option 'max'%)", function() http.client { max = 1 } end },
    { "'max_per_host' must be an integer of 1", function() http.client { max_per_host = 0 } end },
    { "option 'no_proxy' needs 'proxy'", function() http.client { no_proxy = { "a" } } end },
    { "'no_proxy' and 'environment' exclude", function()
      http.client { no_proxy = { "a" }, environment = true }
    end },
    { "'idle_timeout' cannot be 0", function() http.client { idle_timeout = 0 } end },
    { "option 'proxy': its scheme", function() http.client { proxy = "socks://a" } end },
    { "'proxy' and 'environment'", function()
      http.client { proxy = "http://a", environment = true }
    end },
    { "'jar' must be true or a jar", function() http.client { jar = {} } end },
    { "'user_agent' cannot", function() http.client { user_agent = "a\r\nb" } end },
    { "#1 to 'get' %(a URL expected, got nil%)", function(client) client:get() end },
    { "unknown option 'header'", function(client) client:get("http://a", { header = {} }) end },
    { "'method' is for 'request'", function(client) client:get("http://a", { method = "X" }) end },
    { "option 'method' is none", function(client) client:request("http://a", { method = "" }) end },
    { "CONNECT", function(client) client:request("http://a", { method = "CONNECT" }) end },
    { "'body' must be a string", function(client) client:post("http://a", { body = {} }) end },
    { "'body' and 'form'", function(client) client:post("http://a", { body = "", form = {} }) end },
    { "'length' is for a body", function(client)
      client:post("http://a", { body = "", length = 1 })
    end },
    { "bad self", function() http.client().get({}, "http://a") end },
    { "too many arguments", function(client) client:get("http://a", nil, 1) end },
  }
  for _, case in ipairs(cases) do
    it("raises, at the caller's line: " .. case[1], function()
      support.run(function()
        local client <close> = http.client()
        local err = support.expect_error(case[1], case[2], client)
        assert.matches("^spec/http/client/client_spec.lua:%d+: ", err)
      end)
    end)
  end

  it("is using one that is closed", function()
    support.run(function()
      local client = http.client()
      client:close()
      client:close()
      assert.equal("EBADF", code(client:get "http://a"))
      assert.matches("closed", tostring(client))
    end)
  end)
end)
