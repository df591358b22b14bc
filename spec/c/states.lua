-- What a Lua state of spec/c/states.c does with kio; the global `flavour` says where kio's core is.
-- luacheck: globals flavour left
package.path = "./lua/?.lua;./lua/?/init.lua"
package.cpath = ("./build/%s/?.so"):format(flavour)
local kio = require "kio"
local core = require "kio.core"

local steps = {}

local function echo()
  local listener <close> = assert(kio.net.listen("127.0.0.1:0"))
  local served = kio.spawn(function()
    local stream <close> = assert(listener:accept())
    return stream:send(assert(stream:read(5)))
  end)
  local client <close> = assert(kio.net.connect(listener:address()))
  assert(client:send("hello") and client:read(5) == "hello")
  assert(served:await())
  return true
end

-- Everything that has threads, on several workers.
local function all_kinds()
  local channel, event = kio.thread.channel(2), kio.thread.event()
  local sender = kio.thread.spawn_on(2, function(count)
    for i = 1, count do channel:send(i) end
    event:wait()
    return kio.thread.id()
  end, 20)
  for i = 1, 20 do assert(channel:receive() == i) end
  for _, task in ipairs(kio.thread.each(echo)) do assert(task:await()) end
  local job = kio.spawn_blocking(function() return "from the pool" end)
  assert(kio.net.resolve("localhost:1"))
  event:set()
  assert(sender:await() == 2 and job:await() == "from the pool")
end

-- A run of several workers and a runtime, from start to end.
function steps.work()
  kio.run(all_kinds, { threads = 3 })
  local runtime <close> = assert(kio.runtime { threads = 2 })
  runtime:block_on(all_kinds)
end

-- Starts a runtime that stays; uses that, on whichever thread.
function steps.leave() left = assert(kio.runtime { threads = 2 }) end
function steps.use() left:block_on(all_kinds) end

-- Has a worker and a thread of the pool wait for a byte from the descriptor, in a plain read. They
-- tell by a byte that they do.
function steps.hang(began, go)
  local function hang()
    local up <close> = assert(io.open("/proc/self/fd/" .. began, "w"))
    assert(up:write("b") and up:flush())
    local file <close> = assert(io.open("/proc/self/fd/" .. go))
    file:setvbuf("no")
    return file:read(1)
  end
  return pcall(kio.run, function()
    kio.thread.spawn_on(2, hang)
    kio.spawn_blocking(hang)
    for _ = 1, 2 do assert(kio.read(began - 1, 1) == "b") end
    error("enough", 0)
  end, { threads = 2, shutdown_timeout = 0.05 })
end

function steps.collect()
  collectgarbage()
  collectgarbage()
end

-- All states have collected: nothing of theirs may be left.
function steps.check() assert(core.world().blocks == 0, core.world().blocks .. " blocks left") end

return steps
