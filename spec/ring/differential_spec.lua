-- timeout: 120
-- flavours: test asan hostile
-- The same programs on io_uring, on epoll and on the simulated ring: whatever that one does to
-- them, their results are those that io_uring gave.
local core = require "kio.core"
local programs = require "spec.ring.programs"
local support = require "spec.support"

local SEEDS = tonumber(os.getenv("KIO_SEEDS")) or 20

local names = {}
for name in pairs(programs) do names[#names + 1] = name end
table.sort(names)

local function on_sim(name, script)
  core.sim(script)
  return support.run(programs[name], { backend = "sim" })
end

for _, name in ipairs(names) do
  describe("the program " .. name, function()
    local truth

    before_each(function()
      truth = truth or support.run(programs[name], { backend = "uring" })
    end)

    it("has the same results on every run on io_uring", function()
      assert.same(truth, support.run(programs[name], { backend = "uring" }))
    end)

    it("has the same results on every run on epoll", function()
      for _ = 1, 3 do assert.same(truth, support.run(programs[name], { backend = "epoll" })) end
    end)

    it("has the same results on a ring of one entry", function()
      local options = { backend = "uring", entries = 1, cq_entries = 2 }
      assert.same(truth, support.run(programs[name], options))
    end)

    it("has the same results on the simulated ring", function()
      assert.same(truth, on_sim(name, {}))
    end)

    it("has the same results when every transfer is cut to one byte", function()
      assert.same(truth, on_sim(name, { short = 1 }))
    end)

    it("has the same results when the queue is always full", function()
      assert.same(truth, on_sim(name, { full = 1 }))
    end)

    it("has the same results in whatever order things are done", function()
      for seed = 1, SEEDS do
        local result = on_sim(name, { reorder = seed })
        assert.same(truth, result, "with reorder = " .. seed)
      end
    end)

    it("has the same results under all of that at once", function()
      for seed = 1, SEEDS do
        local script = { reorder = seed, short = 1 + seed % 7, full = 1 + seed % 3 }
        assert.same(truth, on_sim(name, script), "with reorder = " .. seed)
      end
    end)

    it("has the same results when each completion comes twice", function()
      assert.same(truth, on_sim(name, { { twice = true } }))
    end)
  end)
end
