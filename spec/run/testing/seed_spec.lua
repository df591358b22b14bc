-- The seed of kio.testing: it decides in which order ready tasks run. Starts programs, which
-- ThreadSanitizer does not survive.
-- flavours: test asan hostile
local kio = require "kio"
local support = require "spec.support"
local common = require "spec.task.common"

local testing = kio.testing

-- In which order eight tasks, spawned at once, run their three turns.
local function order()
  local list, tasks = {}, {}
  for i = 1, 8 do
    tasks[i] = kio.spawn(function()
      for _ = 1, 3 do
        list[#list + 1] = i
        kio.yield()
      end
    end)
  end
  for _, task in ipairs(tasks) do task:await() end
  return table.concat(list)
end

local function with_seed(seed, backend)
  return testing.run(order, { seed = seed, backend = backend })
end

describe("the seed", function()
  it("0 is the order in which tasks became ready", function()
    assert.equal(("12345678"):rep(3), with_seed(0))
    assert.equal(("12345678"):rep(3), support.run(order))
  end)

  it("gives the same order each time, and others give others", function()
    local seen, different = {}, 0
    for seed = 1, 50 do
      local text = with_seed(seed)
      assert.equal(text, with_seed(seed))
      assert.equal(text, with_seed(seed, "sim"))
      if not seen[text] then different = different + 1 end
      seen[text] = true
    end
    assert.equal(50, different)
  end)

  it("may be any integer", function()
    assert.are_not.equal(with_seed(-1), with_seed(math.maxinteger))
  end)

  it("leaves no task out: each has its turn before any has its next", function()
    for seed = 1, 50 do
      local text = with_seed(seed)
      for from = 1, 24, 8 do
        local turn = {}
        for digit in text:sub(from, from + 7):gmatch(".") do turn[#turn + 1] = digit end
        table.sort(turn)
        assert.equal("12345678", table.concat(turn))
      end
    end
  end)

  it("changes in which order waiters go on, not in which order they are served", function()
    local served, different = {}, {}
    for seed = 1, 20 do
      local ran = testing.run(function()
        local channel, ran, tasks = kio.sync.channel(0), {}, {}
        for i = 1, 6 do
          tasks[i] = common.until_waiting(kio.spawn(function()
            served[i] = channel:receive()
            ran[#ran + 1] = i
          end))
        end
        for i = 1, 6 do channel:send(i) end
        for i = 1, 6 do tasks[i]:await() end
        return table.concat(ran)
      end, { seed = seed })
      assert.same({ 1, 2, 3, 4, 5, 6 }, served)
      different[ran] = true
    end
    assert.is_truthy(next(different, next(different)))
  end)

  it("is told in an error that is a text", function()
    for seed = 1, 3 do
      local err = support.expect_error("^wrong\n", testing.run, function() error("wrong", 0) end,
        { seed = seed })
      assert.matches(("\nkio%%.testing: the seed was %d; KIO_SEED=%d repeats it$")
        :format(seed, seed), err)
    end
  end)

  it("is told by kio.testing.seed", function()
    assert.equal(5, testing.run(testing.seed, { seed = 5 }))
    support.expect_error("kio.testing.seed outside kio.testing.run", testing.seed)
  end)

  it("must be an integer", function()
    support.expect_error("the seed must be an integer, not x", with_seed, "x")
    support.expect_error("the seed must be an integer, not 1.5", with_seed, 1.5)
  end)
end)

describe("KIO_SEED", function()
  -- The output of a program that calls testing.run(f) with the variable set to a text, or not set.
  local function child(seed, f)
    local text = [[
      local getenv = os.getenv
      os.getenv = function(name) if name == "KIO_SEED" then return %s end return getenv(name) end
      local testing = require "kio".testing
      for _ = 1, 5 do print(pcall(testing.run, %s)) end
    ]]
    return (common.child(text:format(seed and ("%q"):format(seed) or "nil", f)))
  end

  it("is the seed when there is no option", function()
    assert.equal(("true\t77\n"):rep(5), child("77", "testing.seed"))
  end)

  it("is told in the error, and printed when that is no text", function()
    local note = "kio%.testing: the seed was 77; KIO_SEED=77 repeats it\n"
    assert.matches("false\twrong\nstack traceback:.-" .. note, child("77",
      "function() error('wrong', 0) end"))
    local _, count = child("77", "function() error({}) end"):gsub(note, "")
    assert.equal(5, count)
  end)

  it("not being set, chance decides", function()
    local seen, count = {}, 0
    for seed in child(nil, "testing.seed"):gmatch("true\t(%d+)\n") do
      assert.are_not.equal("0", seed)
      if not seen[seed] then count = count + 1 end
      seen[seed] = true
    end
    assert.is_true(count > 1)
  end)

  it("must be an integer", function()
    assert.matches("the seed must be an integer, not abc", child("abc", "testing.seed"))
  end)
end)
