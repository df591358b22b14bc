-- Errors that end a loop over an iterator: they name the line of the loop, whatever kio's own files
-- are in between, and carry the code behind the message.
local kio = require "kio"
local support = require "spec.support"

local run = support.run

-- The error of loop(line), which raises there: `line` is that of its `for`.
local function raised_by(loop)
  local line = debug.getinfo(loop, "S").linedefined + 1
  local ok, err = pcall(loop)
  assert.is_false(ok)
  local at, rest = err:match "loop_error_spec%.lua:(%d+): (.*)$"
  assert.equal(line, tonumber(at), err)
  return rest
end

local function reset_pair()
  local listener <close> = assert(kio.net.listen "127.0.0.1:0")
  local far = assert(kio.net.connect(listener:address(), { linger = 0 }))
  local near = assert(listener:accept())
  far:close()
  return near
end

describe("a loop over", function()
  it("a stream's lines names its own line, and the code", function()
    run(function()
      local stream <close> = reset_pair()
      local text = raised_by(function()
        for _ in stream:lines() do error "unreached" end
      end)
      assert.equal(("read %s: connection reset by peer (ECONNRESET)"):format(stream:peer()), text)
    end)
  end)

  it("a stream's pieces, too", function()
    run(function()
      local stream <close> = reset_pair()
      local text = raised_by(function()
        for _ in stream:chunks() do error "unreached" end
      end)
      assert.equal(("recv %s: connection reset by peer (ECONNRESET)"):format(stream:peer()), text)
      stream:close()
      assert.matches("%(EBADF%)$", raised_by(function()
        for _ in stream:lines(10) do error "unreached" end
      end))
    end)
  end)

  it("a file's lines, of one format and of several", function()
    run(function()
      local file <close> = assert(kio.fs.open "/")
      assert.equal("read /: is a directory (EISDIR)", raised_by(function()
        for _ in file:lines() do error "unreached" end
      end))
      assert.equal("read /: is a directory (EISDIR)", raised_by(function()
        for _ in file:lines("l", "n") do error "unreached" end
      end))
      file:close()
      assert.equal("read /: the file is closed (EBADF)", raised_by(function()
        for _ in file:lines() do error "unreached" end
      end))
    end)
  end)

  it("connections", function()
    kio.testing.run(function()
      local listener <close> = assert(kio.net.listen "127.0.0.1:0")
      assert.matches("^accept 127.*: .* %(EINVAL%)$", raised_by(function()
        for _ in listener:accepts() do error "unreached" end
      end))
    end, { faults = { { op = "accept", error = "EINVAL" } } })
  end)

  it("changes of a folder", function()
    kio.testing.run(function()
      local watch <close> = assert(kio.fs.watch(support.tmpdir()))
      assert.matches(": .* %(EIO%)$", raised_by(function()
        for _ in watch:events() do error "unreached" end
      end))
    end, { faults = { { op = "read", error = "EIO" }, { op = "poll", error = "EIO" } } })
  end)

  it("what somebody else reads is told where it was begun", function()
    run(function()
      local file <close> = assert(kio.fs.open "/dev/zero")
      local reading = kio.spawn(file.read, file, "a", 1)
      kio.yield()
      assert.equal("another task is using the position of this file", raised_by(function()
        for _ in file:lines(1, 1) do error "unreached" end
      end))
      reading:cancel()
      reading:join()
    end)
  end)
end)
