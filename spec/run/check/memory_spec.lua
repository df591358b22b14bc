-- Every step of starting a run may find no memory: then kio.run raises and says so, what was half
-- built is taken down again (the world check looks), and the next run works.
local core = require "kio.core"
local kio = require "kio"

-- Runs f with its n-th C allocation failing, for n from 1 until it makes fewer; how many failed.
-- Without some of them f succeeds all the same.
local function until_success(f, satisfied)
  for n = 1, 1000 do
    core.fail_memory(n)
    local results = table.pack(pcall(f))
    local all = core.fail_memory(0) == 0
    local good = satisfied(table.unpack(results, 1, results.n))
    if all then
      assert.is_true(good)
      return n - 1
    end
    collectgarbage()
    assert.equal(0, core.world().blocks, "blocks left after allocation " .. n)
  end
  error "it never succeeded"
end

describe("without memory", function()
  it("kio.run raises that and leaves nothing behind", function()
    local seen = {}
    local failed = until_success(function()
      return kio.run(function() kio.sleep(0) return "ran" end)
    end, function(ok, value)
      if ok then return value == "ran" end
      local reason = value:match("ENOMEM") or value:match("not enough memory")
      assert.truthy(reason, value)
      assert.matches("memory", value)
      seen[reason] = true
    end)
    assert.is_true(failed >= 2, failed .. " allocations failed")
    assert.same({ ENOMEM = true, ["not enough memory"] = true }, seen)
    assert.equal("ran", kio.run(function() return "ran" end))
  end)

  it("kio.check still answers", function()
    local failed = until_success(kio.check, function(ok, found)
      assert.is_true(ok)
      if found.usable then return true end
      assert.equal("ENOMEM", found.code)
    end)
    assert.is_true(failed >= 1)
  end)
end)
