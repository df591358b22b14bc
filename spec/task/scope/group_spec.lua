-- kio.all, kio.map, kio.race and kio.as_completed.
local kio = require "kio"
local support = require "spec.support"

local function sim(f) return support.run(f, { backend = "sim" }) end

-- A function that returns these values after a while.
local function after(seconds, ...)
  local results = table.pack(...)
  return function()
    kio.sleep(seconds)
    return table.unpack(results, 1, results.n)
  end
end

local function failing(seconds, err)
  return function()
    kio.sleep(seconds)
    error(err, 0)
  end
end

-- One that returns in spite of its cancellation.
local function stubborn(...)
  local results = table.pack(...)
  return function()
    pcall(kio.sleep, 1000)
    return table.unpack(results, 1, results.n)
  end
end

-- One that tells in `seen` that it was cancelled, a second later.
local function unwinding(seen)
  return function()
    local _ <close> = setmetatable({}, { __close = function(_, err)
      kio.shield(kio.sleep, 1)
      seen[#seen + 1] = kio.is_cancelled(err)
    end })
    kio.sleep(1000)
  end
end

local function timed(f, ...)
  local start = kio.now()
  local results = table.pack(f(...))
  return kio.now() - start, table.unpack(results, 1, results.n)
end

describe("kio.all", function()
  it("gives the first result of each, in order, when all have ended", function()
    sim(function()
      local list = { after(3, "a", "more"), after(1), after(2, "c") }
      local took, values, failed = timed(kio.all, list)
      assert.same({ n = 3, "a", nil, "c" }, values)
      assert.is_nil(failed)
      assert.is_true(took >= 3 and took < 3.5)
    end)
  end)

  it("keeps the messages of those that failed as kio's operations do", function()
    sim(function()
      local values, failed = kio.all {
        after(1, "fine"),
        function() return kio.fs.open "/nowhere/at/all" end,
        after(1, nil, "a message only"),
        after(1, false, "no failure"),
      }
      assert.same({ n = 4, "fine", nil, nil, false }, values)
      assert.matches("^open /nowhere/at/all: ", failed[2].message)
      assert.equal("ENOENT", failed[2].code)
      assert.same({ message = "a message only" }, failed[3])
      assert.is_nil(failed[1] or failed[4])
    end)
  end)

  it("of nothing is an empty list", function()
    sim(function() assert.same({ n = 0 }, (kio.all {})) end)
  end)

  it("raises the first error when the others have been cancelled and have ended", function()
    sim(function()
      local seen, value = {}, {}
      local took, ok, err = timed(pcall, kio.all, { unwinding(seen), failing(1, value),
        unwinding(seen) })
      assert.is_false(ok)
      assert.equal(value, err)
      assert.same({ true, true }, seen)
      assert.is_true(took >= 2 and took < 2.5)
    end)
  end)

  it("obeys deadlines and cancellations from outside", function()
    sim(function()
      local seen = {}
      local _, _, code = kio.timeout(1, kio.all, { unwinding(seen), after(0.5) })
      assert.equal("ETIMEDOUT", code)
      assert.same({ true }, seen)
      local task = kio.spawn(kio.all, { unwinding(seen) })
      kio.sleep(1)
      task:cancel()
      task:join()
      assert.equal("cancelled", task:status())
      assert.same({ true, true }, seen)
    end)
  end)

  it("tells where an error was raised", function()
    local _, err = pcall(kio.run, function()
      kio.all { load("error 'deep'", "=inner") }
    end, { backend = "sim" })
    local below = "^inner:1: deep\nstack traceback:.*group_spec%.lua.*\nof a task.*\n\tinner:1: in"
    assert.matches(below, err)
  end)
end)

describe("kio.map", function()
  it("calls f with each value and nothing else, and gives the results in order", function()
    sim(function()
      local took, values = timed(kio.map, { 30, 10, 20 }, function(value, ...)
        kio.sleep(value)
        return value + select("#", ...)
      end)
      assert.same({ n = 3, 30, 10, 20 }, values)
      assert.is_true(took < 31)
    end)
  end)

  it("runs no more than the limit at a time, and no fewer while there is work", function()
    sim(function()
      local list = {}
      for i = 1, 50 do list[i] = i end
      for _, limit in ipairs { 1, 2, 7, 50, 1000 } do
        local running, most = 0, 0
        local took, values = timed(kio.map, list, function(i)
          running = running + 1
          most = math.max(most, running)
          kio.sleep(1)
          running = running - 1
          return -i
        end, { limit = limit })
        assert.equal(math.min(limit, 50), most)
        assert.equal(50, values.n)
        for i = 1, 50 do assert.equal(-i, values[i]) end
        local rounds = math.ceil(50 / limit)
        assert.is_true(took >= rounds and took < rounds + 0.9, took)
      end
    end)
  end)

  it("starts no more after an error", function()
    sim(function()
      local started = 0
      local ok, err = pcall(kio.map, { 1, 2, 3, 4, 5, 6 }, function(i)
        started = started + 1
        kio.sleep(1)
        if i == 2 then error("two", 0) end
      end, { limit = 2 })
      assert.same({ false, "two" }, { ok, err })
      assert.is_true(started <= 3, started)
    end)
  end)
end)

describe("kio.race", function()
  it("gives all results of the first to return, others are cancelled and waited for", function()
    sim(function()
      local seen = {}
      local took, a, b, c = timed(kio.race, { unwinding(seen), after(1, nil, "two", nil),
        unwinding(seen) })
      assert.same({ nil, "two", nil }, { a, b, c })
      assert.same({ true, true }, seen)
      assert.is_true(took >= 2 and took < 2.5)
      assert.equal(3, select("#", kio.race { after(1, nil, nil, nil) }))
    end)
  end)

  it("gives what came together with the winner, or in spite of the cancel, to on_loser", function()
    sim(function()
      local lost = {}
      local function on_loser(...)
        kio.sleep(1)
        lost[#lost + 1] = table.pack(...)
      end
      local result = kio.race({ after(1, "first"), after(1, "same", "moment"),
        stubborn("late", nil), after(1000) }, { on_loser = on_loser })
      table.sort(lost, function(x, y) return x[1] < y[1] end)
      if result == "same" then -- which of the two is no matter
        assert.same({ 1, "first", n = 2 }, table.remove(lost, 1))
      else
        assert.equal("first", result)
        assert.same({ 2, "same", "moment", n = 3 }, table.remove(lost, 1))
      end
      assert.same({ { 3, "late", nil, n = 3 } }, lost)
    end)
  end)

  it("never loses a connection: each is won or handed over", function()
    for _, backend in ipairs { "sim", "uring" } do
      support.run(function()
        local name = "unix:@kio-race-" .. support.free_port()
        local listener <close> = assert(kio.net.listen(name))
        local function connect()
          local stream, message = kio.net.connect(name)
          return stream or error(message, 0)
        end
        local handed = 0
        local winner <close> = kio.race({ connect, connect, connect, connect }, {
          on_loser = function(_, stream)
            handed = handed + 1
            assert(stream:close())
          end,
        })
        assert.is_string(winner:peer())
        local accepted = 0
        for _ = 1, 1 + handed do
          local stream <close> = assert(listener:accept())
          accepted = accepted + 1
          assert(stream:peer())
        end
        assert.equal(1 + handed, accepted)
      end, { backend = backend })
    end
  end)

  it("raises an error, after the others have ended; what they brought goes to on_loser", function()
    sim(function()
      local lost, seen = {}, {}
      local took, ok, err = timed(pcall, kio.race, { failing(1, "no"), stubborn("kept"),
        unwinding(seen) }, { on_loser = function(i, value) lost[i] = value end })
      assert.same({ false, "no" }, { ok, err })
      assert.same({ [2] = "kept" }, lost)
      assert.same({ true }, seen)
      assert.is_true(took >= 2 and took < 2.5)
    end)
  end)

  it("that is won just when it is cancelled is won", function()
    sim(function()
      local result
      local task
      task = kio.spawn(function()
        result = kio.race { function()
          task:cancel()
          return "won"
        end }
      end)
      task:join()
      assert.equal("won", result)
    end)
  end)

  it("obeys deadlines, and needs somebody to race", function()
    sim(function()
      assert.equal("ETIMEDOUT", (select(3, kio.timeout(1, kio.race, { after(5), after(6) }))))
      support.expect_error("bad argument #1 to 'race' %(nothing to race%)", function()
        kio.race {}
      end)
    end)
  end)
end)

-- What a loop over as_completed sees, as text.
local function collect(list, options)
  local parts = {}
  for i, value in kio.as_completed(list, options) do
    parts[#parts + 1] = i .. tostring(value)
  end
  return table.concat(parts, " ")
end

describe("kio.as_completed", function()
  it("gives index and results in the order of ending", function()
    sim(function()
      assert.equal("2b 3c 1a", collect { after(3, "a"), after(1, "b"), after(2, "c") })
      assert.equal("", collect {})
      for i, a, b, c in kio.as_completed { after(1, nil, "b", nil) } do
        assert.same({ 1, nil, "b", nil }, { i, a, b, c })
      end
      assert.equal("1a 2b", collect({ after(2, "a"), after(1, "b") }, { limit = 1 }))
    end)
  end)

  it("takes tasks as well, and leaves them alone", function()
    sim(function()
      local quick, slow = kio.spawn(after(1, "q")), kio.spawn(after(5, "s"))
      assert.equal("2q 1x", collect { after(2, "x"), quick })
      for _, value in kio.as_completed { quick, slow } do
        if value == "q" then break end
        error "the slow one"
      end
      assert.equal("s", slow:await())
    end)
  end)

  it("lets the loop's body wait, and loses nothing meanwhile", function()
    sim(function()
      local seen = {}
      local took = timed(function()
        for i in kio.as_completed { after(1), after(2), after(3), after(30) } do
          seen[#seen + 1] = i
          kio.sleep(5)
        end
      end)
      assert.same({ 1, 2, 3, 4 }, seen)
      assert.is_true(took >= 35 and took < 36)
    end)
  end)

  it("gives the results before an error, then the error", function()
    sim(function()
      local seen, unwound = {}, {}
      local ok, err = pcall(function()
        for i, value in kio.as_completed { after(1, "a"), failing(2, "no"), unwinding(unwound) } do
          seen[i] = value
          kio.sleep(5)
        end
      end)
      assert.same({ false, "no", { "a" }, { true } }, { ok, err, seen, unwound })
    end)
  end)

  it("left by break cancels the rest and waits; on_loser gets what was not taken", function()
    sim(function()
      local lost, seen = {}, {}
      local took = timed(function()
        local functions = { after(1, "a"), after(2, "b"), after(3, "c"), stubborn "d",
          unwinding(seen) }
        for i in kio.as_completed(functions, { on_loser = function(i, v) lost[i] = v end }) do
          kio.sleep(1.5)
          if i == 1 then break end
        end
      end)
      assert.same({ [2] = "b", [4] = "d" }, lost)
      assert.same({ true }, seen)
      assert.is_true(took >= 3.5 and took < 4)
    end)
  end)

  it("left by an error or a cancellation does the same", function()
    sim(function()
      local lost, seen = 0, {}
      local function body(leave)
        local functions = { after(1), stubborn(), unwinding(seen) }
        local function on_loser()
          kio.sleep(0.1)
          lost = lost + 1
        end
        for _ in kio.as_completed(functions, { on_loser = on_loser }) do leave() end
      end
      assert.same({ false, "left" }, { pcall(body, function() error("left", 0) end) })
      local task = kio.spawn(body, function() kio.sleep(1000) end)
      kio.sleep(2)
      task:cancel()
      task:join()
      assert.equal("cancelled", task:status())
      assert.same({ true, true, 2 }, { seen[1], seen[2], lost })
    end)
  end)

  it("tells an error in the cleanup of what it cancels", function()
    sim(function()
      local function cleanup_fails()
        pcall(kio.sleep, 1000)
        error("cleanup", 0)
      end
      local function loop(leave)
        for _ in kio.as_completed { after(1), cleanup_fails } do
          if leave then leave() end
          if not leave then break end
        end
      end
      assert.same({ false, "cleanup" }, { pcall(loop) })
      local err = {}
      assert.same({ false, err }, { pcall(loop, function() error(err) end) })
      assert.same({ "cleanup" }, err.suppressed)
      local task = kio.spawn(loop, function() error("left", 0) end)
      local _, text, trace = task:join()
      assert.equal("left", text)
      assert.matches("and a task of its loop failed: cleanup\n", trace)
      local _, _, code = kio.timeout(2, function()
        assert.same({ false, "cleanup" }, { pcall(loop, function() kio.sleep(1000) end) })
        kio.sleep(1000)
      end)
      assert.equal("ETIMEDOUT", code)
    end)
  end)

  it("obeys deadlines", function()
    sim(function()
      assert.equal("ETIMEDOUT", (select(3, kio.timeout(2, collect, { after(1), after(5) }))))
    end)
  end)
end)

describe("misuse of groups", function()
  it("raises before anything starts", function()
    sim(function()
      local function never() error "started" end
      for _, name in ipairs { "all", "race", "as_completed" } do
        for _, wrong in ipairs { 1, "x", true, print } do
          support.expect_error("bad argument #1 to '" .. name .. "' %(a list of functions expected",
            function() kio[name](wrong) end)
        end
        for _, wrong in ipairs { 1, "x", {}, io.stdout, setmetatable({}, { __call = print }) } do
          local kind = wrong == io.stdout and "FILE%*" or type(wrong)
          support.expect_error("element 2: a function.- expected, got " .. kind,
            function() kio[name] { never, wrong } end)
        end
        support.expect_error("unknown option 'limmit'", kio[name], { never }, { limmit = 1 })
        support.expect_error("table of options expected", kio[name], { never }, 5)
      end
      for _, wrong in ipairs { 0, -1, 1.5, 0 / 0, "2", math.huge } do
        support.expect_error("option 'limit'", kio.all, { never }, { limit = wrong })
        support.expect_error("option 'limit'", kio.as_completed, { never }, { limit = wrong })
        support.expect_error("option 'limit'", kio.map, { 1 }, never, { limit = wrong })
      end
      support.expect_error("option 'on_loser'", kio.race, { never }, { on_loser = 1 })
      support.expect_error("a list expected", kio.map, 5, never)
      support.expect_error("a function expected", kio.map, {}, {})
      support.expect_error("element 1: a function expected, got kio.Task", kio.race,
        { kio.spawn(function() end) })
    end)
  end)

  it("outside of a task raises", function()
    for _, name in ipairs { "all", "race", "as_completed" } do
      support.expect_error("outside a task", kio[name], { print })
    end
    support.expect_error("outside a task", kio.map, { 1 }, print)
  end)
end)
