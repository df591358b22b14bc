-- Both rings agree about a fifo whose other end nobody has opened yet.
-- The shell that makes one does not run under ThreadSanitizer:
-- flavours: test asan hostile
local kio = require "kio"
local support = require "spec.support"

describe("a read of a fifo that nobody has opened for writing", function()
  for _, backend in ipairs { "uring", "epoll" } do
    it("waits for who does, on " .. backend, function()
      local path = support.tmpdir() .. "/fifo"
      assert(os.execute("mkfifo " .. path))
      support.run(function()
        local fd = assert(kio.openat(nil, path, kio.const.O_RDONLY))
        assert.equal("ETIMEDOUT", select(3, kio.read(fd, 8, { timeout = 0.01 })))
        local reading = kio.spawn(kio.read, fd, 8)
        local file = assert(kio.fs.open(path, "w"))
        file:write "text"
        assert.equal("text", reading:await())
        file:close()
        assert.is_nil((kio.read(fd, 8))) -- now it has ended
        kio.close(fd)
      end, { backend = backend })
    end)
  end
end)
