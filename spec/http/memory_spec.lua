-- Lua's memory runs out while HTTP is read or written: an error, after which every byte is still
-- there, and the body is where it was; nothing was written, or all of it. What the half in C takes
-- of other memory is for exhausted_spec.
-- flavours: test asan
local kio = require "kio"
local core = require "kio.http.core"
local websocket = require "spec.http.websocket"
local wire = require "spec.http.wire"

local HEAD <const> = "POST / HTTP/1.1\r\nHost: a\r\nX: " .. ("x"):rep(100)
  .. "\r\nTransfer-Encoding: chunked\r\n\r\n"
local BODY <const> = ("32\r\n%s\r\n0\r\nX-Sum: %s\r\n\r\n"):format(("b"):rep(50), ("1"):rep(60))
local TRIES <const> = 40

-- f(...), whose n-th allocation fails, for each n; when it fails f(...) must succeed then. `fresh`
-- makes the arguments, `check` looks at the result. Some have failed, and the last ones not.
local function exhaust(fresh, f, check)
  local failed = 0
  for n = 1, TRIES do
    local a, b, c = fresh()
    local call, fail = pcall, kio.core.fail_lua_memory
    call(call, call, call, call) -- a call that is deeper than any before costs memory, too
    fail(n)
    local done, value = call(f, a, b, c)
    local reached = fail(0)
    if not done then
      assert.matches("not enough memory", value)
      assert.is_true(reached)
      failed = failed + 1
      value = f(a, b, c)
    end
    check(value, a, b, c)
  end
  assert.is_true(failed > 0 and failed < TRIES)
end

local function try_read(reader, limits) return (assert(core.read_request(reader, limits, 0, 0))) end

describe("memory that runs out", function()
  it("while a head is read leaves it unread", function()
    wire.connected(function(reader)
      local limits = core.limits()
      exhaust(function()
        reader:unread(HEAD)
        return reader, limits
      end, try_read, function(head)
        assert.equal(("x"):rep(100), head.headers.x)
        assert.equal("chunked", head.body)
      end)
    end)
  end)

  it("while a body is read leaves it where it was", function()
    wire.connected(function(reader)
      local limits = core.limits()
      exhaust(function()
        reader:unread(HEAD .. BODY)
        return reader, core.body(try_read(reader, limits))
      end, function(stream, body) return assert(core.read_body(stream, body, nil, 0)) end,
      function(piece, _, body)
        assert.equal(("b"):rep(50), piece)
        assert.equal(50, body.received)
        assert.is_nil(core.read_body(reader, body, nil, 0))
        assert.equal(("1"):rep(60), body:trailers()["x-sum"])
      end)
    end)
  end)

  it("while a body is taken at once leaves it", function()
    wire.connected(function(reader)
      local limits = core.limits()
      local body = ("b"):rep(300)
      exhaust(function()
        reader:unread("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 300\r\n\r\n" .. body)
        return reader, try_read(reader, limits), 1000
      end, core.take_body, function(text) assert.equal(body, text) end)
    end)
  end)

  it("while a trailer is read leaves it unread", function()
    wire.connected(function(reader)
      local limits = core.limits()
      exhaust(function()
        reader:unread(HEAD .. BODY)
        local body = core.body(try_read(reader, limits))
        assert.equal(50, #core.read_body(reader, body, nil, 0))
        return reader, body
      end, function(stream, body)
        assert(not select(2, core.read_body(stream, body, nil, 0)))
        return body
      end, function(body)
        assert.equal(("1"):rep(60), body:trailers()["x-sum"])
        assert.is_true(body.ended)
      end)
    end)
  end)

  it("while what is wrong is told leaves the bytes", function()
    wire.connected(function(reader)
      local bytes = "GET / HTTP/1.1\r\nHost : a\r\n\r\n"
      exhaust(function()
        reader:unread(bytes)
        return reader, core.limits()
      end, function(stream, limits)
        return { select(2, core.read_request(stream, limits, 0, 0)) }
      end, function(told)
        assert.same({ "EPROTO", 400 }, { told[2], told[3] })
        assert.equal(bytes, reader:read(#bytes))
      end)
    end)
  end)

  it("while fields are written or looked at changes nothing", function()
    local headers = {}
    for i = 1, 5 do headers[i] = { "X-" .. i, ("v"):rep(300) } end
    local text = core.encode_fields(headers)
    exhaust(function() return headers end, core.encode_fields, function(again)
      assert.equal(text, again)
    end)
    local head = wire.request("GET / HTTP/1.1\r\nHost: a\r\n" .. text .. "\r\n")
    exhaust(function() return head end, head.list, function(list) assert.equal(6, #list) end)
  end)
end)

-- Chunks are written with none.
describe("memory that runs out while an answer is written", function()
  local REQUEST <const> = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

  it("leaves it unwritten, or written once", function()
    local headers = { date = "today", ["content-type"] = "text/plain" }
    for i = 1, 40 do headers["x-" .. i] = ("v"):rep(300) end
    wire.connected(function(stream, other)
      stream:unread(REQUEST)
      local head = try_read(stream, core.limits())
      local function answer()
        local _, _, text = core.answer(stream, head, 200, headers, "body", true, false, "me")
        if text then stream:write(text) end
        return true
      end
      answer()
      stream:flush()
      local size = #assert(other:read_until "\r\n\r\nbody") + #"\r\n\r\nbody"
      exhaust(function() end, answer, function()
        stream:flush()
        assert.matches("\r\n\r\nbody$", other:read(size))
        assert.is_nil(other:recv(1, { timeout = 0 }))
      end)
    end)
  end)
end)

describe("memory that runs out in a WebSocket", function()
  it("leaves what has come to be taken", function()
    wire.connected(function(stream)
      local text = ("t"):rep(300)
      exhaust(function()
        stream:unread(websocket.frame(websocket.TEXT, text))
        return stream, core.frames(false, 1000, false)
      end, function(...) return assert(core.read_frame(...)) end, function(message)
        assert.equal(text, message)
      end)
    end)
  end)

  it("leaves a frame unwritten, or written once", function()
    wire.connected(function(stream, other)
      local frames, text = core.frames(true, 1000, false), ("t"):rep(300)
      exhaust(function() return stream, frames end, function()
        return assert(core.send_frame(stream, frames, websocket.TEXT, text))
      end, function()
        stream:flush()
        websocket.expect(other, websocket.TEXT, text)
      end)
    end)
  end)
end)
