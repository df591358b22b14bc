-- The body of a request: read in every way, bounded, and what becomes of one that nobody reads.
-- flavours: test asan hostile
local http = require "kio.http"
local kio = require "kio"
local common = require "spec.http.server.common"
local support = require "spec.support"

local run, get, ask = kio.testing.run, common.get, common.ask

local function post(body, fields)
  return ("POST / HTTP/1.1\r\nHost: a\r\n%sContent-Length: %d\r\n\r\n%s"):format(fields or "",
    #body, body)
end

local function chunked(...)
  local parts = { "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" }
  for _, piece in ipairs { ... } do parts[#parts + 1] = ("%x\r\n%s\r\n"):format(#piece, piece) end
  return table.concat(parts)
end

-- What the handler answers to each of these requests on one connection.
local function answers(handler, ...)
  local texts, list = table.pack(...), {}
  run(function()
    common.serving(handler, function(address)
      local stream <close> = common.connect(address)
      for i = 1, texts.n do
        local status, _, body = ask(stream, texts[i])
        list[i] = status == 200 and body or status
      end
    end)
  end)
  return table.unpack(list)
end

describe("a body", function()
  local texts = {
    post "line one\nline two\nend", chunked("line o", "ne\nline two", "\nend") .. "0\r\n\r\n",
  }

  it("is read whole, and is the same when it is asked for again", function()
    local function handler(req)
      local body = assert(req:body())
      assert(req:body() == body)
      return body
    end
    local one, two = answers(handler, table.unpack(texts))
    assert.same({ "line one\nline two\nend", "line one\nline two\nend" }, { one, two })
  end)

  it("has no bytes, or more of them, for who reads none", function()
    local function handler(req)
      local found = { req:read(0), req:read(1), req:read(0), (req:read "a"), tostring(req:read(0)) }
      return table.concat(found, "|")
    end
    local one, two = answers(handler, table.unpack(texts))
    local all = "|l||ine one\nline two\nend|nil"
    assert.same({ all, all }, { one, two })
  end)

  it("of a form with files refuses bounds that are no counts", function()
    local function handler(req)
      for _, name in ipairs { "max", "max_part", "max_parts", "max_head" } do
        support.expect_error("bad argument #1 to 'multipart' .option '" .. name, req.multipart,
          req, { [name] = 0.5 })
      end
      return "refused"
    end
    assert.equal("refused", (answers(handler, texts[1])))
  end)

  it("is read in pieces", function()
    local function handler(req)
      local pieces = {}
      for piece in req:chunks() do pieces[#pieces + 1] = piece end
      return table.concat(pieces)
    end
    local one, two = answers(handler, table.unpack(texts))
    assert.same({ "line one\nline two\nend", "line one\nline two\nend" }, { one, two })
  end)

  it("is read by lines", function()
    local function handler(req)
      local lines = {}
      for line in req:lines() do lines[#lines + 1] = line end
      return table.concat(lines, "|")
    end
    local one, two = answers(handler, table.unpack(texts))
    assert.same({ "line one|line two|end", "line one|line two|end" }, { one, two })
  end)

  it("is read by formats, and then the rest of it", function()
    local function handler(req)
      local parts = { req:read(3), req:read "L", req:read "l", req:read "a", tostring(req:read()) }
      return table.concat(parts, "|")
    end
    local one, two = answers(handler, table.unpack(texts))
    assert.same({ "lin|e one\n|line two|end|nil", "lin|e one\n|line two|end|nil" }, { one, two })
  end)

  it("is empty when there is none", function()
    local function handler(req)
      return req:body() .. tostring(req:read()) .. tostring(req:chunks()())
    end
    assert.equal("nilnil", (answers(handler, get())))
    assert.equal("nilnil", (answers(handler, post "")))
  end)

  it("has trailers when it came in chunks", function()
    local function handler(req)
      assert(req:trailers() == nil)
      req:body()
      return req:trailers() and req:trailers()["x-sum"] or "none"
    end
    local one, two, three = answers(handler, chunked "abc" .. "0\r\nX-Sum: 7\r\n\r\n",
      chunked "abc" .. "0\r\n\r\n", post "abc")
    assert.same({ "7", "none", "none" }, { one, two, three })
  end)

  it("belongs to one request: the next one stands behind it", function()
    local function handler(req) return (req:read(2)) end
    local one, two, three = answers(handler, post "abcdef", chunked("ghi", "jkl") .. "0\r\n\r\n",
      post "xy")
    assert.same({ "ab", "gh", "xy" }, { one, two, three })
  end)

  it("has two readers: the second is told", function()
    local told
    run(function()
      common.serving(function(req)
        local first = kio.spawn(req.body, req)
        kio.sleep(1)
        told = select(2, pcall(function() return (req:body()) end))
        return first:await()
      end, function(address)
        local stream <close> = common.connect(address)
        stream:write "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\na"
        kio.sleep(2)
        assert.equal("ab", (select(3, ask(stream, "b"))))
      end)
    end)
    assert.matches("body_spec.lua:%d+: another task is reading", told)
  end)
end)

describe("100 Continue", function()
  local expect = "Expect: 100-continue\r\n"

  it("is sent when the body is asked for", function()
    run(function()
      common.serving(function(req) return req:body() end, function(address)
        local stream <close> = common.connect(address)
        local head = post("abc", expect):sub(1, -4)
        for _ = 1, 2 do
          stream:write(head)
          assert.equal(100, (common.head(stream)))
          assert.equal("abc", (select(3, ask(stream, "abc"))))
        end
      end)
    end)
  end)

  it("is not sent when the body is there already, or nobody asks", function()
    run(function()
      common.serving(function() return "no" end, function(address)
        local stream <close> = common.connect(address)
        local status, headers, body = ask(stream, post("abc", expect):sub(1, -4), "POST")
        assert.same({ 200, "close", "no" }, { status, headers.connection, body })
        assert.is_true(common.is_over(stream))
      end)
    end)
  end)

  it("is not sent to HTTP/1.0", function()
    run(function()
      common.serving(function(req) return req:body() end, function(address)
        local stream <close> = common.connect(address)
        local text = "POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n"
        stream:write(text)
        kio.sleep(1)
        local status, _, body = ask(stream, "x")
        assert.same({ 200, "x" }, { status, body })
      end)
    end)
  end)

  it("is the only expectation: another is refused with 417", function()
    run(function()
      common.serving(function() return "x" end, function(address)
        assert.equal(417, (common.ask_once(address, get("/", "Expect: more\r\n"))))
      end)
    end)
  end)
end)

describe("max_body", function()
  local function status_of(handler, text, options)
    local status, headers
    run(function()
      common.serving(handler, function(address)
        local stream <close> = common.connect(address)
        status, headers = ask(stream, text)
      end, options, { on_error = function() end })
    end)
    return status, headers.connection
  end

  local function strict(req) return assert(req:body()) end

  it("lets a client that sends all before it reads see why its body is refused", function()
    support.run(function()
      local listener = assert(kio.net.listen("127.0.0.1:0", { receive_buffer = 4096 }))
      local serving = kio.spawn(http.serve, listener, function(req) return assert(req:body()) end,
        { on_error = function() end })
      local client <close> = assert(kio.net.connect(listener:address(), { send_buffer = 4096 }))
      client:write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2000000\r\n\r\n")
      assert(client:send(("x"):rep(2000000)))
      assert.equal(413, (common.head(client)))
      listener:close()
      serving:await()
    end)
  end)

  it("refuses a larger body with 413 before reading it", function()
    local text = post(("x"):rep(100)):sub(1, -101)
    assert.same({ 413, "close" }, { status_of(strict, text, { max_body = 99 }) })
    assert.equal(413, (status_of(function(req)
      for _ in req:chunks() do error "never" end
    end, text, { max_body = 99 })))
  end)

  it("refuses one in chunks as soon as it is larger", function()
    local text = chunked(("x"):rep(50), ("y"):rep(50))
    assert.same({ 413, "close" }, { status_of(strict, text, { max_body = 99 }) })
    local function reading(req) assert(req:read(1000)) end
    assert.equal(413, (status_of(reading, text, { max_body = 99 })))
    assert.equal(200, (status_of(strict, text .. "0\r\n\r\n", { max_body = 100 })))
  end)

  it("is what the handler says, too", function()
    local function handler(req) return assert(req:body { max = 100 }) end
    assert.equal(200, (status_of(handler, post(("x"):rep(100)), { max_body = 1 })))
    assert.equal(413, (status_of(handler, post(("x"):rep(101)), { max_body = 1000 })))
  end)

  it("is 1 MiB, and a handler may take it upon itself", function()
    local function handler(req)
      local body, _, code = req:body()
      if not body then return 418, nil, code end
      return "x"
    end
    assert.equal(418, (status_of(handler, post(("x"):rep((1 << 20) + 1)):match "^.-\r\n\r\n")))
    assert.equal(200, (status_of(handler, post(("x"):rep(1 << 20)))))
  end)
end)

describe("a body that nobody reads", function()
  it("is passed over when it is short", function()
    run(function()
      local report = common.serving(function(req) return req.path end, function(address)
        local stream <close> = common.connect(address)
        for _ = 1, 3 do
          assert.equal(200, (ask(stream, post(("x"):rep(60000)))))
          assert.equal(200, (ask(stream, chunked(("x"):rep(60000)) .. "0\r\n\r\n")))
        end
      end)
      assert.equal(1, report.accepted)
    end)
  end)

  it("ends the connection when it is long, but only when the answer has been read", function()
    run(function()
      common.serving(function() return "no" end, function(address)
        local stream <close> = common.connect(address)
        local status, _, body = ask(stream, post(("x"):rep(65537)))
        assert.same({ 200, "no" }, { status, body })
        assert.is_true(common.is_over(stream))
      end)
    end)
  end)

  it("ends the connection when it does not come", function()
    run(function()
      common.serving(function() return "no" end, function(address)
        local stream <close> = common.connect(address)
        assert.equal(200, (ask(stream, post("xxx"):sub(1, -2))))
        local began = kio.now()
        assert.is_true(common.is_over(stream))
        assert.is_true(kio.now() - began < 10)
      end)
    end)
  end)
end)

describe("a body that breaks a rule", function()
  it("is answered with 400, and is its reader's failure", function()
    local code
    run(function()
      common.serving(function(req)
        local body, message
        body, message, code = req:body()
        return assert(body, message)
      end, function(address)
        local stream <close> = common.connect(address)
        local status, headers = ask(stream, chunked "abc" .. "x\r\n")
        assert.same({ 400, "close" }, { status, headers.connection })
        assert.is_true(common.is_over(stream))
      end, nil, { on_error = function() end })
    end)
    assert.equal("EPROTO", code)
  end)

  it("stays broken", function()
    run(function()
      common.serving(function(req)
        assert(not req:body())
        local body, _, code = req:read "a"
        assert(not body and code == "EPROTO")
        return "broken"
      end, function(address)
        local stream <close> = common.connect(address)
        assert.equal("broken", (select(3, ask(stream, chunked "abc" .. "x\r\n"))))
        assert.is_true(common.is_over(stream))
      end)
    end)
  end)
end)
