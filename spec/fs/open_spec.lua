-- Opening and closing files: modes, permissions, the states of the file object.
local kio = require "kio"
local common = require "spec.fs.common"
local support = require "spec.support"

local fs, failed = kio.fs, common.failed

describe("a mode of open", function()
  it("means what it means in Lua's io", function()
    support.run(function()
      local path = common.file("abc")
      -- what a read gives, what is in the file after writing "X", for each mode
      local expected = {
        ["r"] = { "abc" }, ["rb"] = { "abc" },
        ["r+"] = { "abc", "abcX" }, ["r+b"] = { "abc", "abcX" }, ["a+"] = { "abc", "abcX" },
        ["w+"] = { "", "X" }, ["w+b"] = { "", "X" },
      }
      for mode, case in pairs(expected) do
        fs.write_file(path, "abc")
        local file <close> = assert(fs.open(path, mode))
        assert.equal(case[1], file:read("a"), mode)
        if case[2] then
          assert.equal(file, file:write("X"), mode)
          assert.equal(case[2], common.content(path), mode)
        else
          failed("EBADF", "write " .. path .. ": bad file descriptor", file:write("X"))
        end
      end
      for mode, content in pairs { w = "X", wb = "X", a = "abcX", ab = "abcX" } do
        fs.write_file(path, "abc")
        local file <close> = assert(fs.open(path, mode))
        failed("EBADF", "read " .. path .. ": bad file descriptor", file:read("a"))
        assert.equal(file, file:write("X"), mode)
        assert.equal(content, common.content(path), mode)
      end
    end)
  end)

  it("is r when there is none, and needs the file", function()
    support.run(function()
      local path = common.file("abc")
      local file <close> = assert(fs.open(path))
      assert.equal("abc", file:read("a"))
      failed("ENOENT", "open /nowhere/x: no such file or directory", fs.open("/nowhere/x"))
    end)
  end)

  it("with an x is for a file that must not exist", function()
    support.run(function()
      local path = common.file("abc")
      for _, mode in ipairs { "x", "x+", "wx", "wxb", "w+x", "ax" } do
        failed("EEXIST", "open " .. path .. ": file exists", fs.open(path, mode))
        assert.equal("abc", common.content(path))
        assert(fs.open(path .. mode, mode)):close()
        assert.equal("", common.content(path .. mode))
      end
    end)
  end)

  it("may be flags instead", function()
    support.run(function()
      local path, c = common.file("abc"), kio.const
      local file = assert(fs.open(path, c.O_RDWR | c.O_APPEND))
      assert(file:write("d"))
      assert.equal(4, file:seek())
      file:seek("set")
      assert.equal("abcd", file:read("a"))
      file:close()
      failed("ENOTDIR", "open " .. path .. ": not a directory", fs.open(path, c.O_DIRECTORY))
    end)
  end)

  it("that is none raises", function()
    support.run(function()
      for _, mode in ipairs { "", "rw", "+", "rx", "xx", "r++", "rbb", "w x", "wc", -1.5, true } do
        local ok, why = pcall(fs.open, "/x", mode)
        assert.is_false(ok)
        assert.equal(("bad argument #2 to 'open' (invalid mode '%s')"):format(mode), why)
      end
    end)
  end)
end)

describe("the permissions of open", function()
  it("are an integer or octal digits", function()
    support.run(function()
      local folder = support.tmpdir()
      assert(fs.open(folder .. "/a", "w", 384)):close() -- rw-------
      assert(fs.open(folder .. "/b", "w", "600")):close()
      assert(fs.open(folder .. "/c", "w", { perm = "0600" })):close()
      for _, name in ipairs { "a", "b", "c" } do
        assert.equal(384, fs.stat(folder .. "/" .. name).mode)
      end
    end)
  end)

  it("raise when they are something else", function()
    support.run(function()
      for _, perm in ipairs { "rw", "8", "", -1, 4096, 0.5, true } do
        support.expect_error("bad argument #3 to 'open' %(permissions", fs.open, "/x", "w", perm)
      end
    end)
  end)
end)

describe("misuse of open", function()
  it("raises, pointing at the caller", function()
    support.run(function()
      local err = support.expect_error("a path %(string%) expected, got nil", function()
        fs.open()
      end)
      assert.matches("open_spec.lua:%d+: bad argument #1 to 'open'", err)
      support.expect_error("expected, got number", fs.open, 1)
      support.expect_error("a path cannot contain a zero byte", fs.open, "a\0b")
      support.expect_error("unknown option 'readahead'", fs.open, "/x", "r", { readahead = 1 })
      support.expect_error("option 'read_ahead' must be a number", fs.open, "/x", "r",
        { read_ahead = "1" })
      support.expect_error("cannot be negative", fs.open, "/x", "r", { read_ahead = -1 })
      support.expect_error("option 'timeout' cannot be negative", fs.open, "/x", "r",
        { timeout = -1 })
    end)
    support.expect_error("operation outside a task", fs.open, "/x")
  end)

  it("of the methods raises when what they are called on is no file", function()
    support.run(function()
      local file <close> = assert(fs.open("/dev/null"))
      for _, name in ipairs {
        "read", "lines", "readv", "write", "writev", "seek", "pread", "preadv", "pwrite", "pwritev",
        "stat", "sync", "truncate", "fd", "close",
      } do
        support.expect_error("calling '" .. name .. "' on bad self", file[name], "l")
      end
    end)
  end)
end)

describe("a file", function()
  it("tells its kind, descriptor, state and path", function()
    support.run(function()
      local path = common.file("")
      local file = assert(fs.open(path))
      assert.equal(("kio.File (fd %d, open, path %s)"):format(file:fd(), path), tostring(file))
      assert.equal(file:fd(), file:fileno())
      assert.equal("file", file:stat().type)
      assert.is_true(file:close())
      assert.equal(("kio.File (closed, path %s)"):format(path), tostring(file))
      assert.is_nil(file:fd())
    end)
  end)

  it("that is closed fails everything but another close", function()
    support.run(function()
      local path = common.file("abc")
      local file = assert(fs.open(path, "r+"))
      assert.equal("a", file:read(1)) -- and has read the rest ahead
      file:close()
      assert.is_true(file:close())
      local calls = {
        read = { "l" }, readv = { { 1 } }, write = { "x" }, writev = { { "x" } }, seek = {},
        pread = { 1, 0 }, preadv = { { 1 }, 0 }, pwrite = { "x", 0 }, pwritev = { { "x" }, 0 },
        stat = {}, sync = {}, truncate = { 0 },
      }
      for name, arguments in pairs(calls) do
        failed("EBADF", ("%s %s: the file is closed"):format(name, path),
          file[name](file, table.unpack(arguments)))
      end
      support.expect_error("read .*: the file is closed", file:lines())
      assert.equal("abc", common.content(path))
    end)
  end)

  it("closes as a to-be-closed variable, also in a cancelled task and while unwinding", function()
    support.run(function()
      local path, seen = common.file("abc"), {}
      do
        local file <close> = assert(fs.open(path))
        seen[1] = file
      end
      pcall(function()
        local file <close> = assert(fs.open(path))
        seen[2] = file
        error "unwinds"
      end)
      local task = kio.spawn(function()
        local file <close> = assert(fs.open(path))
        seen[3] = file
        kio.sleep(1000)
      end)
      common.until_waiting(task)
      while not seen[3] do kio.yield() end
      task:cancel()
      task:join()
      for i = 1, 3 do assert.is_nil(seen[i]:fd()) end
    end)
  end)

  it("closes where no operation can run", function()
    local path, file, second = common.file("abc"), nil, nil
    support.run(function()
      file = assert(fs.open(path))
      second = assert(fs.open(path))
      local unfinished = coroutine.create(function()
        local _ <close> = second
        coroutine.yield()
      end)
      coroutine.resume(unfinished)
      assert.is_true(coroutine.close(unfinished)) -- its handlers cannot yield
      assert.is_nil(second:fd())
    end)
    assert.is_true(file:close()) -- outside of a run
    assert.is_nil(file:fd())
  end)

  it("closes when it is collected", function()
    support.run(function()
      local before = fs.readdir("/proc/self/fd")
      for _ = 1, 20 do assert(fs.open("/dev/null")) end
      collectgarbage()
      collectgarbage()
      assert.equal(#before, #fs.readdir("/proc/self/fd"))
    end)
    do
      local kept = support.run(function() return assert(fs.open("/dev/null")) end)
      assert.matches("open", tostring(kept))
    end -- the helper sees to it that the end of the run's file is the end of its descriptor
  end)

  it("ends what other tasks have under way on it when it is closed", function()
    support.run(function()
      local r, w = kio.pipe()
      local path = "/proc/self/fd/" .. r
      local file = assert(fs.open(path))
      local reader = kio.spawn(function() return file:read("l") end)
      common.until_waiting(reader)
      assert.is_true(file:close())
      failed("EBADF", ("read %s: the file is closed"):format(path), reader:await())
      kio.close(r)
      kio.close(w)
    end)
  end)

  it("that could not be opened leaves nothing behind, also when memory is short", function()
    support.run(function() -- the first run allocates what stays for the next ones
      for n = 1, 40 do
        kio.core.fail_memory(n)
        local file, _, code = fs.open("/dev/null")
        kio.core.fail_memory(0)
        if file then return file:close() end
        assert.equal("ENOMEM", code)
      end
      error "never succeeds"
    end)
  end)

  it("whose close is short of memory stays open, for another one", function()
    support.run(function()
      for n = 1, 40 do
        local file = assert(fs.open("/proc/self/fd"))
        kio.core.fail_memory(n)
        local done, _, code = file:close()
        kio.core.fail_memory(0)
        if done then return assert.is_nil(file:fd()) end
        assert.equal("ENOMEM", code)
        assert.is_number(file:fd())
        assert.is_true(file:close())
      end
      error "never succeeds"
    end)
  end)

  it("whose close fails tells why, and is closed", function()
    kio.core.sim { { op = "close", result = "EIO" } }
    support.run(function()
      local file = assert(fs.open("/dev/null"))
      failed("EIO", "close /dev/null: input/output error", file:close())
      assert.is_nil(file:fd())
      assert.is_true(file:close())
    end, { backend = "sim" })
  end)
end)
