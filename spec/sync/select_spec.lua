-- kio.select: one of several, and no other.
local common = require "spec.sync.common"
local kio = require "kio"
local support = require "spec.support"

local sync = kio.sync
local cancel, code, settle, sim, start = common.cancel, common.code, common.settle, common.sim,
  common.start

-- Nobody waits in any of these.
local function assert_left(...)
  for _, object in ipairs { ... } do
    for _, doing in ipairs { "sending", "receiving", "waiting" } do
      assert.is_nil(tostring(object):match("[1-9]%d* " .. doing), tostring(object))
    end
  end
end

describe("kio.select of what is ready", function()
  it("takes one alternative and leaves the others as they are", function()
    sim(function()
      local full, room, event = sync.channel(1), sync.channel(1), sync.event()
      full:send "value"
      event:set()
      local seen = {}
      for _ = 1, 100 do
        local i, value = kio.select { full, { room, "sent" }, event }
        seen[i] = true
        if i == 1 then
          assert.equal("value", value)
          full:send "value"
        elseif i == 2 then
          assert.is_true(value)
          assert.equal("sent", room:receive())
        else
          assert.is_true(value)
        end
        assert.equal("EAGAIN", code(room:try_receive()))
        assert.equal("EAGAIN", code(full:try_send "more"))
      end
      assert.same({ true, true, true }, seen)
    end)
  end)

  it("gives each the same chance", function()
    sim(function()
      local never, list = sync.channel(), {}
      for i = 1, 4 do
        list[i] = sync.event()
        list[i]:set()
      end
      table.insert(list, 1, never) -- a ready one after one that is not must gain nothing
      table.insert(list, 4, never)
      local n, wins = 4000, {}
      for _ = 1, n do
        local i = kio.select(list)
        wins[i] = (wins[i] or 0) + 1
      end
      for i in pairs { [2] = 1, [3] = 1, [5] = 1, [6] = 1 } do
        assert.is_true(wins[i] > n / 4 * 0.8 and wins[i] < n / 4 * 1.2, i .. ": " .. wins[i])
      end
    end)
  end)

  it("leaves the program's random numbers alone", function()
    sim(function()
      local event = sync.event()
      event:set()
      math.randomseed(42)
      local expected = math.random(1 << 30)
      math.randomseed(42)
      kio.select { event, event, event }
      assert.equal(expected, math.random(1 << 30))
    end)
  end)

  it("gives the results of a task that has ended, or raises its error", function()
    sim(function()
      local event = sync.event()
      local good = start(function() return 1, nil, 3 end)
      assert.same({ n = 4, 2, 1, nil, 3 }, table.pack(kio.select { event, good }))
      local bad = kio.spawn(function() error({ "an error value" }) end)
      local ok, err = pcall(kio.select, { event, bad })
      assert.is_false(ok)
      assert.same({ "an error value" }, err)
      local dead = start(kio.sleep, 5)
      dead:cancel()
      ok, err = pcall(kio.select, { event, dead })
      assert.is_true(not ok and kio.is_cancelled(err))
    end)
  end)

  it("gives nil for a channel that is closed and empty", function()
    sim(function()
      local channel = sync.channel(1)
      channel:send "last"
      channel:close()
      assert.same({ n = 2, 1, "last" }, table.pack(kio.select { channel }))
      assert.same({ n = 2, 1, nil }, table.pack(kio.select { channel }))
    end)
  end)
end)

describe("kio.select of what is not ready", function()
  -- Starts a select over one of each, does something, and gives what the select returned.
  local function after(act)
    return sim(function()
      local from, to, event = sync.channel(), sync.channel(), sync.event()
      local child = kio.spawn(kio.sleep, 50)
      local task = start(kio.select, { from, { to, "offer" }, event, child, timeout = 20 })
      act(from, to, event, child)
      local results = table.pack(task:join())
      assert_left(from, to, event)
      child:cancel()
      return table.unpack(results, 1, results.n)
    end)
  end

  it("receives what is sent next", function()
    assert.same({ true, 1, "hello" }, { after(function(from) from:send "hello" end) })
  end)

  it("receives false", function()
    assert.same({ true, 1, false }, { after(function(from) assert(from:try_send(false)) end) })
  end)

  it("sends to whoever receives next", function()
    local got
    assert.same({ true, 2, true }, { after(function(_, to) got = to:receive() end) })
    assert.equal("offer", got)
  end)

  it("ends with an event", function()
    assert.same({ true, 3, true }, { after(function(_, _, event) event:set() end) })
    assert.same({ true, 3, true }, { after(function(_, _, event) event:set() event:reset() end) })
  end)

  it("ends with a task", function()
    local ok, err = after(function(_, _, _, child) child:cancel() end)
    assert.is_true(not ok and kio.is_cancelled(err))
  end)

  it("ends when its time is over", function()
    local ok, value, message, late = after(function() end)
    assert.same({ true, nil, "select: timed out", "ETIMEDOUT" }, { ok, value, message, late })
  end)

  it("ends with a channel that is closed: receiving gives nil, sending raises", function()
    assert.same({ n = 3, true, 1, nil }, table.pack(after(function(from) from:close() end)))
    local ok, err = after(function(_, to) to:close() end)
    assert.is_false(ok)
    assert.matches("closed while a task waited to send", err)
  end)

  it("takes the first of two that come before it runs, and leaves the other", function()
    local left
    assert.same({ true, 3, true }, { after(function(from, to, event)
      event:set()
      left = { code(from:try_send "later"), code(to:try_receive()) }
    end) })
    assert.same({ "EAGAIN", "EAGAIN" }, left)
  end)

  it("keeps what it was given when it is cancelled before it runs", function()
    sim(function()
      local channel, event, got = sync.channel(), sync.event(), nil
      local task = start(function()
        got = { kio.select { event, channel } }
        kio.yield()
      end)
      channel:send "given"
      cancel(task)
      assert.same({ 2, "given" }, got)
    end)
  end)

  it("leaves every queue when it is cancelled", function()
    sim(function()
      local a, b, event = sync.channel(), sync.channel(), sync.event()
      local child = kio.spawn(kio.sleep, 5)
      cancel(start(kio.select, { a, { b, 1 }, event, child, a, { a, 2 } }))
      assert_left(a, b, event)
      assert.equal("EAGAIN", code(b:try_receive()))
      assert.equal("EAGAIN", code(a:try_send(1)))
      child:await()
    end)
  end)

  it("meets another select", function()
    sim(function()
      local a, b = sync.channel(), sync.channel()
      local one = start(kio.select, { a, { b, "from one" } })
      local other = start(kio.select, { { a, "from the other" }, b })
      local i, got = one:await()
      local j, told = other:await()
      assert.equal(i, j)
      assert.same(i == 1 and { "from the other", true } or { true, "from one" }, { got, told })
      assert_left(a, b)
    end)
  end)

  it("does not meet itself", function()
    sim(function()
      local channel = sync.channel()
      assert.equal("ETIMEDOUT", code(kio.select { channel, { channel, 1 }, timeout = 1 }))
      local task = start(kio.select, { channel, { channel, "own" } })
      assert.equal("own", channel:receive())
      assert.equal(2, (task:await()))
      assert_left(channel)
    end)
  end)

  it("may name one thing twice", function()
    sim(function()
      local channel = sync.channel()
      local task = start(kio.select, { channel, channel })
      channel:send(7)
      assert.same({ 1, 7 }, { task:await() })
      assert_left(channel)
    end)
  end)
end)

describe("misuse of kio.select", function()
  it("raises, and names what was given in place of a list", function()
    sim(function()
      local channel = sync.channel()
      support.expect_error("a list of alternatives expected, got nil", kio.select)
      support.expect_error("a list of alternatives expected, got kio.Channel", kio.select, channel)
      support.expect_error("a list of alternatives expected, got kio.Task", kio.select,
        kio.spawn(function() end))
      support.expect_error("nothing to wait for", kio.select, {})
      support.expect_error("unknown option 'timout'", kio.select, { channel, timout = 1 })
      support.expect_error("alternative #2: .* expected, got number", kio.select, { channel, 5 })
    end)
  end)
end)

describe("a task in kio.select", function()
  it("that fails while nobody looks fails its scope", function()
    sim(function()
      local event = sync.event()
      support.expect_error("nobody looks", kio.scope, function(s)
        local task = s:spawn(function() kio.sleep(2) error "nobody looks" end)
        assert.equal("ETIMEDOUT", code(kio.select { task, event, timeout = 1 }))
        kio.sleep(5)
      end)
    end)
  end)

  it("that fails while it is waited for is told there, and not twice", function()
    sim(function()
      local results = kio.scope(function(s)
        local event = sync.event()
        local task = s:spawn(function() kio.sleep(2) error("told", 0) end)
        local first = s:spawn(function() return pcall(kio.select, { event, task }) end)
        local second = s:spawn(function() return pcall(kio.select, { task, event }) end)
        return { { first:await() }, { second:await() } }
      end)
      assert.same({ { false, "told" }, { false, "told" } }, results)
    end)
  end)

  it("that fails is told even if the selecting task is cancelled before it runs", function()
    sim(function()
      local seen
      local failing = kio.spawn(function() kio.sleep(1) error("so it was", 0) end)
      local task = start(function() seen = { pcall(kio.select, { failing }) } kio.yield() end)
      failing:join()
      cancel(task)
      assert.same({ false, "so it was" }, seen)
    end)
  end)
end)

describe("kio.select in a program", function()
  it("merges channels until all are closed", function()
    sim(function()
      local inputs, got = {}, {}
      for i = 1, 3 do
        local input <const> = sync.channel(i - 1)
        inputs[i] = input
        kio.spawn(function()
          for n = 1, 5 do
            kio.sleep(i)
            input:send(i * 100 + n)
          end
          input:close()
        end)
      end
      while #inputs > 0 do
        local i, value = kio.select(inputs)
        if value == nil then table.remove(inputs, i)
        else got[#got + 1] = value end
      end
      table.sort(got)
      assert.equal(15, #got)
      assert.same({ 101, 102, 105, 205, 305 }, { got[1], got[2], got[5], got[10], got[15] })
    end)
  end)

  it("stops workers by an event while they wait to send or receive", function()
    sim(function()
      local jobs, results, stop = sync.channel(), sync.channel(), sync.event()
      kio.scope(function(s)
        for _ = 1, 3 do
          s:spawn(function()
            while true do
              local i, job = kio.select { stop, jobs }
              if i == 1 then return end
              if kio.select { stop, { results, job * job } } == 1 then return end
            end
          end)
        end
        jobs:send(3)
        assert.equal(9, results:receive())
        jobs:send(4)
        settle()
        stop:set()
      end)
      assert_left(jobs, results, stop)
    end)
  end)
end)
