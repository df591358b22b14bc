-- timeout: 120
-- flavours: test asan hostile
-- The model test: random programs on the virtual clock, each run by kio and by the model. Every
-- statement must come to the same, at the same time, for every second program also with the ready
-- tasks shuffled. KIO_MODEL_SEED=n runs one program alone.
local kio = require "kio"
local support = require "spec.support"
local model = require "spec.task.scope.model"
local program = require "spec.task.scope.program"

-- From where, and how many: each flavour has seeds of its own.
local SEEDS = support.scale {
  full = { 1, 100000 }, test = { 1, 6000 }, asan = { 6001, 2000 }, hostile = { 8001, 2000 },
  lua55 = { 10001, 500 },
}
local TOLD = 3 -- failing seeds that are told in full

-- ---- kio as the programs see it ----

local real = { sleep = kio.sleep, timeout = kio.timeout, shield = kio.shield, scope = kio.scope }
local begin, file, order

local function job(f, options)
  return { f, daemon = options.daemon, on_error = options.on_error }
end

function real.spawn(f, options) return kio.spawn(job(f, options)) end
function real.await(task) task:await() end
function real.cancel_task(task) task:cancel() end
function real.cancel_scope(scope) scope:cancel() end
function real.now() return kio.now() - begin end

function real.spawn_in(scope, f, options)
  local ok, task = pcall(scope.spawn, scope, job(f, options))
  if not ok then error({ id = task:match "the scope has (ended)$" }, 0) end
end

function real.join(task, seconds) return task:join { timeout = seconds } end

-- The ring is told to do each read at once, and to say so this much later.
function real.operate() assert(kio.pread(file, 1, 0) == "x") end

real.is_cancelled = kio.is_cancelled

function real.run(main)
  kio.core.sim { { op = "read", delay = 7654321 } }
  return pcall(kio.run, function()
    begin = kio.now()
    main()
  end, { backend = "sim", shutdown_timeout = 1e9, testing = { seed = order } })
end

-- ---- comparing ----

local function differences(expected, found)
  local list = {}
  for id, text in pairs(expected) do
    if found[id] ~= text then
      list[#list + 1] = ("  %s: the model says %s, kio %s"):format(id, text, found[id])
    end
  end
  for id, text in pairs(found) do
    if not expected[id] then list[#list + 1] = ("  %s: only kio says %s"):format(id, text) end
  end
  table.sort(list)
  return list
end

-- What is wrong with one seed; nil: nothing. And what its statements came to.
local function try(seed)
  local block = program.make(seed)
  local expected, own = program.run(block, model)
  assert(#own == 0, "the model itself: " .. table.concat(own, "; "))
  order = seed % 2 * seed
  local found, problems = program.run(block, real)
  local wrong = differences(expected, found)
  table.move(problems, 1, #problems, #wrong + 1, wrong)
  if #wrong == 0 then return nil, found end
  return ("KIO_MODEL_SEED=%d\n%s"):format(seed, table.concat(wrong, "\n"))
end

local function count_outcomes(seen, log)
  for _, text in pairs(log) do
    local what = tostring(text):gsub(" @.*", ""):gsub("error %d+", "error"):gsub("%b()", "+")
    seen[what] = (seen[what] or 0) + 1
  end
end

local function with_file(f)
  support.run(function()
    local path, c = support.tmpdir() .. "/x", kio.const
    file = assert(kio.openat(nil, path, c.O_RDWR | c.O_CREAT))
    assert(kio.write(file, "x"))
  end)
  local ok, err = pcall(f)
  support.run(function() kio.close(file) end)
  assert(ok, err)
end

-- What the programs must have brought about, or they would prove little.
local NEEDED = {
  "scope: done", "scope: ECANCELED", "scope: error", "scope: cancelled", "timeout: done",
  "timeout: ETIMEDOUT", "timeout: cancelled", "timeout: error", "shield: done", "shield: error",
  "sleep: cancelled", "spawn: cancelled", "await: error", "await: cancelled", "join: error late",
  "join: error", "join: cancelled", "join: ok", "operate: cancelled",
  "spawn_in: error ended", "scope: error +", "catch: error", "catch: cancelled",
}

describe("random programs", function()
  it("come to what the model says", function()
    with_file(function()
      local failed, seen = {}, {}
      local only = tonumber(os.getenv("KIO_MODEL_SEED"))
      for seed = only or SEEDS[1], only or SEEDS[1] + SEEDS[2] - 1 do
        local wrong, log = try(seed)
        if wrong then failed[#failed + 1] = wrong else count_outcomes(seen, log) end
      end
      if #failed > 0 then
        local told = table.concat(failed, "\n", 1, math.min(#failed, TOLD))
        error(("%d seeds fail\n%s"):format(#failed, told), 0)
      end
      for _, what in ipairs(only and {} or NEEDED) do
        assert.is_true((seen[what] or 0) >= SEEDS[2] // 2000, what .. " came about too seldom")
      end
    end)
  end)
end)
