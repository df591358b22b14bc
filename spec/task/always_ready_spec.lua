-- without: lua55
-- What is always ready: a loop of it lets the others run, sees deadlines and cancellations, and
-- loses nothing by that. What never waits goes on without a turn.
local kio = require "kio"
local support = require "spec.support"

local streams = {} -- those that the running case has opened

local function connected()
  local listener = assert(kio.net.listen "127.0.0.1:0")
  local client = assert(kio.net.connect(listener:address()))
  local server = assert(listener:accept())
  listener:close()
  table.insert(streams, client)
  table.insert(streams, server)
  return client, server
end

local function ended_stream()
  local client, server = connected()
  client:close()
  assert(server:recv() == nil)
  return server
end

local function filled_stream()
  local client, server = connected()
  client:send "0123456789\n"
  server:peek(11)
  return server
end

local function closed_stream()
  local client, server = connected()
  client:close()
  server:close()
  return server
end

local function ended_task(f)
  local task = kio.spawn { f or function() return 1 end, on_error = function() end }
  task:join()
  return task
end

local function noop() end

-- Each gives an operation that comes to something at once, whenever it is called.
local ready = {
  ["event:wait"] = function()
    local event = kio.sync.event()
    event:set()
    return function() assert(event:wait()) end
  end,
  ["event:wait with a timeout"] = function()
    local event = kio.sync.event()
    event:set()
    return function() assert(event:wait { timeout = 1 }) end
  end,
  ["semaphore"] = function()
    local semaphore = kio.sync.semaphore(1)
    return function() semaphore:acquire():release() end
  end,
  ["mutex"] = function()
    local mutex = kio.sync.mutex()
    return function() mutex:lock():unlock() end
  end,
  ["waitgroup:wait"] = function()
    local group = kio.sync.waitgroup()
    return function() assert(group:wait()) end
  end,
  ["channel"] = function()
    local channel = kio.sync.channel(1)
    return function()
      assert(channel:send(7))
      assert(channel:receive() == 7)
    end
  end,
  ["channel, closed"] = function()
    local channel = kio.sync.channel(1)
    channel:close()
    return function() assert(channel:receive() == nil) end
  end,
  ["channel:iter, closed"] = function()
    local channel = kio.sync.channel(1)
    channel:close()
    local next_value = channel:iter()
    return function() assert(next_value() == nil) end
  end,
  ["select, event"] = function()
    local event = kio.sync.event()
    event:set()
    return function() assert(kio.select { event } == 1) end
  end,
  ["select, channel"] = function()
    local channel = kio.sync.channel(1)
    return function()
      assert(kio.select { { channel, 1 } } == 1)
      assert(kio.select { channel, timeout = 1 } == 1)
    end
  end,
  ["select, ended task"] = function()
    local task = ended_task()
    return function() assert(kio.select { task } == 1) end
  end,
  ["select, failed task"] = function()
    local task = ended_task(function() error "no" end)
    return function()
      local _, err = pcall(kio.select, { task })
      if kio.is_cancelled(err) then error(err, 0) end
    end
  end,
  ["task:await"] = function()
    local task = ended_task()
    return function() assert(task:await() == 1) end
  end,
  ["task:join"] = function()
    local task = ended_task()
    return function() assert(task:join { timeout = 1 }) end
  end,
  ["task:join, failed"] = function()
    local task = ended_task(function() error "no" end)
    return function() assert(task:join() == false) end
  end,
  ["task:await, failed"] = function()
    local task = ended_task(function() error "no" end)
    return function()
      local _, err = pcall(task.await, task)
      if kio.is_cancelled(err) then error(err, 0) end
    end
  end,
  ["thread channel"] = function()
    local channel = kio.thread.channel(1)
    return function()
      assert(channel:send({ 1, "x" }, { timeout = 1 }))
      assert(channel:receive(1)[2] == "x")
    end
  end,
  ["thread channel, closed"] = function()
    local channel = kio.thread.channel(1)
    channel:close()
    local next_value = channel:iter()
    return function()
      assert(select(3, channel:send(1)) == "EPIPE")
      assert(next_value() == nil)
    end
  end,
  ["thread event"] = function()
    local event = kio.thread.event()
    event:set()
    return function() assert(event:wait(1)) end
  end,
  ["select, shared"] = function()
    local event, channel = kio.thread.event(), kio.thread.channel(1)
    event:set()
    return function() assert(kio.select { event, channel, timeout = 1 } == 1) end
  end,
  ["stream:peek"] = function()
    local stream = filled_stream()
    return function() assert(stream:peek(3) == "012") end
  end,
  ["stream:unread and read"] = function()
    local stream = filled_stream()
    return function() stream:unread(assert(stream:read(2))) end
  end,
  ["stream:read, a line"] = function()
    local stream = filled_stream()
    return function() stream:unread(assert(stream:read()) .. "\n") end
  end,
  ["stream:lines"] = function()
    local stream = filled_stream()
    local next_line = stream:lines()
    return function() stream:unread(assert(next_line()) .. "\n") end
  end,
  ["stream:read_until"] = function()
    local stream = filled_stream()
    return function() stream:unread(assert(stream:read_until("9", { timeout = 1 })) .. "9") end
  end,
  ["stream:recv"] = function()
    local stream = filled_stream()
    return function() stream:unread(assert(stream:recv(4))) end
  end,
  ["stream:recv_into"] = function()
    local stream, buffer = filled_stream(), kio.buffer(16)
    return function()
      assert(stream:recv_into(buffer, 1, 4) == 4)
      stream:unread "0123"
    end
  end,
  ["stream:recv at the end"] = function()
    local stream = ended_stream()
    return function() assert(stream:recv() == nil) end
  end,
  ["stream:read at the end"] = function()
    local stream = ended_stream()
    return function() assert(stream:read "a" == "") end
  end,
  ["stream:lines at the end"] = function()
    local stream = ended_stream()
    return function() for _ in stream:lines() do error "a line" end end
  end,
  ["stream:write of nothing"] = function()
    local stream = ended_stream()
    return function() assert(stream:write("", { "", "" })) end
  end,
  ["stream:send of nothing"] = function()
    local stream = ended_stream()
    return function() assert(stream:send "") end
  end,
  ["stream:flush"] = function()
    local stream = ended_stream()
    return function() assert(stream:flush()) end
  end,
  ["closed stream"] = function()
    local stream = closed_stream()
    return function()
      assert(select(3, stream:read()) == "EBADF")
      assert(select(3, stream:write "x") == "EBADF")
    end
  end,
  ["closed listener"] = function()
    local listener = assert(kio.net.listen "127.0.0.1:0")
    listener:close()
    return function() assert(select(3, listener:accept()) == "EBADF") end
  end,
  ["closed udp"] = function()
    local udp = assert(kio.net.udp "127.0.0.1:0")
    udp:close()
    return function() assert(select(3, udp:send_to("x", "127.0.0.1:9")) == "EBADF") end
  end,
  ["closed file"] = function()
    local file = assert(kio.fs.open "/etc/passwd")
    file:close()
    return function() assert(select(3, file:read(1)) == "EBADF") end
  end,
  ["end of a file"] = function()
    local file = assert(kio.fs.open "/dev/null")
    return function() assert(file:read(1) == nil) end, file
  end,
  ["file:write of nothing"] = function()
    local file = assert(kio.fs.open("/dev/null", "w"))
    return function() assert(file:write "") end, file
  end,
  ["kio.net.resolve, numeric"] = function()
    return function() assert(kio.net.resolve "127.0.0.1"[1] == "127.0.0.1") end
  end,
  ["kio.net.connect, malformed"] = function()
    return function() assert(select(3, kio.net.connect "127.0.0.1:x") == "EINVAL") end
  end,
  ["kio.net.listen, refused"] = function()
    local listener = kio.net.listen "127.0.0.1:0"
    local taken = listener:address()
    return function() assert(select(3, kio.net.listen(taken)) == "EADDRINUSE") end, listener
  end,
  ["kio.net.listen, closed at once"] = function()
    return function() kio.net.listen("127.0.0.1:0"):close() end
  end,
  ["kio.net.udp, refused"] = function()
    local udp = kio.net.udp "127.0.0.1:0"
    local taken = udp:address()
    return function() assert(select(3, kio.net.udp(taken)) == "EADDRINUSE") end, udp
  end,
  ["kio.net.udp, closed at once"] = function()
    return function() kio.net.udp("127.0.0.1:0"):close() end
  end,
  ["kio.socketpair, closed at once"] = function()
    return function()
      local a, b = kio.socketpair()
      kio.stream(a):close()
      kio.stream(b):close()
    end
  end,
  ["kio.bind, refused"] = function()
    local listener, fd = kio.net.listen "127.0.0.1:0", kio.socket "tcp4"
    local taken, both = listener:address(), {}
    function both.close() listener:close() kio.close(fd) end
    return function() assert(select(3, kio.bind(fd, taken)) == "EADDRINUSE") end, both
  end,
  ["kio.fs.watch, refused"] = function()
    return function() assert(select(3, kio.fs.watch "/no-such-file") == "ENOENT") end
  end,
  ["kio.process.spawn, refused"] = function()
    return function() assert(select(3, kio.process.spawn { "/no-such-file" }) == "ENOENT") end
  end,
  ["kio.sendfile of nothing"] = function()
    local client, server = connected()
    return function() assert(kio.sendfile(client:fd(), server:fd(), nil, 0) == 0) end
  end,
  ["kio.scope"] = function() return function() kio.scope(noop) end end,
  ["kio.timeout"] = function() return function() kio.timeout(1, noop) end end,
  ["kio.all of nothing"] = function() return function() kio.all {} end end,
}

local LOOPS = 100000

-- Calls f until `done` is true; raises when that does not happen in many calls.
local function repeat_until(f, done)
  for _ = 1, LOOPS do
    f()
    if done() then return end
  end
  error("the loop has not turned in " .. LOOPS .. " calls")
end

local function close_streams()
  while streams[1] do table.remove(streams):close() end
end

local function each_ready(f)
  for name, prepare in pairs(ready) do
    local op, file = prepare()
    local ok, err = pcall(f, op)
    if file then file:close() end
    close_streams()
    if not ok then error(name .. ": " .. tostring(err), 0) end
  end
end

describe("what is always ready", function()
  it("lets the others run", function()
    support.run(function()
      each_ready(function(op)
        local ticks = 0
        kio.scope(function(scope)
          scope:spawn { function() for _ = 1, 5 do kio.yield() ticks = ticks + 1 end end }
          repeat_until(op, function() return ticks == 5 end)
        end)
      end)
    end)
  end)

  it("sees the deadline of a scope around it", function()
    support.run(function()
      each_ready(function(op)
        local _, _, code = kio.timeout(0.001, function() repeat_until(op, function() end) end)
        assert.equal("ETIMEDOUT", code)
      end)
    end)
  end)

  it("sees it on a virtual clock", function()
    kio.testing.run(function()
      each_ready(function(op)
        local _, _, code = kio.timeout(0.0001, function() repeat_until(op, function() end) end)
        assert.equal("ETIMEDOUT", code)
      end)
    end, { watchdog = false }) -- programs that do not start take real seconds on a busy machine
  end)

  it("sees its cancellation", function()
    support.run(function()
      each_ready(function(op)
        local task = kio.spawn(function() repeat_until(op, function() end) end)
        kio.yield()
        task:cancel()
        task:join()
        assert.equal("cancelled", task:status())
      end)
    end)
  end)

  it("gives each of two loops its turn, and not more of it than the other", function()
    support.run(function()
      local event, turns, last = kio.sync.event(), {}, nil
      event:set()
      local function loop(name)
        while #turns < 20 do
          event:wait()
          if last ~= name then turns[#turns + 1] = name end
          last = name
        end
      end
      kio.all { function() loop "a" end, function() loop "b" end }
      assert.matches("^" .. ("ab"):rep(10), table.concat(turns))
    end)
  end)

  it("awaits at once a task that is going to fail", function()
    support.run(function()
      local mutex = kio.sync.mutex()
      for _ = 1, 3000 do
        local task = kio.spawn(error, "failed", 0)
        local ok, err = kio.timeout(1, task.join, task)
        assert.is_false(ok)
        assert.equal("failed", err)
        mutex:lock():unlock()
      end
    end)
  end)

  it("keeps the order of those who wait for a lock", function()
    support.run(function()
      local mutex, order = kio.sync.mutex(), {}
      kio.scope(function(scope)
        for i = 1, 3 do
          scope:spawn(function()
            for _ = 1, 2000 do
              local _ <close> = mutex:lock()
              if order[#order] ~= i then order[#order + 1] = i end
              if #order > 1 then kio.yield() end
            end
          end)
        end
      end)
      for i = 3, #order do assert.not_equal(order[i - 1], order[i]) end
    end)
  end)

  it("loses and doubles no byte", function()
    support.run(function()
      local client, server = connected()
      local sent = {}
      for i = 1, 20000 do sent[i] = i % 7 .. "" end
      kio.scope(function(scope)
        scope:spawn(function()
          for i = 1, 20000, 2 do assert(client:write({ sent[i] }, sent[i + 1])) end
          client:close()
        end)
        local got = {}
        for part in function() return server:read(1) end do got[#got + 1] = part end
        assert.equal(table.concat(sent), table.concat(got))
      end)
      close_streams()
    end)
  end)

  it("goes on where Lua cannot yield", function()
    support.run(function()
      local client = connected()
      local calls = 0
      (("x"):rep(5000)):gsub("x", function()
        assert(client:write "")
        calls = calls + 1
      end)
      assert.equal(5000, calls)
      close_streams()
    end)
  end)

  it("is not what never waits: no other task runs meanwhile", function()
    support.run(function()
      local channel, mutex = kio.sync.channel(1), kio.sync.mutex()
      local semaphore, shared = kio.sync.semaphore(1), kio.thread.channel(1)
      local event, ticks = kio.sync.event(), 0
      local ticker = kio.spawn(function() while true do ticks = ticks + 1 kio.yield() end end)
      kio.yield()
      local before = ticks
      for _ = 1, 5000 do
        channel:try_send(1)
        channel:try_receive()
        shared:try_send(1)
        shared:try_receive()
        if mutex:try_lock() then mutex:unlock() end
        if semaphore:try_acquire() then semaphore:release() end
        event:is_set()
        kio.now()
        kio.stats()
      end
      assert.equal(before, ticks)
      ticker:cancel()
    end)
  end)
end)
