-- kio.fs.watch: every change by name, renames in one piece, and the ends of a watch.
-- With one thread there is nothing for ThreadSanitizer:
-- flavours: test asan hostile workers
local kio = require "kio"
local common = require "spec.fs.common"
local support = require "spec.support"

local failed = common.failed
local fs = kio.fs

-- The next `n` events, each as its kind and the names it tells.
local function take(watch, n)
  local list = {}
  for i = 1, n do
    local event = assert(watch:next { timeout = 30 })
    local words = { event.kind, event.from or "", event.name or "" }
    list[i] = table.concat(words, " "):gsub("  +", " ")
  end
  return list
end

describe("a watch of a directory", function()
  it("tells what happens to the names in it, in order", function()
    support.run(function()
      local root = support.tmpdir()
      local watch <close> = assert(fs.watch(root))
      fs.write_file(root .. "/a", "x")
      assert.same({ "create a", "modify a", "written a" }, take(watch, 3))
      fs.chmod(root .. "/a", "600")
      fs.mkdir(root .. "/dir")
      fs.unlink(root .. "/a")
      assert.same({ "attributes a", "create dir", "delete a" }, take(watch, 3))
      fs.rmdir(root .. "/dir")
      local event = watch:next()
      assert.same({ kind = "delete", name = "dir", path = root .. "/dir", directory = true }, event)
    end)
  end)

  it("tells a rename as one, and what moves in and out", function()
    support.run(function()
      local root = support.tmpdir()
      fs.mkdir(root .. "/in")
      fs.write_file(root .. "/in/a", "")
      local watch <close> = assert(fs.watch(root .. "/in"))
      for i = 1, 50 do
        local from, to = i % 2 == 1 and "a" or "b", i % 2 == 1 and "b" or "a"
        fs.rename(root .. "/in/" .. from, root .. "/in/" .. to)
      end
      for i = 1, 50 do
        local event = watch:next()
        assert.equal("rename", event.kind)
        assert.equal(i % 2 == 1 and "a" or "b", event.from)
        assert.equal(root .. "/in/" .. (i % 2 == 1 and "b" or "a"), event.path)
      end
      fs.rename(root .. "/in/a", root .. "/out")
      assert.same({ "move_out a" }, take(watch, 1))
      fs.rename(root .. "/out", root .. "/in/c")
      assert.same({ "move_in c" }, take(watch, 1))
    end)
  end)

  it("waits, and gives up in time", function()
    support.run(function()
      local root = support.tmpdir()
      local watch <close> = assert(fs.watch(root))
      failed("ETIMEDOUT", ("watch %s: timed out"):format(root),
        watch:next { timeout = 0 })
      local waiting = kio.spawn(watch.next, watch)
      common.until_waiting(waiting)
      support.expect_error("another task", watch.next, watch)
      fs.mkdir(root .. "/late")
      assert.equal("late", waiting:await().name)
    end)
  end)

  it("tells that it could not keep up", function()
    support.run(function()
      local root = support.tmpdir()
      local limit = tonumber((fs.read_file("/proc/sys/fs/inotify/max_queued_events")))
      if limit > 20000 then return pending("a long queue: fs.inotify.max_queued_events") end
      local watch <close> = assert(fs.watch(root))
      local a, b = root .. "/a", root .. "/b"
      assert(io.open(a, "w")):close()
      for _ = 1, limit // 4 + 1 do -- two events each, from two names, and back
        os.rename(a, b)
        os.rename(b, a)
      end
      local overflow, count = 0, 0
      repeat
        local event = watch:next { timeout = 0 }
        count = count + (event and 1 or 0)
        if event and event.kind == "overflow" then overflow = overflow + 1 end
      until not event
      assert.equal(1, overflow)
      assert.is_true(count > limit // 4)
      fs.unlink(a)
      assert.same({ "delete a" }, take(watch, 1))
    end)
  end)
end)

describe("a watch of a file", function()
  it("tells of it until it is gone, and then ends", function()
    support.run(function()
      local path = common.file("")
      local watch <close> = assert(fs.watch(path))
      local file = assert(io.open(path, "a"))
      file:write("x")
      file:close()
      assert.same({ "modify ", "written " }, take(watch, 2))
      fs.rename(path, path .. "2")
      fs.unlink(path .. "2")
      local kinds = {}
      for event in watch:events() do kinds[#kinds + 1] = event.kind end
      assert.same({ "moved", "attributes", "gone" }, kinds)
      assert.same({ n = 1 }, table.pack(watch:next()))
    end)
  end)
end)

describe("the end of a watch", function()
  it("is told to who waits for it", function()
    support.run(function()
      local root = support.tmpdir()
      local watch = assert(fs.watch(root))
      assert.equal(("kio.Watch (fd %d, open, path %s)"):format(watch.fd, root), tostring(watch))
      local waiting = kio.spawn(watch.next, watch)
      common.until_waiting(waiting)
      assert.is_true(watch:close())
      failed("EBADF", ("watch %s: the watch is closed"):format(root), waiting:await())
      failed("EBADF", ("watch %s: the watch is closed"):format(root), watch:next())
      assert.is_nil(watch:events()())
      watch = assert(fs.watch(root))
      local looping = kio.spawn(function()
        for _ in watch:events() do error("there is nothing") end
        return "ended"
      end)
      common.until_waiting(looping)
      watch:close()
      assert.equal("ended", looping:await())
      assert.is_true(watch:close())
      assert.equal(("kio.Watch (closed, path %s)"):format(root), tostring(watch))
    end)
  end)

  it("by its number is no end, but told at every moment", function()
    support.run(function()
      local root = support.tmpdir()
      local text = ("watch %s: it was closed by its number"):format(root)
      local watch = assert(fs.watch(root))
      local waiting = kio.spawn(watch.next, watch)
      common.until_waiting(waiting)
      assert(kio.close(watch.fd))
      failed("EBADF", text, waiting:await())
      failed("EBADF", text, watch:next())
      support.expect_error("it was closed by its number", watch:events())
      assert.equal(("kio.Watch (closed by number, path %s)"):format(root), tostring(watch))
      assert.is_true(watch:close())
      failed("EBADF", ("watch %s: the watch is closed"):format(root), watch:next())
    end)
  end)

  it("comes with cancellation and collection too", function()
    support.run(function()
      local watch = assert(fs.watch("."))
      local waiting = kio.spawn(watch.next, watch)
      common.until_waiting(waiting)
      waiting:cancel()
      assert.is_false((waiting:join()))
      local again = kio.spawn(watch.next, watch) -- it is not busy any more
      common.until_waiting(again)
      again:cancel()
      again:join()
    end) -- the helper sees that its descriptor is gone
  end)
end)

describe("a watch", function()
  it("needs something to watch", function()
    support.run(function()
      local root = support.tmpdir()
      failed("ENOENT", ("watch %s/none: no such file or directory"):format(root),
        fs.watch(root .. "/none"))
      support.expect_error("a path", fs.watch, 5)
      local watch <close> = assert(fs.watch(root))
      support.expect_error("unknown option", watch.next, watch, { time = 1 })
    end)
  end)
end)
