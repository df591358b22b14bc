-- Names in directories: stat, exists, readdir, rename, links and the rest of kio.fs.
local kio = require "kio"
local common = require "spec.fs.common"
local support = require "spec.support"

local fs, failed = kio.fs, common.failed

describe("stat, lstat and exists", function()
  it("tell about what a name leads to, or about a link itself", function()
    support.run(function()
      local path = common.file("12345")
      local link = path .. ".link"
      assert.is_true(fs.symlink(path, link))
      assert.equal(5, fs.stat(link).size)
      assert.equal("file", fs.stat(link, { timeout = 60 }).type)
      assert.equal("link", fs.lstat(link).type)
      assert.equal("directory", fs.stat("/").type)
      assert.equal(fs.stat(path).ino, assert(fs.open(path)):stat().ino)
      assert.is_true(fs.exists(link))
      assert.is_true(fs.unlink(path))
      assert.is_false(fs.exists(link))
      assert.is_false(fs.exists(path .. "/x/y"))
      assert.equal("link", fs.lstat(link).type)
    end)
    collectgarbage()
  end)

  it("fail, naming the path", function()
    support.run(function()
      failed("ENOENT", "stat /none: no such file or directory", fs.stat("/none"))
      failed("ENOTDIR", "stat /dev/null/x: not a directory", fs.lstat("/dev/null/x"))
      assert.is_false(fs.exists("/dev/null/x"))
      local long = "/" .. ("x"):rep(256)
      failed("ENAMETOOLONG", "stat " .. long .. ": file name too long", fs.exists(long))
    end)
  end)
end)

describe("file:chmod", function()
  it("changes the file that is open, and not what has its name by now", function()
    support.run(function()
      local path = common.file("x")
      local file <close> = assert(fs.open(path))
      assert(fs.rename(path, path .. "2") and fs.write_file(path, "other", { mode = "600" }))
      assert.is_true(file:chmod "640")
      assert.same({ 416, 416, 384 }, { file:stat().mode, fs.stat(path .. "2").mode,
        fs.stat(path).mode })
      support.expect_error("#1 to 'chmod' %(permissions are", file.chmod, file, "rw")
      support.expect_error("#1 to 'chmod' %(permissions expected", file.chmod, file)
      file:close()
      failed("EBADF", ("chmod %s: the file is closed"):format(path), file:chmod(384))
    end)
  end)
end)

describe("times", function()
  local DAY = 24 * 60 * 60 * 1000000000

  local function touched(when)
    local path = common.file("")
    local touch = { "touch", "-d", when, path, env = { TZ = "UTC", LD_PRELOAD = false } }
    assert.equal(0, assert(kio.process.run(touch)).code)
    return path
  end

  it("are exact to the nanosecond, and their seconds never those of the next one", function()
    support.run(function()
      for _, seconds in ipairs { 0, 1700000000, 8000000000, -1, -1700000000 } do
        for _, rest in ipairs { 0, 1, 500000001, 999999999 } do
          local stat = fs.stat(touched(("@%d.%09d"):format(seconds, rest)))
          local exact = seconds * 1000000000 + (seconds < 0 and -rest or rest)
          for _, name in ipairs { "mtime", "atime" } do
            assert.equal(exact, stat[name .. "_ns"])
            assert.equal("integer", math.type(stat[name .. "_ns"]))
            assert.equal(exact // 1000000000, math.floor(stat[name]))
          end
        end
      end
    end)
  end)

  it("of names, links and open files have all four, where the filesystem knows them", function()
    support.run(function()
      local path = touched("2000-01-01 00:00:00.999999999")
      local link <const> = path .. ".link"
      assert(fs.symlink(path, link))
      local file <close> = assert(fs.open(path))
      for _, stat in ipairs { fs.stat(path), fs.lstat(link), file:stat() } do
        for _, name in ipairs { "mtime", "atime", "ctime", "btime" } do
          assert.equal(stat[name] == nil, stat[name .. "_ns"] == nil)
          assert.equal(stat[name] and math.floor(stat[name]),
            stat[name .. "_ns"] and stat[name .. "_ns"] // 1000000000)
        end
      end
      assert.equal(946684800999999999, file:stat().mtime_ns)
      assert.is_true(file:stat().ctime_ns > file:stat().mtime_ns + DAY)
    end)
  end)

  it("too far away for 64 bits of nanoseconds have none", function()
    support.run(function()
      local path = touched "@15000000000" -- the year 2445, the last one of ext4
      local stat = fs.stat(path)
      if stat.mtime ~= 15000000000 then return pending "this filesystem has no such time" end
      assert.is_nil(stat.mtime_ns)
      assert.is_true(stat.ctime_ns > 0)
    end)
  end)
end)

describe("readdir", function()
  it("lists names and types, without the two dots", function()
    support.run(function()
      local folder = support.tmpdir()
      assert.same({}, fs.readdir(folder))
      assert(fs.write_file(folder .. "/file", ""))
      assert(fs.mkdir(folder .. "/directory"))
      assert(fs.symlink("nowhere", folder .. "/link"))
      assert(fs.write_file(folder .. "/..odd\nname", ""))
      local types = {}
      for _, entry in ipairs(fs.readdir(folder)) do types[entry.name] = entry.type end
      assert.same({
        file = "file", directory = "directory", link = "link", ["..odd\nname"] = "file",
      }, types)
    end)
  end)

  it("lists thousands", function()
    support.run(function()
      local folder, count = support.tmpdir(), support.flavour == "test" and 3000 or 300
      for i = 1, count do assert(io.open(folder .. "/" .. i, "w")):close() end
      local seen = 0
      for _, entry in ipairs(fs.readdir(folder)) do
        if tonumber(entry.name) <= count then seen = seen + 1 end
      end
      assert.equal(count, seen)
    end)
  end)

  it("fails, naming the path, and needs no task", function()
    failed("ENOENT", "readdir /none: no such file or directory", fs.readdir("/none"))
    failed("ENOTDIR", "readdir /dev/null: not a directory", fs.readdir("/dev/null"))
  end)
end)

describe("mkdir, rmdir, rename and unlink", function()
  it("change names", function()
    support.run(function()
      local folder = support.tmpdir()
      local a, b = folder .. "/a", folder .. "/b"
      assert.is_true(fs.mkdir(a))
      assert.is_true(fs.mkdir(a .. "/inner", "700"))
      assert.equal(448, fs.stat(a .. "/inner").mode)
      assert.is_true(fs.rename(a, b))
      assert.is_false(fs.exists(a))
      assert.is_true(fs.rmdir(b .. "/inner"))
      assert.is_true(fs.write_file(b .. "/x", "x"))
      failed("ENOTEMPTY", "rmdir " .. b .. ": directory not empty", fs.rmdir(b))
      assert.is_true(fs.unlink(b .. "/x"))
      assert.is_true(fs.rmdir(b))
    end)
  end)

  it("fail, naming the paths", function()
    support.run(function()
      local path = common.file("x")
      failed("EEXIST", "mkdir " .. path .. ": file exists", fs.mkdir(path))
      failed("ENOENT", "mkdir /none/x: no such file or directory", fs.mkdir("/none/x"))
      failed("ENOENT", "rmdir /none: no such file or directory", fs.rmdir("/none"))
      failed("ENOTDIR", "rmdir " .. path .. ": not a directory", fs.rmdir(path))
      failed("ENOENT", "unlink /none: no such file or directory", fs.unlink("/none"))
      failed("EISDIR", "unlink /: is a directory", fs.unlink("/"))
      failed("ENOENT", "rename /none/a to /none/b: no such file or directory",
        fs.rename("/none/a", "/none/b"))
    end)
  end)
end)

describe("symlink, readlink, realpath and chmod", function()
  it("work without a task, for they block", function()
    local path = common.file("x")
    local link = path .. ".link"
    assert.is_true(fs.symlink("file", link))
    assert.equal("file", fs.readlink(link))
    assert.equal(fs.realpath(path), fs.realpath(link))
    assert.is_true(fs.chmod(path, "640"))
    assert.equal(416, support.run(function() return fs.stat(path).mode end))
    assert.is_true(fs.chmod(path, 384))
    assert.equal(384, support.run(function() return fs.stat(path).mode end))
  end)

  it("fail, naming the path", function()
    local path = common.file("x")
    failed("EEXIST", "symlink " .. path .. ": file exists", fs.symlink("x", path))
    failed("EINVAL", "readlink " .. path .. ": invalid argument", fs.readlink(path))
    failed("ENOENT", "realpath /none: no such file or directory", fs.realpath("/none"))
    failed("ENOENT", "chmod /none: no such file or directory", fs.chmod("/none", "600"))
  end)
end)

describe("misuse of names", function()
  it("raises, naming function and argument", function()
    local one_path = { "stat", "lstat", "exists", "readdir", "unlink", "mkdir", "rmdir", "readlink",
                       "realpath", "read_file" }
    support.run(function()
      for _, name in ipairs(one_path) do
        local place = "names_spec.lua:%d+: bad argument #1 to '" .. name .. "' "
        local function call(path) fs[name](path) end
        support.expect_error(place .. "%(a path %(string%) expected, got nil", call)
        support.expect_error(place .. "%(a path %(string%) expected, got number", call, 5)
        support.expect_error(place .. "%(a path cannot contain a zero byte", call, "a\0b")
      end
      for _, name in ipairs { "rename", "symlink" } do
        support.expect_error("#1 to '" .. name .. "'", fs[name], nil, "x")
        support.expect_error("#2 to '" .. name .. "'", fs[name], "x", "y\0")
      end
      support.expect_error("#2 to 'chmod' %(permissions expected", fs.chmod, "/x")
      support.expect_error("#2 to 'chmod' %(permissions are", fs.chmod, "/x", "rw")
      support.expect_error("#2 to 'mkdir' %(permissions are", fs.mkdir, "/x", "9")
      for index, name in pairs { [2] = "stat", [3] = "rename" } do
        local second = index == 3 and "/y" or { timeout = -1 }
        support.expect_error(("#%d to '%s' %%(option 'timeout' cannot be"):format(index, name),
          fs[name], "/x", second, { timeout = -1 })
      end
      support.expect_error("unknown option 'time'", fs.unlink, "/x", { time = 1 })
      support.expect_error("a table of options expected, got number", fs.exists, "/x", 5)
    end)
    support.expect_error("operation outside a task", fs.stat, "/")
  end)
end)
