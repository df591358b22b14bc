-- flavours: test asan hostile
-- WebSockets: messages, pings, closing, who may do what when.
local kio = require "kio"
local support = require "spec.support"
local websocket = require "spec.http.websocket"

local TEXT, BINARY, CLOSE, PING, PONG =
  websocket.TEXT, websocket.BINARY, websocket.CLOSE, websocket.PING, websocket.PONG
local frame, part, expect = websocket.frame, websocket.part, websocket.expect

local function it_runs(name, f, opts) it(name, function() support.run(f, opts) end) end

describe("a WebSocket", function()
  it_runs("receives messages and tells their kinds, up to a fair end", function()
    local ws, other = websocket.open()
    other:write(frame(TEXT, "hello"), frame(BINARY, "\0\255"), frame(TEXT, ""),
      frame(CLOSE, "\x03\xe8bye"))
    local list = {}
    for message, kind in ws:messages() do list[#list + 1] = kind .. ":" .. message end
    assert.same({ "text:hello", "binary:\0\255", "text:" }, list)
    assert.equal(1000, ws.close_code)
    assert.equal("bye", ws.close_reason)
    expect(other, CLOSE, "\x03\xe8")
    assert.is_nil(other:read(1))
    assert.same({ n = 1 }, table.pack(ws:receive()))
    assert.is_true(ws:close())
    other:close()
  end)

  it_runs("sends texts, bytes and pings: a server's are not masked, a client's are", function()
    local ws, other = websocket.open()
    assert.equal(ws, ws:send "text")
    ws:send(12):send { binary = "\0\1" }:send { binary = kio.buffer "ab" }:ping():ping "data"
    assert.equal("\x81\x04text", other:read(6))
    expect(other, TEXT, "12")
    expect(other, BINARY, "\0\1")
    expect(other, BINARY, "ab")
    expect(other, PING, "")
    expect(other, PING, "data")
    ws.stream:close()
    other:close()
    ws, other = websocket.open { client = true }
    ws:send "text"
    local bytes = other:peek(10)
    assert.equal("\x81\x84", bytes:sub(1, 2))
    assert.not_equal("text", bytes:sub(7))
    expect(other, TEXT, "text")
    ws.stream:close()
    other:close()
  end)

  it_runs("has masks that differ", function()
    local ws, other = websocket.open { client = true }
    local masks, different = {}, 0
    for _ = 1, 100 do
      ws:send { binary = "\0\0\0\0" }
      local mask = other:read(10):sub(3, 6)
      if not masks[mask] then different = different + 1 end
      masks[mask] = true
    end
    assert.is_true(different > 95)
    ws.stream:close()
    other:close()
  end)

  it_runs("puts fragments together, with pings between them answered", function()
    local ws, other = websocket.open()
    other:write(part(TEXT, "one, "), frame(PING, "now"), part(0, "two, "), frame(0, "three"))
    assert.equal("one, two, three", (ws:receive()))
    expect(other, PONG, "now")
    ws.stream:close()
    other:close()
  end)

  it_runs("brings large messages both ways", function()
    local server, client = websocket.pair { max_message = 5000000 }
    local text = ("ä0123456789"):rep(support.flavour == "hostile" and 300 or 200000)
    local echo = websocket.echo(server)
    local sending = kio.spawn(client.send, client, { binary = text })
    assert.is_true(client:receive() == text)
    assert(sending:await())
    assert(client:send(text))
    local message, kind = client:receive()
    assert.is_true(message == text)
    assert.equal("text", kind)
    assert.is_true(client:close())
    echo:await()
  end)

  it_runs("gives up at a deadline, and has lost nothing", function()
    local ws, other = websocket.open()
    local bytes = frame(TEXT, ("whole"):rep(100))
    for i = 1, #bytes, 100 do
      other:send(bytes:sub(i, i + 99))
      if i + 99 < #bytes then
        local message, words, code = ws:receive { timeout = 0.01 }
        assert.is_nil(message)
        assert.equal("ETIMEDOUT", code)
        assert.truthy(words:find "^receive .*timed out$")
      end
    end
    assert.equal(("whole"):rep(100), (ws:receive { timeout = 10 }))
    ws.stream:close()
    other:close()
  end, nil)

  it_runs("is read by one task, and tells the second so", function()
    local ws, other = websocket.open()
    local reading = kio.spawn(function() return (ws:receive()) end)
    kio.yield()
    support.expect_error("^spec/http/websocket_spec.lua:%d+: another task is receiving",
      function() ws:receive() end)
    other:write(frame(TEXT, "for the first"))
    assert.equal("for the first", reading:await())
    ws.stream:close()
    other:close()
  end)

  it_runs("sends whole messages, whoever sends them, past the mark of its stream", function()
    local ws, other = websocket.open { narrow = true }
    local count, size = 4, support.flavour == "hostile" and 1000 or 200000
    local tasks = {}
    for i = 1, count do
      tasks[i] = kio.spawn(function()
        for n = 1, 3 do
          assert(ws:send(("%d"):format(i):rep(n == 2 and 10 or size)))
          assert(ws:ping(tostring(i)))
        end
      end)
    end
    local seen, pings = {}, 0
    while pings < 3 * count or #seen < 3 * count do
      local opcode, payload = websocket.read_frame(other)
      if opcode == PING then pings = pings + 1
      else
        assert.equal(TEXT, opcode)
        seen[#seen + 1] = payload
        assert.truthy(payload:find("^" .. payload:sub(1, 1) .. "+$"))
        assert.truthy(#payload == size or #payload == 10)
      end
    end
    for _, task in ipairs(tasks) do task:await() end
    ws.stream:close()
    other:close()
  end)

  it_runs("waits for a slow peer, up to a deadline, and goes on afterwards", function()
    local ws, other = websocket.open { narrow = true }
    local sent = 0
    local text = ("x"):rep(support.flavour == "hostile" and 30 or 3000)
    while true do
      local done, _, code = ws:send(text, { timeout = 0.01 })
      if not done then
        assert.equal("ETIMEDOUT", code)
        break
      end
      sent = sent + 1
    end
    local reading = kio.spawn(function()
      for _ = 1, sent do expect(other, TEXT, text) end
      return expect(other, TEXT)
    end)
    assert(ws:send "the last")
    assert.equal("the last", reading:await())
    ws.stream:close()
    other:close()
  end)

  it_runs("refuses what is no message, by the caller's line", function()
    local ws, other = websocket.open()
    local here = "^spec/http/websocket_spec.lua:%d+: "
    for text, f in pairs {
      ["bad argument #1 to 'send' %(a text must be UTF%-8"] = function() ws:send "\xff" end,
      ["bad argument #1 to 'send' %(a string, or"] = function() ws:send(nil) end,
      ["{ binary = bytes } expected"] = function() ws:send { "a" } end,
      ["unknown option 'tiemout'"] = function() ws:send("a", { tiemout = 1 }) end,
      ["at most 125 bytes"] = function() ws:ping(("x"):rep(126)) end,
      ["a code that a close frame may have"] = function() ws:close(1005) end,
      ["at most 123 bytes"] = function() ws:close(1000, ("x"):rep(124)) end,
      ["a reason must be UTF%-8"] = function() ws:close(1000, "\xc0") end,
      ["calling 'send' on bad self %(kio.http.WebSocket expected"] =
        function() ws.send({}, "a") end,
    } do support.expect_error(here .. ".*" .. text, f) end
    ws.stream:close()
    other:close()
  end)

  it_runs("says what it is", function()
    local ws, other = websocket.open()
    assert.equal("kio.http.WebSocket (open, peer the peer)", tostring(ws))
    other:write(frame(CLOSE))
    ws:receive()
    assert.equal("kio.http.WebSocket (closed, peer the peer)", tostring(ws))
    assert.equal(1005, ws.close_code)
    other:close()
  end)
end)

describe("the end of a WebSocket", function()
  it_runs("is agreed on by both sides: what comes meanwhile is dropped", function()
    local ws, other = websocket.open()
    local closing = kio.spawn(function() return ws:close(4001, "enough") end)
    expect(other, CLOSE, "\x0f\xa1enough")
    other:write(frame(TEXT, "late"), frame(CLOSE, "\x0f\xa1"))
    assert.is_true(closing:await())
    assert.is_nil(other:read(1))
    assert.equal(4001, ws.close_code)
    local sent, message, code = ws:send "more"
    assert.is_nil(sent)
    assert.equal("send the peer: the connection has ended", message)
    assert.equal("EPIPE", code)
    other:close()
  end)

  it_runs("may be asked for beside the task that receives", function()
    local server, client = websocket.pair()
    local ends = { websocket.echo(server), websocket.echo(client) }
    kio.yield()
    assert.is_true(client:close())
    assert.is_nil(ends[1]:await())
    assert.is_nil(ends[2]:await())
    assert.equal(1000, server.close_code)
    assert.equal(1000, client.close_code)
  end)

  it_runs("may be asked for by both at once", function()
    local server, client = websocket.pair()
    local closing = kio.spawn(server.close, server, 1001)
    assert.is_true(client:close())
    assert.is_true(closing:await())
  end)

  it_runs("does not wait for ever", function()
    local ws, other = websocket.open()
    local done, message, code = ws:close(1000, "", { timeout = 0.01 })
    assert.is_nil(done)
    assert.equal("ETIMEDOUT", code)
    assert.truthy(message:find "^close the peer: ")
    expect(other, CLOSE)
    assert.is_nil(other:read(1))
    assert.equal("ECANCELED", select(3, ws:receive()))
    other:close()
  end)

  it_runs("is a loss when the peer goes without a word", function()
    local ws, other = websocket.open()
    other:write(frame(TEXT, "first"), part(TEXT, "half")):close()
    assert.equal("first", (ws:receive()))
    local message, words, code = ws:receive()
    assert.is_nil(message)
    assert.equal("receive the peer: the peer has ended without a close frame", words)
    assert.equal("ECONNRESET", code)
    assert.equal(1006, ws.close_code)
    assert.same({ nil, words, code }, { ws:receive() })
    ws, other = websocket.open()
    other:close()
    support.expect_error("websocket_spec.lua:%d+: receive the peer: .*%(ECONNRESET%)$", function()
      for _ in ws:messages() do error "a message" end
    end)
  end)

  it_runs("is the end of its block: fairly, or with a word about the error", function()
    local ws, other = websocket.open()
    local block = kio.spawn(function()
      local inside <close> = ws
      inside:send "in"
    end)
    expect(other, TEXT, "in")
    expect(other, CLOSE, "\x03\xe8")
    other:write(frame(CLOSE, "\x03\xe8"))
    block:await()
    other:close()

    ws, other = websocket.open()
    support.expect_error("oh", function()
      local _ <close> = ws
      error "oh"
    end)
    expect(other, CLOSE, "\x03\xf3")
    other:close()

    ws, other = websocket.open()
    local task = kio.spawn(function()
      local inside <close> = ws
      inside:receive()
    end)
    kio.yield()
    task:cancel()
    task:join()
    expect(other, CLOSE, "\x03\xe9")
    assert.is_nil(other:read(1))
    other:close()
  end)

  it_runs("leaves nothing to be sent", function()
    local ws, other = websocket.open()
    other:write(frame(CLOSE, "\x03\xe8"))
    ws:receive()
    assert.same({ nil, "ping the peer: the connection has ended", "EPIPE" }, { ws:ping() })
    other:close()
  end)
end)
