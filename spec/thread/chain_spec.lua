-- timeout: 120
-- without: epoll lua55
-- What hangs in a chain, one inside the other, goes without a recursion that is as deep: the stack
-- of C would not suffice.
local kio = require "kio"
local support = require "spec.support"

local LENGTH = support.scale { test = 60000, rest = 20000 }

-- A channel that holds a message with a channel that holds one, and so on; each is made of the one
-- before it by `message`.
local function chain(message)
  local first = kio.thread.channel(2)
  for _ = 1, LENGTH do
    local next_one = kio.thread.channel(2)
    assert(next_one:try_send(message(first)))
    first = next_one
  end
  return first
end

local function itself(channel) return channel end

local function gone()
  collectgarbage()
  collectgarbage()
end

describe("a chain of thread channels", function()
  local shapes = {
    ["alone"] = itself,
    ["in tables"] = function(channel) return { { channel, 7 }, of = "the chain" } end,
    ["twice"] = function(channel) return { channel, channel } end,
    ["beside others"] = function(channel)
      local event = kio.thread.event()
      return { channel, kio.buffer(1), event, kio.thread.channel(1) }
    end,
  }
  for name, message in pairs(shapes) do
    it("goes with its last userdata, " .. name, function()
      chain(message)
      gone()
    end)
  end

  it("goes when the message it lies in is given up", function()
    support.run(function()
      local full = kio.thread.channel(1)
      full:send(1)
      local _, _, code = full:send(chain(itself), 0)
      assert.equal("ETIMEDOUT", code)
      gone()
      local task = kio.spawn(full.send, full, chain(itself))
      kio.yield()
      task:cancel()
      task:join()
      task = nil -- luacheck: ignore 311
      gone()
    end)
  end)

  it("goes with a channel that holds itself as well", function()
    local first = chain(itself)
    local own = kio.thread.channel(2)
    own:try_send { own, first }
    first, own = nil, nil -- luacheck: ignore 311
    gone()
  end)

  it("goes with a call that no worker takes any more", function()
    support.run(function()
      local task = kio.thread.spawn_on(2, function(channel) return channel end, chain(itself))
      task:cancel()
      task:join()
      task = nil -- luacheck: ignore 311
      gone()
    end, { threads = 2 })
  end)

  it("can be taken apart link by link", function()
    local channel, length = chain(itself), 0
    while true do
      local inner = channel:try_receive()
      if not inner then break end
      channel, length = inner, length + 1
    end
    assert.equal(LENGTH, length)
  end)
end)

describe("a chain of tasks", function()
  it("that await each other ends in order", function()
    support.run(function()
      local count = 0
      local task = kio.spawn(kio.yield)
      for _ = 1, LENGTH // 10 do
        local inner = task
        task = kio.spawn(function()
          inner:await()
          count = count + 1
        end)
      end
      task:await()
      assert.equal(LENGTH // 10, count)
    end)
  end)

  it("that await a failure has tracebacks of bounded length", function()
    support.run(function()
      local quiet = function() end
      local task = kio.spawn { function() error "at the bottom" end, on_error = quiet }
      for _ = 1, 2000 do
        local inner = task
        task = kio.spawn { function() inner:await() end, on_error = quiet }
      end
      local ok, err, trace = task:join()
      assert.is_false(ok)
      assert.matches("at the bottom", err)
      assert.matches("^stack traceback.*of a task awaited there.*in %l+ 'error'", trace)
      assert.is_true(#trace < 40000, #trace)
    end)
  end)

  it("each in a scope of the one before is cancelled", function()
    support.run(function()
      local started = kio.sync.event()
      local function nest(depth)
        if depth == 0 then
          started:set()
          return kio.sleep(1000)
        end
        kio.scope(function(scope) scope:spawn(nest, depth - 1) end)
      end
      local task = kio.spawn(nest, LENGTH // 10)
      started:wait()
      task:cancel()
      task:join()
      assert.equal("cancelled", task:status())
    end)
  end)
end)
