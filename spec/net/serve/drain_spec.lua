-- How a server ends: the listener is closed, handlers finish, late ones are cut off, and the report
-- says so. On a clock that jumps.
local kio = require "kio"
local support = require "spec.support"
local common = require "spec.net.serve.common"
local connection = require "spec.net.connection"

local run, start, client = kio.testing.run, common.start, common.client

-- Answers a line after so many seconds.
local function slow(seconds)
  return function(stream)
    local line = stream:read "l"
    kio.sleep(seconds)
    stream:write(line, "\n")
  end
end

-- Every way to stop a server.
local ways = {
  ["listener:close"] = function(listener) listener:close() end,
  ["cancelling its task"] = function(_, serving) serving:cancel() end,
  ["a signal"] = function() kio.core.send_signal "USR2" end,
}

for way, stop in pairs(ways) do
  describe("after " .. way, function()
    it("handlers finish, new connections are refused, and serve returns", function()
      run(function()
        local serving, listener, address = start(slow(3),
          { stop_signals = { "USR2" }, drain_timeout = 5 })
        local streams = {}
        for i = 1, 10 do
          streams[i] = client(address)
          streams[i]:send(i, "\n")
        end
        kio.sleep(1)
        local began = kio.now()
        stop(listener, serving)
        common.until_true(function() return not listener:fd() end)
        assert.equal("ECONNREFUSED", select(3, kio.net.connect(address)))
        assert.not_equal("done", serving:status())
        for i = 1, 10 do
          assert.equal(tostring(i), streams[i]:read "l")
          assert.same({ n = 1 }, table.pack(streams[i]:recv()))
        end
        assert.same({ accepted = 10, failed = 0, idle = 0, cut = 0 }, serving:await())
        assert.is_true(kio.now() - began < 2.5, "it waited although all were done")
        connection.close(table.unpack(streams))
      end)
    end)

    it("handlers that take longer than drain_timeout are cut off and counted", function()
      run(function()
        local unwound = 0
        local serving, listener, address = start(function(stream)
          local mark <close> = setmetatable({}, { __close = function() unwound = unwound + 1 end })
          slow(stream:read "l" == "slow" and 1000 or 1)(stream)
          return mark
        end, { stop_signals = { "USR2" }, drain_timeout = 5 })
        local streams = {}
        for i = 1, 6 do
          streams[i] = client(address)
          streams[i]:send(i % 2 == 0 and "slow\n" or "fast\n", i, "\n")
        end
        kio.sleep(0.5)
        local began = kio.now()
        stop(listener, serving)
        assert.same({ accepted = 6, failed = 0, idle = 0, cut = 3 }, serving:await())
        local took = kio.now() - began
        assert.is_true(took >= 5 and took < 6, took)
        assert.equal(6, unwound)
        for i = 1, 6 do
          assert.equal(i % 2 == 1 and tostring(i) or nil, streams[i]:read "l")
          streams[i]:close()
        end
      end)
    end)

    it("with a drain_timeout of 0 nobody is waited for", function()
      run(function()
        local serving, listener, address = start(slow(3),
          { stop_signals = { "USR2" }, drain_timeout = 0 })
        local stream <close> = client(address)
        stream:send "x\n"
        kio.sleep(1)
        local began = kio.now()
        stop(listener, serving)
        assert.equal(1, serving:await().cut)
        assert.is_true(kio.now() - began < 1)
      end)
    end)

    it("a handler's error is told as before", function()
      run(function()
        local told
        local serving, listener, address = start(function(stream)
          slow(1)(stream)
          error "late"
        end, { stop_signals = { "USR2" }, on_error = function(err) told = err end })
        local stream <close> = client(address)
        stream:send "x\n"
        kio.sleep(0.5)
        stop(listener, serving)
        assert.equal(1, serving:await().failed)
        assert.matches("late", told)
      end)
    end)
  end)
end

describe("cancelling a server", function()
  it("makes serve return its report; the operation after it raises", function()
    run(function()
      local listener = assert(kio.net.listen "127.0.0.1:0")
      local report
      local task = kio.spawn(function()
        report = listener:serve(common.echo)
        kio.sleep(1)
        error "not reached"
      end)
      kio.sleep(1)
      task:cancel()
      local ok, err = task:join()
      assert.is_true(not ok and kio.is_cancelled(err))
      assert.same({ accepted = 0, failed = 0, idle = 0, cut = 0 }, report)
    end)
  end)

  it("serves those who had connected and were not accepted yet", function()
    run(function()
      local listener = assert(kio.net.listen "127.0.0.1:0")
      local streams = {}
      for i = 1, 20 do
        streams[i] = client(listener:address())
        streams[i]:write(i, "\n")
      end
      local serving = kio.spawn(listener.serve, listener, slow(1))
      connection.until_waiting(serving)
      serving:cancel()
      for i = 1, 20 do assert.equal(tostring(i), streams[i]:read "l") end
      assert.equal(20, serving:await().accepted)
      connection.close(table.unpack(streams))
    end, { seed = 0 }) -- in this order the first accept has not begun when it is cancelled
  end)

  it("before it has begun serves nobody", function()
    run(function()
      local called
      local listener <close> = assert(kio.net.listen "127.0.0.1:0")
      local stream = client(listener:address())
      local serving = kio.spawn(listener.serve, listener, function() called = true end)
      serving:cancel()
      serving:join()
      stream:close()
      assert.is_nil(called)
    end)
  end)

  it("by a deadline or a race is the same", function()
    run(function()
      local listener = assert(kio.net.listen "127.0.0.1:0")
      local stream <close> = client(listener:address())
      stream:send "x\n"
      local report = kio.timeout(5, listener.serve, listener, slow(8))
      assert.same({ accepted = 1, failed = 0, idle = 0, cut = 0 }, report)
      assert.equal("x", stream:read "l")
      listener = assert(kio.net.listen "127.0.0.1:0")
      local lost
      kio.race({
        function() return listener:serve(common.echo) end,
        function() kio.sleep(5) end,
      }, { on_loser = function(_, last) lost = last end })
      assert.same({ accepted = 0, failed = 0, idle = 0, cut = 0 }, lost)
    end)
  end)

  it("ends within the time that the end of a run allows", function()
    local report, held
    support.expect_error("something else", run, function()
      local listener = assert(kio.net.listen "127.0.0.1:0")
      held = client(listener:address()):send "x\n"
      kio.spawn(function() report = listener:serve(slow(1000), { drain_timeout = 2 }) end)
      kio.sleep(1)
      error "something else"
    end)
    assert.same({ accepted = 1, failed = 0, idle = 0, cut = 1 }, report)
    assert.truthy(held)
  end)

  it("twice, or also closing its listener, is harmless", function()
    run(function()
      local serving, listener, address = start(slow(2))
      local stream <close> = client(address)
      stream:send "x\n"
      kio.sleep(1)
      serving:cancel()
      listener:close()
      serving:cancel()
      kio.yield()
      serving:cancel()
      assert.equal("x", stream:read "l")
      assert.equal(1, serving:await().accepted)
    end)
  end)
end)

describe("a stopping server", function()
  it("goes on to hold max_connections", function()
    run(function()
      local now, most = 0, 0
      local serving, listener, address = start(function(stream)
        now = now + 1
        most = math.max(most, now)
        slow(1)(stream)
        now = now - 1
      end, { max_connections = 3 })
      local streams = {}
      for i = 1, 8 do
        streams[i] = client(address)
        streams[i]:send(i, "\n")
      end
      kio.sleep(0.5)
      serving:cancel()
      assert.equal(3, serving:await().accepted)
      assert.equal(3, most)
      connection.close(table.unpack(streams))
      assert.is_nil(listener:fd())
    end)
  end)

  it("closed by <close> in the task that owns the listener stops as well", function()
    run(function()
      local serving, stream
      do
        local listener <close> = assert(kio.net.listen "127.0.0.1:0")
        serving = kio.spawn(listener.serve, listener, slow(1))
        stream = client(listener:address())
        stream:send "x\n"
        kio.sleep(0.5)
      end
      assert.equal("x", stream:read "l")
      assert.equal(1, serving:await().accepted)
      stream:close()
    end)
  end)
end)

describe("drain_idle", function()
  it("ends those who wait for a next request at once, and nobody who has one", function()
    run(function()
      local serving, listener, address = start(function(stream)
        for line in stream:lines() do
          kio.sleep(tonumber(line))
          stream:write(line, "\n")
        end
      end, { drain_timeout = 20, drain_idle = 1 })
      local busy <close> = client(address)
      local waiting <close> = client(address)
      local between <close> = client(address)
      assert.equal("0", common.ask(between, 0))
      kio.sleep(2)
      busy:send "5\n"
      kio.sleep(0.1)
      local began = kio.now()
      listener:close()
      assert.is_nil(waiting:recv())
      assert.is_nil(between:recv())
      assert.is_true(kio.now() - began < 0.5)
      assert.equal("5", busy:read "l")
      assert.is_nil(busy:recv())
      assert.is_true(kio.now() - began < 7)
      assert.same({ accepted = 3, failed = 0, idle = 3, cut = 0 }, serving:await())
    end)
  end)
end)

describe("stop_signals", function()
  local BOTH = { "USR1", "USR2" }

  -- What came of a server whose only handler takes a thousand seconds, and in how many.
  local function signalled(options, deed)
    return run(function()
      local serving, listener, address = start(slow(1000), options)
      local stream <close> = client(address)
      stream:send "x\n"
      kio.sleep(1)
      local began = kio.now()
      deed(listener, serving)
      return serving:await().cut, kio.now() - began
    end)
  end

  it("a second one ends the waiting", function()
    for _, second in ipairs(BOTH) do
      local cut, took = signalled({ stop_signals = BOTH, drain_timeout = 20 }, function()
        kio.core.send_signal "USR1"
        kio.sleep(1)
        kio.core.send_signal(second)
      end)
      assert.equal(1, cut)
      assert.is_true(took < 2, took)
    end
  end)

  it("one that is sent twice is one", function()
    for _, pause in ipairs { 0, 0.1, 0.5 } do
      local cut, took = signalled({ stop_signals = BOTH, drain_timeout = 20 }, function()
        for _ = 1, 3 do
          kio.core.send_signal "USR1"
          kio.sleep(pause / 2)
        end
      end)
      assert.equal(1, cut)
      assert.is_true(took >= 20, took)
    end
  end)

  it("the same one ends the waiting when it comes later", function()
    local cut, took = signalled({ stop_signals = BOTH, drain_timeout = 20 }, function()
      for _, pause in ipairs { 0.3, 0.6, 0 } do
        kio.core.send_signal "USR1"
        kio.sleep(pause)
      end
    end)
    assert.equal(1, cut)
    assert.is_true(took < 3, took)
  end)

  it("two at once end it at once", function()
    local cut, took = signalled({ stop_signals = BOTH, drain_timeout = 20 }, function()
      kio.core.send_signal("USR1", "USR2")
    end)
    assert.equal(1, cut)
    assert.is_true(took < 1, took)
  end)

  it("the first one ends the waiting of a server that stops for another reason", function()
    for _, stop in pairs { ways["listener:close"], ways["cancelling its task"] } do
      local cut, took = signalled({ stop_signals = BOTH, drain_timeout = 20 }, function(...)
        stop(...)
        kio.sleep(1)
        kio.core.send_signal "USR1"
      end)
      assert.equal(1, cut)
      assert.is_true(took < 2, took)
    end
  end)

  it("stop all servers that name them", function()
    run(function()
      local servings = {}
      for i = 1, 3 do
        servings[i] = start(common.echo, { stop_signals = { "USR1" } })
        connection.until_waiting(servings[i])
      end
      kio.core.send_signal "USR1"
      for i = 1, 3 do assert.equal(0, servings[i]:await().accepted) end
    end)
  end)

  it("are names that kio.signal knows", function()
    run(function()
      local listener <close> = assert(kio.net.listen "127.0.0.1:0")
      local function refused(pattern, list)
        support.expect_error(pattern, listener.serve, listener, print, { stop_signals = list })
      end
      refused("'stop_signals' must be a list of names", {})
      refused("'stop_signals' must be a table", "TERM")
      refused("NOSUCH", { "TERM", "NOSUCH" })
      refused("KILL", { "KILL" })
      assert.truthy(listener:fd())
    end)
  end)
end)
