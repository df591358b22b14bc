-- kio.fs.copy: content, permissions, and that the destination is never a part.
local kio = require "kio"
local common = require "spec.fs.common"
local support = require "spec.support"

local failed = common.failed
local fs = kio.fs

local TEXT = ("0123456789abcdef"):rep(50000) -- several pieces

describe("copy", function()
  it("copies what is in a file, and its permissions", function()
    support.run(function()
      local root = support.tmpdir()
      for name, text in pairs { empty = "", short = "text\n", long = TEXT } do
        local from, to = root .. "/" .. name, root .. "/" .. name .. "-copy"
        assert(fs.write_file(from, text))
        fs.chmod(from, "750")
        assert.is_true(fs.copy(from, to))
        assert.is_true(common.content(to) == text)
        assert.equal(488, fs.stat(to).mode)
      end
      assert.is_true(fs.copy(root .. "/short", root .. "/other", { mode = "666", sync = true }))
      assert.equal(438, fs.stat(root .. "/other").mode)
      assert.equal(7, #fs.readdir(root))
    end)
  end)

  it("replaces what is there, unless it must not, and follows links", function()
    support.run(function()
      local root = support.tmpdir()
      fs.write_file(root .. "/a", "new")
      fs.write_file(root .. "/b", "old")
      failed("EEXIST", ("rename %s/b: file exists"):format(root),
        fs.copy(root .. "/a", root .. "/b", { overwrite = false }))
      assert.equal("old", fs.read_file(root .. "/b"))
      fs.symlink("b", root .. "/link")
      assert.is_true(fs.copy(root .. "/a", root .. "/link"))
      assert.equal("new", fs.read_file(root .. "/b"))
      assert.equal("link", fs.lstat(root .. "/link").type)
      assert.is_true(fs.copy(root .. "/a", root .. "/a"))
      assert.equal("new", fs.read_file(root .. "/a"))
      assert.equal(3, #fs.readdir(root))
    end)
  end)

  it("copies files of /proc, whose size is told as 0", function()
    support.run(function()
      local to = support.tmpdir() .. "/copy"
      assert.equal(0, fs.stat("/proc/version").size)
      assert.is_true(fs.copy("/proc/version", to, { mode = "600" }))
      assert.equal(fs.read_file("/proc/version"), common.content(to))
      assert.is_true(#common.content(to) > 10)
    end)
  end)

  it("tells what is wrong with either of the two", function()
    support.run(function()
      local root = support.tmpdir()
      fs.write_file(root .. "/a", "x")
      failed("ENOENT", ("open %s/none: no such file or directory"):format(root),
        fs.copy(root .. "/none", root .. "/b"))
      failed("ENOENT", ("open %s/none/b: no such file or directory"):format(root),
        fs.copy(root .. "/a", root .. "/none/b"))
      failed("EISDIR", ("copy %s: is a directory"):format(root), fs.copy(root, root .. "/b"))
      assert.equal("EISDIR", select(3, fs.copy(root .. "/a", root)))
      support.expect_error("a path", fs.copy, 1, "x")
      support.expect_error("unknown option 'force'", fs.copy, "a", "b", { force = true })
      assert.same({ { name = "a", type = "file" } }, fs.readdir(root))
    end)
  end)

  it("leaves the destination as it was when it fails at any point", function()
    local root
    support.run(function()
      root = support.tmpdir()
      fs.write_file(root .. "/a", TEXT)
      fs.write_file(root .. "/b", "old")
    end)
    for _, op in ipairs { "read", "write", "close", "rename", "fsync" } do
      kio.core.sim { { op = op, nth = 1, result = "EIO" } }
      support.run(function()
        local done, _, code = fs.copy(root .. "/a", root .. "/b", { sync = true })
        assert.is_nil(done)
        assert.equal("EIO", code)
      end, { backend = "sim" })
      assert.equal("old", common.content(root .. "/b"))
    end
    support.run(function() assert.equal(2, #fs.readdir(root)) end)
  end)

  it("leaves it so when its task is cancelled at any point", function()
    support.run(function()
      local root = support.tmpdir()
      fs.write_file(root .. "/a", TEXT)
      fs.write_file(root .. "/b", "old")
      for turns = 1, 12 do
        local task = kio.spawn(fs.copy, root .. "/a", root .. "/b")
        for _ = 1, turns do kio.yield() end
        task:cancel()
        local done = task:join()
        local text = fs.read_file(root .. "/b")
        assert.is_true(text == "old" or done and text == TEXT)
        assert.equal(2, #fs.readdir(root))
        if done then fs.write_file(root .. "/b", "old") end
      end
    end)
  end)
end)
