-- flavours: test asan
-- timeout: 120
-- A process that ends with operations in flight: by os.exit, by lua_close, by an error in the main
-- chunk (R18). Each case is a process of its own. (None can be started below ThreadSanitizer.)
local support = require "spec.support"

-- Something of every kind under way: `busy()` starts it and returns when the kernel has it.
local PREAMBLE = [[
  local kio = require "kio"
  local keep = {}
  function busy()
    local a, b = kio.socketpair()
    local r, w = kio.pipe()
    local listener = assert(kio.net.listen("127.0.0.1:0"))
    local accepted = kio.spawn(listener.accept, listener)
    local client = assert(kio.net.connect(listener:address()))
    local server = accepted:await()
    keep = { listener, client, server }
    kio.spawn(kio.recv, a, 1000)
    kio.spawn(kio.read, r, 1000)
    kio.spawn(kio.poll, a, "r")
    kio.spawn(kio.splice, r, nil, b, nil, 10)
    kio.spawn(listener.accept, listener)
    kio.spawn(client.recv, client)
    kio.spawn(kio.sleep, 1000)
    kio.spawn(kio.recv, a, 10, 0, { timeout = 1000 })
    kio.spawn(function() kio.spawn(kio.sleep, 1000):await() end)
    kio.spawn(function()
      local guard <close> = setmetatable({}, { __close = function() kio.close(b) end })
      local lines = coroutine.wrap(function() coroutine.yield(kio.read(r, 1000)) end)
      lines()
    end)
    kio.spawn(function() client:send(("x"):rep(1 << 24)) end)
    server:write("unread")
    for _ = 1, 3 do kio.yield() end
    assert(kio.stats().pending >= 5)
  end
]]

-- Runs the program; its exit status and all it has printed. What sits out its shutdown_timeout of
-- 30 s has not ended as it should.
local function run(backend, program, environment)
  local path = support.tmpdir() .. "/program.lua"
  local file = assert(io.open(path, "w"))
  file:write(PREAMBLE, program)
  file:close()
  local command = ("%s KIO_BACKEND=%s LUA_PATH='./lua/?.lua;./lua/?/init.lua' "
    .. "LUA_CPATH='./build/%s/?.so' timeout 20 %s %s 2>&1; echo \"status $?\"")
  command = command:format(environment or "", backend, support.build, support.lua, path)
  local pipe <close> = assert(io.popen(command))
  local output, status = pipe:read("a"):match("^(.*)status (%d+)\n$")
  return tonumber(status), output
end

-- What the address sanitizer can see, it sees on the simulated ring, where results come late.
local RINGS = support.backend == "epoll" and { "epoll" } or support.flavour == "asan" and { "sim" }
  or { "uring", "sim" }
local REAL = support.backend

local function each_ring(name, f)
  for _, backend in ipairs(RINGS) do
    it(name .. ", on " .. backend, function() f(backend) end)
  end
end

-- The program must end as it says itself: with this status and this output.
local function ends(status, pattern, program)
  return function(backend)
    local got, output = run(backend, program)
    assert.equal(status, got, output)
    assert.matches(pattern, output)
  end
end

describe("a process with operations in flight", function()
  each_ring("ends by os.exit in the main task", ends(7, "^$", [[
    kio.run(function() busy() os.exit(7) end)
  ]]))

  each_ring("ends by os.exit in a child, and in a coroutine of it", ends(7, "^$", [[
    kio.run(function()
      busy()
      kio.spawn(function()
        coroutine.wrap(function()
          kio.sleep(0.01)
          os.exit(7)
        end)()
      end):await()
    end)
  ]]))

  each_ring("ends by os.exit that closes the state, in the main task", ends(7, "^$", [[
    kio.run(function() busy() os.exit(7, true) end)
  ]]))

  each_ring("ends by os.exit that closes the state, in a coroutine of a child", ends(7, "^$", [[
    kio.run(function()
      busy()
      kio.spawn(function()
        coroutine.wrap(function()
          kio.sleep(0.01)
          os.exit(7, true)
        end)()
      end):await()
    end)
  ]]))

  -- The reads are asked to end, and may fill their buffers all the same: on the simulated ring so.
  each_ring("ends by os.exit just as bytes come", ends(7, "^$", [[
    kio.run(function()
      local pipes = {}
      for i = 1, 10 do
        local r, w = kio.pipe()
        kio.spawn(kio.read, r, 1000)
        pipes[i] = assert(io.open("/proc/self/fd/" .. w, "w"))
      end
      for _ = 1, 3 do kio.yield() end
      for _, pipe in ipairs(pipes) do assert(pipe:write(("x"):rep(1000)) and pipe:flush()) end
      os.exit(7, true)
    end)
  ]]))

  each_ring("ends by os.exit in a finalizer", ends(7, "^$", [[
    kio.run(function()
      busy()
      setmetatable({}, { __gc = function() os.exit(7, true) end })
      collectgarbage()
    end)
  ]]))

  each_ring("ends by os.exit while a cancelled task unwinds", ends(7, "^$", [[
    kio.run(function()
      busy()
      local task = kio.spawn(function()
        local guard <close> = setmetatable({}, { __close = function() os.exit(7, true) end })
        kio.sleep(1000)
      end)
      kio.yield()
      task:cancel()
      task:join()
    end)
  ]]))

  each_ring("ends by an error of the main task in the main chunk", ends(1, "program.lua:%d+: oh", [[
    kio.run(function() busy() error("oh") end, { shutdown_timeout = 0.1 })
  ]]))

  each_ring("ends by an error in the main chunk after the run", ends(1, "program.lua:%d+: oh", [[
    local ok, err = pcall(kio.run, function() busy() error("inner") end, { shutdown_timeout = 0.1 })
    assert(not ok and err:match("inner"))
    error("oh")
  ]]))

  each_ring("ends by an error of a child that nobody awaits", ends(1, "program.lua:%d+: child", [[
    kio.run(function()
      busy()
      kio.spawn(error, "program.lua:1: child")
      kio.sleep(1000)
    end, { shutdown_timeout = 0.1 })
  ]]))

  each_ring("ends by running to its end with handles of every kind left", ends(0, "^done$", [[
    local kept = {}
    kio.run(function()
      local listener = assert(kio.net.listen("127.0.0.1:0"))
      local accepted = kio.spawn(listener.accept, listener)
      local client = assert(kio.net.connect(listener:address()))
      local server = accepted:await()
      server:write("unread")
      kept = { listener, client, server, accepted, client:recv() }
      client:write("gathered")
    end)
    io.write("done")
  ]]))

  each_ring("ends while a run is suspended in a coroutine", ends(0, "^done$", [[
    local ok = pcall(coroutine.wrap(function()
      kio.run(function() busy() coroutine.yield() end, { shutdown_timeout = 0.1 })
    end))
    io.write("done")
  ]]))

  each_ring("ends by os.exit where Lua cannot yield", ends(7, "^$", [[
    kio.run(function()
      busy()
      table.sort({ 3, 2, 1 }, function() os.exit(7, true) end)
    end)
  ]]))

  -- What is said as a stream's output, and how the program ends then.
  local SAYS = {
    ["in the main task"] = "kio.run(function() %s os.exit(7, true) end)",
    ["in a child that others wait for"] = [[
      kio.run(function()
        kio.spawn(kio.sleep, 1000)
        kio.spawn(function() %s os.exit(7, true) end):await()
      end)]],
    ["in a coroutine, with operations in flight"] = [[
      kio.run(function()
        busy()
        coroutine.wrap(function() %s os.exit(7, true) end)()
      end)]],
    ["in a second run"] = "kio.run(kio.yield) kio.run(function() %s os.exit(7, true) end)",
    ["in a finalizer"] = [[
      kio.run(function()
        %s
        setmetatable({}, { __gc = function() os.exit(7, true) end })
        collectgarbage()
      end)]],
  }
  for where, program in pairs(SAYS) do
    it("lets its gathered output leave when os.exit closes the state " .. where, function()
      local path = support.tmpdir() .. "/words"
      for _, say in ipairs {
        "kio.stdout():write 'last words'",
        "kio.stdout():buffer(1000):write 'last words'",
        ([[
          local flags = kio.const.O_CREAT | kio.const.O_WRONLY
          local fd = assert(kio.openat(nil, %q, flags, 384))
          kio.stream(fd):buffer(1000):write 'last words']]):format(path),
      } do
        local status, output = run(REAL, program:format(say))
        local file = io.open(path)
        if file then
          output = output .. file:read "a"
          file:close()
        end
        assert.same({ 7, "last words" }, { status, output }, say)
      end
    end)
  end

  it("lets more output leave than a pipe holds, as long as somebody reads", function()
    local status, output = run(REAL, [[
      kio.run(function()
        kio.stdout():buffer(1 << 20):write(("x"):rep(300000))
        os.exit(7, true)
      end)
    ]])
    assert.same({ 7, 300000 }, { status, #output })
  end)

  it("ends although the ring does not let go of a request in time, on sim", function()
    -- What the kernel may still write to is left to it, on purpose: not a leak to report.
    local options = "ASAN_OPTIONS=detect_leaks=0"
    local status, output = run("sim", [[
      kio.core.sim { { op = "read", delay = 1e6 } }
      local ok, err = pcall(kio.run, function()
        local r, w = kio.pipe()
        kio.spawn(kio.read, r, 100)
        kio.write(w, "late")
        for _ = 1, 3 do kio.yield() end
        error("no patience")
      end, { shutdown_timeout = 10 })
      assert(not ok and err:match("no patience"), err)
      assert(kio.core.world().blocks > 0)
      print(kio.run(function() return "next run" end))
    ]], options)
    assert.equal(0, status, output)
    assert.equal("next run\n", output)
  end)
end)
