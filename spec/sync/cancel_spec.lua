-- timeout: 120
-- ThreadSanitizer keeps something for every longjmp out of a function of ours, and gets slow:
-- flavours: test asan hostile
-- A program that uses every primitive, cancelled at each of its await points in turn: before the
-- wait, during it, and between the wake-up and the run; one task alone, or all of them.
local common = require "spec.sync.common"
local kio = require "kio"
local program = require "spec.sync.program"

local core = kio.core

-- Puts `act` in the place of a function that kio.sync calls, and tells it of the k-th call; whether
-- there was one.
local function at_call(place, name, k, act, run)
  local original, count = place[name], 0
  place[name] = function(...)
    count = count + 1
    return act(count == k, original, ...)
  end
  local ok, err = pcall(run)
  place[name] = original
  if not ok then error(("at call %d of %s: %s"):format(k, name, tostring(err)), 0) end
  return count >= k
end

-- A helper outside of the program that ends what it is told to in the next turn, when the task that
-- has told it waits.
local function new_killer()
  local orders = core.own.queue "event"
  local task = kio.spawn(function()
    local _, victim = orders:wait()
    while victim do
      victim:cancel()
      _, victim = orders:wait()
    end
  end)
  common.settle()
  return function(victim) orders:wake(victim) end, function() orders:wake() task:await() end
end

-- Runs the program with one intervention, for every k until it is not reached any more; how many
-- there were. `act(hit, scope, kill, original, ...)` calls the original.
local function each(place, name, act)
  local k, reached = 0, nil
  repeat
    k = k + 1
    common.sim(function()
      local kill, done = new_killer()
      local state, scope
      reached = at_call(place, name, k, function(hit, original, ...)
        return act(hit and scope, kill, original, ...)
      end, function()
        state = program.run(function(opened) scope = opened end)
      end)
      scope = nil
      done()
      program.check(state)
    end)
  until not reached
  return k - 1
end

local queue = getmetatable(core.own.queue "event").__index

local function before(hit, _, original, ...)
  if hit then core.own.current():cancel() end
  return original(...)
end

local function during(hit, kill, original, ...)
  if hit then kill(core.own.current()) end
  return original(...)
end

local function all_during(hit, kill, original, ...)
  if hit then kill(hit) end
  return original(...)
end

local function after_wake(hit, _, original, ...)
  local task, cell = original(...)
  if hit and task then task:cancel() end
  return task, cell
end

local function all_after_wake(hit, _, original, ...)
  local task, cell = original(...)
  if hit and task then hit:cancel() end
  return task, cell
end

-- How often the program comes to each of them, undisturbed.
local LEAST = { checkpoint = 50, wait = 20, wait_any = 8, wait_shielded = 5, wake = 60 }

describe("a program that uses all of kio.sync", function()
  it("does its work when nobody interferes", function()
    common.sim(function()
      local state = program.run()
      program.check(state)
      assert.equal(6, state.done)
    end)
  end)

  for name, place in pairs { checkpoint = core.own, wait = queue, wait_any = core.own } do
    it("is clean when a task is cancelled before any call of " .. name, function()
      assert.is_true(each(place, name, before) >= LEAST[name])
    end)
  end

  for name, place in pairs { wait = queue, wait_any = core.own, wait_shielded = queue } do
    it("is clean when a task is cancelled during any call of " .. name, function()
      assert.is_true(each(place, name, during) >= LEAST[name])
    end)

    it("is clean when all is cancelled during any call of " .. name, function()
      assert.is_true(each(place, name, all_during) >= LEAST[name])
    end)
  end

  it("is clean when a task is cancelled after it was woken, before it runs", function()
    assert.is_true(each(queue, "wake", after_wake) >= LEAST.wake)
  end)

  it("is clean when all is cancelled after any wake-up", function()
    assert.is_true(each(queue, "wake", all_after_wake) >= LEAST.wake)
  end)
end)
