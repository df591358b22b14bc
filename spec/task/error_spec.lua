-- R20: an error goes its way unchanged, with the traceback of every level; none is ever lost.
local kio = require "kio"
local support = require "spec.support"
local common = require "spec.task.common"
local run = support.run

-- Five tasks, each in a chunk of its own name, so that a traceback names its level: level1 fails,
-- the others await the one below.
local function failing_at(n, value, how)
  local code = "local kio, below, value = ... return function() return %s end"
  local chunk
  if n == 1 then
    chunk = load(code:format(how or "error(value)"), "=level1")(kio, nil, value)
  else
    local below = failing_at(n - 1, value, how)
    chunk = load(code:format("kio.spawn(below):await()"), "=level" .. n)(kio, below, value)
  end
  return chunk
end

local function positions(text)
  local list = {}
  for level in text:gmatch("(level%d):1:") do
    if list[#list] ~= level then list[#list + 1] = level end
  end
  return list
end

local VALUES = { "a string", { "a table" }, function() end, 12, 0.5, true, false, io.stdout }

-- What nil becomes when it is raised: since Lua 5.5 a text.
local NIL <const> = select(2, pcall(error))

-- The results, an error text without its traceback.
local function first_line(ok, err)
  return table.pack(ok, type(err) == "string" and err:match("^[^\n]*") or err)
end

describe("an error", function()
  it("crosses five levels of await as the value it is", function()
    for _, value in ipairs(VALUES) do
      run(function()
        local ok, err = pcall(failing_at(5, value, "error(value, 0)"))
        assert.is_false(ok)
        assert.is_true(rawequal(value, err))
        local task = kio.spawn(failing_at(4, value, "error(value, 0)"))
        ok, err = task:join()
        assert.is_false(ok)
        assert.is_true(rawequal(value, err))
      end)
    end
  end)

  it("may be nil", function()
    run(function()
      local task = kio.spawn(failing_at(5, nil))
      local ok, err, trace = task:join()
      assert.same({ n = 2, false, NIL }, table.pack(ok, err))
      assert.is_string(trace)
      assert.same({ n = 2, false, NIL }, table.pack(pcall(task.await, task)))
    end)
    assert.same({ n = 2, false, NIL }, first_line(pcall(kio.run, error)))
  end)

  it("is given to everybody who awaits", function()
    run(function()
      local value = {}
      local task = kio.spawn(function()
        kio.sleep(0.001)
        error(value)
      end)
      local waiters = {}
      for i = 1, 10 do waiters[i] = kio.spawn(pcall, task.await, task) end
      for i = 1, 10 do assert.equal(value, (select(2, waiters[i]:await()))) end
      assert.equal(value, (select(2, pcall(task.await, task))))
    end)
  end)

  it("that is caught leaves the run alone", function()
    assert.equal("fine", kio.run(function()
      local task = kio.spawn(error, "caught")
      assert.is_false((task:join()))
      assert.is_false((pcall(task.await, task)))
      kio.sleep(0.001)
      return "fine"
    end))
  end)

  it("of Lua's own kind ends only its task", function()
    local function endless(n) return 1 + endless(n + 1) end
    local function nested(s) return (s:gsub(".", nested)) end
    run(function()
      for pattern, f in pairs {
        ["attempt to call a nil value"] = function() local x = nil; x() end,
        ["stack overflow"] = endless,
        ["C stack overflow"] = function() return nested("a") end,
        ["attempt to compare"] = function() return table.sort { 1, "a" } end,
      } do
        local task = kio.spawn(f, 1)
        local ok, err = task:join()
        assert.is_false(ok)
        assert.matches(pattern, err)
        assert.equal("failed", task:status())
      end
    end)
  end)
end)

describe("a traceback", function()
  it("names every level, the deepest last", function()
    run(function()
      for _, how in ipairs { "error(value)", "value.x.y", "assert(false, value)" } do
        local task = kio.spawn(failing_at(5, {}, how))
        local ok, _, trace = task:join()
        assert.is_false(ok)
        assert.same({ "level5", "level4", "level3", "level2", "level1" }, positions(trace))
        assert.equal(4, select(2, trace:gsub("of a task awaited there, stack traceback:", "")))
      end
    end)
  end)

  it("is the third result of join at every level", function()
    run(function()
      for n = 1, 5 do
        local _, _, trace = kio.spawn(failing_at(n, "x")):join()
        assert.equal(n, #positions(trace))
      end
    end)
  end)

  it("is kept through a level that catches the error and raises it again", function()
    run(function()
      local function again()
        local ok, err = pcall(failing_at(3, "x"))
        assert(not ok)
        error(err, 0)
      end
      local _, err, trace = kio.spawn(again):join()
      assert.matches("x$", err)
      assert.same({ "level2", "level1" }, { table.unpack(positions(trace), 1, 2) })
    end)
  end)

  it("tells the place within a generator too", function()
    run(function()
      local task = kio.spawn(function()
        local generator = coroutine.wrap(load("local kio = ... kio.sleep(0) error('deep')", "=gen"))
        return generator(kio)
      end)
      local ok, err, trace = task:join()
      assert.is_false(ok)
      assert.matches("gen:1: deep", err)
      assert.matches("error_spec%.lua:%d+:", trace)
    end)
  end)
end)

describe("kio.run", function()
  it("appends the tracebacks to an error that is a string", function()
    local ok, err = pcall(kio.run, failing_at(5, "the message"))
    assert.is_false(ok)
    assert.equal("level1:1: the message", err:match("^[^\n]*"))
    assert.matches("^level1:1: the message\nstack traceback:\n", err)
    assert.same({ "level1", "level5", "level4", "level3", "level2", "level1" }, positions(err))
  end)

  it("leaves other errors as they are", function()
    for _, value in ipairs(VALUES) do
      if type(value) ~= "string" then
        local ok, err = pcall(kio.run, failing_at(3, value))
        assert.is_false(ok)
        assert.is_true(rawequal(value, err))
      end
    end
  end)
end)

describe("a task nobody awaits", function()
  local function lose(value)
    return pcall(kio.run, function()
      kio.spawn(error, value, 0)
      kio.sleep(1000)
    end)
  end

  it("ends the run with its error", function()
    local ok, err = lose("lost")
    assert.is_false(ok)
    assert.matches("^lost\nstack traceback:", err)
    local value = {}
    ok, err = lose(value)
    assert.is_false(ok)
    assert.equal(value, err)
    assert.same({ n = 2, false, NIL }, first_line(lose(nil)))
  end)

  it("ends it although the main function has returned", function()
    local ok, err = pcall(kio.run, function()
      kio.spawn(function()
        kio.sleep(0.001)
        error("late", 0)
      end)
      return "result"
    end)
    assert.is_false(ok)
    assert.matches("^late\n", err)
  end)

  it("has the others unwind first", function()
    local unwound = {}
    local function waiting(name)
      local _ <close> = setmetatable({}, { __close = function(_, err)
        unwound[#unwound + 1] = name .. " " .. tostring(kio.is_cancelled(err))
      end })
      kio.sleep(1000)
    end
    local ok, err = pcall(kio.run, function()
      common.until_waiting(kio.spawn(waiting, "child"))
      kio.spawn(error, "lost", 0)
      waiting("main")
    end)
    assert.is_false(ok)
    assert.matches("^lost\n", err)
    table.sort(unwound)
    assert.same({ "child true", "main true" }, unwound)
  end)

  it("comes before those that fail after it", function()
    local ok, err = pcall(kio.run, function()
      kio.spawn(function()
        local _ <close> = setmetatable({}, { __close = function() error("second", 0) end })
        kio.sleep(1000)
      end)
      kio.spawn(error, "first", 0)
      kio.sleep(1000)
    end)
    assert.is_false(ok)
    assert.matches("^first\n", err)
  end)

  it("is told by its error even when somebody asks later", function()
    local asked = false
    local ok, err = pcall(kio.run, function()
      local task = kio.spawn(error, "too late", 0)
      pcall(kio.sleep, 1000)
      asked = true
      task:join()
    end)
    assert.is_true(asked)
    assert.is_false(ok)
    assert.matches("^too late\n", err)
  end)
end)

describe("a main function that fails", function()
  it("ends its children, however long they would run", function()
    local ended = {}
    local ok, err = pcall(kio.run, function()
      local listener = assert(kio.net.listen("127.0.0.1:0"))
      local function note(name, f, ...)
        local good, why = pcall(f, ...)
        ended[name] = not good and kio.is_cancelled(why)
        if name == "server" then listener:close() end
      end
      kio.spawn(note, "server", listener.accept, listener)
      kio.spawn(note, "sleeper", kio.sleep, math.huge)
      local spinner = kio.spawn(note, "spinner", function() while true do kio.yield() end end)
      kio.yield()
      assert(spinner:status() == "ready")
      error("main fails", 0)
    end)
    assert.is_false(ok)
    assert.matches("^main fails\n", err)
    assert.same({ server = true, sleeper = true, spinner = true }, ended)
  end)

  it("does so when it fails at once, before they have begun", function()
    local ran = false
    local ok, err = pcall(kio.run, function()
      kio.spawn(function() ran = true end)
      error({})
    end)
    assert.is_false(ok)
    assert.is_table(err)
    assert.is_false(ran)
  end)
end)

describe("an error while unwinding", function()
  it("after a cancellation is the task's error", function()
    run(function()
      local task = kio.spawn(function()
        local ok = pcall(kio.sleep, 1000)
        error({ ok })
      end)
      common.until_waiting(task)
      task:cancel()
      local ok, err = task:join()
      assert.same({ false, { false } }, { ok, err })
      assert.equal("failed", task:status())
    end)
  end)
end)
