-- flavours: test asan hostile
-- WebSockets with peers that want no good, or are gone, and tasks that give up: limits hold,
-- nothing waits for ever, no half of a frame has another one behind it.
local kio = require "kio"
local connection = require "spec.net.connection"
local support = require "spec.support"
local testing = require "kio.testing"
local websocket = require "spec.http.websocket"

local TEXT, BINARY, CLOSE, PING, PONG =
  websocket.TEXT, websocket.BINARY, websocket.CLOSE, websocket.PING, websocket.PONG
local frame, part, expect = websocket.frame, websocket.part, websocket.expect

local HOSTILE = support.flavour == "hostile"

local function it_runs(name, f) it(name, function() support.run(f) end) end

-- Frames without end, for as long as somebody takes them.
local function flood(other, bytes)
  local many = bytes:rep(100)
  return kio.spawn { daemon = true, function() while other:write(many) do end end }
end

describe("the time of a call on a WebSocket", function()
  it_runs("is over although pings or pongs come all the time", function()
    for _, bytes in ipairs { frame(PING), frame(PONG) } do
      local ws, other = websocket.open()
      kio.spawn { daemon = true, function() while other:recv() do end end }
      flood(other, bytes)
      local message, words, code = ws:receive { timeout = 0.01 }
      assert.is_nil(message)
      assert.equal("ETIMEDOUT", code)
      assert.matches("^receive .*: timed out$", words)
      ws.stream:close()
      other:close { timeout = 0 }
    end
  end)

  it_runs("is over in a close although messages come all the time", function()
    for _, bytes in ipairs { frame(TEXT, "x"), frame(PING) } do
      local ws, other = websocket.open()
      kio.spawn { daemon = true, function() while other:recv() do end end }
      flood(other, bytes)
      local done, words, code = ws:close(1000, "", { timeout = 0.01 })
      assert.is_nil(done)
      assert.equal("close the peer: timed out", words)
      assert.equal("ETIMEDOUT", code)
      other:close { timeout = 0 }
    end
  end)

  it_runs("lets a call that waits for nothing find what lies behind pings", function()
    local ws, other = websocket.open()
    other:write(frame(PING):rep(10), frame(TEXT, "behind"))
    other:flush()
    kio.poll(ws.stream:fd(), "r")
    assert.equal("behind", (ws:receive { timeout = 0 }))
    other:write(frame(TEXT, "dropped"):rep(10), frame(CLOSE, "\3\xe8"))
    other:flush()
    kio.poll(ws.stream:fd(), "r")
    assert.is_true(ws:close(1000, "", { timeout = 0 }))
    other:close()
  end)
end)

describe("limits of a WebSocket", function()
  it_runs("are those of a message, all of its fragments together", function()
    for _, bytes in ipairs {
      frame(BINARY, ("x"):rep(1001)), frame(BINARY, "", { width = 0 }):sub(1, 1) .. "\xff"
        .. string.pack(">I8", 1 << 40) .. "mask",
      part(TEXT, ("x"):rep(600)) .. part(0, ("x"):rep(401)),
    } do
      local ws, other = websocket.open { max_message = 1000 }
      other:write(frame(BINARY, ("x"):rep(1000)), bytes)
      assert.equal(1000, #ws:receive())
      local message, words, code = ws:receive()
      assert.is_nil(message)
      assert.equal("receive the peer: a message is too big", words)
      assert.equal("EMSGSIZE", code)
      websocket.expect_close(other, 1009)
      other:close()
    end
  end)

  it_runs("are 1024 fragments, empty ones too", function()
    local ws, other = websocket.open()
    other:write(part(TEXT, ""), part(0, ""):rep(1022), frame(0, "end"))
    assert.equal("end", (ws:receive()))
    other:write(part(TEXT, ""), part(0, ""):rep(1024))
    local _, words, code = ws:receive()
    assert.equal("receive the peer: a message has too many fragments", words)
    assert.equal("EMSGSIZE", code)
    websocket.expect_close(other, 1009)
    other:close()
  end)

  it_runs("let a peer read why that sends all of it before it reads", function()
    local ws, other = websocket.open { max_message = 10 }
    local receiving = kio.spawn(ws.receive, ws)
    assert(other:send(frame(BINARY, ("x"):rep(HOSTILE and 100000 or 2000000))))
    websocket.expect_close(other, 1009)
    other:close()
    assert.is_nil((receiving:await()))
  end)

  it_runs("let a peer read why, although it goes on sending", function()
    local ws, other = websocket.open { max_message = 10 }
    local sending = kio.spawn(function()
      for _ = 1, HOSTILE and 20 or 200 do
        if not other:send(frame(BINARY, ("x"):rep(100))) then return end
      end
    end)
    assert.is_nil((ws:receive()))
    websocket.expect_close(other, 1009)
    other:close()
    sending:await()
  end)
end)

describe("a close that waits in line", function()
  it_runs("is sent although the peer's comes first", function()
    local ws, other = websocket.open { narrow = true }
    local large = ("x"):rep(HOSTILE and 3000 or 300000)
    local sending = kio.spawn(ws.send, ws, large)
    local closing = kio.spawn(ws.close, ws)
    local reading = kio.spawn(ws.receive, ws)
    kio.yield()
    other:write(frame(CLOSE, string.pack(">I2", 1000))):flush()
    for _ = 1, 20 do kio.yield() end
    expect(other, TEXT, large)
    websocket.expect_close(other, 1000)
    assert.is_true(closing:await())
    assert.equal(ws, (sending:await()))
    assert.same({ n = 1 }, table.pack(reading:await()))
    other:close()
  end)
end)

describe("a flood", function()
  it_runs("of pings from a peer that takes no answers: the last is answered", function()
    local ws, other = websocket.open { narrow = true }
    local count = HOSTILE and 200 or 20000
    local echo = websocket.echo(ws)
    local pad = ("."):rep(HOSTILE and 10 or 100)
    for i = 1, count do other:write(frame(PING, pad .. i)) end
    other:write(frame(TEXT, "end"))
    local answers, last = 0, 0
    repeat
      local opcode, payload = websocket.read_frame(other)
      if opcode == PONG then
        local number = tonumber(payload:sub(#pad + 1))
        assert.is_true(number > last)
        answers, last = answers + 1, number
      else assert.equal(TEXT, opcode) end
    until last == count
    assert.is_true(answers <= count)
    other:write(frame(CLOSE))
    other:read "a"
    echo:await()
    other:close()
  end)

  it_runs("of pongs and of empty messages keeps nothing", function()
    local ws, other = websocket.open()
    local count, got = HOSTILE and 300 or 5000, 0
    local sending = kio.spawn(function()
      for _ = 1, count do other:write(frame(PONG, "x"), frame(TEXT, "")) end
      other:write(frame(CLOSE))
    end)
    for message in ws:messages() do
      assert.equal("", message)
      got = got + 1
    end
    assert.equal(count, got)
    sending:await()
    other:close()
  end)

  it_runs("between two that do not read what they are sent does not lock them", function()
    local server, client = websocket.pair { narrow = true }
    local count, text = HOSTILE and 20 or 200, ("x"):rep(HOSTILE and 100 or 5000)
    local tasks = {}
    for i, ws in ipairs { server, client } do
      tasks[i] = kio.spawn(function()
        for _ = 1, count do
          assert(ws:send(text))
          assert(ws:ping "are you there")
        end
      end)
      tasks[i + 2] = kio.spawn(function()
        for _ = 1, count do assert.equal(text, (ws:receive())) end
      end)
    end
    for i = 1, 4 do tasks[i]:await() end
    local closing = kio.spawn(server.close, server)
    client:receive()
    assert.is_true(closing:await())
  end)
end)

describe("a peer of a WebSocket", function()
  it_runs("resets the connection", function()
    local ws, other = websocket.open()
    other:option("linger", 0)
    other:close()
    local message, words, code = ws:receive()
    assert.is_nil(message)
    assert.equal("ECONNRESET", code)
    assert.truthy(words:find "^receive the peer: connection reset")
    assert.equal(1006, ws.close_code)
  end)

  it_runs("ends its side within a frame, and behind one, and may still be told", function()
    local bytes = frame(TEXT, "hello")
    for cut = 1, #bytes do
      local ws, other = websocket.open()
      other:write(bytes:sub(1, cut)):shutdown "write"
      local message, _, code = ws:receive()
      if cut == #bytes then
        assert.equal("hello", message)
        _, _, code = ws:receive()
      end
      assert.equal("ECONNRESET", code)
      other:close()
    end
  end)

  -- The clock jumps.
  local function it_jumps(name, f)
    it(name, function() testing.run(f, { timeout = 1000 }) end)
  end

  it_jumps("is pinged when it is silent, and lives on by its answers", function()
    local ws, other = websocket.open { heartbeat = 30 }
    local began = kio.now()
    local reading = kio.spawn(function() return (ws:receive()) end)
    for _ = 1, 10 do
      expect(other, PING, "")
      other:write(frame(PONG, ""))
    end
    assert.is_true(kio.now() - began >= 300)
    other:write(frame(TEXT, "still here"))
    assert.equal("still here", reading:await())
    ws.stream:close()
    other:close()
  end)

  it_jumps("is taken for gone when it answers nothing", function()
    local ws, other = websocket.open { heartbeat = 30 }
    local began = kio.now()
    local message, words, code = ws:receive()
    assert.is_nil(message)
    assert.equal("receive the peer: the peer has not answered a ping for 30 seconds", words)
    assert.equal("ECONNRESET", code)
    local took = kio.now() - began
    assert.is_true(took >= 60 and took < 61)
    expect(other, PING, "")
    other:close()
  end)

  it_jumps("is watched across many short waits, too", function()
    local ws, other = websocket.open { heartbeat = 30 }
    local count = 0
    while true do
      local code = select(3, ws:receive { timeout = 7 })
      count = count + 1
      if code ~= "ETIMEDOUT" then
        assert.equal("ECONNRESET", code)
        break
      end
    end
    assert.is_true(count >= 8 and count <= 10)
    other:close()
  end)

  it_jumps("does not answer a close, and has 5 seconds for that", function()
    local ws, other = websocket.open()
    local began = kio.now()
    local done, _, code = ws:close()
    assert.is_nil(done)
    assert.equal("ETIMEDOUT", code)
    local took = kio.now() - began
    assert.is_true(took >= 5 and took < 6)
    other:close()
  end)
end)

describe("who gives up", function()
  it_runs("receiving loses nothing, whenever that is", function()
    local ws, other = websocket.open()
    local bytes = part(TEXT, "one, ") .. frame(PING, "p") .. frame(0, ("two"):rep(60))
      .. frame(BINARY, "three") .. frame(TEXT, "")
    local got = {}
    for i = 1, #bytes do
      local reading = kio.spawn(function()
        while true do
          local message = assert(ws:receive())
          got[#got + 1] = message
        end
      end)
      kio.yield()
      other:send(bytes:sub(i, i))
      for _ = 1, i % 4 do kio.yield() end
      reading:cancel()
      reading:join()
    end
    while #got < 3 do got[#got + 1] = assert(ws:receive()) end
    assert.same({ "one, " .. ("two"):rep(60), "three", "" }, got)
    expect(other, PONG, "p")
    ws.stream:close()
    other:close()
  end)

  -- Cancels a sender after so many turns. What the peer has got then must be whole frames, and the
  -- connection goes on; or it ends within the frame.
  local function cancel_sending(size, turns)
    local ws, other = websocket.open { narrow = true }
    local text = ("x"):rep(size)
    local sending = kio.spawn(function()
      while true do assert(ws:send(text)) end
    end)
    for _ = 1, turns do
      kio.yield()
      if turns % 2 == 0 then other:recv(100, { timeout = 0 }) end
    end
    sending:cancel()
    sending:join()
    local cut = ws.ended
    if cut then assert.equal("ECONNABORTED", cut[2]) end
    local last = kio.spawn(function()
      if not ws:send "the last" then return false end
      ws.stream:close()
      return true
    end)
    local rest = connection.receive_all(other)
    local whole = rest:sub(-8) == "the last"
    assert.equal(not cut, whole)
    assert.equal(not cut, last:await())
    ws.stream:close()
    other:close()
    return cut
  end

  it("sending leaves whole frames, or no connection", function()
    local cuts = 0
    for turns = 1, 30 do
      support.run(function()
        -- Smaller than what a stream gathers: never cut off.
        assert.is_nil(cancel_sending(HOSTILE and 30 or 3000, turns))
        if cancel_sending(HOSTILE and 400 or 200000, turns) then cuts = cuts + 1 end
      end)
    end
    assert.is_true(cuts > 10)
  end)

  it_runs("in line for another sender has sent nothing", function()
    local ws, other = websocket.open { narrow = true }
    local large = ("x"):rep(HOSTILE and 20000 or 300000)
    local first = kio.spawn(ws.send, ws, large)
    kio.yield()
    local sent, words, code = ws:send("second", { timeout = 0.01 })
    assert.is_nil(sent)
    assert.equal("ETIMEDOUT", code)
    assert.equal("send the peer: timed out", words)
    local second = kio.spawn(ws.send, ws, "second")
    kio.yield()
    second:cancel()
    expect(other, TEXT, large)
    first:await()
    ws:send "third"
    expect(other, TEXT, "third")
    ws.stream:close()
    other:close()
  end)

  it_runs("when the other one has cut off its message hears of that", function()
    local ws, other = websocket.open { narrow = true }
    local first = kio.spawn(ws.send, ws, ("x"):rep(HOSTILE and 20000 or 300000))
    local reading = kio.spawn(function() return select(3, ws:receive()) end)
    kio.yield()
    local second = kio.spawn(function() return select(3, ws:send "second") end)
    kio.yield()
    first:cancel()
    assert.equal("EPIPE", second:await())
    assert.equal("ECONNABORTED", reading:await())
    other:close()
  end)
end)
