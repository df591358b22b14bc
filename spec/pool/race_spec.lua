-- A pool raced to death: a server that closes, stalls, sends stray bytes and answers late; tasks
-- that are cancelled at any moment, release their leases, drop and forget them. No place or member
-- is lost, none is given to two tasks, and nobody gets an answer to another one's question.
-- flavours: test asan hostile
-- timeout: 120
local kio = require "kio"
local support = require "spec.support"
local until_true = require "spec.net.serve.common".until_true

local ROUNDS = tonumber(os.getenv "KIO_ROUNDS") or (support.flavour == "test" and 20 or 10)
local TASKS, ASKED, MAX = 24, 6, 4

-- What the server does with a line.
local function misbehave(stream, line, chance)
  if chance < 5 then return false
  elseif chance < 10 then stream:write(line, "\nstray\n") return false
  elseif chance < 15 then kio.sleep(0.001) stream:write(line, "\n") return true
  elseif chance < 18 then stream:option("linger", 0) return false
  elseif chance < 20 then kio.sleep(60)
  elseif chance < 25 then stream:write(line, "\n"):flush() stream:write "late\n" return true
  end
  stream:write(line, "\n")
  return chance < 95
end

local function serve(listener, random)
  listener:serve(function(stream)
    if random(20) == 0 then return end
    for line in stream:lines() do
      if not misbehave(stream, line, random(100)) then return end
    end
  end, { on_error = function() end, drain_timeout = 0 })
end

-- One question; the lease is given back in one of the ways there are.
local function ask(pool, held, random, question)
  local lease, _, code = pool:acquire { timeout = random(4) == 0 and 0.0005 or 1 }
  if not lease then return code end
  local member <const> = lease.member
  assert(not held[member], "a member was given to two tasks")
  held[member] = true
  local _ <close> = setmetatable({}, { __close = function() held[member] = nil end })
  local _ <close> = random(3) > 0 and lease or nil
  member:write(question, "\n")
  local answer = member:read("l", { timeout = 0.05 })
  if not answer or answer == "stray" or answer == "late" then -- these may come at any time
    held[member] = nil
    if random(2) == 0 then lease:drop() end
    return "failed"
  end
  assert(answer == question, "an answer to another question: " .. answer)
  held[member] = nil
  if random(10) > 0 then lease:release() end
  return "answered"
end

-- The tasks, of which some are cancelled; what they held is garbage when this returns.
local function harass(pool, random, outcomes)
  local held, tasks = setmetatable({}, { __mode = "k" }), {}
  for i = 1, TASKS do
    tasks[i] = kio.spawn(function()
      for j = 1, ASKED do
        local outcome = ask(pool, held, random, i .. ":" .. j)
        outcomes[outcome] = (outcomes[outcome] or 0) + 1
        if random(5) == 0 then kio.sleep(random(3) / 1000) end
        assert(pool.taken <= MAX and #pool.idle <= MAX)
      end
    end)
  end
  for _ = 1, TASKS // 3 do
    kio.sleep(random(4) / 1000)
    tasks[random(TASKS) + 1]:cancel()
    if random(3) == 0 then collectgarbage() end
  end
  for _, task in ipairs(tasks) do
    local ok, err = task:join()
    if not ok and not kio.is_cancelled(err) then error(err, 0) end
  end
end

local function round(seed)
  math.randomseed(seed)
  local function random(n) return math.random(n) - 1 end
  local outcomes = {}
  support.run(function()
    local listener <close> = assert(kio.net.listen "127.0.0.1:0")
    local server = kio.spawn(serve, listener, random)
    local pool <close> = kio.pool {
      max = MAX, idle = random(MAX + 1), idle_timeout = random(2) == 0 and 0.002 or nil,
      connect = function(options) return kio.net.connect(listener:address(), options) end,
      test = random(2) == 0 and function(stream)
        if random(10) == 0 then kio.yield() end
        return stream:fd() ~= nil and random(10) > 0
      end or nil,
    }
    harass(pool, random, outcomes)
    collectgarbage()
    collectgarbage()
    until_true(function() return pool:stats().leased == 0 end) -- some are being closed
    assert(pool:stats().waiting == 0 and pool.taken == #pool.idle)
    server:cancel()
    pcall(server.join, server)
  end)
  return outcomes
end

describe("a pool under fire", function()
  it("loses no place and no member, and gives none to two tasks", function()
    local first = tonumber(os.getenv "KIO_SEED")
    local all = {}
    for seed = first or 1, first or ROUNDS do
      local ok, outcomes = xpcall(round, debug.traceback, seed)
      assert(ok, ("KIO_SEED=%d: %s"):format(seed, tostring(outcomes)))
      for name, count in pairs(outcomes) do all[name] = (all[name] or 0) + count end
    end
    if first then return end
    for _, name in ipairs { "answered", "failed" } do
      assert.is_true((all[name] or 0) > 0, name)
    end
  end)
end)
