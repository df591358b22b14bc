-- Writing to descriptors: write, pwrite, writev, pwritev.
local kio = require "kio"
local files = require "spec.op.files"
local support = require "spec.support"

local c = kio.const
local failed = files.failed

-- The four, as functions of a descriptor and a string.
local writers = {
  write = function(fd, data, options) return kio.write(fd, data, options) end,
  pwrite = function(fd, data, options) return kio.pwrite(fd, data, 0, options) end,
  writev = function(fd, data, options) return kio.writev(fd, { data }, options) end,
  pwritev = function(fd, data, options) return kio.pwritev(fd, { data }, 0, options) end,
}
-- What the kernel calls them.
local names = { write = "write", pwrite = "write", writev = "writev", pwritev = "writev" }

describe("writing to a file", function()
  it("goes on where it ended, or starts at an offset and leaves the position alone", function()
    support.run(function()
      local fd, path = files.with("................")
      assert.equal(2, kio.write(fd, "ab"))
      assert.equal(3, kio.pwrite(fd, "XYZ", 8))
      assert.equal(4, kio.writev(fd, { "c", "", "def" }))
      assert.equal(2, kio.pwritev(fd, { "V", "W" }, 12))
      assert.equal(1, kio.write(fd, "g"))
      assert.equal(7, kio.core.own.lseek(fd, "cur"))
      kio.close(fd)
      assert.equal("abcdefg.XYZ.VW..", files.content(path))
    end)
  end)

  it("beyond the end leaves a hole of zero bytes", function()
    support.run(function()
      local fd, path = files.with("a")
      assert.equal(1, kio.pwrite(fd, "b", 5))
      kio.close(fd)
      assert.equal("a\0\0\0\0b", files.content(path))
    end)
  end)

  it("of no bytes writes none", function()
    support.run(function()
      local fd, path = files.with("abc")
      assert.equal(0, kio.write(fd, ""))
      assert.equal(0, kio.pwrite(fd, "", 100))
      assert.equal(0, kio.writev(fd, { "", "" }))
      kio.close(fd)
      assert.equal("abc", files.content(path))
    end)
  end)

  it("opened to append goes to the end", function()
    support.run(function()
      local first, path = files.with("abc")
      local fd = assert(kio.openat(nil, path, c.O_WRONLY | c.O_APPEND))
      assert.equal(1, kio.write(fd, "d"))
      assert.equal(2, kio.pwrite(first, "ef", 4))
      assert.equal(2, kio.writev(fd, { "g", "h" }))
      assert.equal(8, kio.core.own.lseek(fd, "cur"))
      kio.close(first)
      kio.close(fd)
      assert.equal("abcdefgh", files.content(path))
    end)
  end)

  it("takes 1024 pieces", function()
    support.run(function()
      local fd, path = files.with("")
      local list = {}
      for i = 1, 1024 do list[i] = string.char(i % 256):rep(i % 7) end
      local text = table.concat(list)
      assert.equal(#text, kio.writev(fd, list))
      assert.equal(#text, kio.pwritev(fd, list, #text))
      kio.close(fd)
      assert.is_true(files.content(path) == text .. text)
    end)
  end)

  it("keeps the strings alive whatever happens to the table", function()
    support.run(function()
      local r, w = kio.pipe()
      assert.equal(65536, kio.write(w, ("x"):rep(65536))) -- full: the next one has to wait
      local list = { ("a"):rep(1000) .. "!", ("b"):rep(1000) .. "!" }
      local writer = kio.spawn(kio.writev, w, list)
      kio.yield()
      list[1], list[2] = nil, nil
      collectgarbage()
      collectgarbage()
      local got = {}
      while #table.concat(got) < 65536 + 2002 do got[#got + 1] = kio.read(r, 70000) end
      assert.equal(2002, writer:await())
      local expected = ("a"):rep(1000) .. "!" .. ("b"):rep(1000) .. "!"
      assert.is_true(table.concat(got):sub(65537) == expected)
      kio.close(r)
      kio.close(w)
    end)
  end)
end)

describe("a failure of writing", function()
  for name, writer in pairs(writers) do
    local what = names[name]

    it("of " .. name .. " names the descriptor: EBADF, ENOSPC", function()
      support.run(function()
        failed("EBADF", what .. " fd 4000: bad file descriptor", writer(files.NOBODY, "x"))
        local fd = assert(kio.openat(nil, "/dev/zero", c.O_RDONLY))
        failed("EBADF", ("%s fd %d: bad file descriptor"):format(what, fd), writer(fd, "x"))
        kio.close(fd)
        fd = assert(kio.openat(nil, "/dev/full", c.O_WRONLY))
        failed("ENOSPC", ("%s fd %d: no space left on device"):format(what, fd), writer(fd, "x"))
        kio.close(fd)
      end)
    end)
  end

  for _, name in ipairs { "write", "writev" } do
    local writer = writers[name]

    it("of " .. name .. " on a pipe: EPIPE without a signal, ETIMEDOUT, EBADF by close", function()
      support.run(function()
        local r, w = kio.pipe()
        while kio.write(w, ("x"):rep(65536), { timeout = 0 }) do end
        failed("ETIMEDOUT", ("%s fd %d: "):format(name, w), writer(w, "x", { timeout = 0 }))
        failed("ETIMEDOUT", ("%s fd %d: "):format(name, w), writer(w, "x", { timeout = 0.001 }))
        local waiting = kio.spawn(writer, w, "x")
        kio.yield()
        kio.close(w)
        failed("EBADF", ("%s fd %d: "):format(name, w), waiting:await())
        kio.close(r)
        r, w = kio.pipe()
        kio.close(r)
        failed("EPIPE", ("%s fd %d: broken pipe"):format(name, w), writer(w, "x"))
        kio.close(w)
      end)
    end)
  end

  it("of a cancelled task is the cancellation", function()
    support.run(function()
      local r, w = kio.pipe()
      while kio.write(w, ("x"):rep(65536), { timeout = 0 }) do end
      for _, name in ipairs { "write", "writev" } do
        local writer = kio.spawn(writers[name], w, "y")
        kio.yield()
        writer:cancel()
        local ok, err = writer:join()
        assert.is_false(ok)
        assert.is_true(kio.is_cancelled(err))
      end
      kio.close(w)
      local data = kio.read(r, 1 << 20)
      while data do
        assert.is_nil(data:find("y"))
        data = kio.read(r, 1 << 20)
      end
      kio.close(r)
    end)
  end)

  it("may be any errno the ring gives", function()
    kio.core.sim { { op = "write", result = "EDQUOT" }, { op = "writev", result = "EFBIG" } }
    support.run(function()
      local path = support.tmpdir() .. "/file"
      local fd = assert(kio.openat(nil, path, c.O_RDWR | c.O_CREAT))
      failed("EDQUOT", "write fd", kio.write(fd, "x"))
      failed("EDQUOT", "write fd", kio.pwrite(fd, "x", 0))
      failed("EFBIG", "writev fd", kio.writev(fd, { "x" }))
      failed("EFBIG", "writev fd", kio.pwritev(fd, { "x" }, 0))
      kio.close(fd)
      assert.equal("", files.content(path))
    end, { backend = "sim" })
  end)
end)

describe("a short write", function()
  it("tells how much was taken", function()
    kio.core.sim { short = 3 }
    support.run(function()
      local fd, path = files.with("")
      assert.equal(3, kio.write(fd, "abcdef"))
      assert.equal(3, kio.pwrite(fd, "defghi", 3))
      assert.equal(3, kio.pwritev(fd, { "gh", "ijk" }, 6))
      kio.close(fd)
      assert.equal("abcdefghi", files.content(path))
    end, { backend = "sim" })
  end)
end)
