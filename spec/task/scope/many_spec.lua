-- timeout: 120
-- flavours: test asan hostile
-- Many tasks: none is forgotten, and nothing of them stays.
local kio = require "kio"
local support = require "spec.support"

-- Sanitizers are slow, hostile builds cut every turn short: fewer of the same there.
local FEWER = support.scale { full = 1, test = 4, hostile = 10, rest = 20 }

local function memory()
  collectgarbage()
  collectgarbage()
  return collectgarbage "count" * 1024, kio.core.world().blocks
end

describe("a million tasks", function()
  local MILLION = 1000000 // FEWER

  it("spawned and awaited one after the other leave the memory as it was", function()
    support.run(function()
      local function body(i) return i end
      for i = 1, 1000 do kio.spawn(body, i):await() end
      local bytes, blocks = memory()
      for i = 1, MILLION do assert(kio.spawn(body, i):await() == i) end
      local after, blocks_after = memory()
      assert.equal(blocks, blocks_after)
      assert.is_true(after - bytes < 4096, after - bytes)
    end, { backend = "sim" })
  end)

  it("spawned by scopes of a thousand do as well", function()
    support.run(function()
      local ended = 0
      local function body()
        kio.yield()
        ended = ended + 1
      end
      local function round()
        kio.scope(function(scope)
          for _ = 1, 1000 do scope:spawn(body) end
        end)
      end
      round()
      local bytes, blocks = memory()
      for _ = 1, MILLION // 1000 do round() end
      local after, blocks_after = memory()
      assert.equal(blocks, blocks_after)
      assert.is_true(after - bytes < 65536, after - bytes)
      assert.equal(MILLION // 1000 * 1000 + 1000, ended)
    end, { backend = "sim" })
  end)

  -- Looking at all that are left whenever one ends would take hours.
  it("that are daemons end together when nothing else is left", function()
    support.run(function()
      local ended = 0
      local function helper()
        local _ <close> = setmetatable({}, { __close = function() ended = ended + 1 end })
        kio.sleep(3600)
      end
      kio.scope(function(scope)
        for _ = 1, MILLION // 5 do scope:spawn { helper, daemon = true } end
        kio.yield()
      end)
      assert.equal(MILLION // 5, ended)
    end, { backend = "sim" })
  end)

  it("that are cancelled, time out or fail leave nothing either", function()
    support.run(function()
      local n = MILLION // 200
      local function round()
        local task = kio.spawn(kio.sleep, 1000)
        kio.timeout(0.00001, kio.sleep, 1000)
        task:cancel()
        task:join()
        pcall(kio.scope, error)
        kio.spawn(error, "x"):join()
        kio.spawn { error, {}, on_error = function() end }
        kio.yield()
      end
      for _ = 1, 100 do round() end
      local bytes, blocks = memory()
      for _ = 1, n do round() end
      local after, blocks_after = memory()
      assert.equal(blocks, blocks_after)
      assert.is_true(after - bytes < 65536, after - bytes)
      assert.equal(0, kio.stats().timers)
    end, { backend = "sim" })
  end)
end)

describe("a hundred thousand sleepers", function()
  it("are all cancelled by one deadline", function()
    local count = 100000 // FEWER
    support.run(function()
      local ended = 0
      local _, _, code = kio.timeout(1, function()
        for _ = 1, count do
          kio.spawn(function()
            local ok, err = pcall(kio.sleep, 86400)
            if not ok and kio.is_cancelled(err) then ended = ended + 1 end
          end)
        end
      end)
      assert.is_nil(code) -- all of them returned
      assert.equal(count, ended)
      assert.equal(0, kio.stats().timers)
    end, { backend = "sim" })
  end)
end)

describe("tasks that wait for each other", function()
  it("in a circle end the run by an error that says so", function()
    for _, backend in ipairs { "sim", "uring" } do
      for _, length in ipairs { 2, 3, 100 } do
        local err = support.expect_error("deadlock", kio.run, function()
          local tasks = {}
          for i = 1, length do
            tasks[i] = kio.spawn(function() tasks[i % length + 1]:await() end)
          end
          tasks[1]:await()
        end, { backend = backend })
        assert.matches("many_spec%.lua", err)
      end
    end
  end)

  it("through a scope do too: a task that awaits who waits for it", function()
    support.expect_error("deadlock", kio.run, function()
      local outer
      outer = kio.spawn(function()
        kio.scope(function(scope)
          scope:spawn(function() outer:await() end)
        end)
      end)
      outer:await()
    end, { backend = "sim" })
  end)
end)
