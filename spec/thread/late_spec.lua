-- flavours: test asan hostile
-- without: lua55
-- timeout: 120
-- What does not end in time: it is named, left alone, and touches nothing when it ends at last.
-- Each case is a process of its own, as something is left behind. (ThreadSanitizer can start none.)
local child = require "spec.net.child"

-- block(BLOCK) says that it has begun, and blocks its thread until open() is called or the process
-- has ended: by a shell and pipes, and no clock. (A thread blocked in a read of Lua's own files
-- would hold up io.popen: that flushes all files, and waits for the lock of each.)
local PREAMBLE = [[
  local kio = require "kio"
  local began_r, began_w, go_r, go_w = kio.run(function()
    local a, b = assert(kio.pipe())
    local c, d = assert(kio.pipe())
    return a, b, c, d
  end)
  local stat = assert(io.open "/proc/self/stat")
  local fds = ("/proc/%d/fd/"):format(stat:read "n")
  local BLOCK = ("printf b >%s%d; read word <%s%d"):format(fds, began_w, fds, go_r)
  local function block(command)
    os.execute(command)
    return "late", { "something", { "to", "free" } }
  end
  local function await_begin() assert(kio.read(began_r, 1) == "b") end
  local function open()
    local file <close> = assert(io.open(fds .. go_w, "w"))
    assert(file:write "o\n")
  end
  -- Threads of ours that have not ended.
  local function threads()
    local list = {}
    local pipe <close> = assert(io.popen "cat /proc/$PPID/task/*/comm 2>/dev/null")
    for name in pipe:lines() do
      if name:match "^kio" then list[#list + 1] = name end
    end
    return table.concat(list, " ")
  end
  local function until_gone()
    repeat
      collectgarbage()
    until threads() == "" and kio.core.world().blocks == 0
  end
]]

-- The program must end with this status, and its output must have all these in it.
local function ends(status, program, ...)
  local output, how, number = child.run(PREAMBLE .. program, "env KIO_LOG=debug timeout 50")
  assert.equal(("exit %d"):format(status), ("%s %d"):format(how, number), output)
  for _, pattern in ipairs { ... } do assert.matches(pattern, output) end
  return output
end

describe("what does not end in time", function()
  it("is named: a blocking job, which then finds nobody", function()
    ends(0, [[
      print(pcall(kio.run, function()
        local task = assert(kio.spawn_blocking { block, BLOCK, name = "ten minutes" })
        await_begin()
        task:cancel()
        return "main's result"
      end, { shutdown_timeout = 0.05 }))
      print("threads: " .. threads())
      open()
      until_gone()
      print "gone"
    ]], "false\tkio.run: .*did not end within shutdown_timeout: ten minutes",
      "threads: kio%-pool%-1\n", "kio: the blocking job ten minutes has ended late\n", "gone")
  end)

  it("is named: a worker that computes without end", function()
    ends(0, [[
      print(pcall(kio.run, function()
        kio.thread.spawn_on(2, block, BLOCK)
        kio.thread.spawn_on(3, kio.sleep, 1e6)
        await_begin()
        error("the end", 0)
      end, { threads = 4, shutdown_timeout = 0.05 }))
      print("threads: " .. threads())
      open()
      until_gone()
      print "gone"
    ]], "false\tthe end", "tasks did not end within shutdown_timeout\n",
      "threads did not end within shutdown_timeout: worker 2\n",
      "kio: left alone at the end: worker 2\n", "threads: kio%-worker%-2\n", "gone")
  end)

  it("is named: one of each, of a runtime", function()
    ends(0, [[
      local runtime = assert(kio.runtime { threads = 2 })
      print(runtime:block_on(function(command)
        local task = kio.spawn_blocking { block, command, name = "a job" }
        await_begin()
        task:cancel()
        return "left behind"
      end, BLOCK))
      print(runtime:stop { timeout = 0.05 })
      print(runtime:stop())
      runtime = nil
      open()
      until_gone()
      print "gone"
    ]], "left behind", "nil\tkio.runtime stop: did not end in time: a job\tETIMEDOUT\ntrue\n.*gone")
  end)

  it("does not keep others from being joined when the time is up", function()
    local output = ends(0, [[
      print(pcall(kio.run, function()
        for i = 2, 4 do
          kio.thread.spawn_on(i, function()
            for _ = 1, 100 do kio.spawn(kio.sleep, 1e6) end
          end)
        end
        kio.thread.spawn_on(2, block, BLOCK)
        await_begin()
        error("the end", 0)
      end, { threads = 4, shutdown_timeout = 0 }))
      print("threads: " .. threads())
    ]], "threads: kio%-worker%-2\n")
    assert.matches("did not end within shutdown_timeout: worker 2\n", output)
  end)

  it("is left alone when the state is closed", function()
    for _, how in ipairs { "os.exit(7, true)", "os.exit(7)" } do
      ends(7, ([[
        local runtime = assert(kio.runtime { threads = 2, shutdown_timeout = 0.05 })
        kio.run(function()
          kio.spawn_blocking(block, BLOCK)
          kio.thread.spawn_on(2, block, BLOCK)
          await_begin()
          await_begin()
          %s
        end, { threads = 2, shutdown_timeout = 0.05 })
      ]]):format(how))
    end
  end)

  it("is left alone when the main chunk fails", function()
    ends(1, [[
      kio.run(function()
        kio.thread.spawn_on(2, block, BLOCK)
        kio.spawn_blocking { block, BLOCK, name = "a job" }
        await_begin()
        await_begin()
        error "oh"
      end, { threads = 2, shutdown_timeout = 0.05 })
    ]], ": oh\n.*did not end within shutdown_timeout: worker 2, a job")
  end)
end)

describe("a process with several workers", function()
  local BUSY = [[
    local function busy()
      for _ = 1, 20 do
        kio.spawn(kio.sleep, 1e6)
        kio.spawn_blocking(function() return 1 end)
        kio.thread.spawn(kio.sleep, 1e6)
      end
    end
    kio.run(function()
      for i = 1, 3 do
        kio.thread.spawn_on(i, busy)
      end
      kio.thread.spawn_on(2, function() kio.yield() %s end)
      kio.sleep(1e6)
    end, { threads = 3 })
  ]]

  it("ends by os.exit on another worker", function()
    ends(7, BUSY:format "os.exit(7)")
    ends(7, BUSY:format "os.exit(7, true)")
    ends(7, BUSY:format "coroutine.wrap(function() os.exit(7, true) end)()")
    ends(7, BUSY:format "table.sort({ 3, 2, 1 }, function() os.exit(7, true) end)")
  end)

  it("ends by an error on another worker", function()
    ends(1, BUSY:format [[error "oh"]], "oh\nstack traceback.*of a function run by worker 2")
  end)

  it("ends by a finalizer on another worker", function()
    ends(7, BUSY:format [[setmetatable({}, { __gc = function() os.exit(7, true) end })
      collectgarbage()]])
  end)
end)
