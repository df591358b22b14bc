-- What is to be tried once has its try, on both rings: also where io_uring would leave that to a
-- thread of the kernel's, and the cancel behind it is faster.
-- The shell that makes a fifo does not run under ThreadSanitizer:
-- flavours: test asan hostile
-- without: epoll
local kio = require "kio"
local support = require "spec.support"

local TRY <const> = { timeout = 0 }
local TIMES <const> = support.scale { test = 5, rest = 1 } -- luck is not enough

-- ---- what ends so that poll(2) says POLLHUP or POLLERR, and nothing of POLLIN or POLLOUT ----

-- splice(2) has touched both ends, and io_uring asks poll(2) about them from then on.
local function spliced()
  local r, w = kio.pipe()
  local from, into = kio.pipe()
  assert(kio.write(into, "x"))
  assert(kio.splice(from, nil, w, nil, 1))
  assert(kio.splice(r, nil, into, nil, 1))
  assert(kio.close(from))
  assert(kio.close(into))
  return r, w
end

local function fifo()
  local path = support.tmpdir() .. "/fifo"
  assert(os.execute("mkfifo " .. path))
  local r = assert(kio.openat(nil, path, kio.const.O_RDONLY))
  return r, assert(kio.openat(nil, path, kio.const.O_WRONLY))
end

local function terminal() return assert(kio.core.terminal()) end

local readers <const> = {
  ["a pipe"] = kio.pipe, ["a pipe after splice"] = spliced, ["a fifo"] = fifo,
  ["a terminal"] = terminal,
}
local writers <const> = {
  ["a pipe"] = kio.pipe, ["a pipe after splice"] = spliced, ["a fifo"] = fifo,
}

local function fill(fd)
  local written, _, code
  repeat written, _, code = kio.write(fd, ("x"):rep(4096), TRY) until not written
  assert.equal("ETIMEDOUT", code)
end

-- ---- one try ----

-- Of a descriptor, or of the stream over it.
local reads <const> = {
  read = function(fd) return kio.read(fd, 5, TRY) end,
  readv = function(fd) return kio.readv(fd, { 2, 3 }, TRY) end,
  read_into = function(fd) return kio.read_into(fd, kio.buffer(5), 1, 5, TRY) end,
  ["stream:recv"] = function(stream) return stream:recv(5, TRY) end,
  ["stream:read"] = function(stream) return stream:read(5, TRY) end,
  ["stream:peek"] = function(stream) return stream:peek(5, TRY) end,
}
local writes <const> = {
  write = function(fd) return kio.write(fd, "late", TRY) end,
  writev = function(fd) return kio.writev(fd, { "la", "te" }, TRY) end,
}

local function finds_the_end(what, make)
  local fd, other = make()
  local subject = what:find "^stream" and assert(kio.stream(fd)) or fd
  assert.equal("ETIMEDOUT", select(3, reads[what](subject)))
  kio.core.own.close_now(other)
  local result, _, code = reads[what](subject)
  assert.is_nil(result, what)
  assert.is_nil(code, what)
  if subject == fd then kio.close(fd) else subject:close() end
end

local function finds_nobody(what, make)
  local r, w = make()
  fill(w)
  assert.equal("ETIMEDOUT", select(3, writes[what](w)))
  kio.core.own.close_now(r)
  assert.equal("EPIPE", select(3, writes[what](w)), what)
  kio.close(w)
end

local function one_try(text, backend, check, ways, kinds)
  for name, make in pairs(kinds) do
    it(text:format(name, backend), function()
      support.run(function()
        for what in pairs(ways) do
          for _ = 1, TIMES do check(what, make) end
        end
      end, { backend = backend })
    end)
  end
end

for _, backend in ipairs { "uring", "epoll" } do
  describe("one try", function()
    one_try("finds the end of %s, on %s", backend, finds_the_end, reads, readers)
    one_try("finds that nobody reads %s, on %s", backend, finds_nobody, writes, writers)

    it("writes to a terminal that has room, on " .. backend, function()
      support.run(function()
        local master, slave = terminal()
        for _ = 1, TIMES * 5 do
          assert.equal(4, kio.write(slave, "text", TRY))
          assert.equal("text", kio.read(master, 4))
        end
        kio.close(master)
        kio.close(slave)
      end, { backend = backend })
    end)
  end)
end

describe("a splice between a pipe and a socket", function()
  -- Reads the end of a pipe and writes to one without readers: whether that took a kernel thread.
  local function takes_a_thread(splices)
    local r, w = kio.pipe()
    local r2, w2 = kio.pipe()
    local a, b = kio.socketpair()
    kio.send(b, "text")
    kio.write(w, "text")
    if splices then
      assert.equal(4, kio.splice(a, nil, w2, nil, 4))
      assert.equal(4, kio.splice(r, nil, b, nil, 4))
    else
      kio.read(r, 4)
    end
    for _, fd in ipairs { w, r2, a, b } do kio.close(fd) end
    local before = support.kernel_threads()
    assert.is_nil(kio.read(r, 4))
    assert.equal("EPIPE", select(3, kio.write(w2, "text")))
    kio.close(r)
    kio.close(w2)
    return support.kernel_threads() > before
  end

  it("leaves the pipe one that io_uring reads and writes without a thread", function()
    support.run(function()
      if takes_a_thread(false) then pending "this kernel needs one for every pipe" end
      assert.is_false(takes_a_thread(true))
    end, { backend = "uring" })
  end)
end)
