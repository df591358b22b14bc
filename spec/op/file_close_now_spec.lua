-- The plain close, for where nobody can wait: finalizers, and `<close>` where Lua cannot yield.
local kio = require "kio"
local files = require "spec.op.files"
local support = require "spec.support"

local failed = files.failed
local close_now = kio.core.own.close_now

describe("close_now", function()
  it("frees no number under a request that the kernel has not seen", function()
    support.run(function()
      local r, w = kio.pipe()
      local reader = kio.spawn(kio.read, r, 10)
      local closer = kio.spawn(function() -- in the same turn: the read is queued, not submitted
        assert.is_true(close_now(r))
        local again, other = kio.pipe()
        assert.equal(r, again)
        kio.write(other, "not yours")
        return again, other
      end)
      local again, other = closer:await()
      failed("EBADF", ("read fd %d: "):format(r), reader:await())
      assert.equal("not yours", kio.read(again, 100))
      for _, fd in ipairs { w, again, other } do kio.close(fd) end
    end)
  end)

  it("ends what is in the kernel", function()
    support.run(function()
      local r, w = kio.pipe()
      local reader = kio.spawn(kio.read, r, 10)
      repeat kio.yield() until reader:status() == "waiting"
      kio.yield()
      assert.is_true(close_now(r))
      failed("EBADF", ("read fd %d: "):format(r), reader:await())
      kio.close(w)
    end)
  end)

  it("needs no task, and fails on what is not open", function()
    local r, w = kio.pipe()
    assert.is_true(close_now(r))
    assert.is_true(close_now(w))
    failed("EBADF", "close fd 4000: bad file descriptor", close_now(files.NOBODY))
    support.expect_error("a file descriptor cannot be negative", close_now, -1)
  end)
end)
