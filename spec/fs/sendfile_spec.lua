-- kio.sendfile: whole transfers, their failures, and that no byte of a failed one comes out of a
-- later one (R32).
local kio = require "kio"
local common = require "spec.fs.common"
local support = require "spec.support"

local failed = common.failed
local c = kio.const

-- More than a few pipefuls, and no two of them alike.
local function long_text(size)
  local parts = {}
  for i = 1, size // 8 do parts[i] = ("%08x"):format(i) end
  return table.concat(parts)
end

local TEXT = long_text(300000)

local function source()
  return assert(kio.openat(nil, common.file(TEXT), c.O_RDONLY))
end

local function collect(fd)
  local parts = {}
  repeat
    local data = kio.read(fd, 1 << 16)
    parts[#parts + 1] = data
  until not data
  kio.close(fd)
  return table.concat(parts)
end

local function position(fd) return kio.core.own.lseek(fd, "cur") end

describe("sendfile", function()
  it("moves a whole file into a file, a socket and a pipe", function()
    support.run(function()
      local from, path = source(), common.file("")
      local to = assert(kio.openat(nil, path, c.O_WRONLY))
      assert.equal(#TEXT, kio.sendfile(to, from))
      assert.equal(#TEXT, position(from))
      assert.equal(0, kio.sendfile(to, from))
      assert.is_true(common.content(path) == TEXT)
      for _, make in ipairs { kio.socketpair, kio.pipe } do
        local there, here = make()
        local reader = kio.spawn(collect, there)
        assert.equal(#TEXT, kio.sendfile(here, from, 0))
        kio.close(here)
        assert.is_true(reader:await() == TEXT)
      end
      kio.close(from)
      kio.close(to)
    end)
  end)

  it("starts at an offset, which leaves the position alone, and stops at a count", function()
    support.run(function()
      local from, path = source(), common.file("")
      local to = assert(kio.openat(nil, path, c.O_RDWR))
      assert.equal(5, kio.sendfile(to, from, 100, 5))
      assert.equal(0, position(from))
      assert.equal(7, kio.sendfile(to, from, nil, 7))
      assert.equal(7, position(from))
      assert.equal(200000, kio.sendfile(to, from, nil, 200000))
      assert.equal(200007, position(from))
      assert.equal(0, kio.sendfile(to, from, 0, 0))
      assert.equal(10, kio.sendfile(to, from, #TEXT - 10, 1 << 40))
      assert.equal(0, kio.sendfile(to, from, #TEXT, 10))
      kio.close(from)
      kio.close(to)
      local expected = TEXT:sub(101, 105) .. TEXT:sub(1, 200007) .. TEXT:sub(-10)
      assert.is_true(common.content(path) == expected)
    end)
  end)

  it("moves what comes through a pipe or a socket", function()
    support.run(function()
      for _, make in ipairs { kio.socketpair, kio.pipe } do
        local there, here = make()
        local path = common.file("")
        local to = assert(kio.openat(nil, path, c.O_WRONLY))
        local writer = kio.spawn(function()
          kio.write_all(here, TEXT)
          kio.close(here)
        end)
        assert.equal(100, kio.sendfile(to, there, nil, 100))
        assert.equal(#TEXT - 100, kio.sendfile(to, there))
        writer:await()
        kio.close(there)
        kio.close(to)
        assert.is_true(common.content(path) == TEXT)
      end
    end)
  end)
end)

describe("a failed sendfile", function()
  it("tells how much was sent, and leaves the source's position behind that", function()
    kio.core.sim { { op = "splice", nth = 4, result = "ENOSPC" }, short = 1000 }
    support.run(function()
      local from, to = source(), assert(kio.openat(nil, common.file(""), c.O_WRONLY))
      -- one pipeful in, one out, another in, and that is lost
      assert.equal(1000, failed("ENOSPC",
        ("sendfile fd %d to fd %d: no space left on device"):format(from, to),
        kio.sendfile(to, from)))
      assert.equal(1000, position(from))
      assert.equal(#TEXT - 1000, kio.sendfile(to, from))
      assert.equal(#TEXT, kio.statx(to, "", c.AT_EMPTY_PATH).size)
      kio.close(from)
      kio.close(to)
    end, { backend = "sim" })
  end)

  it("by the source: EBADF, ESPIPE, EINVAL", function()
    support.run(function()
      local r, w = kio.pipe()
      local from = source()
      local function fails(code, text, to, source_fd, offset)
        local message = ("sendfile fd %d to fd %d: %s"):format(source_fd, to, text)
        assert.equal(0, failed(code, message, kio.sendfile(to, source_fd, offset)))
      end
      fails("EBADF", "bad file descriptor", w, 4000)
      fails("EBADF", "bad file descriptor", 4000, from)
      fails("EBADF", "bad file descriptor", r, from) -- the end that reads
      fails("ESPIPE", "illegal seek", w, r, 0)
      local appending = assert(kio.openat(nil, common.file(""), c.O_WRONLY | c.O_APPEND))
      fails("EINVAL", "invalid argument", appending, from)
      assert.equal(0, position(from))
      for _, fd in ipairs { r, w, from, appending } do kio.close(fd) end
    end)
  end)

  it("never leaves bytes that a later transfer would send", function()
    support.run(function()
      local from = source()
      for _, ending in ipairs { "closed", "timeout", "cancelled" } do
        -- one that gets stuck with bytes in the pipe
        local there, here = kio.socketpair()
        local sent
        if ending == "timeout" then
          sent = failed("ETIMEDOUT",
            ("sendfile fd %d to fd %d: timed out"):format(from, here),
            kio.sendfile(here, from, 0, nil, { timeout = 0.02 }))
        else
          local sending = kio.spawn(kio.sendfile, here, from, 0)
          kio.read_exactly(there, 1000)
          if ending == "closed" then
            kio.close(there)
            local _, _, code, count = sending:await()
            assert.is_true(code == "EPIPE" or code == "ECONNRESET", code)
            sent = count
          else
            sending:cancel()
            assert.is_false((sending:join()))
          end
        end
        if sent then assert.is_true(sent < #TEXT) end
        kio.close(here)
        if ending == "timeout" then -- what has arrived is what it has told
          local data = collect(there)
          assert.is_true(#data >= sent)
          assert.is_true(data == TEXT:sub(1, #data))
        elseif ending == "cancelled" then
          kio.close(there)
        end
        -- and the next one
        local reading, writing = kio.pipe()
        assert.equal(10, kio.sendfile(writing, from, 50000, 10))
        kio.close(writing)
        assert.equal(TEXT:sub(50001, 50010), collect(reading))
      end
      kio.close(from)
    end)
  end)
end)

describe("a sendfile in a coroutine that an error has ended", function()
  -- The helper counts what is open.
  it("leaves no descriptor open, although nobody closes the coroutine", function()
    support.run(function()
      local silent, there = kio.pipe()
      local out, to = kio.pipe()
      local ended
      kio.timeout(0, function()
        local co = coroutine.create(kio.sendfile)
        ended = { coroutine.resume(co, to, silent, nil, 100) }
        assert.equal("dead", coroutine.status(co))
      end)
      assert.same({ false, kio.Cancelled }, ended)
      for _, fd in ipairs { silent, there, out, to } do kio.close(fd) end
    end)
  end)
end)

describe("sendfile to sockets", function()
  it("goes on although more peers than the kernel has threads do not read", function()
    support.run(function()
      local from, stuck, sending = source(), {}, {}
      for i = 1, 20 do
        local there, here = kio.socketpair()
        stuck[i] = { there, here }
        sending[i] = kio.spawn(kio.sendfile, here, from, 0)
      end
      for i = 1, 20 do assert.equal(1000, #kio.read_exactly(stuck[i][1], 1000)) end
      local there, here = kio.socketpair()
      local reading = kio.spawn(collect, there)
      assert.equal(#TEXT, kio.sendfile(here, from, 0))
      kio.close(here)
      assert.is_true(reading:await() == TEXT)
      for i = 1, 20 do
        assert.equal("waiting", sending[i]:status())
        kio.close(stuck[i][1])
        assert.is_nil((sending[i]:await()))
        kio.close(stuck[i][2])
      end
      kio.close(from)
    end)
  end)
end)
