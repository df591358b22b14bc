-- Bugs that other schedulers have had, each by its name.
-- Child processes are started, which ThreadSanitizer does not bear:
-- flavours: test asan hostile
local kio = require "kio"
local support = require "spec.support"
local common = require "spec.task.common"

local function sim(f) return support.run(f, { backend = "sim" }) end

local function on_both(f)
  for _, backend in ipairs { "sim", "uring" } do support.run(f, { backend = backend }) end
end

describe("an error in a child", function()
  it("does not hang the parent that waits for another child", function()
    sim(function()
      support.expect_error("^child$", kio.scope, function(scope)
        scope:spawn(function()
          kio.sleep(1)
          error("child", 0)
        end)
        scope:spawn(kio.sleep, math.huge):await()
      end)
    end)
  end)

  it("does not hang the parent that waits for I/O, a lock or a channel", function()
    on_both(function()
      local a, b = kio.socketpair()
      local listener <close> = assert(kio.net.listen("127.0.0.1:0"))
      local mutex, channel = kio.sync.mutex(), kio.sync.channel(0)
      local holder = kio.spawn(function()
        local _ <close> = mutex:lock()
        kio.sleep(math.huge)
      end)
      kio.yield()
      for _, wait in ipairs {
        function() kio.recv(a, 1) end,
        function() listener:accept() end,
        function() mutex:lock() end,
        function() channel:receive() end,
        function() kio.shield(kio.sleep, 0.001) kio.sleep(math.huge) end,
      } do
        support.expect_error("^child$", kio.scope, function(scope)
          scope:spawn(function()
            kio.yield()
            error("child", 0)
          end)
          wait()
        end)
      end
      holder:cancel()
      holder:join()
      kio.close(a)
      kio.close(b)
    end)
  end)
end)

describe("pcall around a cancelled operation", function()
  it("does not let the task run on: the next operation raises again", function()
    sim(function()
      local reached, raised = 0, 0
      local task = kio.spawn(function()
        for _ = 1, 100 do
          local ok, err = pcall(kio.sleep, 1000)
          if ok then reached = reached + 1 end
          if kio.is_cancelled(err) then raised = raised + 1 end
        end
        kio.sleep(1000)
        reached = reached + 1
      end)
      kio.sleep(1)
      task:cancel()
      task:join()
      assert.same({ 0, 100, "cancelled" }, { reached, raised, task:status() })
    end)
  end)

  it("does not let it run on after a passed deadline either", function()
    sim(function()
      local start = kio.now()
      local _, _, code = kio.timeout(1, function()
        pcall(kio.sleep, 1000)
        kio.sleep(1000)
      end)
      assert.equal("ETIMEDOUT", code)
      assert.is_true(kio.now() - start < 2)
    end)
  end)
end)

describe("a timeout over connecting", function()
  it("holds", function()
    support.run(function()
      -- a queue that is full: who connects is not answered
      local listener <close> = assert(kio.net.listen("127.0.0.1:0", { backlog = 0 }))
      local streams = {}
      local result
      repeat
        result = table.pack(kio.timeout(0.05, kio.net.connect, listener:address()))
        streams[#streams + 1] = result[1]
      until not result[1]
      assert.same({ n = 3, nil, "kio.timeout: the deadline has passed", "ETIMEDOUT" }, result)
      assert.equal(0, kio.stats().pending)
      for _, stream in ipairs(streams) do stream:close() end
    end)
  end)
end)

describe("bytes that arrive around a timeout", function()
  it("are there for the next read", function()
    on_both(function()
      local near, far = common.stream_pair()
      local sent = {}
      local writer = kio.spawn(function()
        for i = 1, 300 do
          sent[i] = ("%d,"):format(i)
          assert(far:send(sent[i]))
          if i % 3 == 0 then kio.sleep(0.00002 * (i % 7)) end
        end
        far:shutdown "write"
      end)
      local got, late = {}, 0
      while true do
        local data, _, code = kio.timeout(0.00003, near.recv, near, 5)
        if not data and code ~= "ETIMEDOUT" then break end
        if not data then late = late + 1 end
        got[#got + 1] = data
      end
      writer:await()
      assert.equal(table.concat(sent), table.concat(got))
      assert.is_true(late > 0)
      near:close()
      far:close()
    end)
  end)

  it("are there also when an exact read was cut off", function()
    on_both(function()
      local near, far = common.stream_pair()
      assert(far:send "half")
      assert.equal("ETIMEDOUT", (select(3, kio.timeout(0.01, near.read, near, 8))))
      assert(far:send "full")
      assert.equal("halffull", near:read(8))
      near:close()
      far:close()
    end)
  end)
end)

describe("a late wake", function()
  it("does not end a later sleep", function()
    on_both(function()
      local a, b = kio.socketpair()
      local early = 0
      local task = kio.spawn(function()
        for i = 1, 50 do
          kio.timeout(0.0001 * (i % 3), kio.recv, a, 1) -- the byte comes about now, or never
          local start = kio.now()
          kio.sleep(0.0005)
          if kio.now() - start < 0.0005 then early = early + 1 end
        end
      end)
      local waker = kio.spawn(function()
        while task:status() ~= "done" do
          kio.send(b, "x")
          kio.sleep(0.0001)
        end
      end)
      task:await()
      waker:await()
      assert.equal(0, early)
      kio.close(a)
      kio.close(b)
    end)
  end)

  it("of an awaited task does not end a later sleep", function()
    sim(function()
      local target = kio.spawn(kio.sleep, 2)
      local start = kio.now()
      assert.is_nil((target:join { timeout = 1 }))
      kio.sleep(10)
      assert.is_true(kio.now() - start >= 11)
      kio.timeout(1, kio.sleep, 0.5) -- its deadline comes after it has ended
      start = kio.now()
      kio.sleep(10)
      assert.is_true(kio.now() - start >= 10)
    end)
  end)
end)

describe("cleaning up after a cancellation", function()
  -- Cancels `body` in the middle and tells how long it took from then on.
  local function cancelled(body)
    local task = kio.spawn(body)
    kio.sleep(1)
    local start = kio.now()
    task:cancel()
    task:join()
    return kio.now() - start
  end

  it("may do I/O in <close>, under a shield with a deadline of its own", function()
    sim(function()
      local near, far = common.stream_pair()
      local took = cancelled(function()
        local _ <close> = setmetatable({}, { __close = function(_, err)
          assert(kio.is_cancelled(err))
          kio.shield(kio.timeout, 5, function()
            assert(near:send "goodbye")
            assert.equal("answer", near:read(6))
          end)
        end })
        local answering = kio.spawn { name = "peer", function()
          kio.shield(function()
            assert.equal("goodbye", far:read(7))
            assert(far:send "answer")
          end)
        end }
        answering:await()
      end)
      assert.is_true(took < 1)
      near:close()
      far:close()
    end)
  end)

  it("that hangs is cut off by that deadline", function()
    sim(function()
      local near, far = common.stream_pair()
      local code
      local took = cancelled(function()
        local _ <close> = setmetatable({}, { __close = function()
          code = select(3, kio.shield(kio.timeout, 5, near.recv, near))
        end })
        kio.sleep(1000)
      end)
      assert.equal("ETIMEDOUT", code)
      assert.is_true(took >= 5 and took < 6)
      near:close()
      far:close()
    end)
  end)

  it("may do I/O after pcall, and the cancellation goes on behind it", function()
    sim(function()
      local a, b = kio.socketpair()
      local after
      local took = cancelled(function()
        local ok, err = pcall(kio.recv, a, 1)
        kio.shield(function()
          kio.sleep(2)
          assert(kio.send(a, "bye") == 3)
        end)
        assert(not ok)
        after = pcall(kio.yield)
        error(err, 0)
      end)
      assert.is_false(after)
      assert.equal("bye", kio.recv(b, 10))
      assert.is_true(took >= 2 and took < 3)
      kio.close(a)
      kio.close(b)
    end)
  end)
end)

describe("functions taken from the coroutine library before kio was loaded", function()
  local BEFORE = "local raw = { yield = coroutine.yield, close = coroutine.close }\n"
    .. "local kio = require 'kio'\n"

  local function child(text) return common.child(BEFORE .. text) end

  it("cannot leave a scope behind in a generator", function()
    local output, well = child [[
      kio.run(function()
        for _, open in ipairs { kio.scope, kio.shield, function(f) kio.timeout(0.01, f) end } do
          local co = coroutine.create(function()
            open(function()
              kio.spawn(kio.sleep, 1000)
              raw.yield()
            end)
          end)
          print(coroutine.resume(co))
          co = nil
          collectgarbage()
          kio.sleep(0.02)
        end
        print "goes on"
      end)
    ]]
    assert.is_true(well, output)
    assert.equal(3, select(2, output:gsub("false\tcoroutine%.yield out of a scope", "")))
    assert.matches("goes on\n$", output)
  end)

  it("cannot free a scope that is open", function()
    local output, well = child [[
      kio.run(function()
        local co
        local task = kio.spawn(function()
          co = coroutine.create(function() kio.timeout(0.01, kio.sleep, 1000) end)
          print(coroutine.resume(co))
          kio.sleep(0.02)
        end)
        kio.yield()
        raw.close(co)
        collectgarbage()
        task:cancel()
        print(task:join())
      end)
    ]]
    assert.is_true(well, output)
    assert.matches("false\tkio%.Cancelled", output)
  end)
end)
