-- flavours: test
-- permessage-deflate of WebSockets: sections 12 and 13 of Autobahn's list in small, what is agreed
-- upon, and limits that are counted behind it.
local kio = require "kio"
local permessage = require "kio.http.permessage"
local support = require "spec.support"
local websocket = require "spec.http.websocket"

local frame = websocket.frame
local TEXT, BINARY = websocket.TEXT, websocket.BINARY
local TAIL = "\0\0\255\255"

local found, zlib = pcall(require, "kio.zlib")

local function it_runs(name, f)
  it(name, function()
    if not found then return pending "kio.zlib is not built" end
    support.run(f)
  end)
end

-- As the other side deflates: with a window of its own.
local function packed(text, window, final)
  local coder = zlib.deflate { format = "raw", window = window or 15 }
  if final then return coder:finish(text) .. "\0" end
  return (coder:update(text) .. coder:flush()):sub(1, -5)
end

local function unpacked(bytes)
  return zlib.inflate { format = "raw", window = 12 }:update(bytes, TAIL)
end

local function compression(max) return (permessage.accept("permessage-deflate", max or 1 << 20)) end

local function open(max)
  return websocket.open { compress = compression(max), max_message = max }
end

describe("permessage-deflate", function()
  it_runs("12: messages of every size come back, compressed when that is worth it", function()
    local ws, other = open()
    local echo = websocket.echo(ws)
    for _, size in ipairs { 0, 1, 16, 256, 1024, 4096, 8192, 65536, 131072 } do
      for _, opcode in ipairs { TEXT, BINARY } do
        local text = ("%d lines of text, "):format(size):rep(size // 16 + 1):sub(1, size)
        local bytes = frame(opcode, packed(text), { rsv = 4 })
        local sending = kio.spawn(function() other:send(bytes) end)
        local came, payload, first = websocket.read_frame(other)
        sending:await()
        assert.equal(opcode, came)
        assert.equal(size >= 1024, first & 0x40 ~= 0)
        if first & 0x40 ~= 0 then payload = unpacked(payload) end
        assert.is_true(payload == text)
      end
    end
    other:write(frame(websocket.CLOSE))
    echo:await()
    other:close()
  end)

  it_runs("takes fragments, any window, last blocks, and what is not compressed", function()
    local ws, other = open()
    local bytes = packed(("hello "):rep(100))
    other:write(
      websocket.part(TEXT, bytes:sub(1, 5), { rsv = 4 }), frame(websocket.PING, "p"),
      frame(0, bytes:sub(6)), frame(TEXT, packed("small", 9), { rsv = 4 }), frame(TEXT, "plain"),
      frame(TEXT, packed("the last block", 15, true), { rsv = 4 }),
      frame(TEXT, "\0", { rsv = 4 }), frame(BINARY, packed "\0\1", { rsv = 4 }))
    local list = {}
    for i = 1, 6 do list[i] = ws:receive() end
    assert.same({ ("hello "):rep(100), "small", "plain", "the last block", "", "\0\1" }, list)
    ws.stream:close()
    other:close()
  end)

  it_runs("counts the limit behind it: a bomb ends the connection", function()
    local ws, other = open(100000)
    other:write(frame(BINARY, packed(("\0"):rep(100000)), { rsv = 4 }))
    assert.equal(100000, #ws:receive())
    other:write(frame(BINARY, packed(("\0"):rep(50000000)), { rsv = 4 }))
    assert.equal("EMSGSIZE", select(3, ws:receive()))
    websocket.expect_close(other, 1009)
    other:close()
  end)

  it_runs("fails for what it cannot read, and for a text that is none", function()
    for payload, code in pairs { ["\xff\xff\xff"] = 1007, [packed "\xff"] = 1007 } do
      local ws, other = open()
      other:write(frame(TEXT, payload, { rsv = 4 }))
      assert.is_nil((ws:receive()))
      websocket.expect_close(other, code)
      other:close()
    end
  end)

  it_runs("has the bit that says so on first frames alone", function()
    for _, bytes in ipairs {
      frame(websocket.PING, "", { rsv = 4 }),
      websocket.part(TEXT, "", { rsv = 4 }) .. frame(0, "", { rsv = 4 }),
    } do
      local ws, other = open()
      other:write(bytes)
      assert.is_nil((ws:receive()))
      websocket.expect_close(other, 1002)
      other:close()
    end
  end)

  it_runs("13: is agreed upon as far as both can", function()
    local base = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
    local function answer(offer) return (select(2, permessage.accept(offer, 1))) end
    assert.equal(base, answer "permessage-deflate")
    assert.equal(base, answer "permessage-deflate; client_max_window_bits")
    assert.equal(base, answer "x-other, permessage-deflate; client_no_context_takeover")
    assert.equal(base .. "; server_max_window_bits=9",
      answer "permessage-deflate; server_max_window_bits=9")
    assert.equal(base .. "; server_max_window_bits=12",
      answer "permessage-deflate; server_max_window_bits=\"15\"")
    assert.equal(base,
      answer "permessage-deflate; server_max_window_bits=8, permessage-deflate")
    for _, offer in ipairs {
      "x-webkit-deflate-frame", "permessage-deflate; server_max_window_bits=8",
      "permessage-deflate; server_max_window_bits=16", "permessage-deflate; other",
      "permessage-deflate; server_max_window_bits", "permessage-deflate; client_max_window_bits=7",
      "permessage-deflate; server_no_context_takeover=1",
      "permessage-deflate; client_max_window_bits=9; client_max_window_bits=9",
    } do assert.is_nil(answer(offer), offer) end
    local agreed = permessage.agreed
    assert.truthy(agreed(base, 1))
    assert.truthy(agreed(base .. "; client_max_window_bits=9", 1))
    assert.is_nil(agreed(nil, 1))
    for _, wrong in ipairs {
      "permessage-deflate", base .. ", " .. base, base .. "; client_max_window_bits", "x-other",
      base .. "; client_max_window_bits=8", base .. "; more",
    } do assert.is_false(agreed(wrong, 1), wrong) end
  end)
end)
