-- Crowds: thousands who connect and vanish, a thousand who send as slowly as they can. What an
-- honest client gets beside them is counted in turns, not in seconds.
-- flavours: test asan hostile
local kio = require "kio"
local support = require "spec.support"
local common = require "spec.net.serve.common"

local start, client, ask = common.start, common.client, common.ask

local SCALE = support.scale {
  test = { vanishing = 4000, slow = 1000 },
  hostile = { vanishing = 500, slow = 100 },
  rest = { vanishing = 1000, slow = 300 },
}

-- f(1) to f(count), a few at a time.
local function many(count, f)
  kio.scope(function(scope)
    for first = 1, 50 do
      scope:spawn(function()
        for i = first, count, 50 do f(i) end
      end)
    end
  end)
end

-- How many turns of the loop so many answers take.
local function turns_for(stream, count)
  local before = kio.stats().turns
  for i = 1, count do assert.equal(tostring(i), ask(stream, i)) end
  return kio.stats().turns - before
end

describe("a storm of clients that connect and vanish", function()
  -- Every way to go: without a byte, in the middle of a line, after a question, by a reset.
  local function vanish(address, i)
    local stream = assert(kio.net.connect(address, {
      timeout = 60, linger = i % 2 == 0 and 0 or nil,
    }))
    if i % 3 == 1 then stream:send "half a" end
    if i % 3 == 2 then stream:send "question\n" end
    stream:close()
  end

  -- What the kernel's queue does not hold it lets wait for seconds, in silence.
  local function somaxconn()
    local file <close> = assert(io.open "/proc/sys/net/core/somaxconn")
    return file:read "n"
  end

  it("leaves nothing behind, and an honest client is served meanwhile", function()
    if somaxconn() < SCALE.vanishing then pending "net.core.somaxconn is too low" end
    support.run(function()
      local now, most, resets = 0, 0, 0
      local serving, listener, address = start(function(stream)
        local counted <close> = setmetatable({}, { __close = function() now = now - 1 end })
        now = now + 1
        most = math.max(most, now)
        repeat
          local line, _, code = stream:read "l"
          if code then resets = resets + 1 end
        until not line or not stream:write(line, "\n")
        return counted
      end, { max_connections = 200 }, nil, { backlog = SCALE.vanishing })
      local honest <close> = client(address)
      local storm = kio.spawn(many, SCALE.vanishing, function(i) vanish(address, i) end)
      local answers = 0
      while storm:status() == "waiting" or storm:status() == "ready" do
        answers = answers + 1
        assert.equal(tostring(answers), ask(honest, answers))
      end
      storm:await()
      honest:close()
      common.until_true(function() return now == 0 end)
      -- Who is still in the kernel's queue is served as well.
      serving:cancel()
      local report = serving:await()
      assert.is_nil(listener:fd())
      assert.same({ accepted = SCALE.vanishing + 1, failed = 0, idle = 0, cut = 0 }, report)
      assert.is_true(answers > 3, answers)
      assert.is_true(most <= 200, most)
      assert.is_true(resets > 0)
    end)
  end)
end)

describe("a crowd of slow senders", function()
  local ANSWERS, ROUNDS = 20, 8

  -- A server with SCALE.slow connections that have begun a line, and an honest client.
  local function with_crowd(f)
    return support.run(function()
      local begun = 0
      local serving, listener, address = start(function(stream)
        if stream:peek() == "I" then begun = begun + 1 end
        common.echo(stream)
      end)
      local honest <close> = client(address)
      local alone = turns_for(honest, ANSWERS)
      local crowd = {}
      many(SCALE.slow, function(i)
        crowd[i] = client(address)
        crowd[i]:send "I "
      end)
      common.until_true(function() return begun == SCALE.slow end)
      f(honest, crowd, alone)
      for i = 1, SCALE.slow do crowd[i]:close() end
      honest:close()
      listener:close()
      return serving:await()
    end)
  end

  it("that are stuck cost an honest client nothing", function()
    local report = with_crowd(function(honest, _, alone)
      kio.yield()
      local beside = turns_for(honest, ANSWERS)
      assert.is_true(beside <= alone + 5, ("%d turns instead of %d"):format(beside, alone))
    end)
    assert.equal(SCALE.slow + 1, report.accepted)
  end)

  it("that all send whenever they can let it have its turn", function()
    with_crowd(function(honest, crowd)
      local dripping, bytes = true, 0
      local drips = {}
      for i = 1, SCALE.slow do
        drips[i] = kio.spawn(function()
          while dripping do
            crowd[i]:send "."
            bytes = bytes + 1
          end
        end)
      end
      common.until_true(function() return bytes >= SCALE.slow end)
      local before = bytes
      for i = 1, ANSWERS do assert.equal(tostring(i), ask(honest, i)) end
      local rounds = (bytes - before) / SCALE.slow / ANSWERS
      assert.is_true(rounds <= ROUNDS, rounds .. " bytes of each other one for an answer")
      assert.is_true(bytes > before, "the crowd did not send meanwhile")
      dripping = false
      for i = 1, SCALE.slow do drips[i]:await() end
    end)
  end)

  it("is put out by idle_timeout when it is stuck, and the honest client stays", function()
    kio.testing.run(function()
      local serving, listener, address = start(common.echo, { idle_timeout = 30 })
      local honest <close> = client(address)
      local crowd = {}
      many(SCALE.slow, function(i)
        crowd[i] = client(address)
        crowd[i]:send "I "
      end)
      for i = 1, 4 do
        assert.equal(tostring(i), ask(honest, i))
        kio.sleep(10)
      end
      for i = 1, SCALE.slow do
        assert.is_nil(crowd[i]:recv())
        crowd[i]:close()
      end
      assert.equal("still here", ask(honest, "still here"))
      honest:close()
      listener:close()
      assert.same({ accepted = SCALE.slow + 1, failed = 0, idle = SCALE.slow, cut = 0 },
        serving:await())
    end, { watchdog = false })
  end)
end)
