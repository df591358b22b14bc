-- Reading from descriptors: read, pread, readv, preadv.
local kio = require "kio"
local files = require "spec.op.files"
local support = require "spec.support"

local c = kio.const
local failed, ended = files.failed, files.ended

-- The four, as functions of a descriptor and a size.
local readers = {
  read = function(fd, n, options) return kio.read(fd, n, options) end,
  pread = function(fd, n, options) return kio.pread(fd, n, 0, options) end,
  readv = function(fd, n, options) return kio.readv(fd, { n }, options) end,
  preadv = function(fd, n, options) return kio.preadv(fd, { n }, 0, options) end,
}
-- What the kernel calls them.
local names = { read = "read", pread = "read", readv = "readv", preadv = "readv" }

describe("reading from a file", function()
  it("goes on where it ended, or starts at an offset and leaves the position alone", function()
    support.run(function()
      local fd = files.with("0123456789abcdef")
      assert.equal("01", kio.read(fd, 2))
      assert.equal("ab", kio.pread(fd, 2, 10))
      assert.same({ "2", "345" }, kio.readv(fd, { 1, 3 }))
      assert.same({ "cd", "e" }, kio.preadv(fd, { 2, 1 }, 12))
      assert.equal("6", kio.read(fd, 1))
      assert.equal(7, kio.core.own.lseek(fd, "cur"))
      kio.close(fd)
    end)
  end)

  it("gives what is there, then nil alone at the end", function()
    support.run(function()
      local fd = files.with("abcde")
      assert.equal("abcde", kio.read(fd, 100))
      assert.same({ "ab", "cde" }, kio.preadv(fd, { 2, 10, 10 }, 0))
      assert.same({ "de" }, kio.preadv(fd, { 2, 3 }, 3))
      assert.equal("e", kio.pread(fd, 100, 4))
      ended(kio.read(fd, 1))
      ended(kio.pread(fd, 1, 5))
      ended(kio.pread(fd, 1, math.maxinteger - 1))
      ended(kio.readv(fd, { 1, 2 }))
      ended(kio.preadv(fd, { 1 }, 1000))
      kio.close(fd)
    end)
  end)

  it("of 0 bytes gives an empty string, also at the end", function()
    support.run(function()
      local fd = files.with("a")
      assert.equal("", kio.read(fd, 0))
      assert.equal("", kio.pread(fd, 0, 0))
      assert.equal("", kio.pread(fd, 0, 100))
      assert.equal("a", kio.read(fd, 1))
      assert.equal("", kio.read(fd, 0))
      kio.close(fd)
    end)
  end)

  it("brings every byte value, and large pieces, unchanged", function()
    support.run(function()
      local bytes = {}
      for i = 0, 255 do bytes[i + 1] = string.char(i) end
      local text = table.concat(bytes):rep(4096)
      local fd = files.with(text)
      assert.is_true(kio.pread(fd, #text, 0) == text)
      local sizes = {}
      for i = 1, 1024 do sizes[i] = 1024 end
      assert.is_true(table.concat(kio.readv(fd, sizes)) == text)
      kio.close(fd)
    end)
  end)

  it("works on files of /proc, which have no size", function()
    support.run(function()
      local fd = assert(kio.openat(nil, "/proc/self/stat", c.O_RDONLY))
      assert.matches("^%d+ %(", kio.pread(fd, 100, 0))
      assert.matches("^%d+ %(", kio.read(fd, 100))
      kio.close(fd)
    end)
  end)
end)

describe("a failure of reading", function()
  for name, reader in pairs(readers) do
    local what = names[name]

    it("of " .. name .. " names the descriptor: EBADF, EISDIR", function()
      support.run(function()
        failed("EBADF", what .. " fd 4000: bad file descriptor", reader(files.NOBODY, 1))
        local fd = assert(kio.openat(nil, "/", c.O_RDONLY | c.O_DIRECTORY))
        failed("EISDIR", ("%s fd %d: is a directory"):format(what, fd), reader(fd, 1))
        kio.close(fd)
        fd = assert(kio.openat(nil, "/dev/null", c.O_WRONLY))
        failed("EBADF", ("%s fd %d: bad file descriptor"):format(what, fd), reader(fd, 1))
        kio.close(fd)
      end)
    end)

    it("of " .. name .. " by the device: EIO", function()
      support.run(function()
        local fd = assert(kio.openat(nil, "/proc/self/mem", c.O_RDONLY))
        failed("EIO", ("%s fd %d: input/output error"):format(what, fd), reader(fd, 1))
        kio.close(fd)
      end)
    end)
  end

  for _, name in ipairs { "read", "readv" } do
    local reader = readers[name]

    it("of " .. name .. " when nothing is there: ETIMEDOUT, EBADF by close", function()
      support.run(function()
        local r, w = kio.pipe()
        failed("ETIMEDOUT", ("%s fd %d: "):format(name, r), reader(r, 1, { timeout = 0 }))
        failed("ETIMEDOUT", ("%s fd %d: "):format(name, r), reader(r, 1, { timeout = 0.001 }))
        local waiting = kio.spawn(reader, r, 1)
        kio.yield()
        kio.close(r)
        failed("EBADF", ("%s fd %d: "):format(name, r), waiting:await())
        kio.close(w)
      end)
    end)
  end

  it("of a cancelled task is the cancellation, and the bytes stay in the pipe", function()
    support.run(function()
      local r, w = kio.pipe()
      for _, name in ipairs { "read", "readv" } do
        local reader = kio.spawn(readers[name], r, 1)
        kio.yield()
        reader:cancel()
        local ok, err = reader:join()
        assert.is_false(ok)
        assert.is_true(kio.is_cancelled(err))
      end
      kio.write(w, "x")
      assert.equal("x", kio.read(r, 10))
      kio.close(r)
      kio.close(w)
    end)
  end)

  it("may be any errno the ring gives", function()
    kio.core.sim { { op = "read", result = "EIO" }, { op = "readv", result = "ESTALE" } }
    support.run(function()
      local fd = files.with("abc")
      failed("EIO", "read fd", kio.read(fd, 1))
      failed("EIO", "read fd", kio.pread(fd, 1, 0))
      failed("ESTALE", "readv fd", kio.readv(fd, { 1 }))
      failed("ESTALE", "readv fd", kio.preadv(fd, { 1 }, 0))
      kio.close(fd)
    end, { backend = "sim" })
  end)
end)

describe("a short read", function()
  it("gives what came", function()
    kio.core.sim { short = 3 }
    support.run(function()
      local fd = files.with("abc")
      kio.pwrite(fd, "def", 3)
      assert.equal("abc", kio.read(fd, 6))
      assert.equal("bcd", kio.pread(fd, 6, 1))
      assert.same({ "de", "f" }, kio.readv(fd, { 2, 2 }))
      assert.same({ "abc" }, kio.preadv(fd, { 4, 2 }, 0))
      kio.close(fd)
    end, { backend = "sim" })
  end)
end)
