-- The simulated ring: its clock, and the faults it can be told to make.
local kio = require "kio"
local support = require "spec.support"

local core = kio.core

local function sim(script, f)
  core.sim(script)
  return support.run(f, { backend = "sim" })
end

-- A file with the text in it; its descriptor, for reading and writing.
local function file_with(text)
  local c = kio.const
  local path = support.tmpdir() .. "/file"
  local fd = assert(kio.openat(nil, path, c.O_RDWR | c.O_CREAT))
  assert(kio.pwrite(fd, text, 0) == #text)
  return fd
end

-- What f returned: its values as a list, the failures as "nil CODE".
local function outcome(a, _, code)
  if a == nil and code then return "nil " .. code end
  return a
end

describe("the clock of the simulated ring", function()
  it("jumps over a year of sleep", function()
    local year = 365 * 24 * 3600
    local slept = sim({}, function()
      local start = kio.now()
      kio.sleep(year)
      return kio.now() - start
    end)
    assert.is_true(slept >= year and slept < year + 1, slept)
  end)

  it("wakes sleepers in the order of their deadlines", function()
    local order = sim({}, function()
      local order, tasks = {}, {}
      for i, hours in ipairs { 5, 1, 4, 2, 3 } do
        tasks[i] = kio.spawn(function()
          kio.sleep(hours * 3600)
          order[#order + 1] = hours
        end)
      end
      for _, task in ipairs(tasks) do task:await() end
      return order
    end)
    assert.same({ 1, 2, 3, 4, 5 }, order)
  end)

  it("lets an operation time out without waiting for it", function()
    local code, took = sim({}, function()
      local a, b = kio.socketpair()
      local start = kio.now()
      local _, _, code = kio.recv(a, 10, 0, { timeout = 86400 })
      local took = kio.now() - start
      kio.close(a)
      kio.close(b)
      return code, took
    end)
    assert.equal("ETIMEDOUT", code)
    assert.is_true(took >= 86400)
  end)

  it("creeps under a loop that looks at it", function()
    assert.is_true(sim({}, function()
      local start = kio.now()
      while kio.now() < start + 0.001 do kio.yield() end
      return true
    end))
  end)
end)

describe("a script of the simulated ring", function()
  it("gives every request of a kind its result", function()
    local got = sim({ { op = "read", result = "EIO" } }, function()
      local fd = file_with("abc")
      local got = { outcome(kio.read(fd, 3)), outcome(kio.pread(fd, 3, 0)) }
      kio.close(fd)
      return got
    end)
    assert.same({ "nil EIO", "nil EIO" }, got)
    assert.equal(2, core.sim_fired())
  end)

  it("gives the nth one its result, and that one alone", function()
    local got = sim({ { op = "read", nth = 2, result = "ENOBUFS" } }, function()
      local fd, got = file_with("abcd"), {}
      for i = 1, 4 do got[i] = outcome(kio.read(fd, 1)) end
      kio.close(fd)
      return got
    end)
    assert.same({ "a", "nil ENOBUFS", "b", "c" }, got)
    assert.equal(1, core.sim_fired())
  end)

  it("counts the requests of all kinds when none is named", function()
    local got = sim({ { nth = 3, result = "EIO" } }, function()
      local path = support.tmpdir() .. "/x"
      local flags = kio.const.O_RDWR | kio.const.O_CREAT
      local fd = assert(kio.openat(nil, path, flags))
      local got = { outcome(kio.write(fd, "ab")), outcome(kio.fsync(fd)), outcome(kio.fsync(fd)) }
      kio.close(fd)
      return got
    end)
    assert.same({ 2, "nil EIO", true }, got)
  end)

  it("takes a number for a success that never happened", function()
    local n, text = sim({ { op = "write", result = 3 } }, function()
      local a, b = kio.socketpair()
      local n = kio.write(a, "abcdef")
      kio.shutdown(a, "write")
      local text = kio.recv(b, 10)
      kio.close(a)
      kio.close(b)
      return n, text
    end)
    assert.equal(3, n)
    assert.is_nil(text)
  end)

  it("cuts every transfer short", function()
    sim({ short = 2 }, function()
      local a, b = kio.socketpair()
      assert.equal(2, kio.send(a, "abcdef", kio.const.MSG_WAITALL))
      assert.equal(2, kio.write(a, "cdef"))
      assert.equal(2, kio.writev(a, { "e", "fg" }))
      assert.equal("ab", kio.recv(b, 10))
      assert.equal("cd", kio.read(b, 10))
      assert.same({ "e", "f" }, kio.readv(b, { 1, 5 }))
      kio.close(a)
      kio.close(b)
    end)
  end)

  it("never cuts a datagram", function()
    sim({ short = 1 }, function()
      local a, b = assert(kio.socket("unixgram")), assert(kio.socket("unixgram"))
      assert(kio.bind(b, "unix:@kio-sim-" .. support.free_port()))
      assert.equal(6, kio.sendmsg(a, "abcdef", { to = kio.getsockname(b) }))
      assert.equal("abcdef", (kio.recvmsg(b, 100)))
      kio.close(a)
      kio.close(b)
    end)
  end)

  it("takes no more per enter than it is told", function()
    local stats = sim({ full = 1 }, function()
      local fd, tasks = file_with("abcdefgh"), {}
      for i = 0, 7 do tasks[i] = kio.spawn(kio.pread, fd, 1, i) end
      for i = 0, 7 do assert.equal(("abcdefgh"):sub(i + 1, i + 1), tasks[i]:await()) end
      kio.close(fd)
      return kio.stats()
    end)
    assert.is_true(stats.held_back >= 7, stats.held_back)
    assert.equal(0, stats.pending)
  end)

  it("is good for one run", function()
    local function write()
      local fd = file_with("")
      local result = outcome(kio.write(fd, "x"))
      kio.close(fd)
      return result
    end
    assert.equal("nil EIO", sim({ { op = "write", nth = 2, result = "EIO" } }, write))
    assert.equal(1, support.run(write, { backend = "sim" }))
  end)

  it("is refused when it says what nobody knows", function()
    support.expect_error("unknown option 'opp'", core.sim, { { opp = "read" } })
    support.expect_error("no operation 'raed'", core.sim, { { op = "raed" } })
    support.expect_error("no errno 'EWHAT'", core.sim, { { result = "EWHAT" } })
    assert.equal(0, core.world().scripts)
  end)
end)

describe("the order of the simulated ring", function()
  -- Eight one-byte sends of eight tasks; the order in which their bytes arrive.
  local function order(script)
    return sim(script, function()
      local a, b = kio.socketpair()
      local tasks, text = {}, ""
      for i = 1, 8 do tasks[i] = kio.spawn(kio.send, a, tostring(i)) end
      for i = 1, 8 do assert(tasks[i]:await() == 1) end
      while #text < 8 do text = text .. kio.recv(b, 8) end
      kio.close(a)
      kio.close(b)
      return text
    end)
  end

  it("is that of queueing without a seed", function()
    assert.equal("12345678", order {})
  end)

  it("differs from seed to seed, and is the same for the same seed", function()
    local seen, different = {}, 0
    for seed = 1, 20 do
      local text = order { reorder = seed }
      assert.equal(text, order { reorder = seed })
      if not seen[text] then different = different + 1 end
      seen[text] = true
    end
    assert.is_true(different > 10, different)
  end)
end)

describe("a delayed completion", function()
  it("has happened before it is told", function()
    sim({ { op = "send", delay = 60 } }, function()
      local a, b = kio.socketpair()
      local start = kio.now()
      local sender = kio.spawn(kio.send, a, "early")
      assert.equal("early", kio.recv(b, 10))
      assert.is_true(kio.now() - start < 60)
      assert.equal(5, sender:await())
      assert.is_true(kio.now() - start >= 60)
      kio.close(a)
      kio.close(b)
    end)
  end)

  it("wins over the timeout and over the cancel that came after it had happened", function()
    sim({ { op = "read", delay = 60 } }, function()
      local fd = file_with("abc")
      assert.equal("abc", kio.read(fd, 3, { timeout = 1 }))
      local got
      local reader = kio.spawn(function() got = kio.pread(fd, 3, 0) end)
      kio.yield()
      kio.yield()
      reader:cancel()
      assert.is_true((reader:join()))
      assert.equal("abc", got)
      kio.close(fd)
    end)
  end)
end)
