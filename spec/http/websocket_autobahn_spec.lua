-- flavours: test asan
-- The cases of the Autobahn testsuite's list, by their numbers, against an end that sends each
-- message back: sections 1 to 7, 9 (smaller) and 10. Those about compression are in
-- websocket_deflate_spec.lua. Where the suite knows "non-strict" answers the strict one is wanted.
local kio = require "kio"
local support = require "spec.support"
local websocket = require "spec.http.websocket"

local TEXT, BINARY, CLOSE, PING, PONG =
  websocket.TEXT, websocket.BINARY, websocket.CLOSE, websocket.PING, websocket.PONG
local frame, part, expect = websocket.frame, websocket.part, websocket.expect

-- What the tester sends; `chop`: so many bytes at a time.
local function send(other, bytes, chop)
  if not chop then return assert(other:send(bytes)) end
  for at = 1, #bytes, chop do assert(other:send(bytes:sub(at, at + chop - 1))) end
end

-- Defines a case: f(other, ws). Each runs with kio as the server, and as the client.
local function case(number, what, f, how)
  for _, client in ipairs { false, true } do
    it(("%s: %s (kio is the %s)"):format(number, what, client and "client" or "server"), function()
      support.run(function()
        local options = { client = client }
        for key, value in pairs(how or {}) do options[key] = value end
        local ws, other = websocket.open(options)
        local mask
        if client then mask = false end
        local function make(opcode, payload, more)
          more = more or {}
          more.mask = mask
          return frame(opcode, payload, more)
        end
        local function fragment(opcode, payload)
          return part(opcode, payload, { mask = mask })
        end
        local echo = websocket.echo(ws)
        f(other, make, fragment, echo)
        other:close()
        echo:await()
      end)
    end)
  end
end

local function close_fairly(other, make)
  send(other, make(CLOSE, "\x03\xe8"))
  websocket.expect_close(other, 1000)
  assert.is_nil(other:read(1))
end

-- The connection fails with this code, after what was sent.
local function fails(number, what, code, bytes, chop)
  case(number, what, function(other, make, fragment)
    pcall(send, other, bytes(make, fragment), chop)
    websocket.expect_close(other, code)
    assert.is_nil(other:read(1))
  end)
end

describe("Autobahn 1, framing:", function()
  local sizes = { 0, 125, 126, 127, 128, 65535, 65536 }
  for kind, opcode in ipairs { TEXT, BINARY } do
    for i, size in ipairs(sizes) do
      case(("1.%d.%d"):format(kind, i), size .. " bytes", function(other, make)
        local payload = (kind == 1 and "*" or "\xfe"):rep(size)
        send(other, make(opcode, payload))
        expect(other, opcode, payload)
        close_fairly(other, make)
      end)
    end
    case(("1.%d.8"):format(kind), "65536 bytes, 997 at a time", function(other, make)
      local payload = (kind == 1 and "*" or "\xfe"):rep(65536)
      send(other, make(opcode, payload), 997)
      expect(other, opcode, payload)
      close_fairly(other, make)
    end)
  end
end)

describe("Autobahn 2, pings and pongs:", function()
  local payloads = {
    { "2.1", "" }, { "2.2", "Hello, world!" }, { "2.3", "\x00\xff\xfe\xfd\xfc\xfb\x00\xff" },
    { "2.4", ("\xfe"):rep(125) },
  }
  for _, each in ipairs(payloads) do
    case(each[1], #each[2] .. " bytes", function(other, make)
      send(other, make(PING, each[2]))
      expect(other, PONG, each[2])
      close_fairly(other, make)
    end)
  end
  fails("2.5", "126 bytes", 1002, function(make) return make(PING, ("\xfe"):rep(126)) end)
  case("2.6", "125 bytes, one at a time", function(other, make)
    send(other, make(PING, ("\xfe"):rep(125)), 1)
    expect(other, PONG, ("\xfe"):rep(125))
    close_fairly(other, make)
  end)
  case("2.7", "a pong that nobody has asked for", function(other, make)
    send(other, make(PONG))
    close_fairly(other, make)
  end)
  case("2.8", "one with a payload", function(other, make)
    send(other, make(PONG, "unsolicited pong payload"))
    close_fairly(other, make)
  end)
  case("2.9", "one, and a ping", function(other, make)
    send(other, make(PONG, "unsolicited pong payload") .. make(PING, "ping payload"))
    expect(other, PONG, "ping payload")
    close_fairly(other, make)
  end)
  for number, chop in pairs { ["2.10"] = false, ["2.11"] = 1 } do
    case(number, chop and "ten pings, a byte at a time" or "ten pings", function(other, make)
      for i = 1, 10 do send(other, make(PING, "payload-" .. i), chop or nil) end
      for i = 1, 10 do expect(other, PONG, "payload-" .. i) end
      close_fairly(other, make)
    end)
  end
end)

describe("Autobahn 3, reserved bits:", function()
  fails("3.1", "RSV 1 in a text", 1002, function(make) return make(TEXT, "Hello", { rsv = 1 }) end)
  for number, chop in pairs { ["3.2"] = false, ["3.3"] = false, ["3.4"] = 1 } do
    local rsv = tonumber(number:match "%d$")
    case(number, ("a text, RSV %d in the next, a ping"):format(rsv), function(other, make)
      local bytes = make(TEXT, "Hello") .. make(TEXT, "Hello", { rsv = rsv }) .. make(PING)
      pcall(send, other, bytes, chop or nil)
      expect(other, TEXT, "Hello")
      websocket.expect_close(other, 1002)
    end)
  end
  fails("3.5", "RSV 5 in bytes", 1002, function(make) return make(BINARY, "\0\1", { rsv = 5 }) end)
  fails("3.6", "RSV 6 in a ping", 1002, function(make) return make(PING, "ping", { rsv = 6 }) end)
  fails("3.7", "RSV 7 in a close", 1002, function(make)
    return make(CLOSE, "\x03\xe8", { rsv = 7 })
  end)
end)

describe("Autobahn 4, reserved opcodes:", function()
  for i = 1, 5 do
    for section, opcode in ipairs { 2 + i, 10 + i } do
      local number = ("4.%d.%d"):format(section, i)
      if i <= 2 then
        fails(number, "opcode " .. opcode, 1002, function(make)
          return make(opcode, i == 2 and "payload" or "")
        end)
      else
        case(number, "a text, opcode " .. opcode .. ", a ping", function(other, make)
          local bytes = make(TEXT, "Hello") .. make(opcode, i == 3 and "" or "p") .. make(PING)
          pcall(send, other, bytes, i == 5 and 1 or nil)
          expect(other, TEXT, "Hello")
          websocket.expect_close(other, 1002)
        end)
      end
    end
  end
end)

describe("Autobahn 5, fragments:", function()
  fails("5.1", "a ping in two", 1002, function(make, fragment)
    return fragment(PING, "frag") .. make(0, "ment")
  end)
  fails("5.2", "a pong in two", 1002, function(make, fragment)
    return fragment(PONG, "frag") .. make(0, "ment")
  end)
  for number, chop in pairs { ["5.3"] = false, ["5.4"] = false, ["5.5"] = 1 } do
    case(number, "a text in two", function(other, make, fragment)
      if chop then send(other, fragment(TEXT, "frag") .. make(0, "ment"), chop)
      else
        send(other, fragment(TEXT, "frag"))
        send(other, make(0, "ment"))
      end
      expect(other, TEXT, "fragment")
      close_fairly(other, make)
    end)
  end
  for number, chop in pairs { ["5.6"] = false, ["5.7"] = false, ["5.8"] = 1 } do
    case(number, "a text in two, a ping between them", function(other, make, fragment)
      send(other, fragment(TEXT, "frag"), chop or nil)
      send(other, make(PING, "ping"), chop or nil)
      expect(other, PONG, "ping")
      send(other, make(0, "ment"), chop or nil)
      expect(other, TEXT, "fragment")
      close_fairly(other, make)
    end)
  end
  for i, chop in ipairs { false, 7, 1, false, 7, 1 } do
    local last = i <= 3
    fails("5." .. 8 + i, "a continuation of nothing, " .. (last and "" or "not ") .. "the last",
      1002, function(make, fragment)
        return (last and make or fragment)(0, "non-continuation") .. make(TEXT, "Hello, world!")
      end, chop or nil)
  end
  case("5.15", "a text in two, a continuation of nothing, a text", function(other, make, fragment)
    pcall(send, other, fragment(TEXT, "fragment1") .. make(0, "fragment2")
      .. fragment(0, "fragment3") .. make(TEXT, "fragment4"))
    expect(other, TEXT, "fragment1fragment2")
    websocket.expect_close(other, 1002)
  end)
  for number, last in pairs { ["5.16"] = false, ["5.17"] = true } do
    fails(number, "twice: a continuation of nothing, a text in two", 1002,
      function(make, fragment)
        local once = (last and make or fragment)(0, "fragment1") .. fragment(TEXT, "fragment2")
          .. make(0, "fragment3")
        return once .. once
      end)
  end
  fails("5.18", "a text in two that both have its opcode", 1002, function(make, fragment)
    return fragment(TEXT, "fragment1") .. make(TEXT, "fragment2")
  end)
  for number, chop in pairs { ["5.19"] = false, ["5.20"] = 1 } do
    case(number, "a text in five, pings between them", function(other, make, fragment)
      send(other, fragment(TEXT, "fragment1") .. fragment(0, "fragment2")
        .. make(PING, "pongme 1!"), chop or nil)
      expect(other, PONG, "pongme 1!")
      send(other, fragment(0, "fragment3") .. fragment(0, "fragment4") .. make(PING, "pongme 2!")
        .. make(0, "fragment5"), chop or nil)
      expect(other, PONG, "pongme 2!")
      expect(other, TEXT, "fragment1fragment2fragment3fragment4fragment5")
      close_fairly(other, make)
    end)
  end
end)

-- ---- 6 ----

local function echoes(number, what, texts)
  case(number, what, function(other, make)
    for _, text in ipairs(texts) do
      send(other, make(TEXT, text))
      expect(other, TEXT, text)
    end
    close_fairly(other, make)
  end)
end

local function refuses(number, what, texts)
  for i, text in ipairs(texts) do
    fails(#texts > 1 and ("%s (%d)"):format(number, i) or number, what, 1007,
      function(make) return make(TEXT, text) end)
  end
end

describe("Autobahn 6, UTF-8:", function()
  local KOSME = "κόσμε"
  case("6.1", "empty: in one frame, in three, in three of which one is not",
    function(other, make, fragment)
      send(other, make(TEXT, ""))
      expect(other, TEXT, "")
      send(other, fragment(TEXT, "") .. fragment(0, "") .. make(0, ""))
      expect(other, TEXT, "")
      send(other, fragment(TEXT, "") .. fragment(0, "middle frame payload") .. make(0, ""))
      expect(other, TEXT, "middle frame payload")
      close_fairly(other, make)
    end)
  local VALID = "Hello-µ@ßöäüàá-UTF-8!!"
  case("6.2.1", "a text in one frame", function(other, make)
    send(other, make(TEXT, VALID))
    expect(other, TEXT, VALID)
    close_fairly(other, make)
  end)
  case("6.2.2 to 6.2.4", "one in two at each place, in frames of a byte",
    function(other, make, fragment)
      for at = 1, #VALID do
        send(other, fragment(TEXT, VALID:sub(1, at)) .. make(0, VALID:sub(at + 1)))
        expect(other, TEXT, VALID)
      end
      for _, text in ipairs { VALID, KOSME } do
        local bytes = fragment(TEXT, text:sub(1, 1))
        for at = 2, #text do bytes = bytes .. fragment(0, text:sub(at, at)) end
        send(other, bytes .. make(0, ""))
        expect(other, TEXT, text)
      end
      close_fairly(other, make)
    end)
  local BAD = "κόσμε\xed\xa0\x80edited"
  refuses("6.3.1", "a surrogate within a text", { BAD })
  fails("6.3.2", "the same in frames of a byte", 1007, function(_, fragment)
    local bytes = fragment(TEXT, BAD:sub(1, 1))
    for at = 2, #BAD do bytes = bytes .. fragment(0, BAD:sub(at, at)) end
    return bytes
  end)
  -- Fails before the message is complete.
  for i, cut in ipairs { { "κόσμε\xf4\x90\x80\x80", "\xed\xa0\x80", "edited" },
    { "κόσμε\xf4", "\x90", "\x80\x80edited" } } do
    case("6.4." .. i, "wrong in the second of three fragments", function(other, _, fragment)
      send(other, fragment(TEXT, cut[1]))
      if i == 2 then send(other, fragment(0, cut[2])) end
      websocket.expect_close(other, 1007)
    end)
    case("6.4." .. i + 2, "the same within one frame", function(other, make)
      local bytes = make(TEXT, table.concat(cut))
      send(other, bytes:sub(1, #bytes - #cut[3] - (i == 1 and #cut[2] or 0)))
      websocket.expect_close(other, 1007)
    end)
  end
  echoes("6.5", "valid texts", { KOSME, "κόσμε\0", "\xf0\x90\x80\x80" })
  case("6.6", "prefixes of one, of which the whole characters are", function(other, make)
    for at = 1, #KOSME do
      if utf8.len(KOSME:sub(1, at)) then
        send(other, make(TEXT, KOSME:sub(1, at)))
        expect(other, TEXT, KOSME:sub(1, at))
      end
    end
    send(other, make(TEXT, KOSME:sub(1, -2)))
    websocket.expect_close(other, 1007)
  end)
  echoes("6.7, 6.9, 6.11", "the first and last of each length", {
    "\0", "\xc2\x80", "\xe0\xa0\x80", "\xf0\x90\x80\x80",
    "\x7f", "\xdf\xbf", "\xef\xbf\xbf", "\xf4\x8f\xbf\xbf",
    "\xed\x9f\xbf", "\xee\x80\x80", "\xef\xbf\xbd",
  })
  refuses("6.8, 6.10", "of five and six bytes", {
    "\xf8\x88\x80\x80\x80", "\xfc\x84\x80\x80\x80\x80",
    "\xf7\xbf\xbf\xbf", "\xfb\xbf\xbf\xbf\xbf", "\xfd\xbf\xbf\xbf\xbf\xbf", "\xf4\x90\x80\x80",
  })
  refuses("6.12", "continuation bytes alone", {
    "\x80", "\xbf", "\x80\xbf", "\x80\xbf\x80\xbf\x80\xbf",
  })
  refuses("6.13", "first bytes alone", {
    "\xc0 \xc1 ", "\xe0 \xe1 ", "\xf0 \xf1 ", "\xf8 ", "\xfc ",
  })
  refuses("6.14, 6.15", "the last byte is missing", {
    "\xc0", "\xe0\x80", "\xf0\x80\x80", "\xdf", "\xef\xbf", "\xf7\xbf\xbf", "\xe1\x80\xe1\x80",
  })
  refuses("6.16", "bytes that never are", { "\xfe", "\xff", "\xfe\xfe\xff\xff" })
  refuses("6.17 to 6.19", "longer than needed", {
    "\xc0\xaf", "\xe0\x80\xaf", "\xf0\x80\x80\xaf", "\xc1\xbf", "\xe0\x9f\xbf", "\xf0\x8f\xbf\xbf",
    "\xc0\x80", "\xe0\x80\x80", "\xf0\x80\x80\x80",
  })
  refuses("6.20, 6.21", "surrogates", {
    "\xed\xa0\x80", "\xed\xad\xbf", "\xed\xae\x80", "\xed\xaf\xbf", "\xed\xb0\x80", "\xed\xbe\x80",
    "\xed\xbf\xbf", "\xed\xa0\x80\xed\xb0\x80", "\xed\xaf\xbf\xed\xbf\xbf",
  })
  local others = {}
  for plane = 0, 16 do
    others[#others + 1] = utf8.char(plane << 16 | 0xfffe)
    others[#others + 1] = utf8.char(plane << 16 | 0xffff)
  end
  echoes("6.22", "what is no character", others)
  echoes("6.23", "replacements", { "\xef\xbf\xb9", "\xef\xbf\xba", "\xef\xbf\xbb", "\xef\xbf\xbc" })
end)

-- ---- 7 ----

describe("Autobahn 7, closing:", function()
  case("7.1.1", "a message, a close", function(other, make)
    send(other, make(TEXT, "Hello World!"))
    expect(other, TEXT, "Hello World!")
    close_fairly(other, make)
  end)
  local after = {
    ["7.1.2"] = { "another close", CLOSE, "\x03\xe8" }, ["7.1.3"] = { "a ping", PING, "" },
    ["7.1.4"] = { "a message", TEXT, "Hello World!" },
  }
  for number, what in pairs(after) do
    case(number, "a close, " .. what[1], function(other, make)
      send(other, make(CLOSE, "\x03\xe8") .. make(what[2], what[3]))
      websocket.expect_close(other, 1000)
      local next_byte, _, code = other:read(1)
      assert.is_true(next_byte == nil and (code == nil or code == "ECONNRESET"))
    end)
  end
  case("7.1.5", "a close within a message", function(other, make, fragment)
    send(other, fragment(TEXT, "fragment1"))
    send(other, make(CLOSE, "\x03\xe8"))
    websocket.expect_close(other, 1000)
  end)
  case("7.1.6", "256 KiB, a message, a close, a ping", function(other, make)
    local large = ("BAsd7&jh23"):rep(26214)
    kio.spawn(function()
      send(other, make(TEXT, large) .. make(TEXT, "Hello World!") .. make(CLOSE, "\x03\xe8")
        .. make(PING))
    end)
    expect(other, TEXT, large)
    expect(other, TEXT, "Hello World!")
    websocket.expect_close(other, 1000)
  end)
  case("7.3.1", "an empty close", function(other, make)
    send(other, make(CLOSE))
    websocket.expect_close(other, nil)
  end)
  fails("7.3.2", "one of a byte", 1002, function(make) return make(CLOSE, "a") end)
  for number, reason in pairs {
    ["7.3.3"] = "", ["7.3.4"] = "Hello World!", ["7.3.5"] = ("*"):rep(123),
  } do
    case(number, ("a reason of %d bytes"):format(#reason), function(other, make)
      send(other, make(CLOSE, "\x03\xe8" .. reason))
      websocket.expect_close(other, 1000)
    end)
  end
  fails("7.3.6", "a reason of 124 bytes", 1002, function(make)
    return make(CLOSE, "\x03\xe8" .. ("*"):rep(124))
  end)
  fails("7.5.1", "a reason that is not UTF-8", 1007, function(make)
    return make(CLOSE, "\x03\xe8κόσμε\xed\xa0\x80edited")
  end)
  for i, code in ipairs {
    1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999,
  } do
    case("7.7." .. i, "code " .. code, function(other, make)
      send(other, make(CLOSE, string.pack(">I2", code)))
      websocket.expect_close(other, code)
    end)
  end
  for i, code in ipairs { 0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999, 5000, 65535 } do
    local number = i < 10 and "7.9." .. i or "7.13." .. i - 9
    fails(number, "code " .. code, 1002, function(make)
      return make(CLOSE, string.pack(">I2", code))
    end)
  end
end)

-- ---- 9 and 10 ----

local FULL = os.getenv "KIO_AUTOBAHN_FULL"

describe("Autobahn 9, what is large:", function()
  local LARGE = FULL and 16 << 20 or 1 << 18
  local WHOLE = FULL and 1 << 20 or 1 << 17 -- of fragments, and of what comes bit by bit
  local options = { max_message = LARGE }
  -- Sends on one task, for both sides to go on.
  local function exchange(other, make, opcode, bytes, payload, chop)
    local sending = kio.spawn(function() send(other, bytes, chop) end)
    expect(other, opcode, payload)
    sending:await()
    close_fairly(other, make)
  end
  for kind, opcode in ipairs { TEXT, BINARY } do
    local piece = kind == 1 and "*" or "\xfe"
    for i = 1, 6 do
      local size = 1 << 14 + 2 * i
      if size <= LARGE then
        case(("9.%d.%d"):format(kind, i), size .. " bytes", function(other, make)
          exchange(other, make, opcode, make(opcode, piece:rep(size)), piece:rep(size))
        end, options)
      end
    end
    for i, each in ipairs { 1024, 4096, 65536, FULL and 1 << 18 or nil } do
      case(("9.%d.%d"):format(kind + 2, i), ("%d bytes in fragments of %d"):format(WHOLE, each),
        function(other, make, fragment)
          local list = { fragment(opcode, piece:rep(each)) }
          for _ = 2, WHOLE // each - 1 do list[#list + 1] = fragment(0, piece:rep(each)) end
          list[#list + 1] = make(0, piece:rep(each))
          exchange(other, make, opcode, table.concat(list), piece:rep(WHOLE))
        end, options)
    end
    for i, chop in ipairs(FULL and { 64, 128, 256, 512, 1024, 2048 } or { 1024, 2048 }) do
      case(("9.%d.%d"):format(kind + 4, i), ("%d bytes, %d at a time"):format(WHOLE, chop),
        function(other, make)
          exchange(other, make, opcode, make(opcode, piece:rep(WHOLE)), piece:rep(WHOLE), chop)
        end, options)
    end
    for i, each in ipairs { 0, 16, 64, 256, 1024, 4096 } do
      local count = FULL and 1000 or 30
      case(("9.%d.%d"):format(kind + 6, i), ("%d messages of %d bytes"):format(count, each),
        function(other, make)
          local bytes = make(opcode, piece:rep(each))
          for _ = 1, count do
            send(other, bytes)
            expect(other, opcode, piece:rep(each))
          end
          close_fairly(other, make)
        end)
    end
  end
end)

describe("Autobahn 10, fragments that a library makes:", function()
  case("10.1.1", "65536 bytes in fragments of 1300", function(other, make, fragment)
    local text = ("*"):rep(65536)
    local list = { fragment(TEXT, text:sub(1, 1300)) }
    for at = 1301, #text - 1300, 1300 do
      list[#list + 1] = fragment(0, text:sub(at, at + 1299))
    end
    list[#list + 1] = make(0, text:sub(1300 * #list + 1))
    send(other, table.concat(list))
    expect(other, TEXT, text)
    close_fairly(other, make)
  end)
end)
