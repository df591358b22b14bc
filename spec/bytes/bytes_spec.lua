-- kio.buffer without operations: making, looking, changing, slices, packing, and misuse.
local kio = require "kio"
local support = require "spec.support"

local raises = support.expect_error

describe("a buffer", function()
  it("is made of a size, zeroed, or of a string", function()
    local buf = kio.buffer(10000)
    assert.equal(10000, #buf)
    assert.equal(10000, buf:capacity())
    assert.equal(("\0"):rep(10000), buf:string())
    assert.equal("a\0b", kio.buffer("a\0b"):string())
    assert.equal(0, #kio.buffer(0))
    assert.equal("", kio.buffer(""):string())
    assert.equal("kio.Buffer (3 of 3 bytes)", tostring(kio.buffer("abc")))
  end)

  it("is not made of anything else, nor without memory", function()
    raises("cannot be negative", kio.buffer, -1)
    raises("2 GiB", kio.buffer, 1 << 40)
    raises("number expected", kio.buffer, {})
    raises("number expected", kio.buffer)
    raises("integer", kio.buffer, 1.5)
    for n = 1, 2 do
      kio.core.fail_memory(n)
      raises("not enough memory", kio.buffer, 5000)
      kio.core.fail_memory(0)
    end
  end)

  it("begins at a page when it is a page or more", function()
    for _, size in ipairs { 4096, 4097, 100000 } do
      local buf = kio.buffer(size)
      assert.is_true(buf:aligned(4096))
      assert.is_false(buf:slice(2):aligned(2))
      assert.is_true(buf:slice(513):aligned(512))
    end
    raises("at least 1", kio.buffer(1).aligned, kio.buffer(1), 0)
  end)

  it("gives bytes by the rules of string.sub", function()
    local text = "hello"
    local buf = kio.buffer(text)
    for i = -7, 7 do
      assert.equal(text:sub(i), buf:string(i))
      for j = -7, 7 do
        assert.equal(text:sub(i, j), buf:string(i, j))
        assert.equal(text:sub(i, j), buf:slice(i, j):string())
      end
    end
    assert.equal(text, buf:string(math.mininteger, math.maxinteger))
  end)

  it("takes bytes at a position, and nothing that does not fit", function()
    local buf = kio.buffer("0123456789")
    assert.equal(buf, buf:set(1, "ab"))
    assert.equal("ab2345x789", buf:set(-4, "x"):string())
    assert.equal("ab2345x7yz", buf:set(9, "yz"):string())
    buf:set(11, "")
    raises("more bytes than fit", buf.set, buf, 10, "ab")
    raises("more bytes than fit", buf.set, buf, 11, "a")
    for _, bad in ipairs { 0, 12, -11, math.mininteger, math.maxinteger } do
      raises("position outside", buf.set, buf, bad, "")
    end
    raises("string expected", buf.set, buf, 1, 5)
    raises("number expected", buf.set, buf, nil, "x")
    assert.equal("ab2345x7yz", buf:string())
  end)

  it("is filled in whole or in part", function()
    local buf = kio.buffer(6)
    assert.equal("AAAAAA", buf:fill(65):string())
    assert.equal("ABBBAA", buf:fill(66, 2, 4):string())
    assert.equal("ABBBA\0", buf:fill(nil, -1):string())
    assert.equal("ABBBA\0", buf:fill(67, 4, 3):string())
    raises("0 to 255", buf.fill, buf, 256)
    raises("0 to 255", buf.fill, buf, -1)
  end)

  it("is copied from another one, from itself, from a string", function()
    local buf = kio.buffer("0123456789")
    assert.equal("0123401234", buf:copy(6, buf, 1, 5):string())
    assert.equal("0012340123", kio.buffer("0123401234"):copy(2, buf, 1, 9):string())
    assert.equal("1234012344", buf:copy(1, buf:slice(2)):string()) -- over itself, both ways
    assert.equal("1123401234", buf:copy(2, buf, 1, 9):string())
    assert.equal("xy23401234", buf:copy(1, "wxyz", 2, 3):string())
    raises("more bytes than fit", buf.copy, buf, 2, buf)
    raises("kio.Buffer or string expected", buf.copy, buf, 1, 5)
  end)

  it("finds text as it is", function()
    local buf = kio.buffer("GET / HTTP\r\n\r\n.%")
    assert.same({ 11, 12 }, { buf:find("\r\n") })
    assert.same({ 13, 14 }, { buf:find("\r\n", 12) })
    assert.same({ 15, 16 }, { buf:find(".%") })
    assert.same({ 16, 16 }, { buf:find("%", -1) })
    assert.same({ n = 1 }, table.pack(buf:find("\r\n", 14)))
    assert.same({ n = 1 }, table.pack(buf:find(("x"):rep(100))))
    assert.same({ 3, 2 }, { buf:find("", 3) })
    raises("position outside", buf.find, buf, "x", 18)
  end)

  it("ends where it is told, within its capacity", function()
    local buf = kio.buffer("0123456789")
    assert.equal("0123", buf:resize(4):string())
    assert.equal(4, #buf)
    assert.equal(10, buf:capacity())
    raises("more bytes than fit", buf.set, buf, 4, "ab")
    raises("capacity", buf.resize, buf, 11)
    raises("negative", buf.resize, buf, -1)
    assert.equal("0123456789", buf:resize(10):string())
    local slice = buf:slice(3, 5)
    buf:resize(0)
    assert.equal("234", slice:string())
    raises("capacity", slice.resize, slice, 4)
  end)
end)

describe("a slice", function()
  it("shares the bytes and keeps them alive", function()
    local buf = kio.buffer("0123456789")
    local slice = buf:slice(3, 8):slice(2, -2)
    assert.equal("3456", slice:string())
    slice:set(2, "xy")
    assert.equal("0123xy6789", buf:string())
    assert.is_true(buf:close())
    buf = nil -- luacheck: ignore
    collectgarbage()
    assert.equal("3xy6", slice:string())
    local _ <close> = slice
  end)
end)

describe("a closed buffer", function()
  it("is refused everywhere, but for close and what people read", function()
    local buf = kio.buffer("text")
    local slice = buf:slice()
    assert.is_true(buf:close())
    assert.is_true(buf:close())
    assert.equal("kio.Buffer (closed)", tostring(buf))
    raises("a closed buffer", function() return #buf end)
    for _, name in ipairs { "string", "set", "copy", "fill", "find", "slice", "resize", "capacity",
      "aligned" } do
      raises("a closed buffer", buf[name], buf, 1, "x")
    end
    raises("a closed buffer", slice.copy, slice, 1, buf)
    raises("closed buffer", buf.pack, buf, 1, "B", 1)
    assert.equal("text", slice:string())
  end)

  it("is what a to-be-closed one becomes", function()
    local kept
    do
      local buf <close> = kio.buffer(100)
      kept = buf
    end
    assert.equal("kio.Buffer (closed)", tostring(kept))
  end)

  it("is told from what is no buffer", function()
    local methods = kio.core.own.buffer_methods
    for _, method in pairs(methods) do
      raises("kio.Buffer expected", method, io.stdout)
      raises("kio.Buffer expected", method, "text")
    end
  end)
end)

describe("pack and unpack", function()
  it("agree with string.pack, for every kind of value", function()
    local buf = kio.buffer(200)
    local formats = {
      { "<i4I2b", -5, 65535, -1 }, { ">dfn", 0.5, 0.25, 1e100 }, { "z", "text" },
      { "s1s2", "a", "" },
      { "<!4 b i4 Xi4", 1, 2 }, { "c5", "12345" }, { "z s4 B", "", ("x"):rep(150), 7 }, { "" },
    }
    for _, case in ipairs(formats) do
      local format, expected = case[1], string.pack(table.unpack(case))
      for _, at in ipairs { 1, 3, 8 } do
        buf:fill(0xEE)
        assert.equal(at + #expected, buf:pack(table.unpack({ at, table.unpack(case) })))
        assert.equal(expected, buf:string(at, at + #expected - 1))
        local got, wanted = table.pack(buf:unpack(at, format)), table.pack(format:unpack(expected))
        wanted[wanted.n] = wanted[wanted.n] + at - 1
        assert.same(wanted, got)
      end
    end
  end)

  it("count from the end with negative positions", function()
    local buf = kio.buffer(8)
    assert.equal(9, buf:pack(-4, ">I4", 0x01020304))
    assert.equal("\0\0\0\0\1\2\3\4", buf:string())
    assert.same({ 0x0304, 9 }, { buf:unpack(-2, ">I2") })
  end)

  it("find strings far longer than what is looked at first", function()
    local text = ("0123456789"):rep(1000)
    local buf = kio.buffer("\1" .. text .. "\0rest")
    assert.same({ text, #text + 3 }, { buf:unpack(2, "z") })
    assert.same({ 1, text, #text + 3 }, { buf:unpack(1, "Bz") })
  end)

  it("raise where the buffer ends, and for bad formats and positions", function()
    local buf = kio.buffer(8)
    raises("more bytes than fit", buf.pack, buf, 6, "I4", 1)
    raises("data string too short", buf.unpack, buf, 6, "I4")
    raises("unfinished string", buf.unpack, kio.buffer(("x"):rep(500)), 1, "z")
    raises("invalid format option 'q'", buf.unpack, buf, 1, "q")
    raises("invalid format option 'q'", buf.pack, buf, 1, "q")
    for _, bad in ipairs { 0, 10, -9 } do
      raises("#1 to 'pack' %(position outside", buf.pack, buf, bad, "B", 1)
      raises("#1 to 'unpack' %(position outside", buf.unpack, buf, bad, "B")
    end
    raises("#1 to 'pack' %(an integer expected", buf.pack, buf, "x", "B", 1)
    raises("bytes_spec.*#2 to 'pack' %(string expected", function() buf:pack(1, {}) end)
    raises("bytes_spec.*#3 to 'pack' %(number expected", function() buf:pack(1, "b", "x") end)
    raises("bytes_spec.*#2 to 'unpack' %(string expected", function() buf:unpack(1, {}) end)
    assert.equal(("\0"):rep(8), buf:string())
  end)
end)

describe("a finalizer that closes the buffer", function()
  for _, name in ipairs { "pack", "unpack" } do
    it("while it is asked to " .. name .. " is told as a closed buffer", function()
      local closed = 0
      for n = 1, 40 do
        local buf = kio.buffer(200)
        local function close() buf:close() end
        local more = name == "pack" and "x" or nil
        local ok, err = support.at_moment(n, close, buf[name], buf, 1, "z", more)
        if not ok then
          closed = closed + 1
          assert.equal("calling '" .. name .. "' on bad self (a closed buffer)", err)
        end
      end
      assert.is_true(closed > 0)
    end)
  end
end)

describe("the collector", function()
  it("works for buffers that it cannot see", function()
    collectgarbage()
    local collected, before = 0, collectgarbage("count")
    for _ = 1, 100 do
      local buf = kio.buffer(1 << 20)
      setmetatable({ buf }, { __gc = function() collected = collected + 1 end })
    end
    assert.is_true(collected > 25, collected .. " of 100 collected")
    assert.is_true(collectgarbage("count") < before + 1000)
  end)

  it("is left alone while it is stopped", function()
    collectgarbage()
    collectgarbage("stop")
    local collected = 0
    for _ = 1, 50 do
      setmetatable({}, { __gc = function() collected = collected + 1 end })
      kio.buffer(1 << 20)
    end
    local seen = collected
    collectgarbage("restart")
    assert.equal(0, seen)
  end)
end)
