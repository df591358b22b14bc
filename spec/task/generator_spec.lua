-- Coroutines inside tasks: operations park the whole task, the coroutine's own yields go to its own
-- resumer, and no mark of kio's is ever seen.
local kio = require "kio"
local support = require "spec.support"
local common = require "spec.task.common"
local run = support.run

local yield = coroutine.yield

local function collect(...)
  local list = {}
  for item in ... do list[#list + 1] = item end
  return list
end

-- A task that writes the items one by one into a pipe, each after a little while.
local function feed(items)
  local from, to = kio.pipe()
  local task = kio.spawn(function()
    for _, item in ipairs(items) do
      kio.sleep(0.0003)
      assert(kio.write(to, item))
    end
    kio.close(to)
  end)
  return from, task
end

-- Yields what arrives, sleeping between.
local function reader(fd)
  return function()
    while true do
      local data = kio.read(fd, 100)
      if not data then return kio.close(fd) and nil end
      kio.sleep(0)
      yield(data)
      kio.yield()
    end
  end
end

describe("a generator", function()
  it("that sleeps and reads yields exactly its own items", function()
    run(function()
      local items = { "one", "two", "three", "four" }
      assert.same(items, collect(coroutine.wrap(reader(feed(items)))))
    end)
  end)

  it("does so made by create and resume", function()
    run(function()
      local items, got = { "a", "b", "c" }, {}
      local co = coroutine.create(reader(feed(items)))
      while true do
        local ok, item = coroutine.resume(co)
        assert.is_true(ok)
        if not item then break end
        got[#got + 1] = item
      end
      assert.same(items, got)
      assert.equal("dead", coroutine.status(co))
    end)
  end)

  it("exchanges values of any number both ways, around its operations", function()
    run(function()
      local co = coroutine.create(function(...)
        local got = table.pack(...)
        while true do
          kio.sleep(0)
          got = table.pack(yield(got.n, table.unpack(got, 1, got.n)))
          kio.yield()
        end
      end)
      local function send(...)
        local back = table.pack(coroutine.resume(co, ...))
        assert.same(table.pack(true, select("#", ...), ...), back)
      end
      send()
      send(nil)
      send(1, nil, "x", nil)
      send(table.unpack({}, 1, 200))
    end)
  end)

  it("runs beside others in other tasks", function()
    run(function()
      local tasks = {}
      for i = 1, 50 do
        tasks[i] = kio.spawn(function()
          return collect(coroutine.wrap(function()
            for n = 1, 5 do
              kio.sleep(0.0001 * (i % 3))
              yield(i * 100 + n)
            end
          end))
        end)
      end
      for i = 1, 50 do
        local base = i * 100
        assert.same({ base + 1, base + 2, base + 3, base + 4, base + 5 }, tasks[i]:await())
      end
    end)
  end)

  it("three levels deep: each level waits and yields its own", function()
    run(function()
      local from = feed { "1", "2", "3", "4", "5", "6" }
      local function pairs_of(source)
        return function()
          for first in source do
            kio.sleep(0)
            local second = source()
            yield(first .. "+" .. tostring(second))
          end
          yield "end of pairs"
        end
      end
      local outer = coroutine.wrap(function()
        for item in coroutine.wrap(pairs_of(coroutine.wrap(reader(from)))) do
          yield("<" .. item .. ">")
          kio.sleep(0)
        end
      end)
      assert.same({ "<1+2>", "<3+4>", "<5+6>", "<end of pairs>" }, collect(outer))
    end)
  end)

  it("fifty levels deep", function()
    run(function()
      local function level(n)
        if n == 0 then
          return function()
            for i = 1, 3 do
              kio.sleep(0)
              yield(i)
            end
          end
        end
        return function()
          for item in coroutine.wrap(level(n - 1)) do yield(item + 1) end
        end
      end
      assert.same({ 51, 52, 53 }, collect(coroutine.wrap(level(50))))
    end)
  end)

  it("goes on in the next task, and the next run", function()
    local co = coroutine.create(function()
      for i = 1, 6 do
        kio.sleep(0)
        yield(i)
      end
    end)
    local function two()
      local _, a = coroutine.resume(co)
      local _, b = coroutine.resume(co)
      return a + b
    end
    assert.same({ 3, 7 }, { kio.run(function()
      return kio.spawn(two):await(), kio.spawn(two):await()
    end) })
    assert.equal(11, kio.run(two))
    assert.equal("suspended", coroutine.status(co))
    local ok, message = coroutine.resume(co) -- it ends its loop without another operation
    assert.is_true(ok, message)
  end)

  it("left where it is costs nothing", function()
    run(function()
      for _ = 1, 100 do
        local co = coroutine.wrap(function()
          kio.sleep(0)
          yield()
        end)
        co()
      end
      local half = coroutine.create(function() kio.sleep(1000) end)
      local task = common.until_waiting(kio.spawn(coroutine.resume, half))
      task:cancel()
      local ok, err = task:await() -- what coroutine.resume returned
      assert.is_false(ok)
      assert.is_true(kio.is_cancelled(err))
      assert.equal("dead", coroutine.status(half))
    end)
  end)
end)

describe("operations within", function()
  it("pcall, xpcall and error handlers", function()
    run(function()
      local generator = coroutine.wrap(function()
        local ok, err = pcall(function()
          kio.sleep(0)
          yield "in pcall"
          error("one", 0)
        end)
        yield(tostring(ok) .. err)
        ok, err = xpcall(function(a)
          kio.sleep(0)
          yield("in xpcall " .. a)
          error("two", 0)
        end, function(e) return "handled " .. e end, "x")
        yield(tostring(ok) .. err)
      end)
      assert.same({ "in pcall", "falseone", "in xpcall x", "falsehandled two" }, collect(generator))
    end)
  end)

  it("metamethods", function()
    local function waiting(f)
      return function(...)
        kio.sleep(0)
        if coroutine.isyieldable() then yield "own" end
        return f(...)
      end
    end
    local meta = {
      __index = waiting(function(_, key) return key .. "!" end),
      __newindex = waiting(function(t, key, value) rawset(t, key, value * 2) end),
      __call = waiting(function(_, a) return a end),
      __concat = waiting(function() return "joined" end),
      __len = waiting(function() return 42 end),
      __unm = waiting(function() return "minus" end),
      __eq = waiting(function() return true end),
      __lt = waiting(function() return true end),
      __le = waiting(function() return false end),
    }
    for _, name in ipairs { "add", "sub", "mul", "div", "mod", "pow", "idiv", "band", "shl" } do
      meta["__" .. name] = waiting(function() return name end)
    end
    local function everything()
      local a, b = setmetatable({}, meta), setmetatable({}, meta)
      a.double = 4
      return { a.x, rawget(a, "double"), a(7), a .. "s", "s" .. a, #a, -a, a == b, a < b, a <= b,
        a + 1, 1 - a, a * a, a / 1, a % 1, a ^ 1, a // 1, a & 1, a << 1 }
    end
    local expected = { "x!", 8, 7, "joined", "joined", 42, "minus", true, true, false,
      "add", "sub", "mul", "div", "mod", "pow", "idiv", "band", "shl" }
    run(function()
      assert.same(expected, everything())
      local own = 0
      for value in coroutine.wrap(everything) do
        if value ~= "own" then
          assert.same(expected, value)
          break
        end
        own = own + 1
      end
      assert.equal(19, own)
    end)
  end)

  it("iterators, with a closing value", function()
    run(function()
      local closed = 0
      local function numbers(last)
        local function step(_, i)
          kio.sleep(0)
          if i < last then return i + 1 end
        end
        return step, nil, 0, setmetatable({}, { __close = function()
          kio.sleep(0)
          closed = closed + 1
        end })
      end
      local sum = 0
      for i in numbers(4) do sum = sum + i end
      for i in numbers(100) do
        sum = sum + i
        if i == 2 then break end
      end
      pcall(function()
        for _ in numbers(3) do error("out of the loop") end
      end)
      assert.equal(13, sum)
      assert.equal(3, closed)
      local inside = coroutine.wrap(function()
        for i in numbers(3) do yield(i) end
        for i in numbers(3) do
          yield(i)
          if i == 1 then break end
        end
      end)
      assert.same({ 1, 2, 3, 1 }, collect(inside))
      assert.equal(5, closed)
    end)
  end)

  it("a generator as the closing iterator of a loop", function()
    run(function()
      local near, far = common.stream_pair()
      kio.spawn(function()
        for i = 1, 4 do far:send("line " .. i .. "\n") end
        far:close()
      end)
      local function lines(stream)
        return coroutine.wrap(function()
          for line in function() return stream:read("l") end do yield(line) end
        end), nil, nil, stream
      end
      local got = {}
      for line in lines(near) do
        got[#got + 1] = line
        if #got == 3 then break end
      end
      assert.same({ "line 1", "line 2", "line 3" }, got)
      assert.matches("closed", tostring(near))
    end)
  end)
end)

describe("an error in a generator", function()
  it("goes to its resumer as Lua's do", function()
    run(function()
      local value = {}
      for _, raise in ipairs {
        function() error(value) end,
        function() kio.sleep(0) error(value) end,
        function() yield() kio.sleep(0) error(value) end,
      } do
        local co = coroutine.create(raise)
        local ok, err
        repeat ok, err = coroutine.resume(co) until coroutine.status(co) == "dead"
        assert.is_false(ok)
        assert.equal(value, err)
        assert.same({ false, "cannot resume dead coroutine" }, { coroutine.resume(co) })
      end
    end)
  end)

  it("gets the position of each wrap it passes", function()
    run(function()
      local text = [[
        local kio, yield = ...
        local inner = coroutine.wrap(function() kio.sleep(0) error("deep") end)
        local outer = coroutine.wrap(function() yield(1) inner() end)
        outer()
        outer()
      ]]
      local ok, message = pcall(load(text, "=text"), kio, yield)
      assert.is_false(ok)
      assert.equal("text:5: text:3: text:2: deep", message)
    end)
  end)

  it("comes with the coroutine's own traceback", function()
    run(function()
      local co = coroutine.create(function()
        kio.sleep(0)
        local function at_fault() error("x") end
        at_fault()
      end)
      coroutine.resume(co)
      assert.matches("at_fault", debug.traceback(co))
    end)
  end)

  it("from an operation is caught inside or passes through", function()
    run(function()
      local co = coroutine.wrap(function()
        yield((pcall(kio.sleep, -1)))
        kio.sleep(-1)
      end)
      assert.is_false(co())
      support.expect_error("a time in seconds cannot be negative", co)
    end)
  end)
end)

describe("a cancellation", function()
  it("is raised in the innermost generator and unwinds them all", function()
    run(function()
      local order = {}
      local function level(n)
        return function()
          local ok, err = pcall(function()
            if n == 0 then return kio.sleep(1000) end
            return coroutine.wrap(level(n - 1))()
          end)
          order[#order + 1] = { n, ok, kio.is_cancelled(err) }
          error(err, 0)
        end
      end
      local task = common.until_in_kernel(kio.spawn(level(3)))
      task:cancel()
      assert.is_false((task:join()))
      assert.equal("cancelled", task:status())
      for n = 0, 3 do assert.same({ n, false, true }, order[n + 1]) end
    end)
  end)

  it("that a generator swallows is raised at the task's next operation", function()
    run(function()
      local task = common.until_waiting(kio.spawn(function()
        local swallowed = coroutine.wrap(function() return (pcall(kio.sleep, 1000)) end)()
        return swallowed, (pcall(kio.yield))
      end))
      task:cancel()
      assert.same({ false, false }, { task:await() })
    end)
  end)
end)

describe("coroutine functions", function()
  it("tell what they tell in plain Lua", function()
    run(function()
      local main, is_main = coroutine.running()
      assert.is_false(is_main)
      assert.is_false(coroutine.isyieldable())
      assert.equal("running", coroutine.status(main))
      local co
      co = coroutine.create(function()
        kio.sleep(0)
        local self, self_is_main = coroutine.running()
        assert.equal(co, self)
        assert.is_false(self_is_main)
        assert.is_true(coroutine.isyieldable())
        assert.is_true(coroutine.isyieldable(co))
        assert.is_false(coroutine.isyieldable(main))
        assert.equal("running", coroutine.status(co))
        assert.equal("normal", coroutine.status(main))
        local ok, message = coroutine.resume(main)
        assert.same({ false, "cannot resume non-suspended coroutine" }, { ok, message })
        support.expect_error("cannot close a normal coroutine", coroutine.close, main)
        yield()
      end)
      assert.equal("suspended", coroutine.status(co))
      assert(coroutine.resume(co))
      assert.equal("suspended", coroutine.status(co))
      assert(coroutine.resume(co))
      assert.equal("dead", coroutine.status(co))
    end)
  end)

  it("refuse a generator that waits in another task", function()
    run(function()
      local co = coroutine.create(function()
        kio.sleep(0.002)
        yield "item"
      end)
      local wrapped
      local task = kio.spawn(function() return coroutine.resume(co) end)
      local other = kio.spawn(function()
        wrapped = coroutine.wrap(function() kio.sleep(0.002) end)
        wrapped()
      end)
      common.until_waiting(task)
      common.until_waiting(other)
      assert.equal("normal", coroutine.status(co))
      assert.same({ false, "cannot resume non-suspended coroutine" }, { coroutine.resume(co) })
      support.expect_error("cannot resume non%-suspended coroutine", wrapped)
      support.expect_error("cannot close a normal coroutine", coroutine.close, co)
      assert.is_true(coroutine.isyieldable(co))
      assert.same({ true, "item" }, { task:await() })
      other:await()
      assert.equal("suspended", coroutine.status(co))
      assert.is_true(coroutine.close(co))
    end)
  end)

  it("take the coroutine of another task for what it is", function()
    run(function()
      local co
      local task = common.until_waiting(kio.spawn(function()
        co = coroutine.running()
        kio.sleep(0.001)
        return "result", print
      end))
      assert.equal("normal", coroutine.status(co))
      assert.same({ false, "cannot resume non-suspended coroutine" }, { coroutine.resume(co) })
      support.expect_error("cannot close a normal coroutine", coroutine.close, co)
      task:await()
      assert.equal("dead", coroutine.status(co))
      assert.same({ false, "cannot resume dead coroutine" }, { coroutine.resume(co, 1) })
      assert.is_true(coroutine.close(co))
      assert.same({ "result", print }, { task:await() })
    end)
  end)

  it("raise at a task's top level, where nobody would resume it", function()
    local message = "coroutine%.yield at a task's top level: nobody would resume it"
    run(function()
      support.expect_error(message, yield, 1, 2)
      local task = kio.spawn(yield)
      support.expect_error(message, task.await, task)
    end)
    support.expect_error(message, kio.run, yield)
  end)

  it("leave a generator of an abandoned run alone", function()
    local co = coroutine.create(function()
      while true do pcall(kio.sleep, 1000) end
    end)
    support.expect_error("did not end within shutdown_timeout", kio.run, function()
      kio.spawn(coroutine.resume, co):cancel()
      local task = kio.spawn(coroutine.resume, co)
      common.until_waiting(task)
      task:cancel()
    end, { shutdown_timeout = 0.01 })
    assert.equal("normal", coroutine.status(co))
    assert.same({ false, "cannot resume non-suspended coroutine" }, { coroutine.resume(co) })
    run(function()
      assert.same({ false, "cannot resume non-suspended coroutine" }, { coroutine.resume(co) })
    end)
  end)
end)
