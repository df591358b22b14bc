-- Bodies: each framing, in pieces of any size, their limits and their ends; trailers.
-- flavours: test asan hostile
local kio = require "kio"
local core = require "kio.http.core"
local support = require "spec.support"
local wire = require "spec.http.wire"

local function post(fields) return "POST / HTTP/1.1\r\nHost: a\r\n" .. fields .. "\r\n" end
local CHUNKED <const> = post "Transfer-Encoding: chunked\r\n"

describe("a body", function()
  it("that there is none of has ended", function()
    local text, trailers, rest = wire.body(post "" .. "next")
    assert.same({ "", nil, "next" }, { text, trailers, rest })
    assert.is_true(core.body(wire.request(post "")).ended)
    assert.is_true(core.body(wire.request(post "Content-Length: 0\r\n")).ended)
  end)

  it("of a length is that many bytes", function()
    for _, size in ipairs { 1, 3, 100 } do
      local text, trailers, rest = wire.body(post "Content-Length: 5\r\n" .. "hellonext", nil, size)
      assert.same({ "hello", nil, "next" }, { text, trailers, rest })
    end
  end)

  it("of chunks is what is in them", function()
    local cases = {
      { "0\r\n\r\n", "" },
      { "5\r\nhello\r\n0\r\n\r\n", "hello" },
      { "000005\r\nhello\r\n00\r\n\r\n", "hello" },
      { "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", "hello" },
      { "a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n", ("0123456789"):rep(2) },
      { "5;a\r\nhello\r\n0;b=c\r\n\r\n", "hello" },
      { "5;a;b=c;d=\"e \\\" \xff;\\\\\";f\r\nhello\r\n0\r\n\r\n", "hello" },
      { "5;" .. ("a"):rep(255) .. "\r\nhello\r\n0\r\n\r\n", "hello" },
      { "2\r\n\r\n\r\n0\r\n\r\n", "\r\n" },
      { "17\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n\r\n0\r\n\r\n", "0\r\n\r\nGET / HTTP/1.1\r\n\r\n" },
    }
    for _, case in ipairs(cases) do
      for _, size in ipairs { 1, 2, 1000 } do
        local text, trailers, rest = wire.body(CHUNKED .. case[1] .. "next", nil, size)
        assert.same({ case[2], nil, "next" }, { text, trailers, rest }, case[1])
      end
    end
  end)

  it("has trailers behind its chunks, apart from the headers", function()
    local text, trailers, rest = wire.body(CHUNKED
      .. "2\r\nhi\r\n0\r\nX-Sum: 1\r\nx-sum: 2\r\nVary: *\r\n\r\nnext")
    assert.same({ "hi", "next" }, { text, rest })
    assert.equal("1, 2", trailers["X-Sum"])
    assert.equal("*", trailers.vary)
    assert.is_nil(trailers.host)
  end)

  it("of a response without a length is all that comes", function()
    wire.sent("HTTP/1.1 200 OK\r\n\r\nall of it\r\n", function(reader)
      local body = core.body(assert(core.read_response(reader, core.limits(), "GET", 5)))
      assert.is_false(body.ended)
      local pieces = {}
      for piece in function() return (assert(core.read_body(reader, body, 4, 5))) end do
        pieces[#pieces + 1] = piece
        if body.received == 11 then break end
      end
      assert.equal("all of it\r\n", table.concat(pieces))
      assert.same({ n = 1 }, table.pack(core.read_body(reader, body, 4, 5)))
      assert.is_true(body.ended)
    end)
  end)

  it("is known to have ended with its last byte", function()
    wire.connected(function(reader, writer)
      local cases = { post "Content-Length: 2\r\n" .. "hi", CHUNKED .. "2\r\nhi\r\n0\r\n\r\n" }
      for _, bytes in ipairs(cases) do
        assert(writer:send(bytes))
        local body = core.body(assert(core.read_request(reader, core.limits(), 5, 5)))
        if not support.chunk and support.flavour ~= "hostile" then
          assert(reader:peek(#bytes:match "\r\n\r\n(.*)$"))
        end
        local text = ""
        repeat text = text .. (core.read_body(reader, body, nil, 5) or "") until body.ended
        assert.same({ "hi", 2 }, { text, body.received })
        assert.same({ n = 1 }, table.pack(core.read_body(reader, body, nil, 5)))
      end
    end)
  end)

  it("that ends early is a failure, never a short one", function()
    local function early(bytes)
      local text, message, code, status, before = wire.body(bytes)
      assert.is_nil(text)
      assert.matches("^read_body .*: the peer ended in the middle of the body$", message)
      assert.same({ "ENODATA", nil }, { code, status })
      return before
    end
    assert.equal("hell", early(post "Content-Length: 5\r\n" .. "hell"))
    assert.equal("", early(post "Content-Length: 5\r\n"))
    local whole = "5;a=\"b\"\r\nhello\r\n0\r\nX: y\r\n\r\n"
    for cut = 0, #whole - 1 do
      local before = early(CHUNKED .. whole:sub(1, cut))
      assert.equal(("hello"):sub(1, math.max(0, cut - 9)), before)
    end
  end)

  it("is the same in whatever pieces it comes", function()
    local whole = "3;x=\"y\"\r\nabc\r\nb\r\n\r\n456789012\r\n0\r\nA: b\r\n\r\n"
    wire.connected(function(reader, writer)
      for cut = 1, #whole do
        local sending = kio.spawn(function()
          assert(writer:send(CHUNKED .. whole:sub(1, cut)))
          kio.sleep(0)
          assert(writer:send(whole:sub(cut + 1) .. "|"))
        end)
        local body = core.body(assert(core.read_request(reader, core.limits(), 5, 5)))
        local text = ""
        repeat text = text .. (core.read_body(reader, body, nil, 5) or "") until body.ended
        assert.equal("abc\r\n456789012", text, cut)
        assert.equal("b", body:trailers().a)
        assert.equal("|", reader:read(1))
        sending:await()
      end
    end)
  end)
end)

describe("the limit of a body", function()
  it("holds to the byte, and before the first one when the length is declared", function()
    local function read(bytes, max)
      local text, message, code, status, before = wire.body(bytes, max)
      if text then return text end
      assert.matches("a body of more bytes than the limit allows$", message)
      assert.equal("EMSGSIZE", code)
      return status, before
    end
    assert.equal("hello", read(post "Content-Length: 5\r\n" .. "hello", 5))
    assert.same({ 413, "" }, { read(post "Content-Length: 5\r\n", 4) })
    assert.same({ 413, "" }, { read(post "Content-Length: 1\r\n" .. "x", 0) })
    assert.equal("hello", read(CHUNKED .. "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", 5))
    assert.same({ 413, "he" }, { read(CHUNKED .. "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", 4) })
    assert.same({ 413, "" }, { read(CHUNKED .. "1fffffffffffff\r\n", 4) })
    assert.equal("", read(CHUNKED .. "0\r\n\r\n", 0))
  end)

  it("holds for what has no length, too", function()
    wire.sent("HTTP/1.0 200 OK\r\n\r\nhello", function(reader)
      local limits = core.limits()
      local body = core.body(assert(core.read_response(reader, limits, "GET", 5)), 4)
      local text = ""
      while #text < 4 do text = text .. core.read_body(reader, body, nil, 5) end
      assert.equal("hell", text)
      assert.equal("EMSGSIZE", (select(3, core.read_body(reader, body, nil, 5))))
      assert.equal("o", reader:read "a")
    end)
  end)

  it("of trailers is that of the head's limits", function()
    local trailer = "X: " .. ("y"):rep(20) .. "\r\n\r\n"
    local function status(max_trailers)
      return wire.sent(CHUNKED .. "0\r\n" .. trailer, function(reader)
        local limits = core.limits { max_trailers = max_trailers }
        local body = core.body(assert(core.read_request(reader, limits, 5, 5)))
        return (select(4, core.read_body(reader, body, nil, 5)))
      end)
    end
    assert.is_nil(status(#trailer))
    assert.equal(431, status(#trailer - 1))
  end)
end)

describe("a body that does not come", function()
  local function begun(f)
    return wire.connected(function(reader, writer)
      assert(writer:send(CHUNKED .. "5\r\nhe"))
      local body = core.body(assert(core.read_request(reader, core.limits(), 5, 5)))
      local text = core.read_body(reader, body, 1, 5) .. core.read_body(reader, body, 1, 5)
      assert.equal("he", text)
      return f(reader, writer, body)
    end)
  end

  it("is late with 408, and goes on then", function()
    begun(function(reader, writer, body)
      local piece, message, code, status = core.read_body(reader, body, nil, 0.01)
      assert.is_nil(piece)
      assert.matches("^read_body ", message)
      assert.same({ "ETIMEDOUT", 408 }, { code, status })
      assert(writer:send "llo\r\n0\r\n\r\n")
      local text = ""
      repeat text = text .. (core.read_body(reader, body, nil, 5) or "") until body.ended
      assert.equal("llo", text)
    end)
  end)

  it("loses nothing when it is cancelled", function()
    begun(function(reader, writer, body)
      local task = kio.spawn(core.read_body, reader, body, nil, 50)
      repeat kio.sleep(0.001) until task:status() == "waiting"
      support.expect_error("another task is reading", core.read_body, reader, body, nil, 5)
      task:cancel()
      assert.is_false((task:join()))
      assert.equal(2, body.received)
      assert(writer:send "llo\r\n")
      local text = ""
      repeat text = text .. core.read_body(reader, body, nil, 5) until #text == 3
      assert.equal("llo", text)
    end)
  end)
end)

describe("fields to be sent", function()
  it("are text, one line each", function()
    assert.equal("", core.encode_fields {})
    assert.equal("A: b\r\n", core.encode_fields { A = "b" })
    assert.equal("A: 1\r\nA: 2\r\n", core.encode_fields { A = { 1, "2" } })
    assert.equal("B: x\r\nA: y\tz \xff\r\nA: 2.5\r\nC: \r\n",
      core.encode_fields { { "B", "x" }, { "A", { "y\tz \xff", 2.5 } }, { "C", "" } })
    local both = core.encode_fields { { "A", "1" }, B = "2" }
    assert.equal("A: 1\r\nB: 2\r\n", both)
    local many = {}
    for i = 1, 200 do many["X-" .. i] = ("v"):rep(i) end
    assert.equal(200, select(2, core.encode_fields(many):gsub("X%-%d+: v+\r\n", "")))
  end)

  it("cannot break a head", function()
    local wrong = { { ["A\r\nB"] = "x" }, { [""] = "x" }, { ["A B"] = "x" }, { ["A:"] = "x" },
      { A = "x\r\nB: y" }, { A = "x\n" }, { A = "x\r" }, { A = "x\0" }, { A = "x\x7f" },
      { A = { "x", "y\n" } }, { A = true }, { A = { {} } }, { A = print }, { [1.5] = "x" },
      { true }, { { "A" } }, { { 1, "x" } }, { { "A", "x\n" } }, { ["\xff"] = "x" } }
    for _, headers in ipairs(wrong) do
      local _, message = pcall(function() return (core.encode_fields(headers)) end)
      assert.matches("body_spec%.lua:%d+: .*header", message)
      assert.is_nil(message:find "[\r\n]")
    end
    assert.is_false((pcall(core.encode_fields)))
    assert.is_false((pcall(core.encode_fields, "A: b")))
  end)

  it("are read without metamethods", function()
    local noisy = setmetatable({ A = "b" }, { __index = error, __pairs = error, __len = error })
    assert.equal("A: b\r\n", core.encode_fields(noisy))
  end)
end)
