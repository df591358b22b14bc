-- What single steps cost in the release build: user instructions, which hardly depend on the
-- machine's load. A change that makes one dearer is to be seen when it is made; one that makes it
-- cheaper lowers its figure here. docs/rationale.md tells where they go; what is counted is in
-- bench/step_cases.lua, and `make bench ARGS=steps` prints it.
-- timeout: 120
local FIGURES <const> = { -- gcc 12 -O2, Lua 5.4.4, liburing 2.3
  ["echo"] = 2890,
  ["echo-buffer"] = 2730,
  ["pread"] = 4150,
  ["pread-into"] = 2325,
  ["fd-pread"] = 3615,
  ["fd-pread-into"] = 1855,
  ["byte"] = 2090,
  ["yield"] = 700,
  ["spawn"] = 6290,
  ["all"] = 16800,
  ["http"] = 14600,
  ["http-echo"] = 23370,
}
local MARGIN <const> = 1.03
local ATTEMPTS <const> = 3 -- Lua's hashes are seeded anew in each process: that is 1 or 2 percent

package.path = "./bench/?.lua;" .. package.path
local steps = require "steps"

local function exists(path)
  local file <close> = io.open(path)
  return file ~= nil
end

local function names_of(figures)
  local names = {}
  for name in pairs(figures) do names[#names + 1] = name end
  table.sort(names)
  return names
end

-- Lowers least[name] to what this count gives; returns a line for each that is too dear.
local function count(least)
  local counts = assert(steps.count("", "build/release", names_of(FIGURES)))
  local dear = {}
  for _, name in ipairs(names_of(FIGURES)) do
    least[name] = math.min(least[name] or math.huge, counts[name])
    if least[name] > FIGURES[name] * MARGIN then
      dear[#dear + 1] = ("%s: %.0f instructions, %d before"):format(name, least[name],
        FIGURES[name])
    end
  end
  return dear
end

describe("a step", function()
  it("takes no more instructions than when it was last looked at", function()
    if not os.execute "command -v valgrind >/dev/null" then pending("needs valgrind") end
    if not exists "build/release/kio/core.so" then
      pending("needs the release build: make all")
    end
    local least, dear = {}, nil
    for _ = 1, ATTEMPTS do
      dear = count(least)
      if #dear == 0 then break end
    end
    assert.same({}, dear)
  end)
end)
