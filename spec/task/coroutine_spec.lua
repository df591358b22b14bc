-- Outside tasks kio's coroutine functions do what Lua's do, to the letter; and what coroutines do
-- inside a task does not change when operations are scattered in. The same programs run in two
-- processes, one with kio and one without, and must print the same.
-- The shell that starts them does not run under ThreadSanitizer:
-- flavours: test asan hostile
-- without: epoll
-- timeout: 120
local common = require "spec.task.common"
local support = require "spec.support"

local SEEDS = support.flavour == "test" and 2000 or 300

local function output(...)
  local text, ok = common.child_file("spec/task/coroutine_programs.lua", ...)
  assert(ok, text)
  return text
end

local function first_difference(a, b)
  local next_b = b:gmatch("[^\n]+")
  for line in a:gmatch("[^\n]+") do
    if line ~= next_b() then return line end
  end
end

-- Programs differ: say how the first of them does.
local function tell(place, line)
  local seed = line:match("^%d+")
  assert.equal(output("plain", place, seed, seed, "verbose"),
    output("kio", place, seed, seed, "verbose"))
end

for place, title in pairs { main = "outside tasks", inside = "within a task" } do
  describe("coroutines " .. title, function()
    it("say and do in every corner what plain Lua's do", function()
      local expected = output("plain", place, "fixed")
      assert.is_true(select(2, expected:gsub("\n", "")) > 400)
      assert.equal(expected, output("kio", place, "fixed"))
    end)

    it("go through random programs like plain Lua's", function()
      local expected = output("plain", place, "1", tostring(SEEDS))
      local got = output("kio", place, "1", tostring(SEEDS))
      assert.equal(SEEDS, select(2, expected:gsub("\n", "")))
      if got ~= expected then tell(place, first_difference(expected, got) or "1") end
      assert.is_true(got == expected)
    end)
  end)
end
