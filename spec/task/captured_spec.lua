-- Coroutine functions that a program took from Lua's library before it loaded kio. Whatever they
-- are used for ends in a clear error or works as in plain Lua; nothing hangs, nothing breaks.
-- The shell that starts a process does not run under ThreadSanitizer:
-- flavours: test asan hostile
local common = require "spec.task.common"

local HEAD = [[
local resume, wrap, create = coroutine.resume, coroutine.wrap, coroutine.create
local yield, close, status = coroutine.yield, coroutine.close, coroutine.status
local kio = require "kio"
local _ = resume, wrap, create, yield, close, status
]]

-- Runs the program in a process of its own; it must end well and print just this.
local function prints(expected, text)
  local output, ok = common.child(HEAD .. text)
  assert.equal(expected, (output:gsub("%S*program%.lua:%d+: ", "")))
  assert.is_true(ok)
end

local NOT_DRIVEN = "operation in a coroutine kio does not run: its resume was taken from the "
  .. "coroutine library before kio was loaded, or it belongs to another task\n"
local FOREIGN = "a task was yielded, resumed or closed by a function taken from the coroutine "
  .. "library before kio was loaded\n"
local TOO_SOON = "a coroutine that waits in an operation was resumed by a coroutine.resume that "
  .. "was taken before kio was loaded\n"

describe("an operation in a coroutine", function()
  it("that a captured resume runs raises", function()
    prints("false " .. NOT_DRIVEN, [[
      kio.run(function()
        local ok, message = resume(create(function() kio.sleep(0) end))
        print(tostring(ok) .. " " .. message)
      end)
    ]])
  end)

  it("that a captured wrap made raises", function()
    prints(NOT_DRIVEN, [[
      local made_before = wrap(function() kio.sleep(0) end)
      kio.run(function() print(select(2, pcall(made_before))) end)
    ]])
  end)

  it("raises also further inside", function()
    prints(NOT_DRIVEN, [[
      kio.run(function()
        local _, message = resume(create(function()
          return select(2, pcall(coroutine.wrap(function() kio.sleep(0) end)))
        end))
        print(message)
      end)
    ]])
  end)

  it("that plain coroutine functions run between works", function()
    prints("5\n6\ndone\n", [[
      local create_first = create(function()
        yield(5)
        kio.sleep(0)
        yield(6)
        kio.sleep(0)
        return "done"
      end)
      kio.run(function()
        for _ = 1, 3 do print(select(2, coroutine.resume(create_first))) end
      end)
    ]])
  end)
end)

describe("a captured yield", function()
  it("yields to a generator's resumer", function()
    prints("1\n2\n", [[
      kio.run(function()
        local generator = coroutine.wrap(function()
          yield(1)
          kio.sleep(0)
          yield(2)
        end)
        print(generator())
        print(generator())
      end)
    ]])
  end)

  it("at a task's top level ends the task with an error", function()
    prints("false " .. FOREIGN .. "failed\nfalse " .. FOREIGN, [[
      kio.run(function()
        local task = kio.spawn(function() yield(1, 2) end)
        local ok, message = task:join()
        print(tostring(ok) .. " " .. message)
        print(task:status())
      end)
      local ok, message = pcall(kio.run, function() yield() end)
      print(tostring(ok) .. " " .. message)
    ]])
  end)
end)

describe("a captured resume of a coroutine that waits", function()
  local OPERATIONS = {
    sleep = "kio.sleep(0.001)",
    yield = "kio.yield()",
    read = "kio.read(from, 1)",
    await = "kio.spawn(kio.sleep, 0.001):await()",
    close = "kio.close(from)",
    write = "kio.write(to, ('x'):rep(1 << 17))",
  }

  local SETTING = [[
    local from, to = kio.pipe()
    local function operation() %s end
    local co
    local task
  ]]

  for name, operation in pairs(OPERATIONS) do
    it("ends it with an error: " .. name, function()
      prints("false " .. TOO_SOON .. "dead\nfalse cannot resume dead coroutine\n", ([[
        kio.run(function()
          ]] .. SETTING .. [[
          co = create(operation)
          task = kio.spawn(function() return coroutine.resume(co) end)
          kio.yield()
          local ok, message = resume(co)
          print(tostring(ok) .. " " .. message)
          print(coroutine.status(co))
          kio.spawn(function()
            kio.write(to, "x", { timeout = 0 })
            kio.read(from, 1 << 20, { timeout = 0 })
            kio.close(to)
          end)
          ok, message = task:await()
          print(tostring(ok) .. " " .. message)
        end)
      ]]):format(operation))
    end)

    it("ends the task whose own it is: " .. name, function()
      prints("false " .. FOREIGN .. "dead\n", ([[
        kio.run(function()
          ]] .. SETTING .. [[
          task = kio.spawn(function()
            co = coroutine.running()
            operation()
          end)
          kio.yield()
          resume(co)
          kio.spawn(function()
            kio.write(to, "x", { timeout = 0 })
            kio.read(from, 1 << 20, { timeout = 0 })
            kio.close(to)
          end)
          local ok, message = task:join()
          print(tostring(ok) .. " " .. message)
          print(coroutine.status(co))
        end)
      ]]):format(operation))
    end)
  end

  it("in code that goes on nevertheless: no operation is let through", function()
    prints(TOO_SOON .. NOT_DRIVEN .. "1\nfalse " .. FOREIGN, [[
      kio.run(function()
        local co
        local task = kio.spawn(function()
          co = coroutine.running()
          print(select(2, pcall(kio.sleep, 0.001)))
          print(select(2, pcall(kio.sleep, 0.001)))
          yield(1)
        end)
        kio.yield()
        print(select(2, resume(co)))
        local ok, message = task:join()
        print(tostring(ok) .. " " .. message)
      end)
    ]])
  end)

  it("after its run is over", function()
    prints("normal\n" .. TOO_SOON, [[
      local co = create(function()
        local message
        while true do
          local ok, err = pcall(kio.sleep, 1000)
          if not ok and not kio.is_cancelled(err) then message = err break end
        end
        return message
      end)
      pcall(kio.run, function()
        local task = kio.spawn(function() coroutine.resume(co) end)
        kio.yield()
        task:cancel()
      end, { shutdown_timeout = 0 })
      print(coroutine.status(co))
      print(select(2, resume(co)))
    ]])
  end)
end)

describe("a captured close", function()
  it("of a coroutine that waits is noticed by its task", function()
    prints("true\nfalse cannot resume dead coroutine\n", [[
      kio.run(function()
        local co = create(function() kio.sleep(0.001) end)
        local task = kio.spawn(function() return coroutine.resume(co) end)
        kio.yield()
        print(close(co))
        local ok, message = task:await()
        print(tostring(ok) .. " " .. message)
      end)
    ]])
  end)

  it("of a task's own coroutine ends the task", function()
    prints("true\nfalse " .. FOREIGN, [[
      kio.run(function()
        local co
        local task = kio.spawn(function()
          co = coroutine.running()
          kio.sleep(0.001)
        end)
        kio.yield()
        print(close(co))
        local ok, message = task:join()
        print(tostring(ok) .. " " .. message)
      end)
    ]])
  end)
end)

describe("the coroutine of an ended task", function()
  it("holds results that captured functions cannot break", function()
    prints("false\ndead\nsurvived\n", [[
      kio.run(function()
        local co
        local task = kio.spawn(function()
          co = coroutine.running()
          return 1, 2
        end)
        task:await()
        print((resume(co)))
        print(coroutine.status(co))
        pcall(task.await, task)
        pcall(task.join, task)
        print("survived")
      end)
    ]])
  end)
end)
