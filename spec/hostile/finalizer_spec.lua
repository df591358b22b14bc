-- Finalizers called by hand, by whoever finds them: on handles in use, on other things, twice, and
-- from everywhere. They do nothing then; the collector's own call still does everything.
-- flavours: test asan hostile
local kio = require "kio"
local support = require "spec.support"

local function streams()
  local near, far = assert(kio.socketpair "stream")
  return kio.stream(near), kio.stream(far)
end

-- Every metatable of kio's in the registry, by name: those of what no program is given as well.
local function kinds()
  local found = {}
  for name, meta in pairs(debug.getregistry()) do
    local ours = type(name) == "string" and name:find "^kio%.%u" and type(meta) == "table"
    if ours then found[name] = meta end
  end
  return found
end

local function count_descriptors()
  local count = 0
  for _ in pairs(kio.core.own.descriptors()) do count = count + 1 end
  return count
end

local function light() return debug.upvalueid(streams, 1) end

-- Handles of every kind that a program is given.
local function handles()
  local near, far = streams()
  local function nothing() end
  return {
    near, far, kio.net.udp "127.0.0.1:0", kio.net.listen "127.0.0.1:0", kio.fs.open "/etc/passwd",
    kio.fs.watch "/tmp", kio.buffer "abc", kio.spawn(nothing), kio.thread.channel(1),
    kio.thread.event(), kio.core.own.queue "event", kio.core.own.current(),
    kio.scope(function(scope) return scope end), select(2, kio.signal.each "USR1"),
  }
end

local function close_all(list)
  for _, handle in ipairs(list) do
    if type(handle) == "userdata" and pcall(function() return handle.fd end) and handle.close then
      handle:close()
    elseif getmetatable(handle).__close then
      getmetatable(handle).__close(handle)
    end
  end
end

local function each_finalizer(f)
  local count = 0
  for name, meta in pairs(kinds()) do
    if meta.__gc then
      count = count + 1
      f(meta.__gc, name)
    end
  end
  for _, class in ipairs { kio.fs.open "/etc/passwd", (kio.fs.watch "/tmp") } do
    f(getmetatable(class).__gc, getmetatable(class).__name)
    class:close()
  end
  assert(count >= 14, count)
end

-- Calls it as a program might.
local function by_hand(finalizer, value)
  finalizer(value)
  pcall(finalizer, value)
  coroutine.wrap(finalizer)(value)
  local function called() return finalizer(value) end
  called()
  setmetatable({}, { __gc = function() finalizer(value) end })
  collectgarbage()
  setmetatable({}, { __index = function() finalizer(value) end, __gc = finalizer }).x = nil
  local _ <close> = setmetatable({}, { __close = function() finalizer(value) end })
end

describe("a finalizer", function()
  it("does nothing to what is none of its kind", function()
    support.run(function()
      local list = handles()
      each_finalizer(function(finalizer, name)
        local others = { false, 1, "x", {}, print, io.stdout, light(), table.unpack(list) }
        for _, value in ipairs(others) do
          local ok, err = pcall(by_hand, finalizer, value)
          assert.is_true(ok, ("%s: %s"):format(name, err))
        end
        finalizer()
        finalizer(nil)
      end)
      close_all(list)
    end)
  end)

  it("called by hand leaves a handle as it was", function()
    support.run(function()
      for _, handle in ipairs(handles()) do
        local before, finalizer = tostring(handle), debug.getmetatable(handle).__gc
        if finalizer then
          by_hand(finalizer, handle)
          assert.equal(before, tostring(handle))
        end
        close_all { handle }
      end
    end)
  end)

  -- Each begins something that waits, on a handle; gives the handle, and what ends the wait.
  local waits = {
    ["a read"] = function()
      local near, far = streams()
      return near, function() return near:read(4) end, function() far:send "done" end, far
    end,
    ["a write"] = function()
      local near, far = streams()
      local size = 4 << 20
      return near, function() return near:send(("x"):rep(size)) and "done" end, function()
        local got = 0
        while got < size do got = got + #far:recv() end
      end, far
    end,
    ["a datagram"] = function()
      local udp = kio.net.udp "127.0.0.1:0"
      local other = kio.net.udp "127.0.0.1:0"
      return udp, function() return udp:receive() end,
        function() other:send_to("done", udp:address()) end, other
    end,
    ["an accept"] = function()
      local listener = kio.net.listen "127.0.0.1:0"
      local client
      return listener, function()
        listener:accept():close()
        return "done"
      end, function() client = kio.net.connect(listener:address()) end, { close = function()
        client:close()
      end }
    end,
    ["a queue"] = function()
      local queue = kio.core.own.queue "event"
      return queue, function() return (select(2, queue:wait())) end,
        function() queue:wake "done" end
    end,
    ["a thread channel"] = function()
      local channel = kio.thread.channel(1)
      return channel, function() return channel:receive() end, function() channel:send "done" end
    end,
    ["a thread event"] = function()
      local event = kio.thread.event()
      return event, function() return event:wait() and "done" end, function() event:set() end
    end,
    ["a select"] = function()
      local channel, event = kio.thread.channel(1), kio.thread.event()
      return event, function() return (select(2, kio.select { channel, event })) end,
        function() channel:send "done" end
    end,
    ["a file"] = function()
      local path = support.tmpdir() .. "/fifo"
      assert(os.execute("mkfifo " .. path))
      local file = kio.fs.open(path, "r+")
      return file, function() return (file:read(4)) end, function() file:write "done" end
    end,
    ["a blocking job"] = function()
      local task = kio.spawn_blocking(function() return "done" end)
      return task, function() return task:await() end, function() end
    end,
    ["a function elsewhere"] = function()
      local event = kio.thread.event()
      local task = kio.thread.spawn_on(2, function(e) return e:wait() and "done" end, event)
      return task, function() return task:await() end, function() event:set() end
    end,
  }

  -- The userdata in the frames of a coroutine that waits, C functions' own among them.
  local function in_frames(co)
    local found = {}
    for level = 0, 30 do
      if not debug.getinfo(co, level, "f") then break end
      for i = 1, 30 do
        local name, value = debug.getlocal(co, level, i)
        if not name then break end
        if type(value) == "userdata" then found[#found + 1] = value end
      end
    end
    return found
  end

  for name, prepare in pairs(waits) do
    it("called by hand leaves alone what waits: " .. name, function()
      if support.chunk then pending "KIO_CHUNK knows one thread" end
      support.run(function()
        local handle, wait, finish, other = prepare()
        local co
        local task = kio.spawn(function()
          co = coroutine.running()
          return wait()
        end)
        for _ = 1, 3 do kio.yield() end
        local list = in_frames(co)
        list[#list + 1] = handle
        for _, value in ipairs(list) do
          local finalizer = (debug.getmetatable(value) or {}).__gc
          if finalizer then by_hand(finalizer, value) end
        end
        for _ = 1, 3 do kio.yield() end
        finish()
        assert.equal("done", task:await())
        for _, used in pairs { handle, other } do
          if used.close then used:close() end
        end
      end, { threads = 2 })
    end)
  end

  it("of the scheduler itself does nothing while it runs", function()
    support.run(function()
      for _, value in pairs(debug.getregistry()) do
        local meta = type(value) == "userdata" and debug.getmetatable(value)
        if meta and meta.__gc then by_hand(meta.__gc, value) end
      end
      for level = 1, 50 do
        if not debug.getinfo(level, "f") then break end
        for i = 1, 50 do
          local name, value = debug.getlocal(level, i)
          if not name then break end
          local meta = type(value) == "userdata" and debug.getmetatable(value)
          if meta and meta.__gc then by_hand(meta.__gc, value) end
        end
      end
      kio.sleep(0)
    end)
  end)

  it("does nothing on another worker either", function()
    if support.chunk then pending "KIO_CHUNK knows one thread" end
    support.run(function()
      local channel = kio.thread.channel(1)
      local task = kio.thread.spawn_on(2, function(own)
        for name, meta in pairs(debug.getregistry()) do
          if type(name) == "string" and name:find "^kio%.%u" and type(meta) == "table" then
            if meta.__gc then meta.__gc(own) end
          end
        end
        return own:send "done"
      end, channel)
      assert.is_true(task:await())
      assert.equal("done", channel:receive())
    end, { threads = 2 })
  end)

  it("called by the collector does its work, also below a hook", function()
    support.run(function()
      local before = count_descriptors()
      local function garbage()
        for _ = 1, 20 do
          local near, far = streams()
          near:write "x"
          far:peek(1)
        end
        for _ = 1, 20 do kio.net.listen "127.0.0.1:0" end
      end
      debug.sethook(function() collectgarbage() end, "", 100)
      garbage()
      debug.sethook()
      collectgarbage()
      collectgarbage()
      kio.sleep(0)
      assert.equal(before, count_descriptors())
    end)
  end)

  it("may be reached as a task's own function is: with the debug library", function()
    support.run(function()
      local bodies = {}
      local task = kio.spawn(function()
        for level = 1, 10 do
          local info = debug.getinfo(level, "fS")
          if not info then break end
          if info.what == "C" then bodies[#bodies + 1] = info.func end
        end
      end)
      local job = kio.spawn_blocking(function() end)
      task:await()
      job:await()
      assert.is_true(#bodies > 0)
      for _, body in ipairs(bodies) do
        for _, value in ipairs { 1, "x", {}, task, light() } do pcall(body, value) end
        pcall(body)
      end
    end)
  end)
end)
