-- Two copies of the half in Lua, as a program has that clears package.loaded and loads kio again:
-- what the core has made works with both, what is written in Lua is refused by the other one in
-- words that say why. Nothing waits for ever.
local kio = require "kio"
local support = require "spec.support"

-- A copy of its own, which package.loaded forgets again.
local function load_again()
  local kept = {}
  for name, module in pairs(package.loaded) do
    if name:find "^kio" then kept[name] = module end
  end
  for name in pairs(kept) do package.loaded[name] = nil end
  local copy = require "kio"
  for name in pairs(package.loaded) do
    if name:find "^kio" then package.loaded[name] = kept[name] end
  end
  return copy
end

local function each_way(f)
  local copy = load_again()
  assert.not_equal(kio.sync, copy.sync)
  support.run(function() f(kio, copy) end, { threads = 2 })
  copy.run(function() f(copy, kio) end, { threads = 2 })
end

local function refused(f, ...)
  local ok, err = pcall(f, ...)
  assert.is_false(ok)
  assert.matches("another copy of kio", err)
end

describe("an object of another copy of kio", function()
  it("that is written in Lua is refused, and the message says why", function()
    each_way(function(one, other)
      local channel, event = other.sync.channel(1), other.sync.event()
      local mutex, condition = other.sync.mutex(), other.sync.condition()
      refused(one.select, { channel })
      refused(one.select, { { channel, 1 } })
      refused(one.select, { event, timeout = 1 })
      local held <close> = mutex:lock()
      refused(function() one.sync.condition():wait(held, 1) end)
      for _, name in ipairs { "mutex", "condition", "channel", "event", "waitgroup" } do
        local mine, foreign = one.sync[name](), other.sync[name]()
        for method_name, method in pairs(getmetatable(mine).__index) do
          local public = type(method) == "function" and method_name:sub(1, 2) ~= "__" and
            method_name ~= "is_mine" and method_name ~= "relock"
          if public then refused(method, foreign, 1) end
        end
      end
      refused(getmetatable(one.sync.semaphore(1)).acquire, other.sync.semaphore(1))
      local file <close> = one.fs.open "/etc/passwd"
      local foreign <close> = other.fs.open "/etc/passwd"
      refused(file.read, foreign, 1)
      assert.is_nil(condition:notify())
    end)
  end)

  it("works with the functions of its own copy", function()
    each_way(function(_, other)
      local channel, event = other.sync.channel(1), other.sync.event()
      local task = other.spawn(function() return channel:receive() end)
      other.yield()
      channel:send "passed on"
      assert.equal("passed on", task:await())
      event:set()
      assert.equal(1, other.select { event })
      local mutex = other.sync.mutex()
      local held <close> = mutex:lock()
      assert.is_nil((other.sync.condition():wait(held, 0)))
    end)
  end)

  it("that the core has made works with both", function()
    each_way(function(one, other)
      local task = other.spawn(function() return "ended" end)
      assert.equal("ended", select(2, one.select { task }))
      assert.equal("ended", one.all { function() return task:await() end }[1])
      for _, value in one.as_completed { other.spawn(function() return "ended" end) } do
        assert.equal("ended", value)
      end
      local shared, event = other.thread.channel(1), other.thread.event()
      one.thread.spawn(function(channel, flag)
        channel:send "from elsewhere"
        flag:set()
      end, shared, event):await()
      assert.equal("from elsewhere", select(2, one.select { shared }))
      assert.equal(1, one.select { event })
      local waits = other.spawn(other.sleep, 1000)
      one.yield()
      waits:cancel()
      local _, err = waits:join()
      assert.is_true(one.is_cancelled(err) and other.is_cancelled(err))
      assert.equal("ETIMEDOUT", (select(3, one.timeout(0, other.sleep, 1))))
    end)
  end)

  it("may be loaded while tasks wait", function()
    support.run(function()
      local event = kio.sync.event()
      local task = kio.spawn(function()
        event:wait()
        local turn = coroutine.wrap(function()
          kio.sleep(0)
          coroutine.yield "from within"
        end)
        return turn()
      end)
      kio.yield()
      local copy = load_again()
      local wrapped = coroutine.wrap(function()
        copy.sleep(0)
        coroutine.yield "of the copy"
      end)
      assert.equal("of the copy", wrapped())
      event:set()
      assert.equal("from within", task:await())
      assert.error_matches(function() copy.run(function() end) end, "within kio.run")
    end)
  end)
end)
