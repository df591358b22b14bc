-- flavours: test asan hostile
-- Programs that end, or close coroutines behind kio's back, while tasks wait in queues. Each is a
-- process of its own. (None can be started below ThreadSanitizer.)
local child = require "spec.net.child"

-- Tasks that wait for everything there is, shielded so that no cancellation ends them.
local PREAMBLE = [[
  local foreign_close = coroutine.close
  local kio = require "kio"
  local core, sync = kio.core, kio.sync
  function busy()
    local m, s, c, e = sync.mutex(), sync.semaphore(0), sync.condition(), sync.event()
    local w, ch, other = sync.waitgroup(), sync.channel(0), sync.mutex()
    kio.spawn(function() m:lock() kio.shield(s.acquire, s) end)
    w:add()
    for _, f in ipairs {
      function() m:lock() end, function() s:acquire() end, function() e:wait() end,
      function() w:wait(1000) end, function() ch:receive() end,
      function() other:lock() c:wait(other) end,
      function() kio.select { ch, e, timeout = 1000 } end,
    } do
      kio.spawn(kio.shield, f)
      kio.spawn(f)
    end
    for _ = 1, 9 do kio.yield() end
    return m, s, c, e, w, ch, other
  end
]]

local function run(source)
  local output, how, number = child.run(PREAMBLE .. source)
  assert.equal("", output)
  assert.equal("exit", how)
  return number
end

describe("a process that ends while tasks wait in queues", function()
  it("ends by os.exit in a task", function()
    assert.equal(3, run "kio.run(function() busy() os.exit(3, true) end)")
    assert.equal(3, run "local keep kio.run(function() keep = { busy() } os.exit(3, true) end)")
  end)

  it("ends by an error that leaves queues and tasks to lua_close", function()
    assert.equal(4, run [[
      local keep
      local ok, err = pcall(kio.run, function() keep = { busy() } error "no" end,
        { shutdown_timeout = 0 })
      assert(not ok and err:find "no")
      keep[6]:close()
      keep[4]:set()
      keep[2]:release()
      os.exit(4, true)]])
  end)
end)

describe("a coroutine that Lua's own close ends while it waits", function()
  local function closed(wait)
    assert.equal(0, run(([[
      kio.run(function()
        local co
        local task = kio.spawn(function()
          co = coroutine.create(function() %s end)
          return coroutine.resume(co)
        end)
        for _ = 1, 5 do kio.yield() end
        assert(foreign_close(co))
        collectgarbage()
        collectgarbage()
        local ok, resumed, message = task:join { timeout = 5 }
        assert(ok and resumed == false, tostring(resumed))
        assert(message:find "dead coroutine", message)
      end)]]):format(wait)))
  end

  it("wakes its task when the queue is collected", function()
    closed "core.own.queue('event'):wait()"
    closed "sync.channel():receive(1000)"
  end)

  it("wakes its task when it waited in several", function()
    closed "kio.select { sync.event(), sync.channel(), timeout = 1000 }"
  end)

  it("leaves a queue that others use", function()
    assert.equal(0, run [[
      kio.run(function()
        local event, channel, co = sync.event(), sync.channel(), nil
        local task = kio.spawn(function()
          co = coroutine.create(function() kio.select { event, channel } end)
          return coroutine.resume(co)
        end)
        for _ = 1, 5 do kio.yield() end
        assert(foreign_close(co))
        collectgarbage()
        collectgarbage()
        assert(channel.receivers:empty())
        event:set()
        local ok, resumed = task:join { timeout = 5 }
        assert(ok and resumed == false)
      end)]])
  end)
end)
