-- Operations on names: openat, unlinkat, mkdirat, renameat, statx.
local kio = require "kio"
local files = require "spec.op.files"
local support = require "spec.support"

local c = kio.const
local failed = files.failed

-- An empty folder: its path, and a descriptor of it.
local function folder()
  local path = support.tmpdir()
  return path, assert(kio.openat(nil, path, c.O_RDONLY | c.O_DIRECTORY))
end

local function touch(path)
  local file <close> = assert(io.open(path, "w"))
  file:write("x")
end

describe("openat", function()
  it("makes a file with the permissions asked for, and closes it on exec", function()
    support.run(function()
      local path, dir = folder()
      local fd = assert(kio.openat(dir, "a", c.O_WRONLY | c.O_CREAT | c.O_EXCL, 384)) -- rw-------
      assert.equal(384, kio.statx(dir, "a").mode)
      local info = files.content("/proc/self/fdinfo/" .. fd)
      local flags = tonumber(info:match("flags:%s*(%d+)"), 8)
      assert.is_true(flags & 524288 ~= 0) -- O_CLOEXEC
      kio.close(fd)
      kio.close(dir)
      assert.equal("", files.content(path .. "/a"))
    end)
  end)

  it("looks names up in the directory it is given, or else in the working directory", function()
    support.run(function()
      local path, dir = folder()
      touch(path .. "/x")
      local fd = assert(kio.openat(dir, "x", c.O_RDONLY))
      assert.equal("x", kio.read(fd, 10))
      kio.close(fd)
      fd = assert(kio.openat(nil, "Makefile", c.O_RDONLY))
      assert.equal("#", kio.read(fd, 1))
      kio.close(fd)
      kio.close(dir)
    end)
  end)

  it("fails, naming the path: each errno once", function()
    support.run(function()
      local path, dir = folder()
      touch(path .. "/file")
      local function fails(code, text, name, flags, from)
        failed(code, ("open %s: %s"):format(name, text), kio.openat(from, name, flags))
      end
      fails("ENOENT", "no such file or directory", path .. "/none", c.O_RDONLY)
      fails("ENOENT", "no such file or directory", "", c.O_RDONLY)
      fails("EEXIST", "file exists", path .. "/file", c.O_WRONLY | c.O_CREAT | c.O_EXCL)
      fails("EISDIR", "is a directory", path, c.O_WRONLY)
      fails("ENOTDIR", "not a directory", path .. "/file/x", c.O_RDONLY)
      fails("ENOTDIR", "not a directory", path .. "/file", c.O_RDONLY | c.O_DIRECTORY)
      fails("ENAMETOOLONG", "file name too long", path .. "/" .. ("x"):rep(256), c.O_RDONLY)
      assert(kio.core.own.symlink("loop", path .. "/loop"))
      fails("ELOOP", "too many levels of symbolic links", path .. "/loop", c.O_RDONLY)
      fails("EBADF", "bad file descriptor", "relative", c.O_RDONLY, files.NOBODY)
      fails("EINVAL", "invalid argument", path, c.O_WRONLY | c.O_TMPFILE & ~c.O_DIRECTORY)
      kio.close(dir)
    end)
  end)

  it("may fail with any errno the ring gives", function()
    kio.core.sim { { op = "open", nth = 1, result = "EMFILE" }, { op = "open", result = "ENOSPC" } }
    support.run(function()
      failed("EMFILE", "open /a: too many open files", kio.openat(nil, "/a", c.O_RDONLY))
      failed("ENOSPC", "open /b: no space left", kio.openat(nil, "/b", c.O_RDONLY))
    end, { backend = "sim" })
  end)

  it("loses no descriptor when its task is cancelled", function()
    support.run(function()
      for turns = 0, 2 do
        local got
        local opener = kio.spawn(function() got = kio.openat(nil, "/", c.O_RDONLY) end)
        for _ = 1, turns do kio.yield() end
        opener:cancel()
        opener:join()
        if got then kio.close(got) end
      end
    end) -- the helper counts the descriptors
  end)
end)

describe("mkdirat and unlinkat", function()
  it("make and remove", function()
    support.run(function()
      local path, dir = folder()
      assert.is_true(kio.mkdirat(dir, "sub", 448))
      assert.same({ "directory", 448 },
        { kio.statx(dir, "sub").type, kio.statx(dir, "sub").mode })
      touch(path .. "/sub/file")
      failed("ENOTEMPTY", "unlink sub: directory not empty",
        kio.unlinkat(dir, "sub", c.AT_REMOVEDIR))
      assert.is_true(kio.unlinkat(dir, "sub/file"))
      assert.is_true(kio.unlinkat(dir, "sub", c.AT_REMOVEDIR))
      failed("ENOENT", "stat sub: no such file or directory", kio.statx(dir, "sub"))
      kio.close(dir)
    end)
  end)

  it("fail, naming the path: each errno once", function()
    support.run(function()
      local path, dir = folder()
      touch(path .. "/file")
      failed("EEXIST", "mkdir " .. path .. ": file exists", kio.mkdirat(nil, path))
      failed("ENOENT", "mkdir none/x: no such file or directory", kio.mkdirat(dir, "none/x"))
      failed("ENOTDIR", "mkdir file/x: not a directory", kio.mkdirat(dir, "file/x"))
      failed("ENAMETOOLONG", "mkdir xxx", kio.mkdirat(dir, ("x"):rep(256)))
      failed("EBADF", "mkdir x: bad file descriptor", kio.mkdirat(files.NOBODY, "x"))
      failed("ENOENT", "unlink none: no such file or directory", kio.unlinkat(dir, "none"))
      failed("EISDIR", "unlink " .. path .. ": is a directory", kio.unlinkat(nil, path))
      failed("ENOTDIR", "unlink file: not a directory", kio.unlinkat(dir, "file", c.AT_REMOVEDIR))
      failed("EBUSY", "unlink /: device or resource busy", kio.unlinkat(nil, "/", c.AT_REMOVEDIR))
      failed("EINVAL", "unlink file: invalid argument", kio.unlinkat(dir, "file", 1))
      failed("EBADF", "unlink x: bad file descriptor", kio.unlinkat(files.NOBODY, "x"))
      kio.close(dir)
    end)
    kio.core.sim {
      { op = "unlink", result = "EROFS" }, { op = "mkdir", result = "EACCES" },
      { op = "rename", result = "EMLINK" }, { op = "stat", result = "EOVERFLOW" },
    }
    support.run(function()
      failed("EROFS", "unlink x: read-only file system", kio.unlinkat(nil, "x"))
      failed("EACCES", "mkdir x: permission denied", kio.mkdirat(nil, "x"))
      failed("EMLINK", "rename x: too many links", kio.renameat(nil, "x", nil, "y"))
      failed("EOVERFLOW", "stat x: value too large", kio.statx(nil, "x"))
    end, { backend = "sim" })
  end)
end)

describe("renameat", function()
  it("moves a name, also between directories, and exchanges two", function()
    support.run(function()
      local first, dir1 = folder()
      local second, dir2 = folder()
      touch(first .. "/a")
      assert.is_true(kio.renameat(dir1, "a", dir2, "b"))
      assert.equal("x", files.content(second .. "/b"))
      assert.is_true(kio.renameat(nil, second .. "/b", nil, second .. "/c"))
      assert.is_true(kio.mkdirat(dir2, "d"))
      assert.is_true(kio.renameat(dir2, "c", dir2, "d", c.RENAME_EXCHANGE))
      assert.equal("x", files.content(second .. "/d"))
      assert.equal("directory", kio.statx(dir2, "c").type)
      kio.close(dir1)
      kio.close(dir2)
    end)
  end)

  it("fails: each errno once", function()
    support.run(function()
      local path, dir = folder()
      touch(path .. "/a")
      touch(path .. "/b")
      assert(kio.mkdirat(dir, "d"))
      failed("ENOENT", "rename none: no such file or directory",
        kio.renameat(dir, "none", dir, "x"))
      failed("EEXIST", "rename a: file exists",
        kio.renameat(dir, "a", dir, "b", c.RENAME_NOREPLACE))
      failed("EISDIR", "rename a: is a directory", kio.renameat(dir, "a", dir, "d"))
      failed("ENOTDIR", "rename d: not a directory", kio.renameat(dir, "d", dir, "a"))
      failed("EINVAL", "rename d: invalid argument", kio.renameat(dir, "d", dir, "d/e"))
      failed("EXDEV", "rename a: invalid cross-device link", kio.renameat(dir, "a", nil, "/proc/a"))
      failed("EBADF", "rename a: bad file descriptor", kio.renameat(dir, "a", files.NOBODY, "x"))
      kio.close(dir)
    end)
  end)
end)

describe("statx", function()
  it("tells about a name, a link itself, or an open descriptor", function()
    support.run(function()
      local path, dir = folder()
      touch(path .. "/file")
      assert(kio.core.own.symlink("file", path .. "/link"))
      local st = assert(kio.statx(dir, "link"))
      assert.equal("file", st.type)
      assert.equal(1, st.size)
      assert.equal(1, st.nlink)
      assert.is_true(st.ino > 0)
      assert.is_true(math.abs(st.mtime - os.time()) < 3600)
      assert.equal("link", kio.statx(dir, "link", c.AT_SYMLINK_NOFOLLOW).type)
      assert.equal("directory", kio.statx(dir, "", c.AT_EMPTY_PATH).type)
      local types = {
        ["/dev/null"] = "char", ["/proc/self/status"] = "file", ["/proc/self/exe"] = "file",
      }
      for name, expected in pairs(types) do assert.equal(expected, kio.statx(nil, name).type) end
      local r, w = kio.pipe()
      assert.equal("fifo", kio.statx(r, "", c.AT_EMPTY_PATH).type)
      for _, fd in ipairs { r, w, dir } do kio.close(fd) end
    end)
  end)

  it("fails, naming the path", function()
    support.run(function()
      failed("ENOENT", "stat /nowhere: no such file or directory", kio.statx(nil, "/nowhere"))
      failed("ENOTDIR", "stat /dev/null/x: not a directory", kio.statx(nil, "/dev/null/x"))
      failed("EBADF", "stat x: bad file descriptor", kio.statx(files.NOBODY, "x"))
      failed("EINVAL", "stat /: invalid argument", kio.statx(nil, "/", 1 << 30))
    end)
  end)
end)
