-- timeout: 300
-- Channels between workers under load: nothing is lost, nothing comes twice, and what one sender
-- has sent comes in order, however sends and receives are cut short.
local kio = require "kio"
local support = require "spec.support"

local thread = kio.thread

local SCALE = support.scale { full = 1, test = 4, tsan = 100, rest = 50 }
local MILLION = 1000000 // SCALE
local FIFTH = MILLION // 5 -- with less room nearly every message is a switch between the two
local RACES = 20000 // math.min(SCALE, 20)

local function run(f, threads) return support.run(f, { threads = threads }) end

-- Sends 1 to count.
local function send_all(channel, count)
  for i = 1, count do
    if not channel:send(i) then error("refused " .. i) end
  end
  channel:close()
end

-- Receives 1 to count, in order.
local function receive_all(channel, count)
  local expected = 0
  for value in channel:iter() do
    expected = expected + 1
    if value ~= expected then error(("got %s in place of %d"):format(value, expected)) end
  end
  if expected ~= count then error(("%d of %d came"):format(expected, count)) end
  return expected
end

describe("a million messages each way, and fewer through less room,", function()
  for capacity, count in pairs { [1] = FIFTH, [16] = FIFTH, [1024] = MILLION } do
    it("through channels of " .. capacity, function()
      run(function()
        local there, back = thread.channel(capacity), thread.channel(capacity)
        local other = thread.spawn_on(2, function(from, to)
          local sender = kio.spawn(send_all, to, count)
          local received = receive_all(from, count)
          sender:await()
          return received
        end, there, back)
        local sender = kio.spawn(send_all, there, count)
        assert.equal(count, receive_all(back, count))
        sender:await()
        assert.equal(count, other:await())
      end, 2)
    end)
  end
end)

-- Numbers from several senders: which one, and its how many-th.
local function numbered(sender, i) return sender << 32 | i end

-- Receives until the end: count, sum and sum of squares of what came. Each sender's in order.
local function tally(channel)
  local count, sum, squares, last = 0, 0, 0, {}
  for value in channel:iter() do
    local sender, i = value >> 32, value & 0xffffffff
    if i <= (last[sender] or 0) then error("out of order: " .. i .. " of " .. sender) end
    last[sender] = i
    count, sum, squares = count + 1, sum + value, squares + value * value
  end
  return { count, sum, squares }
end

describe("many to many", function()
  for _, capacity in ipairs { 1, 3, 64 } do
    it("through a channel of " .. capacity, function()
      local each = 60000 // SCALE
      run(function()
        local channel, senders, receivers = thread.channel(capacity), {}, {}
        for worker = 1, 3 do
          receivers[2 * worker - 1] = thread.spawn_on(worker, tally, channel)
          receivers[2 * worker] = thread.spawn_on(worker, tally, channel)
          for k = 0, 1 do
            local id = 2 * worker - k
            senders[id] = thread.spawn_on(worker, function()
              for i = 1, each do channel:send(numbered(id, i)) end
            end)
          end
        end
        for _, task in ipairs(senders) do task:await() end
        channel:close()
        local got, sent = { 0, 0, 0 }, { 6 * each, 0, 0 }
        for _, task in ipairs(receivers) do
          for i, value in ipairs(task:await()) do got[i] = got[i] + value end
        end
        for sender = 1, 6 do
          for i = 1, each do
            local value = numbered(sender, i)
            sent[2], sent[3] = sent[2] + value, sent[3] + value * value
          end
        end
        assert.same(sent, got)
      end, 3)
    end)
  end
end)

describe("work spread from worker to worker and back", function()
  it("by functions, each of which waits for one on the first", function()
    local count = 2000 // math.min(SCALE, 20)
    run(function()
      local sum, list = 0, {}
      for i = 1, count do list[i] = i end
      kio.map(list, function(i)
        local there = thread.spawn_on(2, function()
          local here = thread.spawn_on(1, function() return i end)
          return here:await() + thread.id() - 2
        end)
        local result = there:await()
        sum = sum + result
      end, { limit = 100 })
      assert.equal(count * (count + 1) // 2, sum)
    end, 2)
  end)

  it("by full channels of one", function()
    local count = 20000 // math.min(SCALE, 40)
    run(function()
      local there, back = thread.channel(1), thread.channel(1)
      local echo = thread.spawn_on(2, function()
        for value in there:iter() do back:send(value) end
        back:close()
      end)
      local sender = kio.spawn(send_all, there, count)
      assert.equal(count, receive_all(back, count))
      sender:await()
      echo:await()
    end, 2)
  end)
end)

-- A random wait: no end, none, or one that is about to come true.
local function random_timeout()
  local kind = math.random(4)
  if kind == 1 then return nil end
  return kind == 2 and 0 or math.random() * 1e-4
end

-- Runs f in a task which is cancelled after some turns of the loop, or not.
local function cut_short(f)
  local task = kio.spawn(f)
  if math.random(3) == 1 then
    for _ = 1, math.random(0, 4) do kio.yield() end
    task:cancel()
  end
  local ok, err = task:join()
  if not ok and not kio.is_cancelled(err) then error(err, 0) end
end

-- Sends values one after the other, each once; gives the list of those that were sent.
local function send_some(channel, id, count, seed)
  local sent = {}
  math.randomseed(seed)
  for i = 1, count do
    local value = numbered(id, i)
    cut_short(function()
      local ok, _, code = channel:send(value, random_timeout())
      if ok then sent[#sent + 1] = value
      elseif code ~= "ETIMEDOUT" then error("send: " .. tostring(code)) end
    end)
  end
  return sent
end

-- Receives until the channel is closed and empty; gives the list of what came.
local function receive_some(channel, seed)
  local got, over = {}, false
  math.randomseed(seed)
  repeat
    cut_short(function()
      local value, _, code = channel:receive(random_timeout())
      if value then got[#got + 1] = value else over = not code end
    end)
  until over
  return got
end

describe("cancelled and timed out at random", function()
  for _, capacity in ipairs { 1, 4 } do
    it("senders and receivers agree on what was sent, capacity " .. capacity, function()
      local seed = os.time()
      local sent, got = {}, {}
      run(function()
        local channel, senders, receivers = thread.channel(capacity), {}, {}
        for worker = 1, 3 do
          local id = #senders + 1
          senders[id] = thread.spawn_on(worker, function()
            return send_some(channel, id, RACES // 3, seed + id)
          end)
          receivers[id] = thread.spawn_on(worker, function()
            return receive_some(channel, seed + 10 + id)
          end)
        end
        for _, task in ipairs(senders) do
          for _, value in ipairs(task:await()) do sent[value] = true end
        end
        channel:close()
        for _, task in ipairs(receivers) do
          for _, value in ipairs(task:await()) do
            assert.is_nil(got[value], "twice: " .. value)
            got[value] = true
          end
        end
      end, 3)
      local complaint = " (seed " .. seed .. ")"
      for value in pairs(sent) do assert.is_true(got[value], "lost: " .. value .. complaint) end
      for value in pairs(got) do assert.is_true(sent[value], "unsent: " .. value .. complaint) end
      assert.is_true(next(got) ~= nil)
    end)
  end

  it("an event wakes everybody who waits, and nobody else", function()
    run(function()
      local rounds = RACES // 20
      local go, ready = thread.event(), thread.channel(8)
      local tasks = thread.each(function()
        local woken = 0
        math.randomseed(thread.id())
        for _ = 1, rounds do
          while not go:wait(random_timeout()) do kio.yield() end
          woken = woken + 1
          ready:send "woken"
          while go:is_set() do kio.yield() end
          ready:send "again"
        end
        return woken
      end)
      for _ = 1, rounds do
        go:set()
        for _ = 1, #tasks do assert.equal("woken", ready:receive()) end
        go:reset()
        for _ = 1, #tasks do assert.equal("again", ready:receive()) end
      end
      for _, task in ipairs(tasks) do assert.equal(rounds, task:await()) end
    end, 3)
  end)
end)

-- Its inbox is closed with answers in it, which nobody takes any more.
describe("a run that is cut off", function()
  it("leaves receives that have been answered", function()
    for _ = 1, 10 do
      local channel = thread.channel(1000)
      local ok, err = pcall(kio.run, function()
        for _ = 1, 300 do
          kio.spawn(kio.shield, function() while true do channel:receive() end end)
        end
        thread.spawn_on(2, kio.shield, function(to) while true do to:send(1) end end, channel)
        channel:receive()
        error "over"
      end, { threads = 2, shutdown_timeout = 0.02 })
      assert.is_false(ok)
      assert.matches("over\n.*tasks did not end within shutdown_timeout", err)
    end
  end)
end)
