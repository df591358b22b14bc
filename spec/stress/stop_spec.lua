-- timeout: 150
-- flavours: test asan hostile tsan
-- without: lua55
-- The end of a run with thousands of operations of every kind pending on 1 to 4 workers, at random
-- moments and in every way a run may end: every task that began ends, once, on whichever worker; no
-- memory, descriptor or thread is left (the world check looks after each test), and no freed buffer
-- was written to (the quarantine aborts the run). KIO_STOP_SEED=n runs one seed alone.
-- In full that is 1,000 runs with 10,000 operations each, some ten minutes, and the longest end is
-- told: `KIO_STOP_FULL=1000 busted spec/stress/stop_spec.lua`. Here only a few runs are as large as
-- that. Sanitizers and hostile constants get fewer and smaller ones, each flavour its own seeds.
local lfs = require "lfs"
local kio = require "kio"
local support = require "spec.support"
local program = require "spec.stress.stop_program"

local SCALE = support.scale {
  test = { from = 0, runs = 120, full = 3, size = 10000, small = 100 },
  asan = { from = 1000, runs = 40, full = 2, size = 5000, small = 100 },
  hostile = { from = 2000, runs = 60, full = 2, size = 2000, small = 60 },
  tsan = { from = 3000, runs = 50, full = 2, size = 1000, small = 60 },
  epoll = { from = 4000, runs = 50, full = 2, size = 10000, small = 100 },
}
local IN_FULL = tonumber(os.getenv "KIO_STOP_FULL")
local FULL = IN_FULL or SCALE.full

-- A folder with a file and a link; a fifo, too, where a shell can be started.
local function playground()
  local folder = support.tmpdir()
  local file <close> = assert(io.open(folder .. "/file", "w"))
  assert(file:write(("x"):rep(4096)))
  assert(lfs.link("target", folder .. "/file.link", true))
  if support.flavour ~= "tsan" then
    assert(os.execute("mkfifo " .. folder .. "/file.fifo"))
  end
  return folder
end

-- Every task has ended, once, and no memory is left.
local function check(found)
  assert(found.begun == found.ended, found.begun .. " tasks began, and ended " .. found.ended)
  assert(found.twice == 0, found.twice .. " tasks ended twice")
  collectgarbage()
  collectgarbage()
  local left = kio.core.world().blocks
  assert(left == 0, left .. " blocks of memory are left")
end

describe("a run with pending operations", function()
  local only = tonumber(os.getenv "KIO_STOP_SEED")

  -- How many operations were begun, and the longest end.
  local function runs(first, last, size, full)
    local folder, begun, longest = playground(), 0, 0
    for seed = only or first, only or last do
      local threads = seed % 4 + 1
      local way = program.ways[seed % #program.ways + 1]
      local ok, err = xpcall(function()
        local found, took = program.run(folder, seed, threads, size // threads, way, full)
        check(found)
        if full then
          assert.equal(threads, found.workers)
          assert.equal(size // threads * threads, found.begun)
        end
        begun, longest = begun + found.begun, math.max(longest, took)
      end, debug.traceback)
      if not ok then error(("KIO_STOP_SEED=%d: %s"):format(seed, err), 0) end
    end
    return begun, longest
  end

  it("ends when all of them have begun", function()
    local begun, longest = runs(SCALE.from + 1, SCALE.from + FULL, SCALE.size, true)
    if IN_FULL then print(begun .. " operations, the longest end in seconds: " .. longest) end
  end)

  it("ends at any moment", function()
    local first = SCALE.from + FULL + 1
    local begun = runs(first, first + SCALE.runs - 1, SCALE.small, false)
    local most = SCALE.runs * SCALE.small
    -- Neither always before the first nor always after the last of them.
    assert.is_true(only or (begun > most // 10 and begun < most), begun .. " of " .. most)
  end)
end)
