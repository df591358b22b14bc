-- Handles that have ended, by any of their ends, twice, and are used all the same: neither an end
-- nor a use of one may crash, and no end raises.
-- flavours: test asan hostile
local kio = require "kio"
local support = require "spec.support"

local function streams()
  local near, far = assert(kio.socketpair "stream")
  return kio.stream(near), kio.stream(far)
end

local makers = {
  function()
    local one, other = streams()
    other:write "x"
    return one
  end,
  function()
    local r, w = assert(kio.pipe())
    kio.close(w)
    return kio.stream(r)
  end,
  function() return kio.net.udp "127.0.0.1:0" end,
  function() return kio.net.listen "127.0.0.1:0" end,
  function() return kio.fs.open "/etc/passwd" end,
  function() return kio.buffer "abcdef" end,
  function() return kio.buffer("abcdef"):slice(2, 3) end,
  function() return kio.fs.watch "/tmp" end,
  function()
    return kio.process.spawn { "true", stdout = "pipe", env = { LD_PRELOAD = false } }
  end,
  function() return kio.spawn(kio.sleep, 0.001) end,
  function() return kio.sync.mutex() end,
  function() return kio.sync.semaphore(1) end,
  function() return kio.sync.condition() end,
  function() return kio.sync.channel(1) end,
  function() return kio.thread.channel(1) end,
  function() return kio.thread.event() end,
}

local UNBOUND = { serve = true, relock = true, is_mine = true } -- no handle's, or without an end

-- The methods of a handle's class and its ends, by name.
local function class_of(handle)
  local meta = debug.getmetatable(handle)
  local methods = type(meta.__index) == "table" and meta.__index or {}
  return methods, { meta.__gc, meta.__close, methods.close }
end

local function use(method, handle)
  for _, arguments in ipairs { {}, { 1 }, { "x", 1 }, { 1, 1, 1, { timeout = 0 } } } do
    kio.timeout(0.002, pcall, method, handle, table.unpack(arguments))
  end
  assert.equal("string", type(tostring(handle)))
end

describe("a handle", function()
  it("may be ended twice by any end, and used afterwards", function()
    support.run(function()
      local count = 0
      for i, make in ipairs(makers) do
        local probe <const> = make()
        local methods, ends = class_of(probe)
        for _, finish in pairs(ends) do
          for name, method in pairs(methods) do
            if type(method) == "function" and not UNBOUND[name] and name:sub(1, 2) ~= "__" then
              local handle = make()
              for _ = 1, 2 do
                local ok, err = pcall(finish, handle)
                assert.is_true(ok, ("%d %s: %s"):format(i, name, err))
              end
              use(method, handle)
              count = count + 1
            end
          end
        end
        if methods.close then probe:close() end
      end
      assert.is_true(count > 200)
    end)
  end)
end)

describe("a task whose run is over", function()
  it("may be used by any method and function of kio's", function()
    local task
    support.run(function()
      task = kio.spawn { error, "on purpose", on_error = function() end }
      task:join()
    end)
    support.expect_error("on purpose", kio.core.own.task_result, task)
    local names = { "task_result", "wait_any", "is_cancelled", "traceback", "attach_failure" }
    for _, name in ipairs(names) do
      local f = kio.core.own[name] or kio[name]
      for _, argument in ipairs { task, { task } } do pcall(f, argument, task) end
    end
    for _, method in pairs(getmetatable(task).__index) do pcall(method, task) end
    assert.equal("failed", task:status())
  end)
end)
