-- `<close>` that does I/O while a task leaves a block: by its end, by an error, by a cancellation.
local kio = require "kio"
local support = require "spec.support"
local common = require "spec.task.common"
local run = support.run

local function closing(f)
  return setmetatable({}, { __close = function(_, err) return f(err) end })
end

describe("a closing value that does I/O", function()
  it("works at the end of a block, a loop, a function", function()
    run(function()
      local order = {}
      local function note(name)
        return closing(function(err)
          assert(err == nil)
          kio.sleep(0.0005)
          order[#order + 1] = name
        end)
      end
      do
        local _ <close> = note "block"
        order[#order + 1] = "in the block"
      end
      for i = 1, 3 do
        local _ <close> = note("loop " .. i)
        if i == 2 then break end
      end
      local function returning()
        local _ <close> = note "outer"
        local _ <close> = note "inner"
        return "result", #order
      end
      local result, count = returning()
      assert.equal("result", result)
      assert.equal(4, count)
      assert.same({ "in the block", "block", "loop 1", "loop 2", "inner", "outer" }, order)
    end)
  end)

  it("works while an error unwinds the task", function()
    run(function()
      local from, to = kio.pipe()
      local near, far = common.stream_pair()
      local seen = {}
      local value = { "the error" }
      local task = kio.spawn(function()
        local _ <close> = closing(function(err)
          seen[#seen + 1] = err
          kio.sleep(0.001)
        end)
        local _ <close> = closing(function(err)
          seen[#seen + 1] = err
          assert.equal(4, kio.write(to, "last"))
          assert.equal("last", kio.read(from, 10))
        end)
        local _ <close> = near
        local _ <close> = closing(function(err)
          seen[#seen + 1] = err
          near:write("farewell")
        end)
        error(value)
      end)
      local ok, err = task:join()
      assert.is_false(ok)
      assert.equal(value, err)
      assert.equal(3, #seen)
      for i = 1, 3 do assert.equal(value, seen[i]) end
      assert.equal("farewell", far:read("a"))
      assert.matches("closed", tostring(near))
      far:close()
      kio.close(from)
      kio.close(to)
    end)
  end)

  it("works while an error unwinds to a pcall", function()
    run(function()
      local slept = 0
      for _ = 1, 3 do
        local ok, err = pcall(function()
          local _ <close> = closing(function()
            kio.sleep(0.0005)
            slept = slept + 1
          end)
          kio.sleep(0)
          error("inner", 0)
        end)
        assert.same({ false, "inner" }, { ok, err })
      end
      assert.equal(3, slept)
    end)
  end)

  it("may replace the error by one of its own", function()
    run(function()
      local task = kio.spawn(function()
        local _ <close> = closing(function(err)
          kio.sleep(0)
          error("second after " .. err, 0)
        end)
        error("first", 0)
      end)
      local ok, err, trace = task:join()
      assert.same({ false, "second after first" }, { ok, err })
      assert.is_string(trace)
    end)
  end)

  it("runs in the main function and its children when the run is ended by an error", function()
    local order = {}
    support.expect_error("^the end\n", kio.run, function()
      common.until_waiting(kio.spawn(function()
        local _ <close> = closing(function(err)
          order[#order + 1] = kio.is_cancelled(err) and "child"
        end)
        kio.sleep(1000)
      end))
      local _ <close> = closing(function(err)
        kio.sleep(0.001)
        order[#order + 1] = err == "the end" and "main"
      end)
      error("the end", 0)
    end)
    assert.same({ "main", "child" }, order)
  end)
end)

describe("a cancellation that unwinds", function()
  it("gives the closing values Cancelled, and lets them close", function()
    run(function()
      local near, far = common.stream_pair()
      local from, to = kio.pipe()
      local seen = {}
      local task = common.until_waiting(kio.spawn(function()
        local _ <close> = closing(function(err)
          seen[#seen + 1] = kio.is_cancelled(err)
          assert.is_true(kio.close(from))
        end)
        local _ <close> = near
        kio.sleep(1000)
      end))
      task:cancel()
      local ok, err = task:join()
      assert.is_false(ok)
      assert.is_true(kio.is_cancelled(err))
      assert.same({ true }, seen)
      assert.is_nil(far:recv())
      far:close()
      kio.close(to)
    end)
  end)

  it("raises again in a closing value that waits, which does not stop the others", function()
    run(function()
      local order = {}
      local task = common.until_waiting(kio.spawn(function()
        local _ <close> = closing(function(err)
          order[#order + 1] = kio.is_cancelled(err) and "outer"
        end)
        local _ <close> = closing(function()
          order[#order + 1] = "inner"
          kio.sleep(0.001)
          order[#order + 1] = "never"
        end)
        kio.sleep(1000)
      end))
      task:cancel()
      local ok, err = task:join()
      assert.is_false(ok)
      assert.is_true(kio.is_cancelled(err))
      assert.equal("cancelled", task:status())
      assert.same({ "inner", "outer" }, order)
    end)
  end)

  it("lets a closing value wait under kio.shield", function()
    run(function()
      local from, to = kio.pipe()
      local order = {}
      local task = common.until_waiting(kio.spawn(function()
        local _ <close> = closing(function()
          kio.shield(function()
            kio.sleep(0.001)
            assert.equal(5, kio.write(to, "bytes"))
            order[#order + 1] = kio.read(from, 10)
          end)
          order[#order + 1] = select(2, pcall(kio.sleep, 0))
        end)
        kio.sleep(1000)
      end))
      task:cancel()
      local ok = task:join()
      assert.is_false(ok)
      assert.equal("cancelled", task:status())
      assert.same({ "bytes", kio.Cancelled }, order)
      kio.close(from)
      kio.close(to)
    end)
  end)
end)

describe("a closing value in a generator", function()
  it("does I/O when the generator leaves the block by itself", function()
    run(function()
      local closed = 0
      local generator = coroutine.wrap(function()
        for i = 1, 3 do
          local _ <close> = closing(function()
            kio.sleep(0)
            closed = closed + 1
          end)
          coroutine.yield(i)
        end
        return "end"
      end)
      assert.same({ 1, 2, 3, "end" }, { generator(), generator(), generator(), generator() })
      assert.equal(3, closed)
    end)
  end)

  it("does I/O when an error unwinds to a pcall in it", function()
    run(function()
      local closed = false
      local generator = coroutine.wrap(function()
        coroutine.yield(pcall(function()
          local _ <close> = closing(function()
            kio.sleep(0)
            coroutine.yield("from the handler")
            closed = true
          end)
          error("inner", 0)
        end))
      end)
      assert.equal("from the handler", generator())
      assert.same({ false, "inner" }, { generator() })
      assert.is_true(closed)
    end)
  end)

  -- Lua runs these handlers where it cannot yield.
  it("may not wait in coroutine.close, nor when an error ends the coroutine", function()
    run(function()
      local function body(ending)
        local _ <close> = closing(function() kio.sleep(0) end)
        coroutine.yield()
        ending()
      end
      local co = coroutine.create(body)
      coroutine.resume(co)
      local ok, message = coroutine.close(co)
      assert.is_false(ok)
      assert.matches("operation where Lua cannot yield", message)
      local wrapped = coroutine.wrap(body)
      wrapped()
      support.expect_error("operation where Lua cannot yield", wrapped, error)
      kio.sleep(0) -- the task itself is as it was
    end)
  end)

  it("closes streams there all the same", function()
    run(function()
      local near, far = common.stream_pair()
      local co = coroutine.create(function()
        local _ <close> = near
        near:write("bytes")
        coroutine.yield()
      end)
      coroutine.resume(co)
      assert.is_true(coroutine.close(co))
      assert.equal("bytes", far:read("a"))
      far:close()
    end)
  end)
end)
