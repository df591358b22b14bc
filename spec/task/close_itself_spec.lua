-- Since Lua 5.5 a coroutine may close itself. Inside a task it does so as anywhere
-- (coroutine_spec.lua); here is what it must not end in that way, and what becomes of it then.
-- The shell that starts programs does not run under ThreadSanitizer:
-- flavours: test asan hostile
local common = require "spec.task.common"
local kio = require "kio"
local support = require "spec.support"

local run, expect_error = support.run, support.expect_error
local CLOSES <const> = _VERSION ~= "Lua 5.4"

if not CLOSES then
  describe("a coroutine that closes itself", function()
    it("is refused", function()
      run(function()
        expect_error("cannot close a running coroutine", coroutine.close, coroutine.running())
        local wrapped = coroutine.wrap(function() coroutine.close(coroutine.running()) end)
        expect_error("cannot close a running coroutine", wrapped)
        expect_error("thread expected", coroutine.close)
      end)
    end)
  end)
  return
end

-- Runs a program, whose coroutine.close was taken before kio was loaded: all it prints.
local function prints(expected, text)
  local head = "local close = coroutine.close\nlocal kio = require 'kio'\n"
  local output, ok = common.child(head .. text)
  assert.equal(expected, (output:gsub("%S*program%.lua:%d+: ", "")))
  assert.is_true(ok)
end

describe("a coroutine that closes itself", function()
  it("does not go on, and runs its handlers, which may not wait", function()
    run(function()
      local log = {}
      local co = coroutine.create(function()
        local _ <close> = setmetatable({}, { __close = function()
          local ok, message = pcall(kio.sleep, 0)
          log[#log + 1] = tostring(ok) .. " " .. message
        end })
        kio.sleep(0)
        coroutine.close()
        log[#log + 1] = "went on"
      end)
      assert.same({ true }, { coroutine.resume(co) })
      assert.equal("dead", coroutine.status(co))
      assert.equal(1, #log)
      assert.matches("^false ", log[1])
      kio.sleep(0) -- the task goes on as ever
    end)
  end)

  it("is refused as a task, which goes on", function()
    run(function()
      local task = kio.spawn(function()
        expect_error("cannot close a task's own coroutine", coroutine.close)
        expect_error("cannot close a task's own coroutine", coroutine.close, coroutine.running())
        kio.sleep(0)
        return "end"
      end)
      assert.equal("end", task:await())
    end)
  end)

  it("is refused in a scope that it has opened, and not in its resumer's", function()
    run(function()
      local co = coroutine.wrap(function()
        for _, scope in ipairs { kio.scope, kio.shield } do
          scope(function() expect_error("inside a scope it has opened", coroutine.close) end)
        end
        kio.timeout(1, function() expect_error("inside a scope", coroutine.close) end)
        return "end"
      end)
      assert.equal("end", co())
      kio.scope(function()
        assert.same({ true }, { coroutine.resume(coroutine.create(coroutine.close)) })
      end)
    end)
  end)

  it("is refused in the main program", function()
    expect_error("cannot close main thread", coroutine.close)
  end)
end)

describe("a close that was taken before kio was loaded", function()
  it("ends a task with an error", function()
    prints("false a task was yielded, resumed or closed by a function taken from the coroutine "
      .. "library before kio was loaded\n", [[
      kio.run(function()
        local task = kio.spawn(function()
          kio.sleep(0)
          close()
        end)
        local ok, message = task:join()
        print(tostring(ok) .. " " .. message:match "^[^\n]*")
      end)
    ]])
  end)

  it("ends a task with the error of a handler", function()
    prints("false handler\n", [[
      kio.run(function()
        local task = kio.spawn(function()
          local _ <close> = setmetatable({}, { __close = function() error("handler", 0) end })
          close()
        end)
        local ok, message = task:join()
        print(tostring(ok) .. " " .. message:match "^[^\n]*")
      end)
    ]])
  end)

  it("leaves the scopes that its coroutine has opened", function()
    prints("true\ntrue\n", [[
      kio.run(function()
        local ended = kio.sync.event()
        print(coroutine.resume(coroutine.create(function()
          kio.scope(function()
            kio.spawn(function()
              local _ <close> = setmetatable({}, { __close = function() ended:set() end })
              kio.sync.event():wait()
            end)
            kio.yield()
            close()
          end)
        end)))
        print(ended:wait())
      end)
    ]])
  end)

  it("leaves those of one that fails on its way out, too", function()
    prints("false\thandler\ntrue\n", [[
      kio.run(function()
        print(coroutine.resume(coroutine.create(function()
          local _ <close> = setmetatable({}, { __close = function() error("handler", 0) end })
          kio.timeout(0.01, function() close() end)
        end)))
        print((pcall(kio.sleep, 0.05))) -- the deadline was the scope's
      end)
    ]])
  end)
end)
