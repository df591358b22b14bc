-- timeout: 120
-- Random values there and back, and bytes that nobody has packed.
local common = require "spec.codec.common"
local core = require "kio.core"
local support = require "spec.support"
local values = require "spec.codec.values"

local SEEDS = support.scale { test = 10000, rest = 1500 }

local function pack(list) return common.pack(table.unpack(list, 1, list.n)) end

-- What a parcel does to the one who opens it: values, or a message that is a text.
local function open(parcel)
  local results = table.pack(core.codec_unpack(parcel))
  if results[1] == nil then
    assert.equal("string", type(results[2]))
    return nil
  end
  assert.is_true(results[1])
  return results
end

describe("random values", function()
  it("come back as they were", function()
    for seed = 1, SEEDS do
      local list = values.random(seed)
      local back = table.pack(common.unpack(pack(list)))
      if not common.same(list, back) then error("seed " .. seed .. " came back different") end
    end
  end)

  it("come back as they were by way of another state", function()
    local peer <close> = core.codec_peer()
    for seed = 1, SEEDS, 10 do
      local list = values.random(seed)
      local back = table.pack(common.unpack(core.codec_call(peer, pack(list), "return ...")))
      if not common.same(list, back) then error("seed " .. seed .. " came back different") end
    end
  end)

  it("are told apart by the comparison", function()
    local shared = {}
    local n = 0
    local function f() return n end
    local pairs_of_different = {
      { 1, 1.0 }, { 0.0, -0.0 }, { { 1 }, { 1, 2 } }, { { shared, shared }, { {}, {} } },
      { { {}, {} }, { shared, shared } }, { { a = 1 }, { b = 1 } }, { print, error },
      { { f, f }, { f, function() return n end } },
    }
    for i, pair in ipairs(pairs_of_different) do
      assert.is_false(common.same(pair[1], pair[2]), "pair " .. i)
    end
    assert.is_true(common.same({ 0 / 0, { shared, shared } }, { 0 / 0, { shared, shared } }))
  end)
end)

describe("bytes from elsewhere", function()
  it("that are garbage are refused, or are plain values", function()
    local random = values.generator(1)
    for _ = 1, SEEDS do
      local bytes = {}
      for i = 1, random(40) do
        bytes[i] = string.char(random(3) == 1 and random(256) - 1 or random(12))
      end
      open(core.codec_parcel(table.concat(bytes)))
    end
  end)

  it("bring no code, no modules and no handles", function()
    local bytes = core.codec_bytes(pack { n = 1, function() return 1 end })
    local ok, message = core.codec_unpack(core.codec_parcel(bytes))
    assert.is_nil(ok)
    assert.equal("not a parcel: a reference to nothing beside it", message)
    ok, message = core.codec_unpack(core.codec_parcel(core.codec_bytes(pack { n = 1, string })))
    assert.is_nil(ok)
    assert.equal("not a parcel: a reference to nothing beside it", message)
  end)

  it("that end early are refused", function()
    for seed = 1, SEEDS, 50 do
      local list = values.random(seed)
      local size = #core.codec_bytes(pack(list))
      for cut = 0, size - 1, 1 + size // 20 do
        local parcel = pack(list)
        parcel = core.codec_parcel(core.codec_bytes(parcel):sub(1, cut), parcel)
        assert.is_nil(open(parcel))
      end
    end
  end)

  it("with some of them changed never do harm", function()
    local random = values.generator(2)
    for seed = 1, SEEDS, 3 do
      local parcel = pack(values.random(seed))
      local bytes = core.codec_bytes(parcel)
      for _ = 1, random(3) do
        local at = random(#bytes)
        local changed = string.char(bytes:byte(at) ~ (1 << random(8) - 1))
        bytes = bytes:sub(1, at - 1) .. changed .. bytes:sub(at + 1)
      end
      open(core.codec_parcel(bytes, parcel))
    end
  end)

  it("that promise more than there is are refused before memory is taken", function()
    for _, bytes in ipairs {
      "", "\128", "\255\255\255\255\255\255\255\255\255\255",
      "\129\128\128\128\128\128\128\128\128\2",
      "\1\6" .. ("I4I4"):pack(0xffffffff, 0), "\1\6" .. ("I4I4"):pack(0, 0xffffffff),
      "\1\6" .. ("I4I4"):pack(0x7fffffff, 0x7fffffff), "\1\5\255\255\255\255\15abc", "\1\6",
      "\255\255\255\127" .. ("\0"):rep(100), "\1\11\0", "\1\4abc", "\1\0\0", "\2\0",
      "\1\6" .. ("I4I4"):pack(0, 1) .. "\0\0",
      "\1\6" .. ("I4I4"):pack(0, 1) .. "\4" .. ("n"):pack(0 / 0) .. "\0",
    } do
      assert.is_nil(open(core.codec_parcel(bytes)))
    end
  end)

  it("that nest without end are refused", function()
    assert.is_nil(open(core.codec_parcel("\1" .. ("\6\1\0\0\0\0\0\0\0"):rep(100000))))
  end)
end)
