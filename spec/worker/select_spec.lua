-- timeout: 120
-- kio.select among channels and events that workers share, beside those of one thread: one of
-- several, and no other, whoever else is at them.
local core = require "kio.core"
local kio = require "kio"
local support = require "spec.support"

local sync, thread = kio.sync, kio.thread

local ROUNDS <const> = support.flavour == "test" and 2000 or 300

local function run(f, threads) return kio.run(f, { threads = threads or 3 }) end

-- Nobody waits in any of these.
local function assert_left(...)
  for _, object in ipairs { ... } do
    assert.is_nil(tostring(object):match "[1-9]%d* sending", tostring(object))
    assert.is_nil(tostring(object):match "[1-9]%d* receiving", tostring(object))
  end
end

-- Returns when a task waits in the channel, which its text tells.
local function until_waiting(channel)
  repeat kio.yield() until tostring(channel):match "[1-9] receiving"
end

describe("kio.select of what workers share", function()
  it("takes what is ready, one alternative only", function()
    run(function()
      local full, room, event = thread.channel(1), thread.channel(1), thread.event()
      local own = sync.channel(1)
      full:send { "value" }
      own:send "own"
      event:set()
      local seen = {}
      for _ = 1, 200 do
        local i, value = kio.select { full, { room, "sent" }, event, own }
        seen[i] = true
        if i == 1 then
          assert.same({ "value" }, value)
          full:send { "value" }
        elseif i == 2 then
          assert.is_true(value)
          assert.equal("sent", room:receive())
        elseif i == 3 then assert.is_true(value)
        else
          assert.equal("own", value)
          own:send "own"
        end
        assert.equal("EAGAIN", select(3, room:try_receive()))
        assert.equal("EAGAIN", select(3, full:try_send "more"))
        assert.equal("EAGAIN", select(3, own:try_send "more"))
      end
      assert.same({ true, true, true, true }, seen)
    end, 1)
  end)

  it("waits for the first of them, wherever that comes from", function()
    run(function()
      local input, output = thread.channel(1), thread.channel(1)
      local event, own = thread.event(), sync.event()
      output:send "full"
      local function wait() return kio.select { input, { output, "mine" }, event, own } end
      local function there(f)
        return thread.spawn_on(2, function(channel)
          repeat kio.yield() until tostring(channel):match "[1-9] receiving"
          f()
        end, input)
      end
      there(function() input:send { 1 } end)
      assert.same({ 1, { 1 } }, { wait() })
      there(function() assert(output:receive() == "full") end)
      assert.same({ 2, true }, { wait() })
      local reset = there(function() event:set() event:reset() end)
      assert.same({ 3, true }, { wait() })
      reset:await()
      kio.spawn(function()
        until_waiting(input)
        own:set()
      end)
      assert.same({ 4, true }, { wait() })
      own:reset()
      there(function() input:close() end)
      assert.same({ 1, nil, n = 2 }, table.pack(wait()))
      assert_left(input, output)
      assert.same({ 1, nil, "send channel: it is closed", "EPIPE", n = 4 },
        table.pack(kio.select { { input, 1 } }))
    end)
  end)

  it("waits for tasks, too", function()
    run(function()
      local channel = thread.channel(1)
      local task = thread.spawn_on(2, function() return "from", thread.id() end)
      assert.same({ 2, "from", 2 }, { kio.select { channel, task } })
      assert_left(channel)
    end)
  end)

  it("leaves nothing behind when its time is over, or it is cancelled", function()
    run(function()
      local channel, full, event = thread.channel(1), thread.channel(1), thread.event()
      full:send(1)
      local list = { channel, { full, 2 }, event, channel, timeout = 0.001 }
      assert.same({ nil, "select: timed out", "ETIMEDOUT", n = 3 }, table.pack(kio.select(list)))
      list.timeout = 0
      assert.equal("ETIMEDOUT", select(3, kio.select(list)))
      list.timeout = nil
      local task = kio.spawn(kio.select, list)
      until_waiting(channel)
      task:cancel()
      local ok, err = task:join()
      assert.is_true(not ok and kio.is_cancelled(err))
      assert_left(channel, full)
      channel:send "kept"
      assert.equal("kept", channel:receive())
      assert.equal("EAGAIN", select(3, channel:try_receive()))
    end)
  end)

  it("moves a handle only when it is that alternative", function()
    run(function()
      local listener <close> = assert(kio.net.listen "127.0.0.1:0")
      local full, event = thread.channel(1), sync.event()
      full:send(1)
      event:set()
      assert.equal(2, (kio.select { { full, listener }, event }))
      assert.equal("ETIMEDOUT", select(3, kio.select { { full, listener }, timeout = 0.001 }))
      assert.truthy(listener:fd())
      full:receive()
      assert.equal(1, (kio.select { { full, listener } }))
      assert.is_nil(listener:fd())
      full:receive():close()
    end)
  end)

  it("lets its loop turn although there is always something", function()
    run(function()
      local event, turned = thread.event(), false
      event:set()
      kio.spawn(function() turned = true end)
      while not turned do kio.select { event } end
    end)
  end)

  it("is part of a deadlock", function()
    local function deadlock(threads, f)
      support.expect_error("^kio.run: deadlock: every task .*in select", run, f, threads)
    end
    for threads = 1, 2 do
      deadlock(threads, function() kio.select { thread.channel(1), thread.event() } end)
      deadlock(threads, function() kio.select { sync.channel(1), thread.event() } end)
    end
  end)

  it("outlives a worker that is stopped while it waits there", function()
    local channel, event = thread.channel(1), thread.event()
    run(function()
      kio.spawn(function()
        thread.spawn_on(2, function() kio.select { channel, event } end):join()
      end)
      until_waiting(channel)
      kio.stop()
      pcall(kio.sleep, 10)
    end)
    assert_left(channel)
    event:set()
    channel:try_send "kept"
    assert.equal("kept", channel:try_receive())
  end)

  it("refuses what makes no sense", function()
    run(function()
      local channel = thread.channel(1)
      local function refused(pattern, list)
        assert.error_matches(function() kio.select(list) end, pattern)
      end
      refused("alternative #1: a channel cannot carry nil", { { channel } })
      refused("alternative #2: one value at a time", { channel, { channel, 1, 2 } })
      refused("^message 1%.a: a coroutine", { { channel, { a = coroutine.create(print) } } })
      refused("alternative #2: .* expected, got userdata", { channel, kio.buffer(1) })
    end)
    assert.error_matches(function() kio.select { thread.channel(1) } end, "outside a task")
  end)

  it("is out of memory at any point, and leaves nothing", function()
    run(function()
      local channel, full, event = thread.channel(1), thread.channel(1), thread.event()
      full:send(1)
      for n = 1, 60 do
        core.fail_memory(n)
        pcall(kio.select, { channel, { full, 2 }, event, timeout = 0 })
        core.fail_memory(0)
        assert_left(channel, full)
      end
    end, 1)
  end)
end)

describe("selecting workers", function()
  it("lose nothing, and get nothing twice", function()
    run(function()
      local first, second = thread.channel(1), thread.channel(3)
      local function receive(a, b, seed)
        math.randomseed(seed)
        local open, sum, count = { a, b }, 0, 0
        while #open > 0 do
          local timeout = math.random(3) == 1 and math.random() * 1e-4 or nil
          local task = kio.spawn(kio.select, { timeout = timeout, table.unpack(open) })
          if math.random(4) == 1 then
            kio.yield()
            task:cancel()
          end
          local ok, i, value, code = task:join()
          if not ok then assert(kio.is_cancelled(i), i)
          elseif i and value then sum, count = sum + value, count + 1
          elseif i then table.remove(open, i)
          else assert(code == "ETIMEDOUT") end
        end
        return sum, count
      end
      local function send(a, b, id, rounds)
        for i = 1, rounds do
          local value = id * rounds + i
          if i % 5 == 0 then assert(a:send(value))
          else assert(select(2, kio.select { { a, value }, { b, value } }) == true) end
        end
      end
      local receivers, senders = {}, {}
      for i = 1, 6 do receivers[i] = thread.spawn_on(i % 3 + 1, receive, first, second, i) end
      for i = 1, 4 do
        senders[i] = thread.spawn_on(i % 3 + 1, send, first, second, i - 1, ROUNDS)
      end
      for i = 1, 4 do senders[i]:await() end
      first:close()
      second:close()
      local sum, count, n = 0, 0, 4 * ROUNDS
      for i = 1, 6 do
        local own_sum, own_count = receivers[i]:await()
        sum, count = sum + own_sum, count + own_count
      end
      assert.same({ n, n * (n + 1) // 2 }, { count, sum })
      assert_left(first, second)
    end)
  end)
end)
