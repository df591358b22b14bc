-- flavours: test
-- without: lua55
-- timeout: 120
-- A child forked while several workers and a pool run: kio says clearly that they are the parent's,
-- nothing waits for a thread that is not there, and the parent goes on. Each case is a process of
-- its own, and a child that hangs is ended by SIGALRM. (The sanitizers bear no fork of a process
-- with several threads: one allows no thread in the child, the other's allocator keeps its locks.)
local child = require "spec.net.child"

-- in_child(f) runs f in a forked child, which must be satisfied; `refused` expects an error.
local PREAMBLE = [[
  local kio = require "kio"
  local core = require "kio.core"
  local GOOD = 7

  local function refused(pattern, f, ...)
    local ok, err = pcall(f, ...)
    assert(not ok, "expected an error that matches " .. pattern)
    assert(tostring(err):find(pattern), "unexpected error: " .. tostring(err))
  end

  local function in_child(f, ...)
    local pid = core.fork()
    if pid == 0 then
      local ok, err = xpcall(f, debug.traceback, ...)
      if not ok then io.stderr:write("child: ", err, "\n") end
      core.exit_now(ok and GOOD or 1)
    end
    local status = core.reap(pid)
    assert(status == GOOD, "the child ended with " .. status)
  end

  -- Runs f with three workers and a job of the pool under way, which hold the locks of a channel,
  -- of an event, of the runtime and of the pool again and again. They end with it.
  local function busy_run(f)
    return kio.run(function()
      local channel, event = kio.thread.channel(4), kio.thread.event()
      local ready, loaded, over = kio.thread.event(), kio.thread.event(), kio.thread.event()
      local function hammer(on_pool)
        if on_pool then loaded:set() end
        repeat
          channel:try_send("x")
          channel:try_receive()
          event:set()
          event:reset()
        until over:is_set()
      end
      local function spawn_all()
        -- exit(3) in a child takes back what is read ahead in any file, such as one a state loads
        for _ = 1, 8 do kio.spawn_blocking(function() require "kio" end):await() end
        ready:set()
        repeat
          kio.thread.spawn(function() end):await()
          kio.spawn_blocking(function() end):await()
        until over:is_set()
      end
      local tasks = { kio.spawn_blocking(hammer, true), kio.thread.spawn_on(2, hammer),
        kio.thread.spawn_on(3, spawn_all) }
      ready:wait()
      loaded:wait()
      local results = table.pack(f(channel, event))
      over:set()
      for _, task in ipairs(tasks) do task:await() end
      return table.unpack(results, 1, results.n)
    end, { threads = 3 })
  end
]]

-- The program must end well, with no word but these.
local function passes(program, expected)
  local output, how, number = child.run(PREAMBLE .. program, "timeout 100")
  assert.equal("exit 0", how .. " " .. number, output)
  if expected then assert.matches(expected, output) else assert.equal("", output) end
end

describe("a child forked beside workers and a pool", function()
  it("is told so by whatever it asks of them", function()
    passes [[
      busy_run(function(channel, event)
        local task = kio.thread.spawn_on(2, kio.sleep, 1e6)
        for _ = 1, 30 do
          in_child(function()
            local ring, nothing = "forked child: the ring stays with the parent", function() end
            refused(ring, kio.thread.spawn, nothing)
            refused(ring, kio.thread.spawn_on, 2, nothing)
            refused(ring, kio.thread.each, nothing)
            refused(ring, kio.thread.count)
            refused(ring, kio.spawn_blocking, nothing)
            refused(ring, kio.stop)
            refused(ring, task.await, task)
            local parents = "belongs to the parent process"
            refused(parents, channel.send, channel, 1)
            refused(parents, channel.receive, channel)
            refused(parents, channel.try_send, channel, 1)
            refused(parents, channel.try_receive, channel)
            channel:close()
            refused(parents, event.wait, event)
            refused(parents, event.set, event)
            refused(parents, event.reset, event)
            refused(parents, event.is_set, event)
            assert(tostring(channel):find "parent" and tostring(event):find "parent")
            kio.stats()
            kio.check()
          end)
        end
        task:cancel()
      end)
    ]]
  end)

  it("ends when it returns, with an error that says why", function()
    passes [[
      for round = 1, 10 do
        local pid
        local ok, err = pcall(busy_run, function()
          pid = core.fork()
          if pid > 0 then assert(core.reap(pid) == GOOD) end
        end)
        if pid == 0 then
          local said = not ok and tostring(err):find "the loop belongs to the parent process"
          if not said then io.stderr:write("child: ", tostring(err), "\n") end
          core.exit_now(said and GOOD or 1)
        end
        assert(ok, err)
      end
    ]]
  end)

  it("ends by os.exit, also when that closes its state", function()
    passes [[
      local runtime <close> = assert(kio.runtime { threads = 2 })
      for round = 1, 10 do
        busy_run(function(channel)
          local waiting = kio.spawn(function() return kio.thread.channel(1):receive() end)
          kio.yield()
          local pid = core.fork()
          if pid == 0 then os.exit(GOOD, round % 2 == 0) end
          assert(core.reap(pid) == GOOD)
          waiting:cancel()
        end)
      end
    ]]
  end)

  it("may run workers and a pool of its own", function()
    passes [[
      local kept = kio.thread.channel(1)
      busy_run(function(channel)
        in_child(function()
          assert(kio.run(function()
            local mine = kio.thread.channel(1)
            local task = kio.thread.spawn_on(2, function() mine:send(kio.thread.id()) end)
            assert(mine:receive() == 2)
            task:await()
            refused("belongs to the parent process", channel.try_send, channel, 1)
            refused("belongs to the parent process", kio.thread.spawn_on, 2, function()
              return channel
            end)
            refused("belongs to the parent process", kept.try_send, kept, 1)
            return kio.spawn_blocking(function() return "ran" end):await()
          end, { threads = 2 }) == "ran")
          local runtime <close> = assert(kio.runtime { threads = 2 })
          assert(runtime:block_on(function() return kio.sleep(0) or "slept" end) == "slept")
        end)
      end)
    ]]
  end)

  it("cannot use the parent's runtime", function()
    passes [[
      local runtime <close> = assert(kio.runtime { threads = 2 })
      local function block() return runtime:block_on(kio.sleep, 0) end
      block()
      in_child(function()
        local parents = "the runtime's threads are in the parent process"
        refused(parents, block)
        refused(parents, runtime.stop, runtime)
        refused(parents, runtime.size, runtime)
        refused(parents, runtime.running, runtime)
      end)
      block()
    ]]
  end)
end)

-- The thread that forks is the only one of the child: when it comes to its end nobody is left whom
-- an error could be told, so the child ends there.
describe("a child forked by another thread than the first", function()
  it("ends with its worker's task, and says why", function()
    passes([[
      kio.run(function()
        local status = kio.thread.spawn_on(2, function()
          local core = require "kio.core"
          local pid = core.fork()
          return pid > 0 and core.reap(pid)
        end):await()
        print("status " .. status)
      end, { threads = 3 })
    ]], "^kio: the loop belongs to the parent process[^\n]*\nstatus 1\n$")
  end)

  it("ends with its worker's task when that fails, and says why", function()
    passes([[
      kio.run(function()
        local status = kio.thread.spawn_on(2, function()
          local core = require "kio.core"
          local pid = core.fork()
          if pid == 0 then error "the child's own trouble" end
          return core.reap(pid)
        end):await()
        print("status " .. status)
      end, { threads = 3 })
    ]], "^kio: [^\n]*the child's own trouble\nstatus 1\n$")
  end)

  it("ends with its blocking job, and says why", function()
    passes([[
      kio.run(function()
        local status = kio.spawn_blocking(function()
          local core = require "kio.core"
          local pid = core.fork()
          return pid > 0 and core.reap(pid)
        end):await()
        print("status " .. status)
      end)
    ]], "^kio: [^\n]*: a blocking job has returned in a child it has forked\nstatus 1\n$")
  end)

  it("may run workers of its own, and end by itself", function()
    passes [[
      local function fork_and_run()
        local kio, core = require "kio", require "kio.core"
        local pid = core.fork()
        if pid > 0 then return core.reap(pid) end
        local ok = kio.run(function() return kio.thread.spawn_on(2, kio.thread.id):await() end,
          { threads = 2 })
        core.exit_now(ok == 2 and 7 or 1)
      end
      kio.run(function()
        assert(kio.thread.spawn_on(2, fork_and_run):await() == GOOD)
        assert(kio.spawn_blocking(fork_and_run):await() == GOOD)
      end, { threads = 2 })
    ]]
  end)
end)
