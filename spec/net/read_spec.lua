-- Reading by format: the values of Lua's io for the same bytes, however they arrive; nothing is
-- lost when a call fails.
local kio = require "kio"
local support = require "spec.support"

-- Runs f(reader, writer) on two ends of a connection.
local function connected(f)
  return kio.run(function()
    local listener = assert(kio.net.listen("127.0.0.1:0"))
    local accepting = kio.spawn(function() return (listener:accept()) end)
    local reader <close> = assert(kio.net.connect(listener:address()))
    local writer <close> = accepting:await()
    listener:close()
    return f(reader, writer)
  end)
end

local function sent(data, f)
  return connected(function(reader, writer)
    writer:write(data)
    writer:shutdown("write")
    return f(reader, writer)
  end)
end

describe("stream:read", function()
  it("gives a line by default, and the last one without its newline", function()
    assert.same({ "one", "", "three" }, sent("one\n\nthree", function(reader)
      return { reader:read(), reader:read(), reader:read(), reader:read() }
    end))
  end)

  it("takes several formats in one call", function()
    assert.same({ "ab", "line", "L\n", "rest\n" }, sent("abline\nL\nrest\n", function(reader)
      return { reader:read(2, "l", "*L", "a") }
    end))
  end)

  it("stops at the first format that finds the end", function()
    local results = sent("x", function(reader) return table.pack(reader:read(1, "l", "a")) end)
    assert.same({ "x", nil, n = 2 }, results)
  end)

  it("gives fewer bytes than asked only at the end", function()
    assert.same({ "abc", "de" }, sent("abcde", function(reader)
      return { reader:read(3), reader:read(10), reader:read(1) }
    end))
  end)

  it("reads 0 bytes as a test for the end", function()
    assert.same({ "", "a" }, sent("a", function(reader)
      return { reader:read(0), reader:read(1), reader:read(0) }
    end))
  end)

  it("reads everything, which may be nothing", function()
    assert.same({ "all\n of it", "" }, sent("all\n of it", function(reader)
      return { reader:read("a"), reader:read("a") }
    end))
  end)

  it("joins what arrives in pieces", function()
    connected(function(reader, writer)
      local reading = kio.spawn(function() return reader:read("l", 4, "l") end)
      for piece in ("first line\n1234tail\n"):gmatch "." do
        writer:send(piece)
        kio.yield()
      end
      assert.same({ "first line", "1234", "tail" }, { reading:await() })
    end)
  end)

  it("keeps every byte when it is timed out", function()
    connected(function(reader, writer)
      writer:send("line\n12")
      local line, message, code = reader:read("l", 10, { timeout = 0 })
      assert.is_nil(line)
      assert.equal("ETIMEDOUT", code)
      assert.matches("^read 127%.0%.0%.1:%d+: ", message)
      writer:send("345678")
      assert.same({ "line", "12345678" }, { reader:read("l", 8) })
    end)
  end)

  it("keeps every byte when it is cancelled", function()
    connected(function(reader, writer)
      writer:send("12")
      assert(kio.poll(reader:fd(), "r"))
      local reading = kio.spawn(function() return reader:read(4) end)
      for _ = 1, 3 do kio.yield() end -- it has the two bytes and waits for more
      reading:cancel()
      assert.is_false(reading:join())
      writer:send("34")
      assert.equal("1234", reader:read(4))
    end)
  end)

  it("refuses a line beyond the limit and leaves it unread", function()
    connected(function(reader, writer)
      local long = ("x"):rep(70000)
      local writing = kio.spawn(function() writer:send(long, "\n") end)
      local line, _, code = reader:read("l")
      assert.is_nil(line)
      assert.equal("EMSGSIZE", code)
      assert.equal(long, reader:read("l", { max = 70000 }))
      writing:await()
    end)
  end)

  it("holds the limit to the byte", function()
    assert.same({ "12345", "EMSGSIZE", "123456" }, sent("12345\n123456\n", function(reader)
      local first = reader:read("l", { max = 5 })
      local _, _, code = reader:read("l", { max = 5 })
      return { first, code, (reader:read("l", { max = 6 })) }
    end))
  end)

  it("refuses everything beyond the limit", function()
    local _, _, code = sent("12345", function(reader) return reader:read("a", { max = 4 }) end)
    assert.equal("EMSGSIZE", code)
  end)

  it("raises on what is no format", function()
    connected(function(reader)
      for _, bad in ipairs { "x", "", "*q", -1, 1.5, true } do
        assert.is_false(pcall(reader.read, reader, bad))
      end
      support.expect_error("kio.Stream expected, got no value", reader.read)
      support.expect_error("kio.Stream expected, got string", reader.read, "l")
      support.expect_error("kio.Stream expected, got no value", reader.peek)
      support.expect_error("kio.Stream expected, got string", reader.read_until, "\n")
      assert.is_false(pcall(reader.read, reader, "l", { maximum = 1 }))
      assert.is_false(pcall(reader.read, reader, "l", { timeout = -1 }))
      assert.is_false(pcall(reader.read, reader, "l", { max = -1 }))
    end)
  end)

  it("has one reader at a time", function()
    connected(function(reader, writer)
      local reading = kio.spawn(function() return reader:read("l") end)
      kio.yield()
      local ok, message = pcall(reader.read, reader, 1)
      assert.is_false(ok)
      assert.matches("another task is reading", message)
      writer:write("done\n")
      assert.equal("done", reading:await())
    end)
  end)
end)

describe("stream:read_until", function()
  it("gives what comes before the delimiter", function()
    assert.same({ "GET /", "Host: x", "" }, sent("GET /\r\nHost: x\r\n\r\n", function(reader)
      return { reader:read_until("\r\n"), reader:read_until("\r\n"), reader:read_until("\r\n"),
        reader:read_until("\r\n") }
    end))
  end)

  it("finds a delimiter that arrives in pieces", function()
    connected(function(reader, writer)
      local reading = kio.spawn(function() return reader:read_until("--ab--") end)
      for piece in ("x-a--a--ab---ab--ab--rest"):gmatch "." do
        writer:send(piece)
        kio.yield()
      end
      assert.equal("x-a--a", reading:await())
      assert.equal("-ab--ab--rest", (reader:peek(13)))
    end)
  end)

  it("tells a delimiter that never came, and keeps the bytes", function()
    assert.same({ "ENODATA", "half" }, sent("half", function(reader)
      local _, _, code = reader:read_until("\n\n")
      return { code, reader:recv() }
    end))
  end)

  it("refuses more than the limit, whether or not the delimiter has come", function()
    connected(function(reader, writer)
      writer:send("123456;")
      local _, _, code = reader:read_until(";", { max = 5 })
      assert.equal("EMSGSIZE", code)
      assert.equal("123456", reader:read_until(";", { max = 6 }))
      writer:send("123456")
      _, _, code = reader:read_until(";", { max = 5 })
      assert.equal("EMSGSIZE", code)
    end)
  end)

  it("raises on an empty delimiter", function()
    connected(function(reader)
      assert.is_false(pcall(reader.read_until, reader, ""))
      assert.is_false(pcall(reader.read_until, reader))
    end)
  end)
end)

describe("stream:peek and unread", function()
  it("shows what will be read", function()
    assert.same({ "abc", "a", "abcd", "abcd" }, sent("abcd", function(reader)
      return { reader:peek(3), reader:peek(), reader:peek(10), reader:read("a") }
    end))
  end)

  it("puts bytes back in front", function()
    connected(function(reader, writer)
      writer:send("tail")
      assert.equal("ta", reader:read(2))
      reader:unread("XY"):unread(("z"):rep(10000))
      assert.equal(("z"):rep(10000) .. "XYil", reader:read(10004))
    end)
  end)
end)

describe("options of a read that are nil", function()
  it("are none, and nothing more to read", function()
    sent("one\ntwo\nthree\n", function(reader)
      local function count(...) return select("#", ...), ... end
      assert.same({ 1, "one" }, { count(reader:peek(3, nil)) })
      assert.same({ 1, "o" }, { count(reader:peek(nil, nil)) })
      assert.same({ 1, "one" }, { count(reader:read_until("\n", nil)) })
      assert.same({ 1, "tw" }, { count(reader:read(2, nil)) })
      assert.same({ 2, "o", "three" }, { count(reader:read("l", "l", nil)) })
    end)
  end)

  it("do not make those of peek without a size be forgotten", function()
    connected(function(reader)
      assert.equal("ETIMEDOUT", select(3, reader:peek(nil, { timeout = 0.001 })))
    end)
  end)
end)

describe("iterators", function()
  it("give lines and chunks", function()
    local lines = sent("a\nb\nc", function(reader)
      local list = {}
      for line in reader:lines("L") do list[#list + 1] = line end
      return list
    end)
    assert.same({ "a\n", "b\n", "c" }, lines)
    local total = sent(("q"):rep(5000), function(reader)
      local sum = 0
      for chunk in reader:chunks(700) do
        assert(#chunk <= 700)
        sum = sum + #chunk
      end
      return sum
    end)
    assert.equal(5000, total)
  end)

  it("raise on an error", function()
    connected(function(reader)
      reader:set_timeout(0)
      local ok, message = pcall(function() for _ in reader:lines() do end end)
      assert.is_false(ok)
      assert.matches("timed out", message)
    end)
  end)
end)

describe("a random program of reads", function()
  local alphabet = { "a", "b", "\n", "\n", "\0", "\r" }

  local function random_text(n)
    local bytes = {}
    for i = 1, n do bytes[i] = alphabet[math.random(#alphabet)] end
    return table.concat(bytes)
  end

  local function random_formats()
    local formats = {}
    for i = 1, 60 do
      local kind = math.random(4)
      formats[i] = kind == 1 and "l" or kind == 2 and "L" or kind == 3 and math.random(0, 9) or 1
    end
    formats[61] = "a"
    return formats
  end

  it("gives what io gives", function()
    local seed = os.time()
    math.randomseed(seed)
    for _ = 1, 20 do
      local text, formats = random_text(math.random(0, 300)), random_formats()
      local file <close> = io.tmpfile()
      file:write(text)
      file:seek "set"
      local expected, actual = {}, {}
      for i, format in ipairs(formats) do expected[i] = file:read(format) or false end
      connected(function(reader, writer)
        local writing = kio.spawn(function()
          local at = 1
          while at <= #text do
            local size = math.random(1, 7)
            writer:send(text:sub(at, at + size - 1))
            at = at + size
          end
          writer:shutdown("write")
        end)
        for i, format in ipairs(formats) do actual[i] = reader:read(format) or false end
        writing:await()
      end)
      assert.same(expected, actual, "seed " .. seed)
    end
  end)
end)
