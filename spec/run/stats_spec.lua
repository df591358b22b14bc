-- kio.stats: every counter that is documented is there, and counts.
local kio = require "kio"
local support = require "spec.support"
local common = require "spec.task.common"
local run = support.run

-- The fields lua/types/kio.d.lua promises, with their types.
local function documented()
  local fields, inside = {}, false
  for line in io.lines("lua/types/kio.d.lua") do
    if line:match("^%-%-%-@class") then inside = line:match("kio%.Stats%f[%W]") ~= nil end
    local name, kind = line:match("^%-%-%-@field ([%w_]+) (%S+)")
    if inside and name then fields[name] = kind:match("^%l+") end
  end
  return fields
end

describe("kio.stats", function()
  it("has every documented field, and no other", function()
    local fields = documented()
    assert.equal("integer", fields.turns)
    assert.equal("table", fields.ops)
    run(function()
      kio.sleep(0)
      local stats, kinds = kio.stats(), {}
      for name, value in pairs(stats) do
        local kind = math.type(value) or type(value)
        kinds[name] = fields[name] == "number" and kind == "integer" and "number" or kind
      end
      for name in pairs(fields) do
        if fields[name] == "number" and kinds[name] == "float" then kinds[name] = "number" end
      end
      assert.same(fields, kinds)
    end)
  end)

  it("counts what is there now", function()
    run(function()
      local from, to = kio.pipe()
      local sleeping = kio.spawn(kio.sleep, 1000)
      local reading = kio.spawn(kio.read, from, 1)
      local deadline = kio.spawn(kio.poll, from, "r", { timeout = 1000 })
      assert.equal(3, kio.stats().ready)
      for _, task in ipairs { sleeping, reading, deadline } do common.until_in_kernel(task) end
      local stats = kio.stats()
      assert.equal(2, stats.pending)
      assert.equal(2, stats.timers)
      assert.equal(0, stats.ready)
      assert.equal(4, stats.tasks)
      assert.is_true(stats.buffers >= 1)
      for _, task in ipairs { sleeping, reading, deadline } do
        task:cancel()
        task:join()
      end
      stats = kio.stats()
      assert.same({ 0, 0, 0, 1, 0 },
        { stats.pending, stats.timers, stats.ready, stats.tasks, stats.buffers })
      kio.close(from)
      kio.close(to)
    end)
  end)

  it("counts what has been", function()
    run(function()
      local before = kio.stats()
      local from, to = kio.pipe()
      for _ = 1, 10 do
        assert(kio.write(to, "x"))
        assert(kio.read(from, 1))
      end
      for _ = 1, 5 do kio.spawn(function() end) end
      kio.yield()
      local after = kio.stats()
      assert.equal(10, after.ops.read - (before.ops.read or 0))
      assert.equal(10, after.ops.write - (before.ops.write or 0))
      assert.equal(5, after.spawned - before.spawned)
      assert.equal(20, after.completions - before.completions)
      assert.is_true(after.resumes - before.resumes >= 26)
      assert.is_true(after.turns > before.turns)
      assert.equal(0, after.stale)
      kio.close(from)
      kio.close(to)
    end)
  end)

  it("counts cancels apart from completions", function()
    run(function()
      local from, to = kio.pipe()
      for _ = 1, 10 do
        local task = common.until_in_kernel(kio.spawn(kio.read, from, 1))
        task:cancel()
        task:join()
      end
      for _ = 1, 5 do kio.yield() end
      local stats = kio.stats()
      assert.equal(10, stats.completions)
      assert.is_true(stats.ignored >= 10)
      assert.equal(0, stats.pending)
      kio.close(from)
      kio.close(to)
    end)
  end)

  it("tells the longest time the loop did not turn", function()
    run(function()
      kio.yield()
      local began = kio.now()
      repeat until kio.now() - began > 0.002
      kio.yield()
      assert.is_true(kio.stats().longest_turn >= 0.002)
    end)
  end)

  it("gives a new table each time, that nobody else sees", function()
    run(function()
      local stats = kio.stats()
      stats.turns = "spoilt"
      stats.ops.read = "spoilt"
      assert.is_number(kio.stats().turns)
      assert.is_nil(kio.stats().ops.read)
    end)
  end)
end)
