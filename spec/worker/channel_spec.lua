-- Channels between workers: every result, what crosses, what is refused, and how waits end.
local core = require "kio.core"
local kio = require "kio"
local support = require "spec.support"

local thread = kio.thread

local function run(f, threads) return support.run(f, { threads = threads or 2 }) end

-- Runs f(near, far), the two ends of a connection, and closes them.
local function connected(f)
  local listener <close> = assert(kio.net.listen "127.0.0.1:0")
  local near <close> = assert(kio.net.connect(listener:address()))
  local far <close> = assert(listener:accept())
  f(near, far)
end

-- On worker 2: receives everything, and gives it back as a list.
local function collect(channel)
  local list = {}
  for value in channel:iter() do list[#list + 1] = value end
  return list
end

-- Returns when a task waits in the channel, which its text tells.
local function until_waiting(channel, what)
  while not tostring(channel):find("1 " .. what) do kio.yield() end
end

local function results(...) return { n = select("#", ...), ... } end

describe("a channel between workers", function()
  it("brings values over, in order, and then the end", function()
    for _, capacity in ipairs { 1, 2, 16 } do
      local list = run(function()
        local channel = thread.channel(capacity)
        local task = thread.spawn_on(2, collect, channel)
        for i = 1, 10 do assert.is_true(channel:send { i, name = "value " .. i }) end
        channel:close()
        return task:await()
      end)
      assert.equal(10, #list)
      for i = 1, 10 do assert.same({ i, name = "value " .. i }, list[i]) end
    end
  end)

  it("carries false, and all that crosses", function()
    run(function()
      local channel = thread.channel(4)
      local upvalue = 7
      for _, value in ipairs { false, 0, 1.5, "text", { { 1 } }, function() return upvalue end } do
        channel:send(value)
        local got = channel:receive()
        if type(value) == "function" then assert.equal(7, got()) else assert.same(value, got) end
      end
    end)
  end)

  it("carries single numbers and short strings exactly", function()
    run(function()
      local channel = thread.channel(1)
      local values = { true, 127, 128, 1 << 31, 1 << 55, 1 << 61, 1 << 62, math.maxinteger,
        math.mininteger, 0.1, -0.0, 1 / 0, -1 / 0, 1e308, 5e-324, 2.0 }
      for _, value in ipairs { table.unpack(values) } do
        if type(value) == "number" then
          values[#values + 1] = -value
          values[#values + 1] = value - 1
        end
      end
      for size = 0, 30 do values[#values + 1] = ("\0\255x"):rep(10):sub(1, size) end
      for _, value in ipairs(values) do
        channel:send(value)
        local got = channel:receive()
        assert.equal(math.type(value), math.type(got))
        assert.equal(("%q"):format(value), ("%q"):format(got))
      end
      channel:send(0 / 0)
      local nan = channel:receive()
      assert.is_true(nan ~= nan)
    end)
  end)

  it("tells how full it is, and that it is closed", function()
    run(function()
      local channel = thread.channel(2)
      channel:send(1)
      assert.equal("kio.ThreadChannel (1 of 2, 0 sending, 0 receiving)", tostring(channel))
      channel:close()
      channel:close()
      assert.equal("kio.ThreadChannel (closed, 1 of 2, 0 sending, 0 receiving)", tostring(channel))
    end)
  end)

  it("holds what was sent before the close, and no more", function()
    run(function()
      local channel = thread.channel(2)
      channel:send "kept"
      channel:close()
      local gone = { n = 3, nil, "send channel: it is closed", "EPIPE" }
      assert.same(gone, results(channel:send "x"))
      gone[2] = "try_send channel: it is closed"
      assert.same(gone, results(channel:try_send "x"))
      assert.equal("kept", channel:receive())
      assert.same({ n = 1 }, results(channel:receive()))
      assert.same({ n = 1 }, results(channel:try_receive()))
      assert.is_nil(channel:iter()())
    end)
  end)

  it("is closed at the end of a scope", function()
    run(function()
      local kept
      do
        local channel <close> = thread.channel(1)
        kept = channel
      end
      assert.matches("closed", tostring(kept))
    end)
  end)

  it("lets try_send and try_receive never wait, also outside of a task", function()
    local channel = thread.channel(1)
    local full = "try_send channel: no room, and nobody waits to receive"
    assert.is_true(channel:try_send(1))
    assert.same({ n = 3, nil, full, "EAGAIN" }, results(channel:try_send(2)))
    assert.equal(1, channel:try_receive())
    local empty = { n = 3, nil, "try_receive channel: it is empty", "EAGAIN" }
    assert.same(empty, results(channel:try_receive()))
    for _, f in ipairs { channel.receive, channel.iter(channel) } do
      assert.error_matches(function() f(channel) end, "outside a task")
    end
    assert.error_matches(function() channel:send(1) end, "outside a task")
  end)

  it("serves one run after another", function()
    local channel = thread.channel(1)
    run(function() thread.spawn_on(2, function(c) c:send "over" end, channel):await() end)
    assert.equal("over", run(function() return channel:receive() end))
  end)

  it("is the same object when it comes back", function()
    run(function()
      local channel, back = thread.channel(1), thread.channel(1)
      thread.spawn_on(2, function(c, b) b:send { c, c } end, channel, back):await()
      local got = back:receive()
      assert.equal(channel, got[1])
      assert.equal(channel, got[2])
    end)
  end)

  it("refuses bad sizes", function()
    for _, size in ipairs { 0, -1, (1 << 30) + 1, math.mininteger } do
      assert.error_matches(function() thread.channel(size) end, "a capacity is at least 1")
    end
    local whole = "number has no integer representation"
    for _, size in ipairs { 1.5, 1 / 0, 0 / 0 } do
      assert.error_matches(function() thread.channel(size) end, whole)
    end
    for _, size in ipairs { "many", {}, print } do
      assert.error_matches(function() thread.channel(size) end, "number expected")
    end
    assert.error_matches(function() thread.channel() end, "number expected, got no value")
  end)

  it("refuses bad arguments", function()
    run(function()
      local channel = thread.channel(1)
      local function bad(pattern, f, ...)
        local ok, err = pcall(f, ...)
        assert.is_false(ok)
        assert.matches(pattern, err)
      end
      bad("a channel cannot carry nil", channel.send, channel)
      bad("a channel cannot carry nil", channel.try_send, channel, nil)
      bad("negative", channel.send, channel, 1, -1)
      bad("negative", channel.receive, channel, { timeout = -1 })
      bad("unknown option 'timeuot'", channel.receive, channel, { timeuot = 1 })
      bad("table expected", channel.receive, channel, "soon")
      for _, name in ipairs { "send", "try_send", "receive", "try_receive", "iter", "close" } do
        bad("kio.ThreadChannel expected", channel[name], {}, 1)
        bad("kio.ThreadChannel expected", channel[name], thread.event(), 1)
      end
      bad("^message 1%.a%[2%]: a coroutine cannot cross", channel.send, channel,
        { a = { 1, coroutine.create(print) } })
      bad("^message 1: a table with a metatable", channel.try_send, channel, setmetatable({}, {}))
      assert.matches("0 of 1", tostring(channel))
    end)
  end)

  it("that was finalized, and kept by another finalizer, is refused", function()
    local channel
    setmetatable({ thread.channel(1) }, { __gc = function(self) channel = self[1] end })
    collectgarbage()
    getmetatable(channel).__gc(channel)
    assert.error_matches(function() channel:close() end, "it was finalized")
    local _, message = core.codec_pack(nil, channel)
    assert.equal("arg 1: kio.ThreadChannel: it was finalized", message)
  end)
end)

describe("the wait of a sender", function()
  it("ends when there is room", function()
    run(function()
      local channel = thread.channel(1)
      channel:send(1)
      local task = thread.spawn_on(2, function(c) return c:send(2) end, channel)
      until_waiting(channel, "sending")
      assert.equal(1, channel:receive())
      assert.is_true(task:await())
      assert.equal(2, channel:receive())
    end)
  end)

  it("ends with its time, and the value is nowhere", function()
    run(function()
      local channel = thread.channel(1)
      channel:send(1)
      local late = { n = 3, nil, "send channel: timed out", "ETIMEDOUT" }
      assert.same(late, results(channel:send(2, 0)))
      assert.same(late, results(channel:send(2, { timeout = 0.001 })))
      assert.equal(1, channel:receive())
      assert.equal("EAGAIN", select(3, channel:try_receive()))
    end)
  end)

  it("ends with a cancellation, and the value is nowhere", function()
    run(function()
      local channel = thread.channel(1)
      channel:send(1)
      local task = thread.spawn_on(2, function(c) c:send(2) end, channel)
      until_waiting(channel, "sending")
      task:cancel()
      local ok, err = task:join()
      assert.is_false(ok)
      assert.is_true(kio.is_cancelled(err))
      assert.equal(1, channel:receive())
      assert.equal("EAGAIN", select(3, channel:try_receive()))
    end)
  end)

  it("ends with the channel", function()
    run(function()
      local channel = thread.channel(1)
      channel:send(1)
      local task = thread.spawn_on(2, function(c) return c:send(2) end, channel)
      until_waiting(channel, "sending")
      channel:close()
      assert.same({ n = 3, nil, "send channel: it is closed", "EPIPE" }, results(task:await()))
      assert.equal(1, channel:receive())
      assert.is_nil(channel:receive())
    end)
  end)

  it("is first come, first served", function()
    run(function()
      local channel = thread.channel(1)
      channel:send(0)
      for i = 1, 5 do
        kio.spawn(channel.send, channel, i)
        kio.yield()
      end
      assert.matches("5 sending", tostring(channel))
      for i = 0, 5 do assert.equal(i, channel:receive()) end
    end)
  end)
end)

describe("the wait of a receiver", function()
  it("ends with its time", function()
    run(function()
      local channel = thread.channel(1)
      local late = { n = 3, nil, "receive channel: timed out", "ETIMEDOUT" }
      assert.same(late, results(channel:receive(0)))
      assert.same(late, results(channel:receive { timeout = 0.001 }))
      assert.matches("0 receiving", tostring(channel))
    end)
  end)

  it("ends with a cancellation, and leaves the value to others", function()
    run(function()
      local channel = thread.channel(1)
      local task = thread.spawn_on(2, function(c) return c:receive() end, channel)
      until_waiting(channel, "receiving")
      task:cancel()
      assert.is_false((task:join()))
      channel:send "for others"
      assert.equal("for others", channel:receive())
    end)
  end)

  it("that was given a value before its cancellation has it", function()
    run(function()
      local channel = thread.channel(1)
      local got, after
      local task = kio.spawn(function()
        got = channel:receive()
        after = { pcall(kio.yield) }
      end)
      kio.yield()
      channel:send "given"
      task:cancel()
      task:join()
      assert.equal("given", got)
      assert.is_true(kio.is_cancelled(after[2]))
    end)
  end)

  it("ends with the channel", function()
    run(function()
      local channel = thread.channel(1)
      local task = thread.spawn_on(2, function(c)
        return select("#", c:receive())
      end, channel)
      until_waiting(channel, "receiving")
      channel:close()
      assert.equal(1, task:await())
    end)
  end)

  it("lets its loop turn although there is always something", function()
    run(function()
      local channel, turned = thread.channel(1), false
      local feeder = kio.spawn(function()
        while not turned do channel:try_send(1) kio.yield() end
      end)
      kio.spawn(function() turned = true end)
      while not turned do
        channel:try_send(1)
        channel:receive()
      end
      feeder:await()
    end)
  end)
end)

describe("a channel in trouble", function()
  local function deadlock(f)
    support.expect_error("^kio.run: deadlock: every task waits.*in thread ", kio.run, f)
  end

  it("with one worker is a deadlock when every task waits", function()
    deadlock(function() thread.channel(1):receive() end)
    deadlock(function()
      local channel = thread.channel(1)
      channel:send(1)
      channel:send(2)
    end)
    deadlock(function()
      local a, b = thread.channel(1), thread.channel(1)
      kio.spawn(function() a:receive() b:send(1) end)
      b:receive()
      a:send(1)
    end)
    deadlock(function() thread.event():wait() end)
  end)

  it("with several workers is a deadlock when the tasks of all of them wait", function()
    local function across(f, ...)
      support.expect_error("^kio.run: deadlock: every task of every worker waits", kio.run, f, ...)
    end
    for count = 2, 3 do
      local opts = { threads = count }
      across(function() thread.channel(1):receive() end, opts)
      across(function()
        local channel = thread.channel(1)
        thread.spawn_on(2, function() channel:receive() end):await()
      end, opts)
      across(function() thread.spawn(function() kio.sync.event():wait() end):await() end, opts)
      across(function()
        local a, b = thread.channel(1), thread.channel(1)
        thread.spawn_on(2, function() b:send(a:receive()) end)
        b:receive()
      end, opts)
      across(function()
        local go = thread.event()
        kio.sleep(0.001)
        thread.each(function() go:wait() end)
      end, opts)
    end
  end)

  it("is none while somebody sleeps, reads, or blocks", function()
    run(function()
      local channel = thread.channel(1)
      thread.spawn_on(2, function() kio.sleep(0.05) channel:send "slept" end)
      assert.equal("slept", channel:receive())
      connected(function(near, far)
        thread.spawn_on(2, function(stream)
          channel:send(stream:read())
          stream:close()
        end, near)
        kio.spawn(function() kio.sleep(0.02) far:write "read\n" end)
        assert.equal("read", channel:receive())
      end)
      local event, begun = thread.event(), thread.event()
      local job = kio.spawn_blocking(function()
        begun:set()
        os.execute "sleep 0.05"
        event:set()
      end)
      begun:wait()
      job:cancel() -- it goes on alone
      pcall(job.join, job)
      assert.is_true(event:wait())
    end)
  end)

  it("jumps over the time with a clock that jumps", function()
    local start = os.time()
    kio.testing.run(function()
      local channel = thread.channel(1)
      kio.spawn(function()
        kio.sleep(20)
        channel:send "later"
      end)
      assert.equal("later", channel:receive())
      assert.equal("ETIMEDOUT", select(3, channel:receive(20)))
    end)
    assert.is_true(os.time() - start < 15)
  end)

  it("tells what its tasks wait for", function()
    run(function()
      local channel = thread.channel(1)
      local task = kio.spawn(channel.receive, channel)
      kio.yield()
      local found
      for _, t in ipairs(kio.tasks()) do found = found or t.task == task and t.waiting.op end
      assert.equal("thread channel receive", found)
      channel:close()
    end)
  end)

  it("outlives a worker that is stopped while it waits there", function()
    local channel = thread.channel(1)
    run(function()
      kio.spawn(function() thread.spawn_on(2, function(c) c:receive() end, channel):join() end)
      until_waiting(channel, "receiving")
      kio.stop()
      pcall(kio.sleep, 10)
    end)
    assert.matches("0 receiving", tostring(channel))
    channel:try_send "kept"
    assert.equal("kept", channel:try_receive())
  end)

  it("is out of memory at any point, and loses nothing", function()
    run(function()
      local channel = thread.channel(1)
      for n = 1, 200 do
        core.fail_memory(n)
        local sent = pcall(channel.send, channel, { "a", "b" }, 0)
        core.fail_memory(0)
        local held = tostring(channel):match "%((%d)"
        assert.equal(sent and "1" or "0", held)
        if sent then assert.same({ "a", "b" }, channel:receive()) end
        core.fail_memory(n)
        pcall(channel.receive, channel, 0)
        core.fail_memory(0)
        assert.matches("0 sending, 0 receiving", tostring(channel))
      end
      for n = 1, 20 do
        core.fail_memory(n)
        local made = pcall(thread.channel, 3)
        core.fail_memory(0)
        assert.is_true(made or n < 20)
      end
    end, 1)
  end)
end)

describe("a handle in a message", function()
  it("moves to the receiver", function()
    run(function()
      connected(function(near, far)
        local channel = thread.channel(1)
        local task = thread.spawn_on(2, function(c)
          local message = c:receive()
          message.stream:write(message.text)
          message.stream:close()
        end, channel)
        assert.is_true(channel:send { stream = near, text = "from over there" })
        assert.matches("handed over", tostring(near))
        assert.equal("from over there", far:read "a")
        task:await()
      end)
    end)
  end)

  -- f(near, far, full channel) must fail to send `near`, which must work afterwards.
  local function comes_back(f)
    run(function()
      connected(function(near, far)
        local channel = thread.channel(1)
        channel:send "full"
        near:write "before, "
        f(near, far, channel)
        assert(near:write "and after")
        near:close()
        assert.equal("before, and after", far:read "a")
      end)
    end)
  end

  it("is the sender's again after a timeout", function()
    comes_back(function(near, _, channel)
      assert.equal("ETIMEDOUT", select(3, channel:send({ near }, 0)))
    end)
  end)

  it("is the sender's again after a try", function()
    comes_back(function(near, _, channel)
      assert.equal("EAGAIN", select(3, channel:try_send { near }))
    end)
  end)

  it("is the sender's again after a close", function()
    comes_back(function(near, _, channel)
      local task = kio.spawn(channel.send, channel, near)
      kio.yield()
      assert.matches("handed over", tostring(near))
      channel:close()
      assert.equal("EPIPE", select(3, task:await()))
      assert.equal("EPIPE", select(3, channel:send(near)))
    end)
  end)

  it("is the sender's again after a cancellation", function()
    comes_back(function(near, _, channel)
      local task = kio.spawn(channel.send, channel, near)
      kio.yield()
      task:cancel()
      task:join()
    end)
  end)

  it("is closed when the channel is dropped with it", function()
    for _, kept in ipairs { false, true } do
      run(function()
        connected(function(near, far)
          local channel = thread.channel(2)
          channel:send { near, kept and channel or nil }
          channel:send(kept and function() return channel end or 1)
          channel = nil -- luacheck: ignore
          collectgarbage()
          collectgarbage()
          assert.is_nil((far:recv()))
        end)
      end)
    end
  end)

  it("listeners, buffers and datagram sockets come back too", function()
    run(function()
      local udp <close> = assert(kio.net.udp "127.0.0.1:0")
      local channel = thread.channel(1)
      local listener <close> = assert(kio.net.listen "127.0.0.1:0")
      local buffer = kio.buffer "bytes"
      local address = listener:address()
      channel:send(1)
      assert.is_nil((channel:try_send { udp, listener, buffer, channel, thread.event() }))
      assert.equal("bytes", buffer:string())
      assert(udp:send_to("to myself", udp:address()))
      assert.equal("to myself", udp:receive())
      local task = kio.spawn(listener.accept, listener)
      assert(kio.net.connect(address)):close()
      assert(task:await()):close()
    end)
  end)

  it("channels go through channels, to answer by", function()
    run(function()
      local requests = thread.channel(4)
      local server = thread.spawn_on(2, function(r)
        for request in r:iter() do request.answer:send(request.n * 2) end
      end, requests)
      for n = 1, 20 do
        local answer = thread.channel(1)
        requests:send { n = n, answer = answer }
        assert.equal(2 * n, answer:receive())
      end
      requests:close()
      server:await()
    end)
  end)
end)

describe("an event between workers", function()
  it("is seen by all workers", function()
    run(function()
      local go, ready = thread.event(), thread.channel(8)
      local tasks = thread.each(function()
        ready:send(kio.thread.id())
        return go:wait(), go:is_set()
      end)
      for _ = 1, 3 do ready:receive() end
      assert.is_false(go:is_set())
      thread.spawn_on(3, function() go:set() end):await()
      for _, task in ipairs(tasks) do assert.same({ true, true }, { task:await() }) end
    end, 3)
  end)

  it("wakes those who wait, even when it is reset at once", function()
    run(function()
      local event = thread.event()
      local task = kio.spawn(event.wait, event)
      kio.yield()
      event:set()
      event:reset()
      assert.is_true(task:await())
      assert.equal("kio.ThreadEvent (not set)", tostring(event))
      local late = { n = 3, nil, "wait event: timed out", "ETIMEDOUT" }
      assert.same(late, results(event:wait(0)))
      assert.same(late, results(event:wait { timeout = 0.001 }))
      event:set()
      assert.is_true(event:wait(0))
    end)
  end)

  it("may be set outside of a task, and by a cancelled one", function()
    local event = thread.event()
    event:set()
    assert.is_true(event:is_set())
    event:reset()
    run(function()
      local task = kio.spawn(function()
        local _ <close> = setmetatable({}, { __close = function() event:set() end })
        event:wait()
      end)
      kio.yield()
      task:cancel()
      task:join()
      assert.is_true(event:is_set())
    end)
    assert.error_matches(function() event:wait() end, "outside a task")
  end)

  it("refuses what it cannot", function()
    run(function()
      local event = thread.event()
      assert.error_matches(function() event:wait(-1) end, "negative")
      assert.error_matches(function() event.set(thread.channel(1)) end, "kio.ThreadEvent expected")
    end)
  end)
end)
