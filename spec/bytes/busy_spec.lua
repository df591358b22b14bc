-- Buffers in operations: what is filled and written, and that nobody touches one the kernel has.
local kio = require "kio"
local common = require "spec.fs.common"
local support = require "spec.support"

local failed = common.failed
local raises = support.expect_error
local until_waiting = common.until_waiting

-- A task that waits to fill the buffer from an empty pipe, and the pipe's two ends.
local function filling(buf, ...)
  local r, w = kio.pipe()
  local task = kio.spawn(kio.read_into, r, buf, ...)
  until_waiting(task)
  return task, r, w
end

-- A task that waits to write the buffer into a full pipe.
local function writing(buf)
  local r, w = kio.pipe()
  assert(kio.write(w, ("x"):rep(1 << 16)))
  local task = kio.spawn(kio.write, w, buf)
  until_waiting(task)
  return task, r, w
end

local function close(...)
  for i = 1, select("#", ...) do assert(kio.close((select(i, ...)))) end
end

local LOOKING = {
  string = {}, find = { "x" }, unpack = { 1, "B" },
}
local CHANGING = {
  set = { 1, "x" }, copy = { 1, "x" }, fill = {}, resize = { 1 }, pack = { 1, "B", 1 },
}

local function each_refused(buf, methods)
  for name, arguments in pairs(methods) do
    raises("in use by an operation", buf[name], buf, table.unpack(arguments))
  end
end

describe("a buffer that an operation fills", function()
  it("shows its bytes to nobody, in no slice, until the operation has returned", function()
    support.run(function()
      local buf = kio.buffer(100)
      local slice = buf:slice(50)
      local task, r, w = filling(buf:slice(1, 10))
      for _, view in ipairs { buf, slice } do
        each_refused(view, LOOKING)
        each_refused(view, CHANGING)
        assert.matches("in use", tostring(view))
        failed("EBUSY", "close buffer: it is in use by an operation under way", view:close())
      end
      local other = kio.buffer(10)
      raises("in use by an operation", other.copy, other, 1, slice, 1, 5)
      kio.write(w, "hello")
      assert.equal(5, task:await())
      assert.equal("hello", buf:string(1, 5))
      assert.is_true(slice:close())
      close(r, w)
    end)
  end)

  it("is refused to every other operation", function()
    support.run(function()
      local buf = kio.buffer(100)
      local task, r, w = filling(buf, 20)
      local a, b = kio.socketpair()
      local why = "the buffer is in use by another operation"
      failed("EBUSY", ("read fd %d: %s"):format(a, why), kio.read_into(a, buf))
      failed("EBUSY", ("read fd %d: %s"):format(a, why), kio.pread_into(a, buf, 1, 5, 0))
      failed("EBUSY", ("write fd %d: %s"):format(a, why), kio.write(a, buf))
      failed("EBUSY", ("write fd %d: %s"):format(a, why), kio.pwrite(a, buf:slice(1, 2), 0))
      failed("EBUSY", ("send fd %d: %s"):format(a, why), kio.send(a, buf:slice(1, 2)))
      task:cancel()
      assert.is_false((task:join()))
      assert.equal(100, #buf:string())
      assert.equal(100, kio.write(a, buf))
      close(a, b, r, w)
    end)
  end)

  it("is free again after a timeout, an error, and an end", function()
    support.run(function()
      local buf = kio.buffer(10)
      local r, w = kio.pipe()
      assert.equal("ETIMEDOUT", select(3, kio.read_into(r, buf, 1, 5, { timeout = 0 })))
      buf:fill(1)
      assert.equal("EBADF", select(3, kio.read_into(4000, buf)))
      buf:fill(2)
      close(w)
      assert.same({ n = 1 }, table.pack(kio.read_into(r, buf)))
      buf:fill(3)
      assert.equal(0, kio.read_into(r, buf, 11))
      close(r)
      assert.is_true(buf:close())
    end)
  end)
end)

describe("a buffer that operations write", function()
  it("may be read meanwhile, also by further operations, and not be changed", function()
    support.run(function()
      local buf = kio.buffer("0123456789")
      local task, r, w = writing(buf)
      local again, r2, w2 = writing(buf:slice(1, 5))
      assert.equal("0123456789", buf:string())
      assert.same({ 3, 3 }, { buf:find("2") })
      assert.equal(48, (buf:unpack(1, "B")))
      each_refused(buf, CHANGING)
      assert.equal("EBUSY", select(3, buf:close()))
      assert.equal("EBUSY", select(3, kio.read_into(r, buf)))
      assert(kio.read(r, 1 << 16))
      assert.equal(10, task:await())
      each_refused(buf, CHANGING) -- there is the other one
      assert(kio.read(r2, 1 << 16))
      assert.equal(5, again:await())
      buf:fill(0)
      assert.equal("0123456789", kio.read(r, 100))
      assert.equal("01234", kio.read(r2, 100))
      close(r, w, r2, w2)
    end)
  end)
end)

describe("the memory of a buffer", function()
  it("stays while the kernel has it, whatever becomes of the buffer", function()
    support.run(function()
      local blocks = kio.core.world().blocks
      local r, w = kio.pipe()
      local task = kio.spawn(function()
        do
          local buf <close> = kio.buffer(5000)
          kio.spawn(function() kio.read_into(r, buf) end)
          kio.yield()
          kio.yield()
        end
        collectgarbage()
        assert.is_true(kio.core.world().blocks > blocks)
      end)
      task:await()
      kio.write(w, ("x"):rep(5000)) -- the kernel writes now: under asan into live memory
      close(r, w)
    end)
  end)

  it("outlives a task that is collected with its run", function()
    local r, w
    local ok = pcall(support.run, function()
      r, w = kio.pipe()
      local buf = kio.buffer(4096)
      kio.spawn(function() kio.read_into(r, buf) end)
      kio.yield()
      error("the run is over")
    end)
    assert.is_false(ok)
    support.run(function() close(r, w) end)
  end)

  it("is free for the next run when the last one ended within an operation", function()
    local buf, r, w = kio.buffer(10), nil, nil
    pcall(support.run, function()
      r, w = kio.pipe()
      kio.spawn(kio.read_into, r, buf)
      kio.yield()
      error("the run is over")
    end)
    buf:set(1, "free")
    support.run(function() close(r, w) end)
  end)
end)

describe("an operation with a buffer", function()
  it("checks where the bytes go", function()
    support.run(function()
      local buf, r = kio.buffer(10), 0
      raises("position outside", kio.read_into, r, buf, 12)
      raises("position outside", kio.read_into, r, buf, 0)
      raises("more bytes than the buffer has room for", kio.read_into, r, buf, 5, 7)
      raises("more bytes than the buffer has room for", kio.pread_into, r, buf, 11, 1, 0)
      raises("negative", kio.read_into, r, buf, 1, -1)
      raises("offset cannot be negative", kio.pread_into, r, buf, 1, 1, -1)
      raises("kio.Buffer expected", kio.read_into, r, "text")
      raises("unknown option", kio.read_into, r, buf, 1, 1, { max = 1 })
      buf:close()
      raises("a closed buffer", kio.read_into, r, buf)
      raises("a closed buffer", kio.write, r, buf)
      raises("busy_spec.*#2 to 'write_all' %(a closed buffer", function() kio.write_all(r, buf) end)
    end)
  end)

  it("reads and writes files at offsets", function()
    support.run(function()
      local path = common.file("0123456789")
      local fd = assert(kio.openat(nil, path, kio.const.O_RDWR))
      local buf = kio.buffer(20)
      assert.equal(4, kio.pread_into(fd, buf, 3, 4, 2))
      assert.equal("\0\0" .. "2345" .. "\0", buf:string(1, 7))
      assert.equal(10, kio.pread_into(fd, buf, nil, nil, 0))
      assert.is_nil(kio.pread_into(fd, buf, nil, nil, 10))
      assert.equal(3, kio.pwrite(fd, buf:slice(8, 10), 0))
      assert.equal(2, kio.write_all(fd, buf:slice(1, 2)))
      assert.equal(3, kio.pwrite_all(fd, buf:slice(1, 3), 7))
      close(fd)
      assert.equal("0193456012", common.content(path))
    end)
  end)

  it("goes on after short writes", function()
    kio.core.sim { short = 3 }
    support.run(function()
      local r, w = kio.pipe()
      local buf = kio.buffer("0123456789")
      assert.equal(10, kio.write_all(w, buf))
      kio.close(w)
      local got = kio.buffer(10)
      local at = 1
      repeat
        local n = kio.read_into(r, got, at)
        at = at + (n or 0)
      until not n or at > 10
      assert.equal("0123456789", got:string())
      kio.close(r)
    end, { backend = "sim" })
  end)
end)
