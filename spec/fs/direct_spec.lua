-- Files opened with `direct`: aligned buffers, and what is wrong with others, in words.
local kio = require "kio"
local common = require "spec.fs.common"
local support = require "spec.support"

local failed = common.failed
local fs = kio.fs

-- Opens a file of this many bytes for direct access and runs f(file, path, alignment); skips where
-- the filesystem has none.
local function with_direct(size, f)
  local reason
  support.run(function()
    local path = common.file(("0123456789abcdef"):rep(size // 16))
    local file <close>, message, code = fs.open(path, "r+", { direct = true })
    if code == "EINVAL" then
      reason = message
      return
    end
    f(assert(file, message), path, file:alignment())
  end)
  if reason then pending("no direct access in the folder for temporary files: " .. reason) end
end

describe("a file opened with direct", function()
  it("is read and written by aligned buffers, up to an end that is not aligned", function()
    with_direct(10000, function(file, path, align)
      assert.is_true(align >= 1 and 4096 % align == 0)
      local buf = kio.buffer(8192)
      assert.equal(8192, file:read_into(buf))
      assert.equal("0123456789abcdef", buf:string(1, 16))
      assert.equal(1808, file:read_into(buf))
      assert.equal("0123456789abcdef", buf:string(1793, 1808))
      assert.same({ n = 1 }, table.pack(file:read_into(buf)))
      assert.equal(4096, file:pread_into(buf, 4097, 4096, 4096))
      buf:fill(65)
      assert.equal(file, file:pwrite(buf:slice(1, 4096), 4096))
      file:seek("set", 0)
      assert.equal(file, file:write(buf:slice(1, 4096)))
      assert.equal(4096, file:seek())
      local text = common.content(path)
      assert.equal(("A"):rep(8192), text:sub(1, 8192))
      assert.equal(10000, #text)
    end)
  end)

  it("says what is not aligned", function()
    with_direct(8192, function(file, path, align)
      if align == 1 then return pending("everything is aligned here") end
      local buf, rules = kio.buffer(8192), file.window.direct
      local function says(what, why, n, ...)
        return failed("EINVAL", ("%s %s: direct access %s"):format(what, path, why:format(n)), ...)
      end
      says("pread_into", "at offset 1, which is no multiple of %d", rules.offset,
        file:pread_into(buf, 1, 4096, 1))
      says("pread_into", "to 100 bytes, which is no multiple of %d", rules.offset,
        file:pread_into(buf, 1, 100, 0))
      says("read_into", "with bytes that do not begin at a multiple of %d in memory", rules.memory,
        file:read_into(buf, 2, 4096))
      assert.equal(0, says("write", "to 100 bytes, which is no multiple of %d", rules.offset,
        file:write(buf:slice(1, 100))))
      assert.equal("EINVAL", select(3, file:pwrite(buf:slice(1, 4096), 7)))
    end)
  end)

  it("refuses strings", function()
    with_direct(8192, function(file)
      local why = "takes aligned buffers only"
      for _, call in ipairs {
        { "read", "a" }, { "read", 10 }, { "pread", 10, 0 }, { "preadv", { 1 }, 0 },
        { "write", "x" }, { "pwrite", "x", 0 }, { "writev", { "x" } }, { "pwritev", { "x" }, 0 },
        { "readv", { 5 } },
      } do
        local result, message, code = file[call[1]](file, table.unpack(call, 2))
        assert.is_nil(result)
        assert.equal("EINVAL", code)
        assert.matches(why, message, 1, true)
      end
    end)
  end)

  it("is none without asking for it", function()
    support.run(function()
      local path = common.file("text")
      local file <close> = assert(fs.open(path))
      assert.is_nil(file:alignment())
      assert.equal("text", file:read("a"))
      support.expect_error("option 'direct' must be a boolean", fs.open, path, "r", { direct = 1 })
    end)
  end)
end)

describe("read_file", function()
  it("reads files of /proc and /sys, whose size is told as 0 or as a page", function()
    support.run(function()
      assert.equal(0, fs.stat("/proc/self/status").size)
      assert.matches("^Name:.*\nPid:\t%d+\n", fs.read_file("/proc/self/status"))
      local maps = fs.read_file("/proc/self/maps")
      assert.is_true(#maps > 4096 and maps:sub(-1) == "\n")
      assert.matches("^%d", fs.read_file("/proc/sys/kernel/pid_max"))
      assert.matches("^[%d,-]+\n$", fs.read_file("/sys/devices/system/cpu/online"))
      local empty = support.tmpdir() .. "/empty"
      fs.write_file(empty, "")
      assert.equal("", fs.read_file(empty))
    end)
  end)
end)
