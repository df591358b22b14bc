-- Event and waitgroup as a user sees them.
local common = require "spec.sync.common"
local kio = require "kio"

local sync = kio.sync
local cancel, code, settle, sim, start = common.cancel, common.code, common.settle, common.sim,
  common.start

describe("an event", function()
  it("lets through once it is set, and holds up once it is reset", function()
    sim(function()
      local event, passed = sync.event(), 0
      assert.is_false(event:is_set())
      for _ = 1, 3 do start(function() assert.is_true(event:wait()) passed = passed + 1 end) end
      assert.equal("kio.Event (not set, 3 waiting)", tostring(event))
      assert.equal(0, passed)
      event:set()
      settle()
      assert.equal(3, passed)
      assert.is_true(event:wait())
      assert.is_true(event:wait(0))
      assert.is_true(event:is_set())
      assert.equal("kio.Event (set, 0 waiting)", tostring(event))
      event:set()
      event:reset()
      assert.is_false(event:is_set())
      local _, message, late = event:wait(0.5)
      assert.same({ "wait event: timed out", "ETIMEDOUT" }, { message, late })
    end)
  end)

  it("keeps its state from run to run, and can be set outside of one", function()
    local event = sync.event()
    event:set()
    sim(function() assert.is_true(event:wait()) event:reset() end)
    assert.is_false(event:is_set())
  end)

  it("raises in a cancelled task even when it is set", function()
    sim(function()
      local event, ok = sync.event(), nil
      local task = start(function()
        pcall(kio.sleep, 1)
        event:set()
        ok = pcall(event.wait, event)
      end)
      task:cancel()
      task:join()
      assert.is_false(ok)
    end)
  end)

  it("is left by those who give up", function()
    sim(function()
      local event = sync.event()
      cancel(start(event.wait, event))
      start(event.wait, event, 1):await()
      assert.equal("kio.Event (not set, 0 waiting)", tostring(event))
    end)
  end)
end)

describe("a waitgroup", function()
  it("is waited for until everything is done", function()
    sim(function()
      local group, done = sync.waitgroup(), 0
      assert.is_true(group:wait())
      for i = 1, 5 do
        group:add()
        kio.spawn(function()
          kio.sleep(i)
          done = done + 1
          group:done()
        end)
      end
      local other = start(function() group:wait() return done end)
      assert.equal("kio.Waitgroup (5 under way, 1 waiting)", tostring(group))
      assert.equal("ETIMEDOUT", code(group:wait(2.5)))
      assert.equal(2, done)
      assert.is_true(group:wait { timeout = 100 })
      assert.equal(5, done)
      assert.equal(5, other:await())
      assert.equal("kio.Waitgroup (0 under way, 0 waiting)", tostring(group))
    end)
  end)

  it("counts several at once, and serves again", function()
    sim(function()
      local group = sync.waitgroup()
      for _ = 1, 3 do
        group:add(2)
        group:add(0)
        local task = start(group.wait, group)
        group:done()
        settle()
        assert.equal("waiting", task:status())
        group:done()
        assert.is_true(task:await())
      end
    end)
  end)

  it("wakes those who wait even if more is added before they run", function()
    sim(function()
      local group = sync.waitgroup()
      group:add()
      local task = start(group.wait, group)
      group:done()
      group:add()
      assert.is_true(task:await())
      group:done()
    end)
  end)

  it("is left by those who give up", function()
    sim(function()
      local group = sync.waitgroup()
      group:add()
      cancel(start(group.wait, group))
      assert.equal("kio.Waitgroup (1 under way, 0 waiting)", tostring(group))
      group:done()
    end)
  end)
end)
