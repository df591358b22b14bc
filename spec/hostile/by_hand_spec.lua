-- Metamethods called by hand, on what is none of theirs: misuse that is told, and nothing else.
-- Finalizers do nothing then: finalizer_spec.
-- flavours: test asan hostile
local kio = require "kio"
local support = require "spec.support"

-- A handle of each kind that is written in Lua.
local function handles()
  local mutex = kio.sync.mutex()
  local list = {
    mutex, kio.sync.semaphore(1), kio.sync.condition(), kio.sync.event(),
    kio.sync.waitgroup(), kio.sync.channel(1), assert(kio.fs.watch(support.tmpdir())),
    assert(kio.fs.open(support.tmpdir() .. "/file", "w")),
  }
  if support.flavour ~= "tsan" then
    list[#list + 1] = assert(kio.process.spawn { "true", env = { LD_PRELOAD = false } })
  end
  return list
end

-- What none of them is, the last with fields that are asked for.
local function strangers()
  return {
    false, 1, "x", {}, io.stdout, kio.buffer(1), print,
    { window = { fd = 1 }, fd = 1, child = 1, waiters = {}, free = 1, count = 1 },
  }
end

describe("a metamethod that is called by hand", function()
  it("refuses what is not of its class, in words for the caller", function()
    support.run(function()
      local calls = 0
      for _, handle in ipairs(handles()) do
        local class = getmetatable(handle)
        for name, f in pairs(class) do
          local by_lua = type(f) == "function" and name:match("^__") and name ~= "__gc"
          for _, stranger in ipairs(by_lua and strangers() or {}) do
            calls = calls + 1
            local wanted = ("calling '%s' on bad self %%(a? ?%s expected"):format(
              name == "__close" and "_*close" or name, class.__name)
            local err = support.expect_error(wanted, function()
              local result = f(stranger)
              return result
            end)
            assert.matches("by_hand_spec", err)
          end
        end
        if handle.close then handle:close() end
      end
      assert.is_true(calls > 100)
    end)
  end)
end)

describe("the inner door of kio.process", function()
  it("refuses a command of no words", function()
    support.run(function()
      support.expect_error("a command expected", kio.core.own.process_spawn, {}, {}, nil, "null",
        "null", "null")
    end)
  end)
end)
