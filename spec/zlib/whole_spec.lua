-- Whole strings, in the loop and on the pool; checksums.
-- flavours: test asan
local kio = require "kio"
local common = require "spec.zlib.common"
local support = require "spec.support"

local zlib, why = common.find()
if not zlib then return it("is skipped", function() pending(why) end) end

local LARGE = common.text(300000)

-- How many threads the pool has when f has run.
local function threads_after(f)
  return support.run(function()
    f()
    return kio.stats().pool.threads
  end)
end

describe("a whole string", function()
  it("is the same in the loop, on the pool, and outside of tasks", function()
    for _, format in ipairs { "gzip", "zlib", "raw" } do
      local packed = zlib.compress(LARGE, { format = format })
      assert.is_true(zlib.decompress(packed, { format = format }) == LARGE)
      for _, where in ipairs { "auto", "pool", "loop" } do
        local options = { format = format, where = where }
        support.run(function()
          assert.is_true(zlib.compress(LARGE, options) == packed)
          assert.is_true(zlib.decompress(packed, options) == LARGE)
        end)
      end
    end
  end)

  it("is computed on the pool when it is large, or when that is said", function()
    local packed, zeros = zlib.compress(LARGE), zlib.compress(("\0"):rep(2 << 20))
    for _, case in ipairs {
      { 1, "compress", LARGE }, { 0, "compress", "small" }, { 1, "compress", "small", "pool" },
      { 0, "compress", LARGE, "loop" }, { 0, "decompress", packed },
      { 1, "decompress", packed, "pool" }, { 1, "decompress", zeros },
      { 0, "decompress", zeros, "loop" }, { 1, "decompress", common.noise(2 << 20) },
    } do
      local expected, call, bytes, where = table.unpack(case)
      assert.equal(expected, threads_after(function()
        return zlib[call](bytes, { where = where })
      end))
    end
  end)

  it("is computed in the loop when the pool has its hands full", function()
    support.run(function()
      local busy = assert(kio.spawn_blocking(os.execute, "sleep 0.2"))
      local queued = assert(kio.spawn_blocking(os.time))
      assert.is_nil(kio.spawn_blocking(os.time))
      assert.is_true(zlib.decompress(zlib.compress(LARGE)) == LARGE)
      busy:await()
      queued:await()
    end, { blocking_threads = 1, blocking_queue = 1 })
  end)

  it("fails in the same words on the pool", function()
    for _, where in ipairs { "loop", "pool" } do
      support.run(function()
        assert.same({ nil, "inflate: incorrect header check", "EBADMSG" },
          { zlib.decompress("no gzip", { where = where }) })
        assert.equal("EMSGSIZE",
          select(3, zlib.decompress(zlib.compress(LARGE), { where = where, max = 100 })))
        assert.same({ "x", "rest" }, { zlib.decompress(zlib.compress "x" .. "rest") })
      end)
    end
  end)

  it("is given up with its task", function()
    support.run(function()
      local task = kio.spawn(function() return zlib.compress(LARGE, { where = "pool" }) end)
      kio.yield()
      task:cancel()
      assert.is_false((task:join()))
    end)
  end)

  it("must be a string, and its options known", function()
    support.expect_error("#1 to 'compress' %(a string expected, got nil%)", zlib.compress)
    support.expect_error("unknown option 'colour'", zlib.decompress, "", { colour = 1 })
    support.expect_error('option \'where\' must be "auto" or "loop" or "pool"', zlib.compress, "",
      { where = "here" })
  end)
end)

describe("a checksum", function()
  it("is that of the standards, also in parts", function()
    assert.equal(0xcbf43926, zlib.crc32 "123456789")
    assert.equal(0x091e01de, zlib.adler32 "123456789")
    assert.equal(0xcbf43926, zlib.crc32("6789", zlib.crc32 "12345"))
    assert.equal(0x091e01de, zlib.adler32("6789", zlib.adler32 "12345"))
    assert.equal(0, zlib.crc32 "")
    assert.equal(1, zlib.adler32 "")
    support.expect_error("a checksum expected", zlib.crc32, "", -1)
    support.expect_error("a checksum expected", zlib.crc32, "", 1 << 32)
  end)
end)
