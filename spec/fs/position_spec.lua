-- The position of a file: one task at a time, reading ahead that never shows, nothing lost by a
-- failure or a cancellation, and what cannot seek.
local kio = require "kio"
local common = require "spec.fs.common"
local support = require "spec.support"

local fs, failed = kio.fs, common.failed

-- A pipe as a file object that reads, and the descriptor of its other end.
local function piped(options)
  local r, w = kio.pipe()
  local path = "/proc/self/fd/" .. r
  local file = assert(fs.open(path, "r", options))
  kio.close(r)
  return file, w, path
end

-- Waits until all that was written to the pipe has been read.
local function drained(file)
  repeat local there = kio.poll(file:fd(), "r", { timeout = 0 }) until not there
end

describe("two tasks at the position of one file", function()
  it("are one too many: the second raises, the first goes on", function()
    support.run(function()
      local file <close>, w = piped()
      local reader = kio.spawn(function() return file:read("l") end)
      common.until_waiting(reader)
      local message = "another task is using the position of this file"
      support.expect_error("position_spec.lua:%d+: " .. message, function() file:read("l") end)
      support.expect_error(message, file:lines())
      support.expect_error(message, file.readv, file, { 1 })
      kio.write(w, "hello\nworld\n")
      assert.equal("hello", reader:await())
      assert.equal("world", file:read())
      kio.close(w)
    end)
  end)

  it("also when the first one writes, or one of the two seeks", function()
    kio.core.sim { { op = "write", delay = 1 }, { op = "writev", delay = 1 } }
    support.run(function()
      local path = common.file("abcdef")
      local file <close> = assert(fs.open(path, "r+"))
      for _, first in ipairs { { "write", "X" }, { "writev", { "Y" } } } do
        local writer = kio.spawn(function() return file[first[1]](file, first[2]) end)
        common.until_waiting(writer)
        for _, call in ipairs { { "read", "l" }, { "write", "Z" }, { "seek", "set" },
                                { "writev", { "Z" } }, { "readv", { 1 } } } do
          support.expect_error("another task is using the position", file[call[1]], file, call[2])
        end
        assert.equal("abc", file:pread(3, 0) and "abc")
        assert.equal(file, writer:await())
      end
      assert.equal(2, file:seek())
      assert.equal("XYcdef", common.content(path))
    end, { backend = "sim" })
  end)

  it("may take turns", function()
    support.run(function()
      local path = common.file(("line\n"):rep(1000))
      local file <close> = assert(fs.open(path, "r", { read_ahead = 50 }))
      local busy, count = false, 0
      local function work()
        while true do
          while busy do kio.yield() end
          busy = true
          local line = file:read()
          busy = false
          if not line then return end
          assert.equal("line", line)
          count = count + 1
        end
      end
      local tasks = {}
      for i = 1, 4 do tasks[i] = kio.spawn(work) end
      for i = 1, 4 do tasks[i]:await() end
      assert.equal(1000, count)
    end)
  end)
end)

describe("offsets", function()
  it("serve any number of tasks at once, and leave the position alone", function()
    support.run(function()
      local size, count = 1000, 64
      local file <close> = assert(fs.open(common.file("start\n"), "r+"))
      assert.equal("start", file:read())
      local tasks = {}
      for i = 1, count do
        tasks[i] = kio.spawn(function()
          local data, at = string.char(i + 32):rep(size), 6 + (i - 1) * size
          for part = 0, size - 1, 250 do
            assert(file:pwrite(data:sub(part + 1, part + 125), at + part))
            assert(file:pwritev({ data:sub(1, 100), data:sub(1, 25) }, at + part + 125))
            assert.equal(data:sub(1, 250), file:pread(250, at + part))
          end
          assert.same({ data:sub(1, 7), data:sub(8) }, file:preadv({ 7, size - 7 }, at))
        end)
      end
      for i = 1, count do tasks[i]:await() end
      assert.equal(6, file:seek())
      for i = 1, count do assert.equal(string.char(i + 32):rep(size), file:read(size)) end
      assert.is_nil(file:read(1))
    end)
  end)

  it("of something that cannot seek fail with ESPIPE, and so does seek", function()
    support.run(function()
      local file <close>, w, path = piped()
      for name, arguments in pairs {
        pread = { 1, 0 }, preadv = { { 1 }, 0 }, pwrite = { "x", 0 }, pwritev = { { "x" }, 0 },
        seek = {},
      } do
        failed("ESPIPE", ("%s %s: illegal seek"):format(name, path),
          file[name](file, table.unpack(arguments)))
      end
      kio.close(w)
    end)
  end)

  it("that are negative, or no integers, raise", function()
    support.run(function()
      local path = common.file("abc")
      local file <close> = assert(fs.open(path, "r+"))
      support.expect_error("bad argument #2 to 'pread' %(it cannot be negative", file.pread, file,
        1, -1)
      support.expect_error("bad argument #1 to 'pread' %(it cannot be negative", file.pread, file,
        -1, 0)
      support.expect_error("bad argument #2 to 'pwrite' %(an integer expected", file.pwrite, file,
        "x", 0.5)
      support.expect_error("bad argument #1 to 'pwrite' %(a string expected", file.pwrite, file,
        true, 0)
      support.expect_error("bad argument #1 to 'truncate'", file.truncate, file, -1)
      support.expect_error("bad argument #1 to 'read' %(invalid format", file.read, file, "x")
      support.expect_error("bad argument #2 to 'read' %(invalid format", file.read, file, "l", -1)
      support.expect_error("bad argument #1 to 'lines' %(invalid format", file.lines, file, {})
      support.expect_error("bad argument #1 to 'seek'", file.seek, file, "start")
      support.expect_error("bad argument #2 to 'seek'", file.seek, file, "set", 0.5)
      support.expect_error("bad argument #2 to 'write'", file.write, file, "x", {})
      support.expect_error("bad argument #1 to 'readv'", file.readv, file, { -1 })
      support.expect_error("every piece must be a string", file.writev, file, { "x", {} })
      failed("EINVAL", "seek " .. path .. ": invalid argument", file:seek("set", -1))
      failed("EINVAL", "seek " .. path .. ": invalid argument", file:seek("cur", -1))
      assert.equal(0, file:seek())
      assert.equal("abc", file:read("a"))
    end)
  end)
end)

describe("what was read ahead", function()
  it("is forgotten when the file is written to, in every way", function()
    support.run(function()
      local text = "first\nold old old\nlast\n"
      local ways = {
        function(file) assert(file:pwrite("NEW NEW NEW", 6)) end,
        function(file) assert(file:pwritev({ "NEW ", "NEW NEW" }, 6)) end,
        function(file)
          assert(file:write("NEW NEW NEW"))
          file:seek("set", 6)
        end,
        function(file)
          assert(file:writev { "NEW ", "NEW NEW" })
          file:seek("cur", -11)
        end,
        function(file) kio.spawn(file.pwrite, file, "NEW NEW NEW", 6):await() end,
      }
      for _, write in ipairs(ways) do
        local file <close> = assert(fs.open(common.file(text), "r+"))
        assert.equal("first", file:read())
        write(file)
        assert.equal("NEW NEW NEW", file:read())
        assert.equal("last", file:read())
      end
      local file <close> = assert(fs.open(common.file(text), "r+"))
      assert.equal("first", file:read())
      assert(file:truncate(8))
      assert.equal("ol", file:read())
      assert.is_nil(file:read())
    end)
  end)

  it("by a read that a write at an offset overtakes is not kept", function()
    kio.core.sim { { op = "read", delay = 1 } } -- it has read, but its task does not know yet
    support.run(function()
      local file <close> = assert(fs.open(common.file("first\nold\n"), "r+"))
      local reader = kio.spawn(function() return file:read() end)
      common.until_waiting(reader)
      kio.yield()
      assert(file:pwrite("NEW", 6))
      assert.equal("first", reader:await())
      assert.equal("NEW", file:read())
    end, { backend = "sim" })
  end)

  it("agrees with seek and write in the middle of a line", function()
    support.run(function()
      local path = common.file("one\ntwo\nthree\n")
      local file <close> = assert(fs.open(path, "r+"))
      assert.equal("one", file:read())
      assert.equal(4, file:seek())
      assert(file:write("TW"))
      assert.equal("o", file:read())
      assert.equal(8, file:seek("cur", 0))
      assert.equal(6, file:seek("cur", -2))
      assert.equal("o\n", file:read("L"))
      assert.equal(13, file:seek("end", -1))
      assert.equal("\n", file:read("a"))
      assert.equal(20, file:seek("set", 20))
      assert(file:write("end"))
      assert.equal("one\nTWo\nthree\n\0\0\0\0\0\0end", common.content(path))
    end)
  end)

  it("follows a file that grows", function()
    support.run(function()
      local path = common.file("a\n")
      local file <close> = assert(fs.open(path))
      assert.same({ "a", nil }, { file:read("l", "l") })
      assert(fs.write_file(path, "b\n", { append = true }))
      assert.same({ "b", nil }, { file:read("l", "l") })
    end)
  end)
end)

describe("appending", function()
  it("goes to the end wherever the position is, and takes it along", function()
    support.run(function()
      local path = common.file("abc")
      local file <close> = assert(fs.open(path, "a+"))
      assert.equal("ab", file:read(2))
      assert(fs.write_file(path, "de", { append = true }))
      assert.equal(file, file:write("f", "g"))
      assert.equal(7, file:seek())
      assert.equal(file, file:writev { "h", "i" })
      assert.equal(9, file:seek())
      file:seek("set", 1)
      assert.equal("bcdefghi", file:read("a"))
      local other <close> = assert(fs.open(path, "a"))
      assert.equal(9, other:seek())
    end)
  end)
end)

describe("vectored operations", function()
  it("work at the position", function()
    support.run(function()
      local path = common.file("0123456789")
      local file <close> = assert(fs.open(path, "r+"))
      assert.same({ "0", "", "12" }, file:readv { 1, 0, 2 })
      assert.equal(file, file:writev { "a", "", "bc" })
      assert.equal(6, file:seek())
      assert.same({ "67", "89" }, file:readv { 2, 5, 5 })
      assert.is_nil(file:readv { 1 })
      assert.equal("012abc6789", common.content(path))
    end)
  end)
end)

describe("a failure of a read", function()
  it("takes nothing: what has arrived is there for the next one", function()
    support.run(function()
      for _, format in ipairs { 10, "l", "a", "n" } do
        local file <close>, w = piped()
        assert(kio.write(w, "1234"))
        local reader = kio.spawn(function() return file:read(format) end)
        common.until_waiting(reader)
        drained(file)
        reader:cancel()
        assert.is_false((reader:join()))
        assert.is_nil(kio.timeout(0.001, file.read, file, format))
        kio.write(w, "5 rest")
        kio.close(w)
        assert.equal("12345 rest", file:read("a"))
      end
    end)
  end)

  it("takes nothing, whatever the next one looks for", function()
    support.run(function()
      local file <close>, w = piped()
      assert(kio.write(w, "12\n4"))
      local reader = kio.spawn(function() return file:read(10) end)
      common.until_waiting(reader)
      drained(file)
      reader:cancel()
      reader:join()
      assert.same({ "1", "2" }, file:readv { 1, 1 })
      assert.equal("", file:read())
      kio.close(w)
      assert.equal("4", file:read())
    end)
  end)

  it("also keeps the values before it, and the position of a file that can seek", function()
    kio.core.sim { { op = "read", nth = 3, result = "EIO" }, short = 4 }
    support.run(function()
      local path = common.file("ab\ncd\nefgh\n")
      local file <close> = assert(fs.open(path))
      local message = "read " .. path .. ": input/output error"
      assert.same({ "ab", "cd", nil, message, "EIO", n = 5 }, table.pack(file:read("l", "l", "l")))
      assert.equal(6, file:seek())
      assert.equal("efgh", file:read())
    end, { backend = "sim" })
  end)

  it("is raised by lines, and told as nil, message, code by everything else", function()
    support.run(function()
      local file <close> = assert(fs.open("/"))
      failed("EISDIR", "read /: is a directory", file:read())
      failed("EISDIR", "read /: is a directory", file:read("l", "n"))
      failed("EISDIR", "readv /: is a directory", file:readv { 1 })
      failed("EISDIR", "pread /: is a directory", file:pread(1, 0))
      failed("EISDIR", "preadv /: is a directory", file:preadv({ 1 }, 0))
      support.expect_error("position_spec.lua:%d+: read /: is a directory", function()
        for _ in file:lines() do error "unreached" end
      end)
      support.expect_error("read /: is a directory", function()
        for _ in file:lines("l", "l") do error "unreached" end
      end)
    end)
  end)
end)

describe("a failure of a write", function()
  it("tells how many bytes were written, and the position follows them", function()
    kio.core.sim { { op = "write", nth = 3, result = "ENOSPC" },
                   { op = "write", nth = 6, result = "EIO" }, short = 4 }
    support.run(function()
      local path = common.file("")
      local file <close> = assert(fs.open(path, "r+"))
      local text = "write " .. path .. ": no space left on device"
      assert.equal(8, failed("ENOSPC", text, file:write("0123456789")))
      assert.equal(8, file:seek())
      assert.equal(8, failed("EIO", "pwrite " .. path .. ": input/output error",
        file:pwrite("abcdefghij", 20)))
      assert.equal(8, file:seek())
      assert.equal("01234567" .. ("\0"):rep(12) .. "abcdefgh", common.content(path))
    end, { backend = "sim" })
  end)

  it("cut short goes on until all is written", function()
    kio.core.sim { short = 3 }
    support.run(function()
      local path = common.file("")
      local file <close> = assert(fs.open(path, "r+"))
      assert.equal(file, file:write("0123456789"))
      assert.equal(file, file:writev { "ab", "cdef", "g" })
      assert.equal(file, file:pwrite("XYZXYZXYZ", 17))
      assert.equal(file, file:pwritev({ "12", "34", "56" }, 26))
      assert.equal(17, file:seek())
      assert.equal("0123456789abcdefgXYZXYZXYZ123456", common.content(path))
    end, { backend = "sim" })
  end)

  it("by a device that takes nothing ends with EIO", function()
    kio.core.sim { { op = "write", result = 0 } }
    support.run(function()
      local file <close> = assert(fs.open("/dev/null", "w"))
      failed("EIO", "write /dev/null: the device takes no more", file:write("x"))
    end, { backend = "sim" })
  end)

  it("by a full device names the path", function()
    support.run(function()
      local file <close> = assert(fs.open("/dev/full", "w"))
      local text = "/dev/full: no space left on device"
      assert.equal(0, failed("ENOSPC", "write " .. text, file:write("x")))
      assert.equal(0, failed("ENOSPC", "writev " .. text, file:writev { "x" }))
      assert.equal(0, failed("ENOSPC", "pwrite " .. text, file:pwrite("x", 0)))
      assert.equal(0, failed("ENOSPC", "pwritev " .. text, file:pwritev({ "x" }, 0)))
    end)
  end)
end)

describe("what cannot seek", function()
  it("is read at its current position: pipes, in all formats and in pieces", function()
    support.run(function()
      for _, ahead in ipairs { 0, 1, 5, 4096 } do
        local file <close>, w = piped { read_ahead = ahead }
        local writer = kio.spawn(function()
          for piece in ("line one\n12 0x1p4\nabcdefghij\nthe rest"):gmatch("..?.?") do
            assert(kio.write(w, piece))
            kio.yield()
          end
          kio.close(w)
        end)
        assert.equal("line one", file:read())
        assert.same({ 12, 16.0, "\n" }, { file:read("n", "n", "L") })
        assert.same({ "ab", "cde" }, file:readv { 2, 3 })
        assert.equal("fghij\n", file:read(6))
        assert.same({ "the rest", "", nil }, { file:read("a", "a", "l") })
        writer:await()
      end
    end)
  end)

  it("may be read and written by two tasks: they share no position", function()
    support.run(function()
      local r, w = kio.pipe()
      local path = "/proc/self/fd/" .. r
      local file <close> = assert(fs.open(path, "r+"))
      local reader = kio.spawn(function() return file:read() end)
      common.until_waiting(reader)
      assert.equal(file, file:write("hel", "lo\n"))
      assert.equal(file, file:writev { "wor", "ld\n" })
      assert.equal("hello", reader:await())
      assert.equal("world", file:read())
      kio.close(r)
      kio.close(w)
    end)
  end)

  it("and devices and files of /proc work", function()
    support.run(function()
      local zero <close> = assert(fs.open("/dev/zero"))
      assert.equal(("\0"):rep(300000), zero:read(300000))
      local null <close> = assert(fs.open("/dev/null", "r+"))
      assert.equal(null, null:write("x"))
      assert.same({ "", nil }, { null:read("a", "l") })
      local random <close> = assert(fs.open("/dev/urandom"))
      assert.equal(100, #random:read(100))
      local status <close> = assert(fs.open("/proc/self/status"))
      local count = 0
      for line in status:lines() do
        count = count + 1
        assert.matches("^%w+.*:", line)
      end
      assert.is_true(count > 10)
      status:seek("set")
      assert.matches("^Name:", status:read())
      local memory <close> = assert(fs.open("/proc/self/mem"))
      failed("EIO", "read /proc/self/mem: input/output error", memory:read(1))
    end)
  end)
end)
