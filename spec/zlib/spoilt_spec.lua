-- What is spoilt, cut off, random, or a bomb; and memory that runs out.
-- flavours: asan
-- timeout: 120
local common = require "spec.zlib.common"

local zlib, why = common.find()
if not zlib then return it("is skipped", function() pending(why) end) end
local core = require "kio.zlib.core"

local CODES = { EBADMSG = true, ENODATA = true, EMSGSIZE = true }
local TEXT = common.text(600)

describe("inflating", function()
  for _, format in ipairs { "gzip", "zlib", "raw" } do
    local packed = zlib.compress(TEXT, { format = format })

    it("of every beginning fails, and brings the beginning: " .. format, function()
      for cut = 0, #packed - 1 do
        local inflater <close> = zlib.inflate { format = format }
        local out = assert(inflater:update(packed:sub(1, cut)))
        assert.is_true(TEXT:sub(1, #out) == out)
        assert.equal("ENODATA", select(3, inflater:finish()))
      end
    end)

    it("of two parts is that of the whole: " .. format, function()
      for cut = 0, #packed do
        local inflater <close> = zlib.inflate { format = format }
        local out = inflater:update(packed:sub(1, cut)) .. inflater:finish(packed:sub(cut + 1))
        assert.is_true(out == TEXT)
      end
    end)

    it("of bytes that were changed is an error, or all of it: " .. format, function()
      for at = 1, #packed do
        local byte = packed:byte(at) ~ (1 << at % 8)
        local spoilt = packed:sub(1, at - 1) .. string.char(byte) .. packed:sub(at + 1)
        local inflater <close> = zlib.inflate { format = format, max = 1e6 }
        local out, _, code = inflater:finish(spoilt)
        assert.is_true(out ~= nil or CODES[code], code)
        if format ~= "raw" then assert.is_true(out == nil or out == TEXT) end
      end
    end)
  end

  it("of noise ends", function()
    local count = tonumber(os.getenv "KIO_ZLIB_NOISE") or 2000
    for i = 1, count do
      local format = ({ "auto", "gzip", "zlib", "raw" })[i % 4 + 1]
      local inflater <close> = zlib.inflate { format = format, max = 1e6, ratio = 100 }
      local bytes = common.noise(i % 300)
      if i % 3 == 0 then bytes = "\x1f\x8b\8" .. bytes
      elseif i % 3 == 1 then bytes = "x\x9c" .. bytes end
      local cut = i % (#bytes + 1)
      inflater:update(bytes:sub(1, cut))
      local out, _, code = inflater:finish(bytes:sub(cut + 1))
      assert.is_true(out ~= nil or CODES[code], code)
    end
  end)

  -- Made without having them: the data of a full flush repeat.
  it("of 10 GB of zeros stops at the bound, or goes through in little memory", function()
    local deflater <close> = zlib.deflate { format = "raw", level = 9 }
    local zeros = ("\0"):rep(1 << 20)
    local first = deflater:update(zeros) .. deflater:flush "full"
    local bounds = { { max = 1 << 24 }, { ratio = 500 } }
    for _, bound in ipairs(bounds) do
      bound.format = "raw"
      local inflater <close> = zlib.inflate(bound)
      local code, total = nil, 0
      for _ = 1, 10240 do
        local out, _, failure = inflater:update(first)
        code = failure
        if not out then break end
        total = total + #out
      end
      assert.equal("EMSGSIZE", code)
      assert.is_true(total <= 1 << 24)
    end
    local inflater <close> = zlib.inflate { format = "raw" }
    collectgarbage()
    local before, total = collectgarbage "count", 0
    local count = tonumber(os.getenv "KIO_ZLIB_ZEROS") or 32 -- megabytes
    for _ = 1, count do total = total + #inflater:update(first) end
    assert.equal(count << 20, total)
    collectgarbage()
    assert.is_true(collectgarbage "count" - before < 100)
  end)

  it("of a bomb as a whole is refused", function()
    local bomb = zlib.compress(("\0"):rep(65 << 20), { level = 1 })
    assert.equal("EMSGSIZE", select(3, zlib.decompress(bomb)))
    assert.equal(65 << 20, #zlib.decompress(bomb, { max = 1 << 30 }))
  end)
end)

describe("an allocation of zlib's that fails", function()
  local function each_allocation(f)
    local n = 0
    local fired
    repeat
      n = n + 1
      local before = core.test_live_memory()
      core.test_fail_memory(n)
      local fine, out, message, code = pcall(f)
      fired = core.test_fail_memory(0)
      assert.equal(before, core.test_live_memory(), "allocation " .. n)
      if fired == 1 and fine then
        assert.is_nil(out)
        assert.matches("^inflate: not enough memory$", message)
        assert.equal("ENOMEM", code)
      elseif fired == 1 then assert.matches("not enough memory", out)
      else assert.is_true(fine and out == TEXT) end
    until fired == 0
    return n
  end

  it("is told, and leaves nothing behind", function()
    local packed = zlib.compress(TEXT)
    local count = each_allocation(function()
      local deflater <close> = zlib.deflate()
      assert(#deflater:finish(TEXT) == #packed)
      local inflater <close> = zlib.inflate()
      local out, message, code = inflater:update(packed:sub(1, 200))
      if not out then return nil, message, code end
      local rest
      rest, message, code = inflater:finish(packed:sub(201))
      if not rest then return nil, message, code end
      return out .. rest
    end)
    assert.is_true(count > 6)
    local options = { format = "raw", dictionary = TEXT }
    packed = zlib.compress(TEXT, options)
    each_allocation(function() return zlib.decompress(packed, options) end)
  end)
end)

describe("the collector", function()
  it("gives back what nobody closed", function()
    collectgarbage()
    local before = core.test_live_memory()
    for _ = 1, 5 do
      zlib.deflate():update(TEXT)
      zlib.inflate():update(zlib.compress(TEXT):sub(1, 50))
    end
    assert.is_true(core.test_live_memory() > before)
    collectgarbage()
    collectgarbage()
    assert.equal(before, core.test_live_memory())
  end)
end)
