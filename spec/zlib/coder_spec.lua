-- Deflaters and inflaters: what comes out, in which pieces, when they end; bounds; misuse.
-- flavours: test asan hostile
local kio = require "kio"
local common = require "spec.zlib.common"
local support = require "spec.support"

local zlib, why = common.find()
if not zlib then return it("is skipped", function() pending(why) end) end

local TEXT = common.text(20000)
local FORMATS = { "gzip", "zlib", "raw" }

-- The error of f(...) must match, and be blamed on this file.
local function expect_misuse(pattern, f, ...)
  local message = support.expect_error(pattern, f, ...)
  return message
end

describe("a deflater and an inflater", function()
  for _, format in ipairs(FORMATS) do
    it("give back what went in, in pieces of any size: " .. format, function()
      for _, piece in ipairs { 1, 7, 4096, #TEXT } do
        local deflater <close> = zlib.deflate { format = format }
        local packed = {}
        for at = 1, #TEXT, piece do
          packed[#packed + 1] = assert(deflater:update(TEXT:sub(at, at + piece - 1)))
        end
        packed = table.concat(packed) .. assert(deflater:finish())
        assert.is_true(#packed < #TEXT)
        local inflater <close>, out = zlib.inflate { format = format }, {}
        for at = 1, #packed, piece do
          out[#out + 1] = assert(inflater:update(packed:sub(at, at + piece - 1)))
        end
        assert.is_true(inflater:ended())
        assert.equal("", assert(inflater:finish()))
        assert.is_true(table.concat(out) == TEXT)
        assert.equal("", inflater:rest())
      end
    end)

    it("have the same bytes out for the same bytes in, whatever the pieces: " .. format, function()
      local one <close> = zlib.deflate { format = format }
      local other <close> = zlib.deflate { format = format }
      local whole = one:finish(TEXT)
      local parts = other:update(TEXT:sub(1, 11), "", TEXT:sub(12, 5000)) ..
        other:update() .. other:finish(TEXT:sub(5001))
      assert.is_true(whole == parts)
    end)
  end

  it("take every level, window and memory", function()
    for level = 0, 9 do
      local window, memory = 9 + level % 7, 1 + level % 9
      local options = { level = level, window = window, memory = memory, format = "zlib" }
      local deflater <close> = zlib.deflate(options)
      local inflater <close> = zlib.inflate { window = window }
      assert.is_true(inflater:finish(deflater:finish(TEXT)) == TEXT)
    end
  end)

  it("know their format by the data, or are told", function()
    for _, format in ipairs { "gzip", "zlib" } do
      local deflater <close> = zlib.deflate { format = format }
      local inflater <close> = zlib.inflate()
      assert.equal("text", inflater:finish(deflater:finish "text"))
    end
    local deflater <close> = zlib.deflate { format = "raw" }
    local inflater <close> = zlib.inflate()
    local out, message, code = inflater:update(deflater:finish "text")
    assert.is_nil(out)
    assert.equal("inflate: incorrect header check", message)
    assert.equal("EBADMSG", code)
  end)

  for how, ways in pairs { sync = { "sync", "raw" }, full = { "full", "gzip" } } do
    it("are in step after a flush: " .. how, function()
      local deflater <close> = zlib.deflate { format = ways[2] }
      local inflater <close> = zlib.inflate { format = ways[2] }
      for i = 1, 20 do
        local text = TEXT:sub(i, i * 100)
        local packed = deflater:update(text) .. deflater:flush(ways[1])
        assert.equal(text, inflater:update(packed))
      end
      assert.equal("", deflater:flush(ways[1]))
      assert.equal("", inflater:finish(deflater:finish()))
    end)
  end

  it("have a dictionary in common", function()
    local words = "the words that are likely to come"
    for _, format in ipairs { "zlib", "raw" } do
      local options = { format = format, dictionary = words }
      local deflater <close> = zlib.deflate(options)
      local inflater <close> = zlib.inflate(options)
      local plain <close> = zlib.deflate { format = format }
      for _ = 1, 2 do
        local packed = deflater:finish(words)
        assert.is_true(#packed < #plain:finish(words) - 10)
        assert.equal(words, inflater:finish(packed))
        for _, coder in ipairs { deflater, inflater, plain } do assert(coder:reset()) end
      end
    end
  end)

  it("are told when the dictionary is missing, or another", function()
    local deflater <close> = zlib.deflate { format = "zlib", dictionary = "one" }
    local packed = deflater:finish "text"
    local expected = { [false] = "a dictionary is needed", two = "wrong dictionary" }
    for dictionary, words in pairs(expected) do
      local inflater <close> = zlib.inflate { dictionary = dictionary or nil }
      assert.same({ nil, "inflate: " .. words, "EBADMSG" }, { inflater:finish(packed) })
    end
  end)

  it("begin anew after a reset", function()
    local deflater <close> = zlib.deflate()
    local inflater <close> = zlib.inflate()
    local first = deflater:finish(TEXT)
    assert(deflater:reset())
    assert(deflater:update "what is given up")
    assert(deflater:reset())
    assert.is_true(deflater:finish(TEXT) == first)
    assert.is_nil(inflater:update "no gzip")
    assert(inflater:reset())
    assert.is_true(inflater:finish(first, "tail") == TEXT)
    assert(inflater:reset())
    assert.equal("", inflater:rest())
    assert.is_false(inflater:ended())
    assert.is_true(inflater:finish(first) == TEXT)
  end)

  it("stay on their worker", function()
    support.run(function()
      for _, coder in ipairs { zlib.deflate(), zlib.inflate() } do
        support.expect_error("arg 2: .*stay on their worker", kio.thread.spawn, print, coder)
        coder:close()
      end
    end, { threads = 2 })
  end)
end)

describe("an inflater", function()
  local packed = zlib.compress(TEXT)

  it("tells what comes behind the end, whatever the pieces", function()
    for cut = #packed - 5, #packed + 3 do
      local inflater <close> = zlib.inflate()
      local all = packed .. "behind"
      local out = inflater:update(all:sub(1, cut)) .. inflater:update(all:sub(cut + 1))
      assert.is_true(out == TEXT)
      assert.equal("behind", inflater:rest())
      assert.equal("", inflater:update " it")
      assert.equal("", inflater:finish "self")
      assert.equal("behind itself", inflater:rest())
    end
  end)

  it("does not gather without end what comes behind it", function()
    local inflater <close> = zlib.inflate()
    local piece, count = ("x"):rep(1 << 16), 0
    local code
    assert(inflater:update(packed))
    repeat
      count = count + 1
      code = select(3, inflater:update(piece))
    until code
    assert.equal("EMSGSIZE", code)
    assert.is_true(count > 16 and count < 20)
    local large <close> = zlib.inflate()
    assert.is_true(large:finish(packed .. ("x"):rep(2 << 20)) == TEXT)
    assert.equal(2 << 20, #large:rest())
    debug.setuservalue(large, {}, 1)
    assert.equal("", large:rest())
  end)

  it("goes on with the next gzip member when it may", function()
    local two = packed .. zlib.compress "and more" .. zlib.compress ""
    for cut = 0, #two, 17 do
      local inflater <close> = zlib.inflate { format = "gzip", members = true }
      local out = inflater:update(two:sub(1, cut)) .. inflater:finish(two:sub(cut + 1))
      assert.is_true(out == TEXT .. "and more")
      assert.equal("", inflater:rest())
    end
    local one <close> = zlib.inflate()
    assert.is_true(one:finish(two) == TEXT)
    assert.is_true(one:rest() == two:sub(#packed + 1))
  end)

  it("refuses what is no member behind one", function()
    local inflater <close> = zlib.inflate { members = true }
    assert.equal("EBADMSG", select(3, inflater:finish(packed .. "\0\0\0")))
    assert(inflater:reset())
    assert.equal("ENODATA", select(3, inflater:finish(packed .. packed:sub(1, 5))))
  end)

  it("says when the end is missing, and says it again", function()
    local inflater <close> = zlib.inflate()
    assert(inflater:update(packed:sub(1, -2)))
    for _ = 1, 2 do
      local out, message, code = inflater:finish()
      assert.same({ nil, "inflate: the data end too soon", "ENODATA" }, { out, message, code })
    end
    assert.equal("ENODATA", select(3, inflater:update "more"))
    local empty <close> = zlib.inflate()
    assert.equal("ENODATA", select(3, empty:finish()))
  end)

  it("gives no more than it may", function()
    local exact <close> = zlib.inflate { max = #TEXT }
    assert.is_true(exact:finish(packed) == TEXT)
    for max = 0, #TEXT - 1, 997 do
      local inflater <close> = zlib.inflate { max = max }
      local out, message, code = inflater:finish(packed)
      assert.same({ nil, "inflate: more than is allowed would come out", "EMSGSIZE" },
        { out, message, code })
    end
    local members <close> = zlib.inflate { max = #TEXT + 1, members = true }
    assert(members:update(packed))
    assert.equal("EMSGSIZE", select(3, members:update(packed)))
  end)

  it("counts bytes out for each one in, but not the first", function()
    local zeros = zlib.compress(("\0"):rep(1 << 20))
    for ratio, code in pairs { [900] = "EMSGSIZE", [1100] = false } do
      local inflater <close> = zlib.inflate { ratio = ratio }
      assert.equal(code or nil, (select(3, inflater:finish(zeros))))
    end
    local small <close> = zlib.inflate { ratio = 1 }
    assert.equal(1 << 16, #small:finish(zlib.compress(("\0"):rep(1 << 16))))
  end)

  it("refuses a window that is larger than its own", function()
    local inflater <close> = zlib.inflate { window = 9 }
    local deflater <close> = zlib.deflate { format = "zlib" }
    assert.same({ nil, "inflate: invalid window size", "EBADMSG" },
      { inflater:finish(deflater:finish(TEXT)) })
  end)
end)

describe("what is closed", function()
  it("says so, and is closed as often as one likes", function()
    for name, coder in pairs { deflate = zlib.deflate(), inflate = zlib.inflate() } do
      assert.is_true(coder:close())
      assert.is_true(coder:close())
      for _, method in ipairs { "update", "finish", "reset" } do
        assert.same({ nil, name .. ": closed", "EBADF" }, { coder[method](coder) })
      end
      assert.matches("^kio.zlib.%a+ %(closed%)$", tostring(coder))
    end
  end)
end)

describe("misuse", function()
  local deflater, inflater
  before_each(function() deflater, inflater = zlib.deflate(), zlib.inflate() end)
  after_each(function()
    deflater:close()
    inflater:close()
  end)

  it("of options raises, and names them", function()
    for _, case in ipairs {
      { "deflate", { level = 10 }, "option 'level' must be an integer from 0 to 9" },
      { "deflate", { level = 1.5 }, "option 'level' must be an integer from 0 to 9" },
      { "deflate", { window = 8 }, "option 'window' must be an integer from 9 to 15" },
      { "deflate", { memory = 0 }, "option 'memory' must be an integer from 1 to 9" },
      { "deflate", { format = "auto" }, [[option 'format' must be "gzip" or "raw" or "zlib"]] },
      { "deflate", { dictionary = "x" }, "option 'dictionary' goes with 'zlib' and 'raw'" },
      { "deflate", { max = 1 }, "unknown option 'max'" },
      { "inflate", { format = "zip" }, "option 'format' must be" },
      { "inflate", { max = -1 }, "option 'max' cannot be negative" },
      { "inflate", { ratio = 0.5 }, "option 'ratio' must be 1 or more" },
      { "inflate", { ratio = 0 / 0 }, "option 'ratio' cannot be negative or NaN" },
      { "inflate", { format = "raw", members = true }, "option 'members' goes with" },
      { "inflate", { where = "pool" }, "unknown option 'where'" },
      { "inflate", "gzip", "a table of options expected" },
    } do
      local line = debug.getinfo(1, "l").currentline + 1
      local _, err = pcall(function() local _ = zlib[case[1]](case[2]) return _ end)
      local place = ("coder_spec.lua:%d: bad argument #1 to '%s'"):format(line, case[1])
      assert.is_truthy(err:find(place, 1, true), err)
      assert.is_truthy(err:find(case[3], 1, true), err)
    end
    expect_misuse("too many arguments", zlib.deflate, {}, 1)
  end)

  it("of methods raises", function()
    expect_misuse("string expected, got nil", deflater.update, deflater, nil)
    expect_misuse("string expected, got table", inflater.finish, inflater, "", {})
    expect_misuse("invalid option 'none'", deflater.flush, deflater, "none")
    expect_misuse("kio.zlib.Deflate expected", deflater.flush, inflater)
    expect_misuse("kio.zlib.Inflate expected", inflater.rest, deflater)
    expect_misuse("kio.zlib.Deflate or kio.zlib.Inflate expected", deflater.update, io.stdout,
      "text")
    for _, name in ipairs { "reset", "close", "ended", "rest" } do
      expect_misuse("too many arguments", inflater[name], inflater, 1)
    end
    expect_misuse("too many arguments", deflater.flush, deflater, "full", 1)
    expect_misuse("too many arguments", zlib.crc32, "text", 1, 2)
    expect_misuse("too many arguments", zlib.adler32, "text", 1, 2)
    assert.is_nil(inflater.flush)
    deflater:finish()
    expect_misuse("deflate: finished: reset it first", deflater.update, deflater, "")
    expect_misuse("deflate: finished: reset it first", deflater.flush, deflater)
    inflater:finish(zlib.compress "")
    expect_misuse("inflate: finished: reset it first", inflater.update, inflater, "")
  end)
end)

describe("a finalizer", function()
  -- At every moment at which one can run: in the middle of the call, too.
  it("may close, reset or use what is at work", function()
    local deeds = {
      function(coder) coder:close() end,
      function(coder) coder:reset() end,
      function(coder) coder:update "what comes between" end,
    }
    for _, deed in ipairs(deeds) do
      for moment = 1, 12 do
        local deflater <close> = zlib.deflate()
        support.at_moment(moment, function() deed(deflater) end, function()
          return deflater:update(TEXT), deflater:finish()
        end)
      end
    end
  end)
end)
