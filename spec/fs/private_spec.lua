-- What is replaced keeps its secrets: nobody reads the new file before it has its name, and whoever
-- owns the folder cannot have anything else changed in its place.
-- With one thread there is nothing for ThreadSanitizer:
-- flavours: test asan hostile
local kio = require "kio"
local lfs = require "lfs"
local common = require "spec.fs.common"
local support = require "spec.support"

local fs = kio.fs

local ROUNDS = support.flavour == "test" and 150 or 30

local function as_root() return kio.fs.stat("/proc/self").uid == 0 end

local function temporary(folder)
  for name in lfs.dir(folder) do
    if name:find "^%.kio%-" then return folder .. "/" .. name end
  end
end

-- Calls seen(path) for every temporary file in the folder, as soon as the kernel tells of it, while
-- `f` runs.
local function watching(folder, seen, f)
  local watch <close> = assert(fs.watch(folder))
  local count = 0
  local watcher = kio.spawn(function()
    for event in watch:events() do
      if event.kind == "create" and event.name:find "^%.kio%-" then
        count = count + 1
        seen(event.path)
      end
    end
  end)
  f()
  watch:close()
  watcher:join()
  assert.is_true(count > 0)
end

-- Starts a copy whose source is a fifo nobody has written to yet: its temporary file is there, and
-- stays until finish(text).
local function copying(folder, to, options)
  local fifo = folder .. "/fifo"
  assert(os.execute("mkfifo " .. fifo))
  local task = kio.spawn(fs.copy, fifo, to, options)
  local writer = assert(fs.open(fifo, "r+"))
  local target = to:match "^(.*)/"
  local path
  repeat
    kio.yield()
    path = temporary(target)
  until path
  local function finish(text)
    assert(writer:write(text))
    writer:close()
    return task:await()
  end
  return path, finish, task, writer
end

describe("the new file of an atomic write", function()
  it("is never readable by others, where the old one was not", function()
    support.run(function()
      local path = common.file("old")
      assert(fs.chmod(path, "600"))
      local wide = 0
      watching(path:match "^(.*)/", function(new)
        local permissions = lfs.attributes(new, "permissions")
        if permissions and permissions ~= "rw-------" then wide = wide + 1 end
      end, function()
        for i = 1, ROUNDS do
          assert(fs.write_file(path, "secret " .. i, { atomic = true, sync = false }))
        end
      end)
      assert.equal(0, wide)
      assert.equal(384, fs.stat(path).mode)
    end)
  end)

  it("is not followed where its name is made a link: nothing else changes", function()
    support.run(function()
      local path, other = common.file("old"), common.file("other")
      assert(fs.chmod(other, "600"))
      watching(path:match "^(.*)/", function(new)
        if os.remove(new) then lfs.link(other, new, true) end
      end, function()
        for i = 1, ROUNDS do
          os.remove(path)
          io.open(path, "w"):close()
          assert(fs.chmod(path, "666"))
          fs.write_file(path, "public " .. i, { atomic = true, sync = false })
        end
      end)
      assert.equal(384, fs.stat(other).mode)
      assert.equal("other", common.content(other))
    end)
  end)

  it("has a name that no seed foretells, and takes nothing from the program's numbers", function()
    support.run(function()
      local path, seen = common.file("old"), {}
      local count = 0
      watching(path:match "^(.*)/", function(new)
        assert.is_nil(seen[new])
        seen[new] = true
        count = count + 1
      end, function()
        local numbers = {}
        for _ = 1, 3 do
          math.randomseed(7)
          assert(fs.write_file(path, "new", { atomic = true }))
          numbers[#numbers + 1] = math.random(0)
          math.randomseed(7)
          assert.equal(math.random(0), numbers[#numbers])
        end
        repeat kio.yield() until count == 3
      end)
    end)
  end)

  it("has the owner and the group of the old one, when root writes it", function()
    support.run(function()
      if not as_root() then return pending "only root may give files away" end
      local path = common.file("old")
      assert(os.execute("chown 1234:4321 " .. path .. " && chmod 640 " .. path))
      assert(fs.write_file(path, "new", { atomic = true }))
      local stat = fs.stat(path)
      assert.same({ 1234, 4321, 416 }, { stat.uid, stat.gid, stat.mode })
      assert(fs.write_file(path, "new", { atomic = true, mode = "604" }))
      stat = fs.stat(path)
      assert.same({ 1234, 4321, 388 }, { stat.uid, stat.gid, stat.mode })
      assert(os.execute("chmod 6755 " .. path))
      assert(fs.write_file(path, "new", { atomic = true }))
      assert.equal(493, fs.stat(path).mode)
    end)
  end)
end)

describe("a copy", function()
  it("is private until it is whole", function()
    support.run(function()
      local folder = support.tmpdir()
      local new, finish = copying(folder, folder .. "/copy", { mode = "666" })
      assert.equal("rw-------", lfs.attributes(new, "permissions"))
      assert.is_true(finish "text")
      assert.equal("rw-rw-rw-", lfs.attributes(folder .. "/copy", "permissions"))
      assert.equal("text", common.content(folder .. "/copy"))
    end)
  end)

  it("changes nothing else when its name is made a link meanwhile", function()
    support.run(function()
      local folder, other = support.tmpdir(), common.file("other")
      assert(fs.chmod(other, "600"))
      local new, finish = copying(folder, folder .. "/copy", { mode = "666" })
      assert(os.remove(new) and lfs.link(other, new, true))
      finish "text"
      assert.equal(384, fs.stat(other).mode)
      assert.equal("other", common.content(other))
    end)
  end)

  it("goes into the folder that had the name when it began", function()
    support.run(function()
      local folder = support.tmpdir()
      assert(fs.mkdir(folder .. "/in") and fs.mkdir(folder .. "/elsewhere"))
      local _, finish = copying(folder, folder .. "/in/copy")
      assert(fs.rename(folder .. "/in", folder .. "/moved"))
      assert(fs.symlink("elsewhere", folder .. "/in"))
      assert.is_true(finish "text")
      assert.equal("text", common.content(folder .. "/moved/copy"))
      assert.same({}, fs.readdir(folder .. "/elsewhere"))
      assert.equal(1, #fs.readdir(folder .. "/moved"))
    end)
  end)

  it("that is cancelled leaves nothing in a folder that has been moved meanwhile", function()
    support.run(function()
      local folder = support.tmpdir()
      assert(fs.mkdir(folder .. "/in"))
      local _, _, task, writer = copying(folder, folder .. "/in/copy")
      assert(fs.rename(folder .. "/in", folder .. "/moved"))
      task:cancel()
      task:join()
      writer:close()
      assert.same({}, fs.readdir(folder .. "/moved"))
    end)
  end)
end)

describe("mkdir with parents", function()
  it("goes through links, and says what a dangling one is", function()
    support.run(function()
      local root = support.tmpdir()
      assert(fs.mkdir(root .. "/real") and fs.symlink("real", root .. "/link"))
      assert.is_true(fs.mkdir(root .. "/link/a/b", { parents = true }))
      assert.equal("directory", fs.stat(root .. "/real/a/b").type)
      assert(fs.symlink("nowhere", root .. "/dangling"))
      common.failed("EEXIST", ("mkdir %s/dangling: file exists"):format(root),
        fs.mkdir(root .. "/dangling/a", { parents = true }))
      common.failed("EEXIST", ("mkdir %s/dangling: file exists"):format(root),
        fs.mkdir(root .. "/dangling", { parents = true }))
    end)
  end)
end)
