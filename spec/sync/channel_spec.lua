-- Channels as a user sees them.
local common = require "spec.sync.common"
local kio = require "kio"
local support = require "spec.support"

local sync = kio.sync
local cancel, code, settle, sim, start = common.cancel, common.code, common.settle, common.sim,
  common.start

describe("a channel", function()
  it("carries values in order, whatever it holds", function()
    sim(function()
      for capacity = 0, 5 do
        local channel, got = sync.channel(capacity), {}
        kio.spawn(function()
          for i = 1, 20 do assert.is_true(channel:send(i)) end
          channel:close()
        end)
        for value in channel:iter() do got[#got + 1] = value end
        assert.equal(20, #got)
        for i = 1, 20 do assert.equal(i, got[i]) end
      end
    end)
  end)

  it("lets the sender run ahead by its capacity and no further", function()
    sim(function()
      for capacity = 0, 3 do
        local channel, sent = sync.channel(capacity), 0
        local sender = start(function()
          for i = 1, 5 do
            channel:send(i)
            sent = sent + 1
          end
        end)
        for received = 0, 4 do
          assert.equal(math.min(5, capacity + received), sent)
          assert.equal(received + 1, channel:receive())
          settle()
        end
        sender:await()
      end
    end)
  end)

  it("serves many senders and many receivers in the order they came", function()
    sim(function()
      local channel, got = sync.channel(), {}
      for i = 1, 5 do start(function() got[i] = channel:receive() end) end
      assert.equal("kio.Channel (0 of 0, 0 sending, 5 receiving)", tostring(channel))
      for i = 1, 5 do channel:send(i * 10) end
      settle()
      assert.same({ 10, 20, 30, 40, 50 }, got)
      for i = 1, 5 do start(channel.send, channel, i) end
      assert.equal("kio.Channel (0 of 0, 5 sending, 0 receiving)", tostring(channel))
      for i = 1, 5 do assert.equal(i, channel:receive()) end
    end)
  end)

  it("carries anything but nil", function()
    sim(function()
      for capacity = 0, 1 do
        local channel, got = sync.channel(capacity), {}
        local values = { false, true, 0, "", {}, print, kio.spawn(function() end) }
        kio.spawn(function()
          for _, value in ipairs(values) do channel:send(value) end
          channel:close()
        end)
        for value in channel:iter() do got[#got + 1] = value end
        assert.equal(#values, #got)
        for i, value in ipairs(values) do assert.equal(value, got[i]) end
      end
    end)
  end)

  it("gives what it holds when it is closed, then nil for ever", function()
    sim(function()
      local channel = sync.channel(3)
      for i = 1, 3 do channel:send(i) end
      channel:close()
      channel:close()
      assert.equal("kio.Channel (closed, 3 of 3, 0 sending, 0 receiving)", tostring(channel))
      assert.equal(1, channel:receive())
      assert.equal(2, channel:try_receive())
      assert.equal(3, channel:receive(0))
      for _ = 1, 3 do
        assert.same({ n = 1 }, table.pack(channel:receive()))
        assert.same({ n = 1 }, table.pack(channel:try_receive()))
      end
      for _ in channel:iter() do error "there is nothing" end
    end)
  end)

  it("wakes every receiver when it is closed", function()
    sim(function()
      local channel = sync.channel(2)
      local a, b = start(channel.receive, channel), start(channel.receive, channel, 10)
      channel:close()
      assert.same({ n = 1 }, table.pack(a:await()))
      assert.same({ n = 1 }, table.pack(b:await()))
    end)
  end)

  it("raises in senders when it is closed, and drops what they offered", function()
    sim(function()
      local channel = sync.channel(1)
      channel:send "held"
      local task = start(function()
        support.expect_error("was closed while a task waited to send", channel.send, channel, 2)
      end)
      channel:close()
      task:await()
      support.expect_error("send on a closed channel", channel.send, channel, 3)
      support.expect_error("send on a closed channel", channel.try_send, channel, 3)
      assert.equal("held", channel:receive())
      assert.is_nil(channel:receive())
    end)
  end)

  it("keeps a value that was taken before it was closed", function()
    sim(function()
      local channel = sync.channel()
      local sender = start(channel.send, channel, "taken")
      local value = channel:receive()
      channel:close()
      assert.is_true(sender:await())
      assert.equal("taken", value)
      local other = sync.channel()
      local receiver = start(other.receive, other)
      other:send "given"
      other:close()
      assert.equal("given", receiver:await())
    end)
  end)

  it("is closed at the end of a block", function()
    sim(function()
      local channel = sync.channel()
      local receiver = start(channel.receive, channel)
      cancel(start(function()
        local _ <close> = channel
        kio.sleep(5)
      end))
      assert.is_nil(receiver:await())
    end)
  end)

  it("can be tried", function()
    sim(function()
      local channel = sync.channel(1)
      local _, message, why = channel:try_receive()
      assert.same({ "try_receive channel: it is empty", "EAGAIN" }, { message, why })
      assert.is_true(channel:try_send(1))
      _, message, why = channel:try_send(2)
      assert.same({ "try_send channel: no room, and nobody waits to receive", "EAGAIN" },
        { message, why })
      assert.equal(1, channel:try_receive())
      local receiver = start(channel.receive, channel)
      assert.is_true(channel:try_send(3))
      assert.equal(3, receiver:await())
      local rendezvous = sync.channel()
      assert.equal("EAGAIN", code(rendezvous:try_send(1)))
      local sender = start(rendezvous.send, rendezvous, 4)
      assert.equal(4, rendezvous:try_receive())
      assert.is_true(sender:await())
    end)
  end)

  it("can be filled before a run and emptied after it", function()
    local channel = sync.channel(3)
    channel:try_send(1)
    sim(function() channel:send(channel:receive() + 1) end)
    assert.equal(2, channel:try_receive())
  end)

  it("gives up in time", function()
    sim(function()
      local channel = sync.channel()
      local from = kio.now()
      local _, message, why = channel:receive(1.5)
      assert.same({ "receive channel: timed out", "ETIMEDOUT" }, { message, why })
      _, message, why = channel:send(1, { timeout = 1.5 })
      assert.same({ "send channel: timed out", "ETIMEDOUT" }, { message, why })
      assert.is_true(kio.now() - from >= 3)
      assert.equal("ETIMEDOUT", code(channel:receive(0)))
      assert.equal("kio.Channel (0 of 0, 0 sending, 0 receiving)", tostring(channel))
    end)
  end)

  it("holds no value that was received", function()
    sim(function()
      local weak = setmetatable({}, { __mode = "k" })
      local channel = sync.channel(4)
      local function send()
        local value = {}
        weak[value] = true
        channel:send(value)
      end
      for _ = 1, 10 do
        send()
        channel:receive()
      end
      collectgarbage()
      collectgarbage()
      assert.is_nil(next(weak))
      assert.is_nil(next(channel.items))
    end)
  end)
end)
