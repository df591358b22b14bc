-- Objects that only claim to be of a class of kio's: methods refuse them by what they are.
-- flavours: test
local kio = require "kio"
local support = require "spec.support"

local function handles()
  local near, far = assert(kio.socketpair())
  local list = {
    kio.stream(near), assert(kio.net.listen "127.0.0.1:0"), assert(kio.net.udp "127.0.0.1:0"),
    assert(kio.fs.open(support.tmpdir() .. "/file", "w+")), assert(kio.fs.watch "."),
    assert(kio.process.spawn { "true" }), kio.sync.mutex(), kio.sync.semaphore(1),
    kio.sync.condition(), kio.sync.event(), kio.sync.waitgroup(), kio.sync.channel(1),
    kio.buffer(1), kio.spawn(kio.yield), kio.thread.channel(1), kio.thread.event(),
  }
  return list, kio.stream(far)
end

-- What looks like the handle to getmetatable, or by its name, or has its methods.
local function claims(handle)
  local meta = debug.getmetatable(handle)
  local index = rawget(meta, "__index")
  return {
    setmetatable({}, { __metatable = meta }),
    setmetatable({}, { __name = meta.__name }),
    setmetatable({}, { __name = meta.__name, __index = function() return 1 end }),
    setmetatable({}, { __name = meta.__name, __index = index, __metatable = meta }),
    setmetatable({}, { __metatable = 5 }), setmetatable({}, { __metatable = false }),
  }
end

local INNER = { is_mine = true, relock = true, open = true } -- kio's own business

local function methods(handle)
  local meta, all = debug.getmetatable(handle), {}
  for _, from in ipairs { meta, rawget(meta, "__index") } do
    for name, f in next, type(from) == "table" and from or {} do
      if type(f) == "function" and not INNER[name] then all[name] = f end
    end
  end
  return all
end

describe("an object that claims to be of a class", function()
  it("is refused by its methods", function()
    support.run(function()
      local list, other <close> = handles()
      local refused = 0
      for _, handle in ipairs(list) do
        local class = debug.getmetatable(handle).__name
        for name, method in pairs(methods(handle)) do
          for i, claim in ipairs(claims(handle)) do
            local ok, err = pcall(method, claim)
            assert(not ok or name == "__gc", ("%s:%s took claim %d"):format(class, name, i))
            local told = name == "__gc" or err:find " expected, got "
            assert(told, ("%s:%s of claim %d: %s"):format(class, name, i, err))
            refused = refused + 1
          end
        end
        if methods(handle).close then handle:close() end
      end
      assert.is_true(refused > 900)
      assert.is_true(other:close())
    end)
  end)

  it("is refused by functions", function()
    support.run(function()
      for _, handle in ipairs { kio.sync.channel(1), kio.sync.event(), kio.thread.channel(1) } do
        for _, claim in ipairs(claims(handle)) do
          support.expect_error("list of alternatives expected", kio.select, claim)
          support.expect_error("a channel, an event, a task", kio.select, { claim })
          support.expect_error("a channel, an event, a task", kio.select, { { claim, 1 } })
        end
      end
    end)
  end)
end)
