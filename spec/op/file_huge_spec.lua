-- flavours: test
-- without: epoll lua55
-- A string of 2 GiB or more is refused by every write, before anything is written. (The other
-- flavours would need several times its memory.)
local kio = require "kio"
local support = require "spec.support"

local function huge(half)
  return half .. half
end

describe("a string of 2 GiB or more", function()
  it("is refused by every write, also in pieces", function()
    support.run(function()
      local fd = assert(kio.openat(nil, "/dev/null", kio.const.O_WRONLY))
      local file <close> = assert(kio.fs.open("/dev/null", "w"))
      local half = ("x"):rep(1 << 20):rep(1 << 10)
      local in_pieces = "2 GiB or more: write [a-z]* in pieces"
      support.expect_error(in_pieces, kio.writev, fd, { half, half })
      support.expect_error(in_pieces, kio.pwritev, fd, { half, half }, 0)
      support.expect_error(in_pieces, file.writev, file, { half, half })
      local whole, in_one = huge(half), "2 GiB or more: write it in pieces"
      support.expect_error(in_one, kio.write, fd, whole)
      support.expect_error(in_one, kio.pwrite, fd, whole, 0)
      support.expect_error(in_one, kio.write_all, fd, whole)
      support.expect_error(in_one, kio.pwrite_all, fd, whole, 0)
      support.expect_error(in_one, file.write, file, whole)
      support.expect_error(in_one, file.pwrite, file, whole, 0)
      assert.equal(1, kio.write(fd, "x"))
      assert.equal(file, file:write("x")) -- its position is free again
      kio.close(fd)
    end)
    collectgarbage()
  end)
end)
