-- Whole files: read_file and write_file, in place and atomically.
local kio = require "kio"
local common = require "spec.fs.common"
local support = require "spec.support"

local fs, failed = kio.fs, common.failed

local function names(folder)
  local list = {}
  for _, entry in ipairs(fs.readdir(folder)) do list[#list + 1] = entry.name end
  table.sort(list)
  return list
end

describe("read_file", function()
  it("gives all that is in a file of any size", function()
    support.run(function()
      for _, size in ipairs { 0, 1, 4095, 4096, 4097, 300000, 3 << 20 } do
        local text = ("0123456789abcdef-"):rep(size // 17 + 1):sub(1, size)
        assert.is_true(fs.read_file(common.file(text)) == text)
      end
    end)
  end)

  it("reads files that have no size", function()
    support.run(function()
      assert.matches("^Name:.*\nSeccomp", fs.read_file("/proc/self/status"))
      assert.equal("", fs.read_file("/dev/null"))
      local maps = fs.read_file("/proc/self/maps")
      assert.matches("%[stack%].*\n$", maps)
    end)
  end)

  it("fails, naming the path, and leaves nothing open", function()
    support.run(function()
      failed("ENOENT", "open /none: no such file or directory", fs.read_file("/none"))
      failed("EISDIR", "read /: is a directory", fs.read_file("/"))
      failed("EIO", "read /proc/self/mem: input/output error", fs.read_file("/proc/self/mem"))
    end)
  end)
end)

describe("write_file", function()
  it("replaces, appends, and makes files", function()
    support.run(function()
      local path = support.tmpdir() .. "/new"
      for _, atomic in ipairs { false, true } do
        assert.is_true(fs.write_file(path, "first, long", { atomic = atomic }))
        assert.equal("first, long", common.content(path))
        assert.is_true(fs.write_file(path, "second", { atomic = atomic, sync = true }))
        assert.equal("second", common.content(path))
        assert.is_true(fs.write_file(path, "", { atomic = atomic, sync = false }))
        assert.equal("", common.content(path))
        fs.unlink(path)
      end
      assert.is_true(fs.write_file(path, "a", { append = true, mode = "600" }))
      assert.is_true(fs.write_file(path, "b", { append = true }))
      assert.equal("ab", common.content(path))
      assert.equal(384, fs.stat(path).mode)
    end)
  end)

  it("syncs before it renames when atomic, and only when asked when not", function()
    local function syncs(options)
      return support.run(function()
        assert(fs.write_file(support.tmpdir() .. "/x", "x", options))
        return kio.stats().ops.fsync or 0
      end)
    end
    assert.equal(0, syncs())
    assert.equal(1, syncs { sync = true })
    assert.equal(1, syncs { atomic = true })
    assert.equal(0, syncs { atomic = true, sync = false })
    assert.equal(2, syncs { atomic = true, sync = true }) -- of the folder too: the name is safe
  end)

  it("in place fails naming the path", function()
    support.run(function()
      failed("ENOENT", "open /none/x: no such file or directory", fs.write_file("/none/x", "x"))
      failed("ENOSPC", "write /dev/full: no space left on device", fs.write_file("/dev/full", "x"))
    end)
  end)

  it("raises when it is misused", function()
    support.run(function()
      support.expect_error("#2 to 'write_file' %(a string expected, got nil", fs.write_file, "/x")
      support.expect_error("unknown option 'atom'", fs.write_file, "/x", "", { atom = true })
      support.expect_error("option 'atomic' must be a boolean", fs.write_file, "/x", "",
        { atomic = 1 })
      support.expect_error("permissions are", fs.write_file, "/x", "", { mode = "x" })
      support.expect_error("either 'atomic' or 'append'", fs.write_file, "/x", "",
        { atomic = true, append = true })
    end)
  end)
end)

describe("an atomic write", function()
  it("keeps permissions unless others are asked for, and follows links", function()
    support.run(function()
      local path = common.file("old")
      assert(fs.chmod(path, "640"))
      local link = path .. ".link"
      assert(fs.symlink("file", link))
      assert.is_true(fs.write_file(link, "new", { atomic = true }))
      assert.equal("link", fs.lstat(link).type)
      assert.equal("new", common.content(path))
      assert.equal(416, fs.stat(path).mode)
      assert.is_true(fs.write_file(path, "newer", { atomic = true, mode = "600" }))
      assert.equal(384, fs.stat(path).mode)
    end)
  end)

  it("works in the working directory", function()
    local lfs = require "lfs"
    local home = lfs.currentdir()
    local folder = support.tmpdir()
    assert(lfs.chdir(folder))
    support.run(function()
      assert.is_true(fs.write_file("name", "x", { atomic = true, sync = true }))
      assert.is_true(fs.write_file("name", "xy", { atomic = true }))
    end)
    assert(lfs.chdir(home))
    assert.equal("xy", common.content(folder .. "/name"))
  end)

  it("is never seen half done", function()
    support.run(function()
      local path, rounds = common.file(("0"):rep(5000)), support.flavour == "test" and 200 or 30
      local done = false
      local reader = kio.spawn(function()
        local count = 0
        while not done do
          local text = assert(fs.read_file(path))
          assert.equal(5000, #text)
          assert.equal(text:sub(1, 1):rep(5000), text)
          count = count + 1
        end
        return count
      end)
      for i = 1, rounds do
        local text = tostring(i % 10):rep(5000)
        assert.is_true(fs.write_file(path, text, { atomic = true, sync = false }))
      end
      done = true
      assert.is_true(reader:await() > 0)
    end)
  end)

  it("that fails changes nothing, names the path, and leaves no file behind: each step once",
    function()
      local steps = {
        { "open", "ENOSPC", "open %s: no space left on device" },
        { "write", "ENOSPC", "write %s: no space left on device" },
        { "fsync", "EIO", "sync %s: input/output error" },
        { "close", "EDQUOT", "close %s: disk quota exceeded" },
        { "rename", "EROFS", "rename %s: read-only file system" },
      }
      for _, step in ipairs(steps) do
        local op, code, message = table.unpack(step)
        kio.core.sim { { op = op, result = code } }
        support.run(function()
          local path = common.file("old")
          local folder = path:match("^(.*)/")
          failed(code, message:format(path), fs.write_file(path, "new", { atomic = true }))
          assert.equal("old", common.content(path))
          assert.same({ "file" }, names(folder))
        end, { backend = "sim" })
        assert.equal(1, kio.core.sim_fired())
      end
      support.run(function()
        failed("ENOENT", "open /none/x: no such file or directory",
          fs.write_file("/none/x", "x", { atomic = true }))
      end)
    end)

  it("that is cancelled at any step changes nothing, or everything, and leaves no file", function()
    for turns = 0, 12 do
      support.run(function()
        local path = common.file("old")
        local writer = kio.spawn(fs.write_file, path, "new", { atomic = true })
        for _ = 1, turns do kio.yield() end
        writer:cancel()
        writer:join()
        assert.same({ "file" }, names(path:match("^(.*)/")))
        local text = common.content(path)
        assert.is_true(text == "old" or text == "new", text)
      end, { backend = "sim" })
    end
  end)

  it("by many tasks at once ends with one of them", function()
    support.run(function()
      local path, tasks = support.tmpdir() .. "/x", {}
      for i = 1, 20 do
        tasks[i] = kio.spawn(fs.write_file, path, ("%02d"):format(i):rep(100), { atomic = true })
      end
      for i = 1, 20 do assert.is_true(tasks[i]:await()) end
      local text = common.content(path)
      assert.equal(text:sub(1, 2):rep(100), text)
      assert.same({ "x" }, names(path:match("^(.*)/")))
    end)
  end)
end)
