-- Operations on what a descriptor holds: fsync, fdatasync, fallocate, ftruncate, splice.
local kio = require "kio"
local files = require "spec.op.files"
local support = require "spec.support"

local c = kio.const
local failed = files.failed

local syncs = { fsync = kio.fsync, fdatasync = kio.fdatasync }

for name, sync in pairs(syncs) do
  describe(name, function()
    it("succeeds on a file and on a directory", function()
      support.run(function()
        local fd = files.with("abc")
        assert.is_true(sync(fd))
        assert.is_true(sync(fd, { timeout = 60 }))
        kio.close(fd)
        fd = assert(kio.openat(nil, support.tmpdir(), c.O_RDONLY | c.O_DIRECTORY))
        assert.is_true(sync(fd))
        kio.close(fd)
      end)
    end)

    it("fails: EBADF, EINVAL on a pipe, EIO of the device", function()
      support.run(function()
        failed("EBADF", "fsync fd 4000: bad file descriptor", sync(files.NOBODY))
        local r, w = kio.pipe()
        failed("EINVAL", ("fsync fd %d: invalid argument"):format(w), sync(w))
        kio.close(r)
        kio.close(w)
      end)
      kio.core.sim { { op = "fsync", result = "EIO" } }
      support.run(function()
        local fd = files.with("abc")
        failed("EIO", "fsync fd", sync(fd))
        kio.close(fd)
      end, { backend = "sim" })
    end)
  end)
end

describe("fallocate", function()
  it("makes room, with the size or without", function()
    support.run(function()
      local fd, path = files.with("abc")
      assert.is_true(kio.fallocate(fd, 0, 0, 8192))
      assert.equal(8192, kio.statx(fd, "", c.AT_EMPTY_PATH).size)
      assert.is_true(kio.fallocate(fd, c.FALLOC_FL_KEEP_SIZE, 8192, 8192))
      assert.equal(8192, kio.statx(fd, "", c.AT_EMPTY_PATH).size)
      kio.close(fd)
      assert.equal("abc\0", files.content(path):sub(1, 4))
    end)
  end)

  it("punches holes", function()
    support.run(function()
      local fd = files.with(("x"):rep(3 * 4096))
      local mode = c.FALLOC_FL_PUNCH_HOLE | c.FALLOC_FL_KEEP_SIZE
      assert.is_true(kio.fallocate(fd, mode, 4096, 4096))
      assert.equal("x" .. ("\0"):rep(4096) .. "x", kio.pread(fd, 4098, 4095))
      kio.close(fd)
    end)
  end)

  it("fails: EBADF, EINVAL, ESPIPE, ENODEV", function()
    support.run(function()
      failed("EBADF", "fallocate fd 4000: bad file descriptor",
        kio.fallocate(files.NOBODY, 0, 0, 1))
      local fd = files.with("")
      failed("EINVAL", ("fallocate fd %d: invalid argument"):format(fd), kio.fallocate(fd, 0, 0, 0))
      kio.close(fd)
      local r, w = kio.pipe()
      failed("ESPIPE", ("fallocate fd %d: illegal seek"):format(w), kio.fallocate(w, 0, 0, 1))
      kio.close(r)
      kio.close(w)
      fd = assert(kio.openat(nil, "/dev/null", c.O_RDWR))
      failed("ENODEV", ("fallocate fd %d: no such device"):format(fd), kio.fallocate(fd, 0, 0, 1))
      kio.close(fd)
    end)
  end)
end)

for _, backend in ipairs { "uring", "sim" } do -- the simulated one has only the plain call
  describe("ftruncate on " .. backend, function()
    it("shortens and lengthens, and leaves the position alone", function()
      support.run(function()
        local fd, path = files.with("abcdef")
        assert.equal("abcd", kio.read(fd, 4))
        assert.is_true(kio.ftruncate(fd, 2))
        assert.equal(4, kio.core.own.lseek(fd, "cur"))
        assert.is_true(kio.ftruncate(fd, 5))
        kio.close(fd)
        assert.equal("ab\0\0\0", files.content(path))
      end, { backend = backend })
    end)

    it("fails: EBADF, EINVAL", function()
      support.run(function()
        failed("EBADF", "truncate fd 4000: bad file descriptor", kio.ftruncate(files.NOBODY, 0))
        local _, path = files.with("abc")
        local fd = assert(kio.openat(nil, path, c.O_RDONLY))
        failed("EINVAL", ("truncate fd %d: invalid argument"):format(fd), kio.ftruncate(fd, 0))
        kio.close(fd)
        kio.close(_)
        assert.equal("abc", files.content(path))
      end, { backend = backend })
    end)
  end)
end

describe("splice", function()
  it("moves bytes between a pipe and a file, at positions and at offsets", function()
    support.run(function()
      local fd, path = files.with("0123456789")
      local r, w = kio.pipe()
      assert.equal(3, kio.splice(fd, 2, w, nil, 3))
      assert.equal("234", kio.read(r, 100))
      assert.equal(2, kio.splice(fd, nil, w, nil, 2))
      assert.equal(2, kio.core.own.lseek(fd, "cur"))
      assert.equal("01", kio.read(r, 100))
      kio.write(w, "abcd")
      assert.equal(2, kio.splice(r, nil, fd, nil, 2))
      assert.equal(2, kio.splice(r, nil, fd, 8, 100))
      assert.equal(4, kio.core.own.lseek(fd, "cur"))
      kio.close(r)
      kio.close(w)
      kio.close(fd)
      assert.equal("01ab4567cd", files.content(path))
    end)
  end)

  it("gives 0 at the end of its source", function()
    support.run(function()
      local fd = files.with("abc")
      local r, w = kio.pipe()
      assert.equal(0, kio.splice(fd, 3, w, nil, 10))
      kio.close(w)
      assert.equal(0, kio.splice(r, nil, fd, nil, 10))
      kio.close(r)
      kio.close(fd)
    end)
  end)

  it("fails: EBADF, EINVAL without a pipe or to a file that appends, ESPIPE", function()
    support.run(function()
      local fd, path = files.with("abc")
      local r, w = kio.pipe()
      failed("EBADF", "splice fd 4000: bad file descriptor",
        kio.splice(r, nil, files.NOBODY, nil, 1))
      failed("EBADF", ("splice fd %d: bad file descriptor"):format(w),
        kio.splice(files.NOBODY, nil, w, nil, 1))
      failed("EINVAL", ("splice fd %d: invalid argument"):format(fd),
        kio.splice(fd, 0, fd, 10, 1))
      failed("ESPIPE", ("splice fd %d: illegal seek"):format(w), kio.splice(fd, 0, w, 0, 1))
      kio.write(w, "x")
      local appending = assert(kio.openat(nil, path, c.O_WRONLY | c.O_APPEND))
      failed("EINVAL", ("splice fd %d: invalid argument"):format(appending),
        kio.splice(r, nil, appending, nil, 1))
      for _, each in ipairs { r, w, fd, appending } do kio.close(each) end
    end)
  end)

  it("from an empty pipe: ETIMEDOUT, the cancellation, EBADF by close", function()
    support.run(function()
      local fd = files.with("")
      local r, w = kio.pipe()
      failed("ETIMEDOUT", "splice fd", kio.splice(r, nil, fd, nil, 1, { timeout = 0.001 }))
      local moving = kio.spawn(kio.splice, r, nil, fd, nil, 1)
      repeat kio.yield() until moving:status() == "waiting"
      kio.sleep(0.001) -- let it reach its kernel thread
      moving:cancel()
      local ok, err = moving:join()
      assert.is_false(ok)
      assert.is_true(kio.is_cancelled(err))
      for _, closed in ipairs { "source", "destination" } do
        moving = kio.spawn(kio.splice, r, nil, fd, nil, 1)
        repeat kio.yield() until moving:status() == "waiting"
        assert.is_true(kio.close(closed == "source" and r or fd))
        failed("EBADF", "splice fd", moving:await())
        if closed == "source" then
          kio.close(w)
          r, w = kio.pipe()
        end
      end
      kio.close(r)
      kio.close(w)
    end)
  end)
end)
