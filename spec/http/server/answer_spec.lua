-- What handlers return and write becomes the answer, framed as the client can read it.
-- flavours: test asan hostile
local common = require "spec.http.server.common"
local kio = require "kio"
local support = require "spec.support"

local run, get, ask = kio.testing.run, common.get, common.ask

-- One request, one answer.
local function once(handler, text, options)
  local results
  run(function()
    common.serving(handler, function(address)
      results = table.pack(common.ask_once(address, text or get()))
    end, options)
  end)
  return table.unpack(results, 1, results.n)
end

describe("a handler", function()
  it("returns a body", function()
    local status, headers, body = once(function() return "hello\n" end)
    assert.same({ 200, "6", "hello\n" }, { status, headers["content-length"], body })
    assert.is_truthy(headers.date:match "^%u%l%l, %d%d %u%l%l %d%d%d%d %d%d:%d%d:%d%d GMT$")
    assert.is_nil(headers.server)
    assert.is_nil(headers.connection)
  end)

  it("returns a status alone", function()
    local status, headers, body = once(function() return 404 end)
    assert.same({ 404, "0", "" }, { status, headers["content-length"], body })
  end)

  it("returns a status, fields and a body", function()
    local status, headers, body = once(function()
      return 201, { ["X-One"] = "a", ["X-Two"] = { 1, 2 }, ["Content-Type"] = "text/x" }, 42
    end)
    assert.same({ 201, "a", "text/x", "42" },
      { status, headers["x-one"], headers["content-type"], body })
    assert.is_truthy(headers.text:find("X-Two: 1\r\n", 1, true))
    assert.is_truthy(headers.text:find("X-Two: 2\r\n", 1, true))
  end)

  it("returns fields as a list, in its order", function()
    local _, headers = once(function() return 200, { { "B", "1" }, { "A", "2" }, { "B", "3" } } end)
    assert.is_truthy(headers.text:find("B: 1\r\nA: 2\r\nB: 3\r\n", 1, true))
  end)

  it("returns an iterator, which comes in chunks", function()
    local status, headers, body = once(function()
      local i = 0
      return 200, nil, function()
        i = i + 1
        return ({ "one,", "", 2 })[i]
      end
    end)
    assert.same({ 200, "chunked", "one,2" }, { status, headers["transfer-encoding"], body })
    assert.is_nil(headers["content-length"])
  end)

  it("returns a file, which is closed then", function()
    local path, file = support.tmpdir() .. "/file", nil
    run(function() assert(kio.fs.write_file(path, ("x"):rep(100000))) end)
    local status, headers, body = once(function()
      file = assert(kio.fs.open(path))
      return 200, { ["content-type"] = "text/plain" }, file
    end)
    assert.same({ 200, "100000", ("x"):rep(100000) }, { status, headers["content-length"], body })
    assert.is_nil(file:fd())
  end)

  it("looks at a file that it has returned without asking a thread", function()
    local path, stats = support.tmpdir() .. "/file", nil
    run(function()
      assert(kio.fs.write_file(path, "text"))
      common.serving(function() return assert(kio.fs.open(path)) end, function(address)
        local before = kio.stats().ops.stat
        local status, _, body = common.ask_once(address, get())
        assert.same({ 200, "text" }, { status, body })
        stats = { before, kio.stats().ops.stat }
      end)
    end)
    assert.equal(stats[1], stats[2])
  end)

  it("returns a file that has no size, and is read to its end", function()
    local status, headers, body = once(function() return kio.fs.open "/proc/self/status" end)
    assert.same({ 200, "chunked" }, { status, headers["transfer-encoding"] })
    assert.matches("^Name:.*\n$", body)
    local path = support.tmpdir() .. "/empty"
    run(function() assert(kio.fs.write_file(path, "")) end)
    status, headers, body = once(function() return assert(kio.fs.open(path)) end)
    assert.same({ 200, "0", "" }, { status, headers["content-length"], body })
  end)

  it("returns no other kind of file, and no closed buffer", function()
    local closed = kio.buffer "x"
    closed:close()
    for words, body in pairs {
      ["is no regular one"] = function() return assert(kio.fs.open "/dev/zero") end,
      ["has returned a closed buffer"] = function() return closed end,
      ["has returned is closed"] = function()
        local file <close> = assert(kio.fs.open "/dev/null")
        return file
      end,
    } do
      local told
      run(function()
        common.serving(body, function(address)
          assert.equal(500, (common.ask_once(address, get())))
        end, nil, { on_error = function(err) told = err end })
      end)
      assert.matches("answer_spec%.lua:%d+: .*" .. words .. "$", told)
    end
  end)

  it("sends parts of a file, in every framing", function()
    local path = support.tmpdir() .. "/file"
    run(function() assert(kio.fs.write_file(path, "0123456789")) end)
    local starts = {
      function() end,
      function(res) res:start(200, { ["content-length"] = 4 }) end,
      function(res) res:start(200) end,
    }
    for i, start in ipairs(starts) do
      local _, headers, body = once(function(_, res)
        start(res)
        local file <close> = assert(kio.fs.open(path))
        assert(res:send_file(file, 3, 4) == 4)
      end)
      assert.equal("3456", body)
      assert.equal(i < 3 and "4" or nil, headers["content-length"])
    end
    assert.equal("3456", (select(3, once(function(_, res)
      res:start(200)
      local file <close> = assert(kio.fs.open(path))
      res:send_file(file, 3, 4)
    end, "GET / HTTP/1.0\r\n\r\n"))))
  end)

  it("refuses to send what is no file, also where nothing would be sent", function()
    for _, request in ipairs { get(), "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n" } do
      local status = once(function(_, res)
        for count = 0, 1 do
          support.expect_error("bad argument #1 to 'send_file' .kio.File expected", res.send_file,
            res, io.stdout, 0, count)
        end
        return 204
      end, request)
      assert.equal(204, status)
    end
  end)

  it("cannot send more of a file than there is", function()
    local path, code = support.tmpdir() .. "/file", nil
    run(function() assert(kio.fs.write_file(path, "0123456789")) end)
    for _, fields in ipairs { { ["content-length"] = 20 }, {} } do
      local errors = {}
      run(function()
        common.serving(function(_, res)
          res:start(200, fields)
          local file <close> = assert(kio.fs.open(path))
          assert(res:send_file(file, 0, 20) == 10)
        end, function(address)
          local stream <close> = common.connect(address)
          stream:write(get())
          code = select(3, stream:read "a")
        end, nil, { on_error = function(err) errors[#errors + 1] = tostring(err) end })
      end)
      assert.equal("ECONNRESET", code)
      assert.matches("than it has declared", errors[1])
    end
  end)

  it("returns a buffer", function()
    local _, _, body = once(function() return kio.buffer "bytes" end)
    assert.equal("bytes", body)
  end)

  it("returns a body that is long", function()
    local long = ("0123456789"):rep(50000)
    local _, headers, body = once(function() return long end)
    assert.equal("500000", headers["content-length"])
    assert.is_true(body == long)
  end)

  it("writes in pieces", function()
    local _, headers, body = once(function(_, res)
      res:start(200, { ["content-type"] = "text/plain" })
      for i = 1, 3 do assert(res:write(i, "\n") == res) end
    end)
    assert.same({ "chunked", "1\n2\n3\n" }, { headers["transfer-encoding"], body })
  end)

  it("writes without having started", function()
    local status, headers, body = once(function(_, res) res:write "hello" end)
    assert.same({ 200, "chunked", "hello" }, { status, headers["transfer-encoding"], body })
  end)

  it("declares the length", function()
    local _, headers, body = once(function(_, res)
      res:start(200, { ["Content-Length"] = 4 }):write "ab"
      res:write "cd"
    end)
    assert.same({ "4", "abcd" }, { headers["content-length"], body })
    assert.is_nil(headers["transfer-encoding"])
  end)

  it("ends with trailers", function()
    local _, headers, body = once(function(_, res)
      res:write "x"
      res:finish { ["X-Sum"] = "1" }
    end)
    assert.same({ "x", { "X-Sum: 1" } }, { body, headers.trailers })
  end)

  it("has no trailers that clients must refuse", function()
    for _, name in ipairs { "Content-Length", "transfer-encoding", "HOST" } do
      local refused
      local _, headers, body = once(function(_, res)
        res:write "x"
        refused = select(2, pcall(res.finish, res, { { "X-Sum", "1" }, { name, "1" } }))
        res:finish()
      end)
      assert.same({ "x", {} }, { body, headers.trailers })
      assert.is_truthy(refused:find("no trailer can have the field '" .. name .. "'", 1, true))
    end
  end)

  it("finishes, and goes on with other things", function()
    local after = false
    local _, _, body = once(function(_, res)
      res:write "x"
      res:finish()
      kio.sleep(1)
      after = true
    end)
    assert.equal("x", body)
    assert.is_true(after)
  end)

  it("sets fields before", function()
    local _, headers = once(function(_, res)
      res:set("X-A", "old"):set("x-a", "new"):add("X-B", 1):add("X-B", 2):set("X-C", "gone")
      return 200, { ["x-c"] = "mine" }, ""
    end)
    assert.is_truthy(headers.text:find("x-a: new\r\nX-B: 1\r\nX-B: 2", 1, true))
    assert.is_nil(headers.text:find("old", 1, true))
    assert.equal("mine", headers["x-c"])
  end)

  it("has its own Date, and a Server when that is set", function()
    local _, headers = once(function() return 200, { Date = "today" } end, nil, { server = "me" })
    assert.same({ "today", "me" }, { headers.date, headers.server })
  end)
end)

describe("a response without a body", function()
  for _, status in ipairs { 204, 304 } do
    it("is one of status " .. status, function()
      run(function()
        common.serving(function() return status end, function(address)
          local stream <close> = common.connect(address)
          for _ = 1, 2 do
            local got, headers = ask(stream, get())
            assert.equal(status, got)
            assert.is_nil(headers["content-length"])
            assert.is_nil(headers["transfer-encoding"])
          end
        end)
      end)
    end)
  end

  it("is one to HEAD, whose fields are those of GET", function()
    local long = ("x"):rep(10000)
    local bodies = {
      function() return long end,
      function(_, res) res:start(200, { ["content-length"] = 10000 }):write(long) end,
      function() return 200, { ["content-length"] = 10000 } end,
    }
    for _, handler in ipairs(bodies) do
      run(function()
        common.serving(handler, function(address)
          local stream <close> = common.connect(address)
          for _ = 1, 2 do
            local status, headers = ask(stream, "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert.same({ 200, "10000" }, { status, headers["content-length"] })
          end
        end)
      end)
    end
  end)
end)

describe("a client of HTTP/1.0", function()
  it("gets a body that ends with the connection", function()
    local function handler(_, res) res:write("one", "two") end
    local _, headers, body = once(handler, "GET / HTTP/1.0\r\n\r\n")
    assert.same({ "onetwo", "close" }, { body, headers.connection })
    assert.is_nil(headers["transfer-encoding"])
  end)

  it("keeps the connection when it asks for that, and the length is known", function()
    run(function()
      common.serving(function() return "x" end, function(address)
        local stream <close> = common.connect(address)
        local _, headers = ask(stream, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        assert.equal("keep-alive", headers.connection)
        _, headers = ask(stream, "GET / HTTP/1.0\r\n\r\n")
        assert.equal("close", headers.connection)
        assert.is_true(common.is_over(stream))
      end)
    end)
  end)
end)

describe("the connection", function()
  it("is kept, and requests that come together are answered in order", function()
    run(function()
      local report = common.serving(function(req)
        kio.sleep(tonumber(req.query) or 0)
        return req.path
      end, function(address)
        local stream <close> = common.connect(address)
        stream:write(get "/1?3", get "/2?2", get "/3?0")
        for i = 1, 3 do
          assert.equal("/" .. i, (select(3, common.answer(stream))))
        end
        assert.equal("/4", (select(3, ask(stream, get "/4"))))
      end)
      assert.equal(1, report.accepted)
    end)
  end)

  it("ends when the client says so, or the handler, or after max_requests", function()
    local function ends(text, handler, options)
      run(function()
        common.serving(handler, function(address)
          local stream <close> = common.connect(address)
          local _, headers = ask(stream, text)
          assert.equal("close", headers.connection)
          assert.is_true(common.is_over(stream))
        end, options)
      end)
    end
    local function plain() return "x" end
    ends(get("/", "Connection: foo, Close\r\n"), plain)
    ends(get(), function() return 200, { Connection = "close" }, "x" end)
    ends(get(), plain, { max_requests = 1 })
  end)
end)

describe("misuse", function()
  -- The error of a handler, as on_error is told it, and the status that the client got.
  local function failure(handler, text)
    local err, status
    run(function()
      common.serving(handler, function(address)
        local stream <close> = common.connect(address)
        stream:write(text or get())
        status = common.head(stream)
        stream:close()
      end, nil, { on_error = function(told) err = tostring(told) end })
    end)
    return err, status
  end

  local cases = {
    { "nothing", function() end, "returned nothing" },
    { "a table", function() return {} end, "returned a table where a body" },
    { "a boolean", function() return true end, "returned a boolean where a body" },
    { "a bad status", function() return 99 end, "returned the status 99" },
    { "a fraction as a status", function() return 200.5 end, "returned the status 200.5" },
    { "fields that are none", function() return 200, "x" end, "returned a string where a table" },
    { "fields that are none behind others", function(_, res)
      res:set("A", "b")
      return 200, "x"
    end, "returned a string where a table" },
    { "an iterator of tables", function() return 200, nil, function() return {} end end,
      "iterator that the handler has returned gave a table", true },
    { "a name with CR", function() return 200, { ["A\r"] = "x" } end, "name of a header field" },
    { "an empty name", function() return 200, { [""] = "x" } end, "name of a header field" },
    { "a value with LF", function() return 200, { A = "x\nB: y" } end, "control character" },
    { "a value with NUL", function() return 200, { A = "x\0" } end, "control character" },
    { "a boolean value", function() return 200, { A = true } end, "is a boolean" },
    { "a pair that is none", function() return 200, { { "A", "x" }, "B" } end, "no pair" },
    { "a Transfer-Encoding", function() return 200, { ["Transfer-Encoding"] = "chunked" } end,
      "is the server's" },
    { "a Connection", function() return 200, { connection = "upgrade" } end, "is the server's" },
    { "a length that is none", function() return 200, { ["content-length"] = "1 " } end,
      "cannot be a Content%-Length" },
    { "two lengths", function() return 200, { ["content-length"] = { 1, 1 } }, "x" end,
      "cannot be a Content%-Length" },
    { "a length of another body", function() return 200, { ["content-length"] = 2 }, "x" end,
      "declared as 2, and the body has 1 bytes" },
    { "a body to 204", function() return 204, nil, "x" end, "204 has no body" },
  }
  for _, case in ipairs(cases) do
    local name, handler, pattern, begun = table.unpack(case)
    it("by " .. name .. " is told with the handler's line", function()
      local err, status = failure(handler)
      assert.matches(pattern, err)
      assert.matches("answer_spec.lua:%d+:", err)
      assert.equal(begun and 200 or 500, status)
    end)
  end

  local calls = {
    { "a second start", function(_, res) res:start(200):start(200) end, "started before", true },
    { "a bad status", function(_, res) res:start(100) end, "a status from 200 to 999" },
    { "fields at the start", function(_, res) res:start(200, { A = "\r" }) end,
      "control character" },
    { "fields after the start", function(_, res) res:start(200):set("a", "b") end, "have been sent",
      true },
    { "a bad field", function(_, res) res:set("a b", "c") end, "a b" },
    { "what cannot be written", function(_, res) res:write({}) end, "string expected" },
    { "too long a body", function(_, res) res:start(200, { ["content-length"] = 1 }):write "ab" end,
      "more bytes than the declared Content%-Length", true },
    { "too short a body", function(_, res)
      res:start(200, { ["content-length"] = 3 }):write "ab"
      res:finish()
    end, "1 bytes shorter", true },
    { "writing after the end", function(_, res) res:finish():write "x" end, "has been answered",
      true },
    { "too many arguments", function(_, res) res:start(200, nil, 1) end, "too many arguments" },
    { "another self", function(_, res) res.write({}, "x") end, "bad self" },
    { "another self of the request", function(req) req.body({}) end, "bad self" },
    { "a body to 304", function(_, res) res:start(304):write "x" end, "304 has no body", true },
    { "an unknown option", function(req) req:body { most = 1 } end, "unknown option 'most'" },
    { "a bad format", function(req) req:read "x" end, "invalid format" },
  }
  for _, case in ipairs(calls) do
    local name, handler, pattern, begun = table.unpack(case)
    it("by " .. name .. " is told with the caller's line", function()
      local err, status = failure(handler)
      assert.matches(pattern, err)
      assert.matches("^[^:]*answer_spec.lua:%d+: ", err)
      if not begun then assert.equal(500, status) end
    end)
  end

  it("by fewer bytes than were declared ends the connection by a reset", function()
    local code
    run(function()
      common.serving(function(_, res) res:start(200, { ["content-length"] = 3 }):write "ab" end,
        function(address)
          local stream <close> = common.connect(address)
          stream:write(get())
          code = select(3, stream:read "a")
        end, nil, { on_error = function() end })
    end)
    assert.equal("ECONNRESET", code)
  end)

  it("by a response that was kept is told", function()
    local kept, kept_req
    run(function()
      common.serving(function(req, res)
        if kept then
          support.expect_error("has been answered", kept.write, kept, "x")
          support.expect_error("when it has been answered", kept_req.body, kept_req)
        end
        kept, kept_req = res, req
        return "x"
      end, function(address)
        local stream <close> = common.connect(address)
        assert.equal(200, (ask(stream, get())))
        assert.equal(200, (ask(stream, get())))
      end)
    end)
  end)

  it("by options is told", function()
    local http = require "kio.http"
    local function refused(pattern, ...)
      support.expect_error(pattern, http.handler, function() end, ...)
    end
    refused("unknown option 'max'", { max = 1 })
    refused("'max_body' must be a number", { max_body = "1" })
    refused("'max_head' must be an integer of 1 or more", { max_head = 0 })
    refused("'header_timeout' cannot be negative", { header_timeout = -1 })
    refused("'server' cannot contain", { server = "a\n" })
    refused("too many arguments", {}, 1)
    support.expect_error("function expected", http.handler)
    support.run(function()
      local function serve(...) return pcall(http.serve, "127.0.0.1:0", function() end, ...) end
      assert.matches("#3 to 'serve' %(unknown option 'max'%)", (select(2, serve { max = 1 })))
      assert.matches("#3 to 'serve' %(option 'idle_timeout' cannot be 0%)",
        (select(2, serve { idle_timeout = 0 })))
      assert.matches("too many arguments", (select(2, serve({}, 1))))
      assert.matches("function expected", (select(2, pcall(http.serve, "127.0.0.1:0"))))
    end)
  end)
end)
