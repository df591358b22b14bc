-- Helpers on descriptors: exactly n bytes, all of a string, and what a failure tells.
local kio = require "kio"
local common = require "spec.fs.common"
local support = require "spec.support"

local failed = common.failed
local c = kio.const

local function open(text)
  return assert(kio.openat(nil, common.file(text), c.O_RDWR))
end

-- Writes a string to a descriptor in small pieces and closes it.
local function trickle(fd, text)
  for piece in text:gmatch("..?.?.?.?.?.?") do
    assert(kio.write(fd, piece))
    kio.yield()
  end
  kio.close(fd)
end

it("the helpers are exported twice", function()
  local names = { "read_exactly", "write_all", "pread_exactly", "pwrite_all", "sendfile" }
  for _, name in ipairs(names) do
    assert.is_function(kio[name])
    assert.equal(kio[name], kio.io[name])
  end
end)

describe("read_exactly", function()
  it("waits for all the bytes and takes no more", function()
    support.run(function()
      local r, w = kio.pipe()
      local text = ("0123456789"):rep(100)
      local writer = kio.spawn(trickle, w, text)
      assert.equal(text:sub(1, 1), kio.read_exactly(r, 1))
      assert.equal(text:sub(2, 400), kio.read_exactly(r, 399, { timeout = 60 }))
      assert.equal("", kio.read_exactly(r, 0))
      assert.equal(text:sub(401), kio.read_exactly(r, 600))
      writer:await()
      assert.equal(0, select("#", kio.read_exactly(r, 5)) - 1)
      assert.is_nil(kio.read_exactly(r, 5))
      kio.close(r)
    end)
  end)

  it("of more than one buffer is whole", function()
    support.run(function()
      local text = ("x"):rep(999999) .. "y"
      local fd = open(text)
      assert.is_true(kio.read_exactly(fd, 1000000) == text)
      assert.is_true(kio.pread_exactly(fd, 999999, 1) == text:sub(2))
      kio.close(fd)
    end)
  end)

  it("that ends too early tells how much came, and gives it", function()
    support.run(function()
      local r, w = kio.pipe()
      kio.write(w, "abc")
      kio.close(w)
      local count, data = failed("ENODATA",
        ("read fd %d: the end came after 3 of 10 bytes"):format(r), kio.read_exactly(r, 10))
      assert.equal(3, count)
      assert.equal("abc", data)
      kio.close(r)
      local fd = open("abcdef")
      count, data = failed("ENODATA", ("read fd %d: the end came after 2 of 3 bytes"):format(fd),
        kio.pread_exactly(fd, 3, 4))
      assert.equal(2, count)
      assert.equal("ef", data)
      assert.is_nil(kio.pread_exactly(fd, 3, 6))
      assert.equal("cde", kio.pread_exactly(fd, 3, 2))
      assert.equal(0, kio.core.own.lseek(fd, "cur"))
      kio.close(fd)
    end)
  end)

  it("that fails tells how much came, and gives it", function()
    kio.core.sim { { op = "read", nth = 3, result = "EIO" },
                   { op = "read", nth = 5, result = "EIO" }, short = 2 }
    support.run(function()
      local fd = open("abcdef")
      local text = ("read fd %d: input/output error"):format(fd)
      assert.same({ 4, "abcd" }, { failed("EIO", text, kio.read_exactly(fd, 6)) })
      assert.same({ 2, "bc" }, { failed("EIO", text, kio.pread_exactly(fd, 6, 1)) })
      assert.equal("ef", kio.read_exactly(fd, 2))
      kio.close(fd)
    end, { backend = "sim" })
    support.run(function()
      local r, w = kio.pipe()
      kio.write(w, "abc")
      local message = ("read fd %d: timed out"):format(r)
      assert.same({ 3, "abc" },
        { failed("ETIMEDOUT", message, kio.read_exactly(r, 10, { timeout = 0.001 })) })
      assert.same({ 0, "" },
        { failed("ETIMEDOUT", message, kio.read_exactly(r, 10, { timeout = 0 })) })
      kio.close(r)
      kio.close(w)
      assert.same({ 0, "" }, { failed("EBADF", "read fd 4000: bad file descriptor",
        kio.read_exactly(4000, 1)) })
    end)
  end)

  it("has one deadline for all its reads", function()
    support.run(function()
      local r, w = kio.pipe()
      local writer = kio.spawn(function()
        for _ = 1, 9 do
          kio.sleep(10)
          kio.write(w, "x")
        end
      end)
      local count = select(4, kio.read_exactly(r, 9, { timeout = 45 }))
      assert.equal(4, count)
      assert.equal("xxxxx", kio.read_exactly(r, 5, { timeout = 100 }))
      writer:await()
      kio.close(r)
      kio.close(w)
    end, { backend = "sim" })
  end)
end)

describe("write_all", function()
  it("goes on until all is written", function()
    kio.core.sim { short = 3 }
    support.run(function()
      local path = common.file("")
      local fd = assert(kio.openat(nil, path, c.O_RDWR))
      assert.equal(10, kio.write_all(fd, "0123456789"))
      assert.equal(7, kio.pwrite_all(fd, "abcdefg", 20))
      assert.equal(0, kio.write_all(fd, ""))
      assert.equal(10, kio.core.own.lseek(fd, "cur"))
      kio.close(fd)
      assert.equal("0123456789" .. ("\0"):rep(10) .. "abcdefg", common.content(path))
    end, { backend = "sim" })
  end)

  it("waits for a reader", function()
    support.run(function()
      local r, w = kio.pipe()
      local text = ("0123456789"):rep(50000)
      local writer = kio.spawn(function()
        local n = kio.write_all(w, text)
        kio.close(w)
        return n
      end)
      assert.is_true(kio.read_exactly(r, #text) == text)
      assert.equal(#text, writer:await())
      assert.is_nil(kio.read_exactly(r, 1))
      kio.close(r)
    end)
  end)

  it("that fails tells how much was written", function()
    kio.core.sim { { op = "write", nth = 3, result = "ENOSPC" },
                   { op = "write", nth = 5, result = "EFBIG" },
                   { op = "write", nth = 7, result = 0 }, short = 4 }
    support.run(function()
      local fd = open("")
      local function says(text) return ("write fd %d: %s"):format(fd, text) end
      assert.equal(8, failed("ENOSPC", says "no space left on device",
        kio.write_all(fd, "0123456789")))
      assert.equal(4, failed("EFBIG", says "file too large", kio.pwrite_all(fd, "01234567", 100)))
      assert.equal(4, failed("EIO", says "no progress", kio.write_all(fd, "01234567")))
      kio.close(fd)
    end, { backend = "sim" })
    support.run(function()
      local r, w = kio.pipe()
      local full = ("x"):rep(65536)
      local count = failed("ETIMEDOUT", ("write fd %d: timed out"):format(w),
        kio.write_all(w, full .. "more", { timeout = 0.001 }))
      assert.equal(65536, count)
      kio.close(r)
      assert.equal(0, failed("EPIPE", ("write fd %d: broken pipe"):format(w),
        kio.write_all(w, "x")))
      kio.close(w)
    end)
  end)
end)

describe("misuse of the helpers", function()
  it("raises", function()
    support.run(function()
      local fd = open("abc")
      support.expect_error("#2 to 'read_exactly' %(it cannot be negative", kio.read_exactly, fd, -1)
      support.expect_error("#2 to 'read_exactly' %(an integer expected", kio.read_exactly, fd, "x")
      support.expect_error("#3 to 'pread_exactly'", kio.pread_exactly, fd, 1, -1)
      support.expect_error("#2 to 'write_all' %(a string expected, got table", kio.write_all,
        fd, {})
      support.expect_error("#3 to 'pwrite_all'", kio.pwrite_all, fd, "x")
      support.expect_error("#3 to 'sendfile'", kio.sendfile, fd, fd, -1)
      support.expect_error("#4 to 'sendfile'", kio.sendfile, fd, fd, 0, 0.5)
      for _, call in ipairs {
        { "read_exactly", fd, 1 }, { "pread_exactly", fd, 1, 0 }, { "write_all", fd, "x" },
        { "pwrite_all", fd, "x", 0 }, { "sendfile", fd, fd, 0, 1 },
      } do
        local name, arguments = call[1], { table.unpack(call, 2) }
        for _, options in ipairs { { timeout = -1 }, { timeuot = 1 }, { timeout = "1" }, 5 } do
          arguments[#call] = options
          support.expect_error(("bad argument #%d to '%s'"):format(#call, name), kio[name],
            table.unpack(arguments))
        end
      end
      support.expect_error("a descriptor expected, got %-1", kio.read_exactly, -1, 1)
      kio.close(fd)
    end)
    support.expect_error("operation outside a task", kio.read_exactly, 0, 1)
    support.expect_error("operation outside a task", kio.sendfile, 1, 0)
  end)
end)
