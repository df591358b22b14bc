-- Directories at once: mkdir with parents, remove with all that is in it, and nobody led outside.
-- With one thread there is nothing for ThreadSanitizer:
-- flavours: test asan hostile workers
local kio = require "kio"
local common = require "spec.fs.common"
local support = require "spec.support"

local failed = common.failed
local fs = kio.fs

local function write(path) assert(fs.write_file(path, "x")) end

-- A tree of some depth and breadth below `root`; how many files are in it.
local function grow(root, depth)
  assert(fs.mkdir(root))
  local count = 0
  for i = 1, 3 do
    write(root .. "/file" .. i)
    count = count + 1
  end
  assert(fs.symlink("nowhere", root .. "/dangling"))
  if depth == 0 then return count end
  for i = 1, 2 do count = count + grow(root .. "/dir" .. i, depth - 1) end
  return count
end

describe("mkdir with parents", function()
  it("makes what is missing, and finds well what is there", function()
    support.run(function()
      local root = support.tmpdir()
      assert.is_true(fs.mkdir(root .. "/a/b/c//d/", { parents = true }))
      assert.equal("directory", fs.stat(root .. "/a/b/c/d").type)
      assert.is_true(fs.mkdir(root .. "/a/b/c/d", { parents = true }))
      assert.is_true(fs.mkdir(root .. "/p/q", "700", { parents = true }))
      assert.equal(448, fs.stat(root .. "/p/q").mode)
      assert.equal("EEXIST", select(3, fs.mkdir(root .. "/a")))
    end)
  end)

  it("tells what is in the way", function()
    support.run(function()
      local root = support.tmpdir()
      write(root .. "/file")
      failed("EEXIST", ("mkdir %s/file: file exists"):format(root),
        fs.mkdir(root .. "/file", { parents = true }))
      assert.equal("ENOTDIR", select(3, fs.mkdir(root .. "/file/a/b", { parents = true })))
      failed("ENOENT", "mkdir : no such file or directory", fs.mkdir("", { parents = true }))
      support.expect_error("unknown option 'parent'", fs.mkdir, root, { parent = true })
    end)
  end)

  it("is for many tasks at once", function()
    support.run(function()
      local path, tasks = support.tmpdir() .. "/a/b/c/d/e", {}
      for i = 1, 20 do tasks[i] = kio.spawn(fs.mkdir, path, { parents = true }) end
      for i = 1, 20 do assert.is_true(tasks[i]:await()) end
    end)
  end)
end)

describe("remove", function()
  it("takes a file, a link, an empty directory", function()
    support.run(function()
      local root = support.tmpdir()
      write(root .. "/file")
      fs.mkdir(root .. "/dir")
      fs.symlink(root, root .. "/link")
      for _, name in ipairs { "file", "link", "dir/" } do
        assert.is_true(fs.remove(root .. "/" .. name))
        assert.is_false(fs.exists(root .. "/" .. name))
      end
      failed("ENOENT", ("remove %s/none: no such file or directory"):format(root),
        fs.remove(root .. "/none"))
      failed("ENOENT", ("remove %s/none: no such file or directory"):format(root),
        fs.remove(root .. "/none", { recursive = true }))
      failed("ENOENT", ("remove %s/no/ne: no such file or directory"):format(root),
        fs.remove(root .. "/no/ne"))
      grow(root .. "/tree", 1)
      failed("ENOTEMPTY", ("remove %s/tree: directory not empty"):format(root),
        fs.remove(root .. "/tree"))
      for _, bad in ipairs { "/", "", ".", "..", root .. "/.." } do
        assert.equal("EINVAL", select(3, fs.remove(bad, { recursive = true })))
      end
      support.expect_error("unknown option", fs.remove, root, { force = true })
    end)
  end)

  it("takes a whole tree, and of links only themselves", function()
    support.run(function()
      local root = support.tmpdir()
      assert.equal(45, grow(root .. "/tree", 3))
      fs.mkdir(root .. "/outside")
      write(root .. "/outside/kept")
      fs.symlink("../outside", root .. "/tree/link")
      fs.symlink(root .. "/outside", root .. "/tree/dir1/absolute")
      assert.is_true(fs.remove(root .. "/tree", { recursive = true }))
      assert.is_false(fs.exists(root .. "/tree"))
      fs.symlink("outside", root .. "/link")
      assert.is_true(fs.remove(root .. "/link", { recursive = true }))
      assert.equal("x", fs.read_file(root .. "/outside/kept"))
    end)
  end)

  it("takes a deep tree, by a path that could not name its end", function()
    support.run(function()
      local root = support.tmpdir()
      local name = ("n"):rep(100)
      local fd = assert(kio.openat(nil, root, kio.const.O_DIRECTORY))
      for _ = 1, 100 do
        assert(kio.mkdirat(fd, name))
        local inner = assert(kio.openat(fd, name, kio.const.O_DIRECTORY))
        kio.close(fd)
        fd = inner
      end
      kio.close(fd)
      assert.is_true(fs.remove(root .. "/" .. name, { recursive = true }))
      assert.equal(0, #fs.readdir(root))
    end)
  end)

  it("tells where it got stuck", function()
    support.run(function()
      local root = support.tmpdir()
      if fs.stat(root).uid == 0 then return pending("root may remove everything") end
      fs.mkdir(root .. "/tree/closed/inner", { parents = true })
      fs.chmod(root .. "/tree/closed", "500")
      failed("EACCES", ("remove %s/tree/closed/inner: permission denied"):format(root),
        fs.remove(root .. "/tree", { recursive = true }))
      fs.chmod(root .. "/tree/closed", "700")
    end)
  end)

  it("is never led outside by who swaps a directory for a link meanwhile", function()
    support.run(function()
      local root = support.tmpdir()
      local outside = root .. "/outside"
      fs.mkdir(outside .. "/deep", { parents = true })
      for i = 1, 20 do write(("%s/deep/kept%d"):format(outside, i)) end
      local over, swaps = false, 0
      local swapping = kio.spawn(function()
        local a, spare, link = root .. "/tree/a", root .. "/spare", root .. "/link"
        while not over do
          fs.symlink(outside, link)
          if fs.rename(a, spare) and fs.rename(link, a) then swaps = swaps + 1 end
          kio.yield()
          fs.rename(spare, link .. "2")
          fs.unlink(a)
          fs.rename(link .. "2", a)
          fs.unlink(link)
        end
      end)
      for _ = 1, 40 do
        fs.mkdir(root .. "/tree/a/deep", { parents = true })
        for i = 1, 20 do fs.write_file(("%s/tree/a/deep/f%d"):format(root, i), "") end
        fs.remove(root .. "/tree", { recursive = true })
      end
      over = true
      swapping:await()
      assert.is_true(swaps > 0)
      local kept = 0 -- beside what this test itself may have written through a link
      for _, entry in ipairs(fs.readdir(outside .. "/deep")) do
        if entry.name:find("^kept") then kept = kept + 1 end
      end
      assert.equal(20, kept)
    end)
  end)

  it("leaves no descriptor behind when it is cancelled at any point", function()
    support.run(function()
      local root = support.tmpdir()
      for turns = 1, 40, 3 do
        local path = ("%s/tree%d"):format(root, turns)
        grow(path, 1)
        local task = kio.spawn(fs.remove, path, { recursive = true })
        for _ = 1, turns do kio.yield() end
        task:cancel()
        task:join()
      end
    end) -- the helper counts them
  end)
end)
