-- The operations that spec/stress/stop_program.lua keeps pending: they end by themselves never, or
-- again and again.
local kio = require "kio"

local kinds = { list = {}, total = 0 }

local FOREVER = 1e6 -- seconds
local random = math.random

local function defer(f) return setmetatable({}, { __close = f }) end

local function compute()
  local sum = 0
  for i = 1, 300 do sum = sum + i end
  return sum
end

-- ---- operations ----

-- Each is called in a task of its own, with what its worker has opened. First its weight; of those
-- that take descriptors, kernel threads or processes there are at most so many on each worker.
kinds.list = {
  { 10, function() kio.sleep(FOREVER) end },
  { 4, function() while true do kio.sleep(random() * 0.01) end end },
  { 4, function() kio.timeout(FOREVER, kio.sleep, FOREVER) end },
  { 4, function() while true do kio.timeout(random() * 0.01, kio.sleep, FOREVER) end end },
  { 1, function() while true do kio.yield() end end },
  { 10, function(env) kio.recv(env.a, 100) end },
  { 4, function(env) kio.recv(env.a, 100, 0, { timeout = FOREVER }) end },
  { 4, function(env) kio.read(env.r, 100) end },
  { 6, function(env) while true do kio.recv(env.busy, 100) end end },
  { 2, function(env)
    local text = ("x"):rep(100)
    while true do -- what comes may come as its receiver is cancelled
      kio.sleep(random() * 0.05)
      assert(kio.send(env.feed, text))
    end
  end },
  { 10, function(env) kio.poll(env.a, "r") end },
  { 10, function(env) kio.accept(env.lonely) end },
  { 4, function(env) kio.recvmsg(env.b, 100) end },
  { 4, function(env) while true do assert(#kio.pread(env.file, 100, 0) == 100) end end },
  { 2, function(env) while true do assert(kio.fsync(env.file)) end end },
  { 2, function(env) while true do assert(kio.fs.stat(env.path)) end end },
  { 1, function(env) while true do assert(kio.fs.readlink(env.link) == "target") end end },
  { 4, function(env) env.channel:receive() end },
  { 4, function(env) while true do env.full:send(1) end end },
  { 4, function(env) env.mutex:lock() end },
  { 4, function(env) env.semaphore:acquire() end },
  { 4, function(env) env.event:wait() end },
  { 2, function(env) kio.select { env.event, env.channel, timeout = FOREVER } end },
  { 4, function(env) while true do env.between:receive() end end },
  { 4, function(env) while true do env.between:send(env.id) end end },
  { 2, function(env) env.flag:wait() end },
  { 4, function(env) kio.thread.spawn_on(env.other(), kio.sleep, FOREVER):await() end },
  { 2, function() kio.thread.spawn(kio.sleep, FOREVER):await() end },
  { 2, function(env) while true do kio.thread.spawn_on(env.other(), kio.yield):join() end end },
  { 2, function(env)
    kio.thread.spawn_on(env.other(), function(back)
      kio.thread.spawn_on(back, kio.sleep, FOREVER):await()
    end, env.id):await()
  end },
  { 1, function() while true do kio.spawn_blocking { compute, wait = true }:await() end end },
  { 1, function()
    while true do -- nil, a message and EAGAIN when too many wait
      local jobs = { kio.spawn_blocking(compute), kio.spawn_blocking(compute) }
      for _, job in pairs(jobs) do if type(job) == "userdata" then job:join() end end
      kio.sleep(0.001)
    end
  end },
  { 2, function() kio.scope(function(scope)
    scope:spawn(kio.sleep, FOREVER)
    kio.spawn(kio.sleep, FOREVER):await()
  end) end },
  { 2, function() kio.shield(kio.sleep, 0.001) kio.sleep(FOREVER) end },
  { 2, function(env)
    local wait = coroutine.wrap(function() coroutine.yield(kio.recv(env.a, 10)) end)
    wait()
  end },
  { 2, function(env)
    local _ <close> = defer(function() kio.yield() end) -- raises: it is cancelled
    kio.read(env.r, 100)
  end },
  { 1, function(env)
    local fd = assert(kio.socket "tcp4")
    local _ <close> = defer(function() kio.close(fd) end)
    kio.connect(fd, env.crowded) -- its backlog is soon full
    kio.sleep(FOREVER)
  end, most = 25 },
  { 1, function(env)
    local stream <close> = assert(kio.net.connect(env.address))
    stream:write(("x"):rep(100000)) -- and nobody accepts
    stream:recv()
  end, most = 25 },
  { 1, function(env) kio.splice(env.r, nil, env.b, nil, 10) end, most = 25 },
  { 1, function(env)
    if not env.programs then kio.sleep(FOREVER) end
    local file <close> = assert(kio.fs.open(env.fifo, "w")) -- nobody reads
    file:write "x"
  end, most = 25 },
  { 1, function()
    local udp <close> = assert(kio.net.udp "127.0.0.1:0")
    udp:receive()
  end, most = 25 },
  { 1, function()
    if kio.thread.id() > 1 then kio.sleep(FOREVER) end -- signals are waited for on the first one
    kio.signal.wait "USR1"
  end },
  { 1, function(env)
    local watch <close> = assert(kio.fs.watch(env.path))
    watch:next()
    kio.sleep(FOREVER)
  end, most = 5 },
  { 1, function()
    local listener <close> = assert(kio.net.listen "127.0.0.1:0")
    for stream in listener:accepts() do stream:close() end
  end, most = 25 },
  { 1, function()
    local listener <close> = assert(kio.net.listen "127.0.0.1:0")
    kio.scope(function(scope)
      scope:spawn(function()
        local client <close> = assert(kio.net.connect(listener:address()))
        client:recv()
      end)
      listener:serve(function(stream) stream:recv() end)
    end)
  end, most = 10 },
  { 1, function(env)
    if not env.programs then kio.sleep(FOREVER) end
    kio.process.run { "sleep", "1000000" }
  end, most = 2 },
}

for i, kind in ipairs(kinds.list) do
  kind.number = i
  kinds.total = kinds.total + kind[1]
end

-- ---- what they need ----

-- What the operations of one worker share; its descriptors go into the list `fds`, one by one,
-- since this may end anywhere.
function kinds.open(plan, fds)
  local c = kio.const
  local env = { id = kio.thread.id(), between = plan.channel, flag = plan.flag, path = plan.path,
    link = plan.path .. ".link", fifo = plan.path .. ".fifo", programs = plan.programs }
  local function keep(fd, ...)
    fds[#fds + 1] = assert(fd, ...)
    return fd
  end
  local function listen(backlog)
    local fd = keep(kio.socket "tcp4")
    assert(kio.bind(fd, "127.0.0.1:0"))
    assert(kio.listen(fd, backlog))
    return fd, assert(kio.getsockname(fd))
  end
  env.a, env.b = kio.socketpair()
  env.busy, env.feed = kio.socketpair()
  env.r, env.w = kio.pipe()
  for _, name in ipairs { "a", "b", "busy", "feed", "r", "w" } do keep(env[name]) end
  env.file = keep(kio.openat(nil, plan.path, c.O_RDWR))
  env.lonely = listen(100)
  local _
  _, env.address = listen(100)
  _, env.crowded = listen(1)
  env.channel, env.full = kio.sync.channel(1), kio.sync.channel(1)
  env.full:send(1)
  env.mutex, env.semaphore, env.event = kio.sync.mutex(), kio.sync.semaphore(1), kio.sync.event()
  env.mutex:lock()
  env.semaphore:acquire()
  function env.other() return random(plan.threads) end
  return env
end

return kinds
