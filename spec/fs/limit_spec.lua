-- flavours: test asan hostile
-- What happens when there are no descriptors left. (The limit is set by a program, and none can
-- start below ThreadSanitizer.)
local kio = require "kio"
local common = require "spec.fs.common"
local support = require "spec.support"

local fs, failed = kio.fs, common.failed

local function set_limit(limit)
  local file <close> = assert(io.open("/proc/self/stat"))
  assert(os.execute(("prlimit --pid %d --nofile=%d:"):format(file:read("n"), limit)))
end

-- Calls f in a run when no descriptor is left but `spare` ones.
local function without_descriptors(spare, f)
  local text = common.content("/proc/self/limits")
  local limit = math.tointeger(tonumber(text:match("Max open files%s+(%d+)")))
  support.run(function()
    local held = {}
    set_limit(100)
    repeat
      local fd = kio.openat(nil, "/dev/null", kio.const.O_RDWR)
      held[#held + 1] = fd
    until not fd
    for _ = 1, spare do kio.close(table.remove(held)) end
    local ok, err = pcall(f)
    for _, each in ipairs(held) do kio.close(each) end
    set_limit(limit)
    assert(ok, err)
  end)
end

describe("without descriptors", function()
  it("everything that needs one fails with EMFILE", function()
    local path = common.file("abc")
    without_descriptors(0, function()
      local open = "open " .. path .. ": too many open files"
      failed("EMFILE", open, fs.open(path))
      failed("EMFILE", open, fs.read_file(path))
      failed("EMFILE", open, fs.write_file(path, "x"))
      failed("EMFILE", open, fs.write_file(path, "x", { atomic = true }))
      failed("EMFILE", "readdir /: too many open files", fs.readdir("/"))
      assert.equal(3, fs.stat(path).size)
    end)
    assert.equal("abc", common.content(path))
  end)

  it("sendfile has no pipe, and leaves none half made", function()
    for spare = 0, 1 do
      without_descriptors(spare, function()
        assert.equal(0, failed("EMFILE", "pipe pair: too many open files", kio.sendfile(1, 0)))
      end)
    end
  end)
end)
