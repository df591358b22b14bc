-- What users of other libraries have suffered from with files (and some of what kio itself did
-- wrong): each of these would show here. A shell prepares some, which none does below
-- ThreadSanitizer:
-- flavours: test asan hostile
local kio = require "kio"
local common = require "spec.fs.common"
local support = require "spec.support"

local failed = common.failed
local fs = kio.fs

local function names(folder)
  local list = {}
  for _, entry in ipairs(assert(fs.readdir(folder))) do list[#list + 1] = entry.name end
  table.sort(list)
  return list
end

-- Runs f with a new folder.
local function with_folder(f, options)
  support.run(function() f(support.tmpdir()) end, options)
end

describe("what is no regular file", function()
  it("is never lost to a file that gets its name", function()
    with_folder(function(root)
      assert(os.execute("mkfifo " .. root .. "/fifo"))
      assert(fs.write_file(root .. "/text", "x"))
      assert(fs.mkdir(root .. "/folder"))
      for _, path in ipairs { root .. "/fifo", "/dev/null" } do
        local kind = fs.stat(path).type
        local message = ("replace %s: it is no regular file"):format(path)
        failed("EINVAL", message, fs.copy(root .. "/text", path))
        failed("EINVAL", message, fs.write_file(path, "x", { atomic = true }))
        assert.equal(kind, fs.stat(path).type)
      end
      local message = ("replace %s/folder: is a directory"):format(root)
      failed("EISDIR", message, fs.copy(root .. "/text", root .. "/folder"))
      failed("EISDIR", message, fs.write_file(root .. "/folder", "x", { atomic = true }))
      assert.same({ "fifo", "folder", "text" }, names(root))
    end)
  end)

  it("is told by its kind, or refused, by what is for files", function()
    with_folder(function(root)
      local listener <close> = assert(kio.net.listen("unix:" .. root .. "/socket"))
      assert.equal("socket", fs.stat(root .. "/socket").type)
      assert.equal("ENXIO", select(3, fs.open(root .. "/socket")))
      assert.equal("ENXIO", select(3, fs.read_file(root .. "/socket")))
      assert.equal("ENXIO", select(3, fs.copy(root .. "/socket", root .. "/copy")))
      assert.equal("EISDIR", select(3, fs.read_file(root)))
      assert.equal("EISDIR", select(3, fs.write_file(root, "x")))
      assert.equal("ENOTDIR", select(3, fs.readdir(root .. "/socket")))
      assert.equal("ENOTDIR", select(3, fs.stat(root .. "/socket/x")))
      assert.equal("ENOTDIR", select(3, fs.mkdir(root .. "/socket/x/y", { parents = true })))
      assert.same({ "socket" }, names(root))
      assert.is_truthy(listener:fd())
    end)
  end)
end)

describe("a symbolic link", function()
  it("that leads to nothing stays, and what it leads to is made", function()
    with_folder(function(root)
      assert(fs.write_file(root .. "/text", "copied"))
      assert(fs.mkdir(root .. "/there"))
      assert(fs.symlink("there/target", root .. "/second"))
      assert(fs.symlink(root .. "/second", root .. "/first"))
      assert.is_true(fs.copy(root .. "/text", root .. "/first"))
      assert.equal("copied", fs.read_file(root .. "/there/target"))
      assert(fs.unlink(root .. "/there/target"))
      assert.is_true(fs.write_file(root .. "/first", "written", { atomic = true }))
      assert.equal("written", fs.read_file(root .. "/there/target"))
      assert.same({ "target" }, names(root .. "/there"))
      for _, name in ipairs { "/first", "/second" } do
        assert.equal("link", fs.lstat(root .. name).type)
      end
    end)
  end)

  it("that leads to itself is refused, and stays", function()
    with_folder(function(root)
      assert(fs.write_file(root .. "/text", "x"))
      assert(fs.symlink("loop", root .. "/loop"))
      local message = ("open %s/loop: too many levels of symbolic links"):format(root)
      failed("ELOOP", message, fs.copy(root .. "/text", root .. "/loop"))
      failed("ELOOP", message, fs.write_file(root .. "/loop", "x", { atomic = true }))
      failed("ELOOP", message, fs.read_file(root .. "/loop"))
      assert.equal("link", fs.lstat(root .. "/loop").type)
      assert.same({ "loop", "text" }, names(root))
    end)
  end)
end)

describe("remove", function()
  it("of a path that ends in a slash takes directories only", function()
    with_folder(function(root)
      assert(fs.write_file(root .. "/file", "x"))
      assert(fs.mkdir(root .. "/folder/inner", { parents = true }))
      assert(fs.symlink("folder", root .. "/link"))
      for _, options in ipairs { {}, { recursive = true } } do
        for _, name in ipairs { "/file/", "/link/", "/link//" } do
          local path = root .. name
          failed("ENOTDIR", "remove " .. path .. ": not a directory", fs.remove(path, options))
        end
      end
      assert.is_true(fs.remove(root .. "/folder/inner/"))
      assert.is_true(fs.remove(root .. "/folder//", { recursive = true }))
      assert.same({ "file", "link" }, names(root))
    end)
  end)

  it("that is not permitted says so, of files and of directories", function()
    for _, options in ipairs { {}, { recursive = true } } do
      kio.core.sim { { op = "unlink", result = "EPERM" } }
      with_folder(function(root)
        assert(fs.write_file(root .. "/file", "x"))
        failed("EPERM", "remove " .. root .. "/file: operation not permitted",
          fs.remove(root .. "/file", options))
        assert.same({ "file" }, names(root))
      end, { backend = "sim" })
      assert.equal(1, kio.core.sim_fired())
    end
  end)

  it("never takes the root, the folder it is in, or the one above", function()
    with_folder(function(root)
      assert(fs.mkdir(root .. "/folder"))
      local folder = root .. "/folder"
      for _, path in ipairs { "/", "//", "", ".", "..", folder .. "/.", folder .. "/.." } do
        failed("EINVAL", "remove " .. path .. ": invalid argument",
          fs.remove(path, { recursive = true }))
      end
      assert.same({ "folder" }, names(root))
    end)
  end)
end)

describe("a copy", function()
  it("has the holes of the original", function()
    with_folder(function(root)
      local size = 64 << 20
      local parts = { [0] = "first", [1 << 20] = ("m"):rep(300000), [40 << 20] = "x" }
      local file <close> = assert(fs.open(root .. "/sparse", "w"))
      for at, text in pairs(parts) do assert(file:pwrite(text, at)) end
      assert(file:truncate(size) and file:sync())
      if file:stat().blocks * 512 >= size then
        return pending "this filesystem makes no holes"
      end
      assert.is_true(fs.copy(root .. "/sparse", root .. "/copy"))
      local copy <close> = assert(fs.open(root .. "/copy"))
      assert.equal(size, copy:stat().size)
      assert.is_true(copy:sync() and copy:stat().blocks * 512 < 4 << 20)
      assert.is_true(os.execute(("cmp %s/sparse %s/copy"):format(root, root)))
      assert(file:truncate(0) and file:truncate(5000) and file:sync()) -- nothing but a hole
      assert.is_true(fs.copy(root .. "/sparse", root .. "/copy"))
      assert.equal(("\0"):rep(5000), fs.read_file(root .. "/copy"))
    end)
  end)

  it("of a file of /sys is what can be read, whatever its size is told as", function()
    with_folder(function(root)
      local path = "/sys/kernel/mm/transparent_hugepage/enabled"
      if not fs.exists(path) then return pending(path .. " is not there") end
      assert.is_true(fs.copy(path, root .. "/copy", { mode = "600" }))
      assert.equal(fs.read_file(path), fs.read_file(root .. "/copy"))
      assert.is_true(fs.stat(root .. "/copy").size < fs.stat(path).size)
    end)
  end)

  it("is nobody's set-user-ID program, for it may have another owner", function()
    with_folder(function(root)
      assert(fs.write_file(root .. "/program", "x"))
      assert(fs.chmod(root .. "/program", "6755"))
      assert.is_true(fs.copy(root .. "/program", root .. "/copy"))
      assert.equal(tonumber("755", 8), fs.stat(root .. "/copy").mode)
      assert.is_true(fs.write_file(root .. "/program", "y", { atomic = true }))
      assert.equal(tonumber("755", 8), fs.stat(root .. "/program").mode)
    end)
  end)
end)

describe("a name", function()
  it("may have any bytes but a slash and a zero byte", function()
    with_folder(function(root)
      local list = { "-rf", "a b", "new\nline", "\255\254", "\t", "*", "...", " ", "\\", "%s%n",
        "'", "\"", "$(id)", "~", ".kio-", ("z"):rep(255) }
      table.sort(list)
      assert(fs.mkdir(root .. "/in"))
      local watch <close> = assert(fs.watch(root .. "/in"))
      for _, name in ipairs(list) do
        local path = root .. "/in/" .. name
        assert.is_true(fs.write_file(path, name, { atomic = true }))
        assert.equal(name, fs.read_file(path))
        assert.is_true(fs.copy(path, root .. "/copy"))
        assert.equal(path, fs.realpath(path))
        local event
        repeat event = watch:next() until event.kind == "rename"
        assert.same({ name, path }, { event.name, event.path })
      end
      assert.same(list, names(root .. "/in"))
      assert.is_true(fs.remove(root .. "/in", { recursive = true }))
      assert.same({ "copy" }, names(root))
    end)
  end)

  it("of 5,000 bytes is a failure that names it, wherever it is given", function()
    with_folder(function(root)
      local long = root .. "/" .. ("x"):rep(5000)
      assert(fs.write_file(root .. "/file", "x"))
      for name, call in pairs {
        open = function() return fs.open(long) end,
        stat = function() return fs.stat(long) end,
        exists = function() return fs.exists(long) end,
        readdir = function() return fs.readdir(long) end,
        unlink = function() return fs.unlink(long) end,
        rename = function() return fs.rename(root .. "/file", long) end,
        mkdir = function() return fs.mkdir(long, { parents = true }) end,
        remove = function() return fs.remove(long, { recursive = true }) end,
        copy = function() return fs.copy(root .. "/file", long) end,
        write_file = function() return fs.write_file(long, "x") end,
        atomic = function() return fs.write_file(long, "x", { atomic = true }) end,
        watch = function() return fs.watch(long) end,
        realpath = function() return fs.realpath(long) end,
      } do
        local value, message, code = call()
        assert.is_nil(value, name)
        assert.equal("ENAMETOOLONG", code, name)
        assert.is_truthy(message:find(long, 1, true), name)
      end
      assert.same({ "file" }, names(root))
    end)
  end)
end)

describe("a number", function()
  it("is written like its text by everything that writes text", function()
    with_folder(function(root)
      local path, list = root .. "/numbers", { 12, " ", -0.5, " ", 1 / 3, " ", math.mininteger }
      local text = ""
      for _, value in ipairs(list) do text = text .. tostring(value) end
      local near, far = assert(kio.socketpair "stream")
      local stream, peer <close> = kio.stream(near), kio.stream(far)
      local file <close> = assert(fs.open(path, "w+"))
      local r, w = assert(kio.pipe())
      assert(file:write(table.unpack(list)) and file:writev(list) and file:pwritev(list, 2 * #text))
      assert(file:pwrite(12, 3 * #text))
      assert.equal(text:rep(3) .. "12", fs.read_file(path))
      assert(fs.write_file(path, 12) and fs.write_file(path, 0.5, { append = true }))
      assert.equal("120.5", fs.read_file(path))
      assert(fs.write_file(path, -7, { atomic = true }))
      assert.equal("-7", fs.read_file(path))
      assert.equal(2, kio.write_all(w, 12))
      assert.equal("12", kio.read_exactly(r, 2))
      assert.equal(3, kio.pwrite_all(file:fd(), 345, 0))
      assert.equal("345", file:pread(3, 0))
      stream:write(table.unpack(list))
      stream:write(list)
      stream:send(12)
      stream:close()
      assert.equal(text:rep(2) .. "12", peer:read "a")
      kio.close(r)
      kio.close(w)
    end)
  end)
end)

describe("a list of pieces", function()
  it("may be of any length", function()
    with_folder(function(root)
      local file <close> = assert(fs.open(root .. "/file", "w+"))
      for _, count in ipairs { 1023, 1024, 1025, 5000 } do
        local pieces, sizes, text = {}, {}, {}
        for i = 1, count do
          pieces[i] = i % 3 == 0 and i or ("<%d>"):format(i)
          sizes[i], text[i] = #tostring(pieces[i]), tostring(pieces[i])
        end
        assert(file:truncate(0) and file:seek("set"))
        assert(file:writev(pieces) and file:pwritev(pieces, #table.concat(text)))
        assert.equal(table.concat(text):rep(2), fs.read_file(root .. "/file"))
        assert.same(text, file:preadv(sizes, #table.concat(text)))
        file:seek("set")
        assert.same(text, file:readv(sizes))
        assert.is_nil(file:preadv(sizes, 1 << 20))
      end
    end)
  end)
end)

describe("a watch", function()
  it("loses no half of a rename to a cancellation", function()
    with_folder(function(root)
      assert(fs.mkdir(root .. "/in") and fs.write_file(root .. "/in/a", "x"))
      local watch <close> = assert(fs.watch(root .. "/in"))
      local waiting = kio.spawn(watch.next, watch)
      common.until_waiting(waiting)
      assert(fs.rename(root .. "/in/a", root .. "/a")) -- its other half never comes
      for _ = 1, 1000 do -- until it waits for that half
        if waiting:status() == "done" or #watch.list > 0 then break end
        kio.yield()
      end
      waiting:cancel()
      local ended, event = waiting:join()
      if not ended then event = watch:next { timeout = 10 } end
      assert.same({ "move_out", "a" }, { event.kind, event.name })
    end)
  end)

  it("follows what it watches through a rename, and ends with its last name", function()
    with_folder(function(root)
      assert(fs.write_file(root .. "/log", "x"))
      local watch <close> = assert(fs.watch(root .. "/log"))
      assert(fs.rename(root .. "/log", root .. "/log.1"))
      assert.equal("moved", watch:next().kind)
      assert(fs.write_file(root .. "/log", "another file"))
      assert(fs.write_file(root .. "/log.1", "more", { append = true }))
      assert.equal("modify", watch:next().kind)
      assert.equal("written", watch:next().kind)
      assert(fs.unlink(root .. "/log.1"))
      local kinds = {}
      for event in watch:events() do kinds[#kinds + 1] = event.kind end
      assert.equal("gone", kinds[#kinds])
    end)
  end)
end)

describe("a file that appends", function()
  it("is written at its end by pwrite, too, and by several at once without a hole", function()
    with_folder(function(root)
      local path, count = root .. "/log", 50
      assert(fs.write_file(path, "start\n"))
      local file <close> = assert(fs.open(path, "a"))
      assert(file:pwrite("pwrite\n", 0))
      kio.scope(function(scope)
        for i = 1, count do
          scope:spawn(function()
            assert(fs.write_file(path, ("%03d\n"):format(i), { append = true }))
          end)
        end
      end)
      local text = fs.read_file(path)
      assert.equal("start\npwrite\n", text:sub(1, 13))
      assert.equal(13 + 4 * count, #text)
      for i = 1, count do assert.is_truthy(text:find(("\n%03d\n"):format(i), 1, true)) end
    end)
  end)
end)

describe("memory that an operation uses", function()
  it("is held although its task is gone and everything is collected", function()
    with_folder(function(root)
      local path, size = root .. "/file", 1 << 20
      local file <close> = assert(fs.open(path, "w+"))
      for round = 1, 20 do
        local task = kio.spawn(function() file:pwrite(string.char(round):rep(size), 0) end)
        common.until_waiting(task)
        task:cancel()
        collectgarbage()
        for _ = 1, 20 do assert.equal(size // 20, #("\255"):rep(size // 20)) end
        task:join()
        assert.is_nil((file:pread(size, 0) or ""):find("\255", 1, true))
      end
    end)
  end)
end)
