-- R30: deadlines of operations. ETIMEDOUT for a deadline that has passed, Cancelled for a
-- cancellation; 0 tries once, infinity is no deadline, anything else raises.
local kio = require "kio"
local support = require "spec.support"
local common = require "spec.task.common"
local waits = require "spec.task.waits"
local run = support.run

-- Those that take no options: a stream's writes go by its own timeout.
local UNTIMED = {
  sleep = true, ["stream:write"] = true, ["stream:send"] = true, ["stream:shutdown"] = true,
}

local function timed_waits()
  local names = {}
  for name in pairs(waits) do
    if not UNTIMED[name] then names[#names + 1] = name end
  end
  table.sort(names)
  return names
end

local function assert_timed_out(...)
  local result, message, code = ...
  assert.is_nil(result)
  assert.equal("ETIMEDOUT", code)
  assert.matches("timed out", message)
end

local function with(name, f)
  run(function()
    local wait = waits[name]()
    assert.is_true(wait.timed)
    f(wait)
    wait.close()
  end)
end

describe("a timeout", function()
  for _, name in ipairs(timed_waits()) do
    it("that passes gives ETIMEDOUT, and loses nothing: " .. name, function()
      with(name, function(wait)
        assert_timed_out(wait.begin { timeout = 0.001 })
        assert_timed_out(wait.begin { timeout = 1e-9 })
        if not wait.satisfy then return end
        local satisfying = kio.spawn(wait.satisfy)
        local results = table.pack(wait.begin { timeout = 1000 })
        satisfying:await()
        wait.check(table.unpack(results, 1, results.n))
        assert.equal(0, kio.stats().timers)
      end)
    end)

    it("of 0 tries once: " .. name, function()
      with(name, function(wait)
        assert_timed_out(wait.begin { timeout = 0 })
        if not wait.satisfy or wait.worker then return end
        wait.satisfy()
        wait.check(wait.begin { timeout = 0 })
      end)
    end)

    it("without end is none: " .. name, function()
      with(name, function(wait)
        local task = kio.spawn(wait.begin, { timeout = math.huge })
        common.until_in_kernel(task)
        task:cancel()
        local ok, err = task:join()
        assert.is_false(ok)
        assert.is_true(kio.is_cancelled(err))
      end)
    end)

    it("is told apart from a cancellation: " .. name, function()
      with(name, function(wait)
        local task = common.until_waiting(kio.spawn(wait.begin, { timeout = 1000 }))
        task:cancel()
        local ok, err = task:join()
        assert.is_false(ok)
        assert.is_true(kio.is_cancelled(err))
        task = kio.spawn(wait.begin, { timeout = 0.001 })
        assert_timed_out(task:await())
        assert.equal("done", task:status())
      end)
    end)
  end
end)

local function call(f, ...)
  local list = table.pack(...)
  list.f = f
  return list
end

-- Calls that take options, with arguments that are good but for the options at their end.
local function calls()
  local a, b = kio.pipe()
  local s, t = kio.socketpair()
  local near, far = common.stream_pair()
  local listener = assert(kio.net.listen("127.0.0.1:0"))
  local task = kio.spawn(function() end)
  local list = {
    read = call(kio.read, a, 1),
    pread = call(kio.pread, a, 1, 0),
    readv = call(kio.readv, a, { 1 }),
    preadv = call(kio.preadv, a, { 1 }, 0),
    write = call(kio.write, b, "x"),
    pwrite = call(kio.pwrite, b, "x", 0),
    writev = call(kio.writev, b, { "x" }),
    pwritev = call(kio.pwritev, b, { "x" }, 0),
    fsync = call(kio.fsync, a),
    fdatasync = call(kio.fdatasync, a),
    fallocate = call(kio.fallocate, a, 0, 0, 1),
    ftruncate = call(kio.ftruncate, a, 0),
    splice = call(kio.splice, a, nil, b, nil, 1),
    openat = call(kio.openat, nil, "/", kio.const.O_RDONLY, 0),
    unlinkat = call(kio.unlinkat, nil, "no/such", 0),
    mkdirat = call(kio.mkdirat, nil, "no/such", 0),
    renameat = call(kio.renameat, nil, "no/such", nil, "no/such", 0),
    statx = call(kio.statx, nil, "/", 0),
    accept = call(kio.accept, s),
    connect = call(kio.connect, s, "127.0.0.1:1"),
    recv = call(kio.recv, s, 1, 0),
    send = call(kio.send, t, "x", 0),
    recvmsg = call(kio.recvmsg, s, 1),
    sendmsg = call(kio.sendmsg, t, "x"),
    shutdown = call(kio.shutdown, s, "both"),
    poll = call(kio.poll, a, "r"),
    ["net.connect"] = call(kio.net.connect, listener:address()),
    ["listener:accept"] = call(listener.accept, listener),
    ["stream:recv"] = call(near.recv, near, 1),
    ["stream:flush"] = call(near.flush, near),
    await = call(task.await, task),
    join = call(task.join, task),
  }
  return list, function()
    for _, fd in ipairs { a, b, s, t } do kio.close(fd) end
    near:close()
    far:close()
    listener:close()
  end
end

describe("options", function()
  local bad = {
    { { timeout = -1 }, "timeout" },
    { { timeout = -1e-300 }, "timeout" },
    { { timeout = -math.huge }, "timeout" },
    { { timeout = 0 / 0 }, "timeout" },
    { { timeout = "1" }, "timeout" },
    { { timeout = true }, "timeout" },
    { { timeout = {} }, "timeout" },
    { { timeuot = 1 }, "unknown option 'timeuot'" },
    { { 1 }, "unknown option '1'" },
    { { [{}] = 1 }, "unknown option 'table: 0x%x+'" },
    { 5, "table expected" },
    { "timeout", "table expected" },
  }

  for i, case in ipairs(bad) do
    it("that are wrong raise, in every operation: case " .. i, function()
      run(function()
        local list, close = calls()
        local pending = kio.stats().pending
        for name, good in pairs(list) do
          local place = good.n + 1
          good[place] = case[1]
          local ok, message = pcall(good.f, table.unpack(good, 1, place))
          assert(not ok, name .. " took wrong options")
          assert(message:find("bad argument #" .. place, 1, true), name .. ": " .. message)
          assert(message:find(case[2]), name .. ": " .. message)
        end
        assert.equal(pending, kio.stats().pending)
        close()
      end)
    end)
  end

  it("that are empty change nothing", function()
    run(function()
      local a, b = kio.pipe()
      assert.equal(1, kio.write(b, "x", {}))
      assert.equal("x", kio.read(a, 1, nil))
      kio.close(a)
      kio.close(b)
    end)
  end)
end)

describe("the message of a deadline that has passed", function()
  it("names operation and subject", function()
    run(function()
      local from, to = kio.pipe()
      local task = common.until_waiting(kio.spawn(kio.read, from, 1))
      for start, timed in pairs {
        ["read fd " .. from .. ": "] = function(options) return kio.read(from, 1, options) end,
        ["poll fd " .. from .. ": "] = function(options) return kio.poll(from, "r", options) end,
        ["await task: "] = function(options) return task:await(options) end,
        ["join task: "] = function(options) return task:join(options) end,
      } do
        local _, message = timed { timeout = 0 }
        assert.equal(start, message:sub(1, #start))
      end
      task:cancel()
      kio.close(from)
      kio.close(to)
    end)
  end)
end)

describe("a stream's own timeout", function()
  it("holds where none is named, for writing too", function()
    run(function()
      local wait = waits["stream:write"]()
      wait.close()
      local near, far = common.stream_pair()
      near:set_timeout(0.001)
      assert_timed_out(near:recv())
      assert_timed_out(near:recv(nil, {}))
      far:send("x")
      assert.equal("x", near:recv(nil, { timeout = 1000 }))
      near:set_timeout(nil)
      local task = common.until_in_kernel(kio.spawn(near.recv, near))
      task:cancel()
      assert.is_false((task:join()))
      near:close()
      far:close()
    end)
  end)

  it("ends a write, which tells how much was taken", function()
    run(function()
      local near, far = common.stream_pair()
      local data = ("z"):rep(16 << 20)
      near:set_timeout(0.01)
      local result, message, code, taken = near:write(data)
      assert_timed_out(result, message, code)
      assert.is_true(taken < #data)
      local reading = kio.spawn(function()
        local got = 0
        for chunk in function() return far:recv() end do got = got + #chunk end
        return got
      end)
      near:set_timeout(nil)
      assert(near:close())
      assert.equal(taken, reading:await())
      far:close()
    end)
  end)

  it("must be a time", function()
    run(function()
      local near, far = common.stream_pair()
      for _, value in ipairs { -1, 0 / 0, "x", {} } do
        assert.is_false(pcall(near.set_timeout, near, value))
      end
      near:close()
      far:close()
    end)
  end)
end)

describe("kio.sleep", function()
  it("takes a time of 0 or more", function()
    run(function()
      for _, value in ipairs { -1, -1e-9, 0 / 0, -math.huge } do
        support.expect_error("bad argument #1 to .*a time in seconds cannot be negative or NaN",
          kio.sleep, value)
      end
      support.expect_error("number expected", kio.sleep, {})
      support.expect_error("number expected, got no value", function() kio.sleep() end)
      kio.sleep(0)
      kio.sleep(1e-12)
      assert.equal(0, select("#", kio.sleep(0)))
    end)
  end)

  it("for ever ends by a cancellation", function()
    run(function()
      local task = common.until_waiting(kio.spawn(kio.sleep, math.huge))
      local long = common.until_waiting(kio.spawn(kio.sleep, 1e300))
      assert.equal(0, kio.stats().timers)
      task:cancel()
      long:cancel()
      assert.is_false((task:join()))
      assert.is_false((long:join()))
    end)
  end)
end)
