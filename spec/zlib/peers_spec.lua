-- gzip, zcat and Python's zlib at the other end, both ways.
-- flavours: test
local kio = require "kio"
local common = require "spec.zlib.common"
local support = require "spec.support"

local zlib, why = common.find()
if not zlib then return it("is skipped", function() pending(why) end) end

local SAMPLES = {
  nothing = "", ["one byte"] = "a", text = common.text(200000), noise = common.noise(100000),
  zeros = ("\0"):rep(1 << 20),
}

local function need(program)
  if not os.execute(("command -v %s >/dev/null"):format(program)) then
    pending(program .. " is not installed")
  end
end

local function run(command, input)
  local result = assert(kio.process.run { stdin = input, max = 1 << 24, table.unpack(command) })
  assert.equal(0, result.code, result.stderr)
  return result.stdout
end

local FORMATS = { gzip = 31, zlib = 15, raw = -15 }

-- Compresses each file of the folder in all formats, and takes ours apart.
local PYTHON = [[
import os, sys, zlib
folder = sys.argv[1]
for name in os.listdir(folder):
    if "." in name: continue
    data = open(folder + "/" + name, "rb").read()
    for format, bits in (("gzip", 31), ("zlib", 15), ("raw", -15)):
        path = folder + "/" + name + "." + format
        ours = zlib.decompressobj(bits)
        assert ours.decompress(open(path + ".ours", "rb").read()) + ours.flush() == data
        assert ours.eof
        coder = zlib.compressobj(6, zlib.DEFLATED, bits, 8)
        with open(path, "wb") as file: file.write(coder.compress(data) + coder.flush())
]]

describe("gzip and zcat", function()
  it("agree with it", function()
    need "gzip"
    support.run(function()
      for name, sample in pairs(SAMPLES) do
        assert.is_true(zlib.decompress(run({ "gzip", "-c" }, sample)) == sample, name)
        assert.is_true(run({ "zcat" }, zlib.compress(sample)) == sample, name)
      end
      local members = zlib.compress(SAMPLES.text) .. zlib.compress "and more"
      assert.is_true(run({ "zcat" }, members) == SAMPLES.text .. "and more")
      assert.is_true(zlib.decompress(members, { members = true }) == SAMPLES.text .. "and more")
    end)
  end)
end)

describe("Python's zlib", function()
  it("gives the same bytes, and takes them apart", function()
    need "python3"
    local folder = support.tmpdir()
    support.run(function()
      for name, sample in pairs(SAMPLES) do
        local path = folder .. "/" .. name
        assert(kio.fs.write_file(path, sample))
        for format in pairs(FORMATS) do
          local packed = zlib.compress(sample, { format = format })
          assert(kio.fs.write_file(path .. "." .. format .. ".ours", packed))
        end
      end
      run { "python3", "-c", PYTHON, folder }
      for name in pairs(SAMPLES) do
        for format in pairs(FORMATS) do
          local path = ("%s/%s.%s"):format(folder, name, format)
          local theirs = assert(kio.fs.read_file(path))
          assert.is_true(theirs == kio.fs.read_file(path .. ".ours"), name .. " " .. format)
        end
      end
    end)
  end)
end)
