-- flavours: test asan hostile
-- Named fifos. (They are made by a program, and none can start below ThreadSanitizer.)
local kio = require "kio"
local common = require "spec.fs.common"
local support = require "spec.support"

local fs, failed = kio.fs, common.failed

local function make_fifo()
  local path = support.tmpdir() .. "/fifo"
  assert(os.execute("mkfifo " .. path))
  return path
end

for _, backend in ipairs { "uring", "sim" } do
  it("a fifo opened for reading waits for a writer at its first read, on " .. backend, function()
    support.run(function()
      local path = make_fifo()
      local readers = {} -- more of them than there are kernel threads for files
      local mode = backend == "sim" and kio.const.O_NONBLOCK or "r" -- its open is the plain call
      for i = 1, 20 do readers[i] = assert(fs.open(path, mode)) end
      assert.equal("fifo", readers[1]:stat().type)
      local reading = kio.spawn(function() return readers[1]:read("a") end)
      common.until_waiting(reading)
      local writer = assert(fs.open(path, "w"))
      assert(writer:write("hello", "\n", "world"))
      writer:close()
      assert.equal("hello\nworld", reading:await())
      for _, file in ipairs(readers) do file:close() end
    end, { backend = backend })
  end)
end

describe("a fifo", function()
  it("opened for writing waits for a reader, until it is cancelled or runs out of time", function()
    support.run(function()
      local path = make_fifo()
      local opening = kio.spawn(function() return fs.open(path, "w") end)
      common.until_waiting(opening)
      opening:cancel()
      local ok, err = opening:join()
      assert.is_false(ok)
      assert.is_true(kio.is_cancelled(err))
      failed("ETIMEDOUT", "open " .. path .. ": timed out",
        fs.open(path, "w", { timeout = 0.01 }))
      opening = kio.spawn(function() return fs.open(path, "w") end)
      common.until_waiting(opening)
      local reader <close> = assert(fs.open(path))
      local writer <close> = assert(opening:await())
      assert(writer:write("x\n"))
      assert.equal("x", reader:read())
    end)
  end)

  it("that nobody reads cannot be opened with O_WRONLY alone", function()
    support.run(function()
      local path = make_fifo()
      failed("ENXIO", "open " .. path .. ": no such device or address",
        fs.open(path, kio.const.O_WRONLY | kio.const.O_NONBLOCK))
    end)
  end)

  it("whose writer left without a word has ended", function()
    support.run(function()
      local path = make_fifo()
      local file <close> = assert(fs.open(path))
      local reading = kio.spawn(function() return file:read() end)
      common.until_waiting(reading)
      assert(fs.open(path, "w")):close()
      assert.is_nil(reading:await())
    end)
  end)

  it("lets go of a reader that is cancelled or runs out of time", function()
    support.run(function()
      local path = make_fifo()
      local file <close> = assert(fs.open(path))
      local reading = kio.spawn(function() return file:read() end)
      common.until_waiting(reading)
      reading:cancel()
      assert.is_false((reading:join()))
      local value, _, code = kio.timeout(0.001, file.read, file)
      assert.is_nil(value)
      assert.equal("ETIMEDOUT", code)
      local writer <close> = assert(fs.open(path, "w"))
      writer:write("x\n")
      assert.equal("x", file:read())
    end)
  end)
end)
