-- without: lua55
-- Threads in a process that is not kio's: their names, signals, stacks and CPUs, and that nothing
-- of them stays. That there is no state but the thread-local: spec/tidy/symbols_spec.lua; two Lua
-- states of one process, and unloading: spec/c/states.c; forks: fork_spec.lua.
local kio = require "kio"
local lfs = require "lfs"
local support = require "spec.support"

local MIB <const> = 1 << 20

local function read(path)
  local file <close> = io.open(path)
  return file and file:read("a")
end

-- The threads of this process that are kio's, by name: their numbers.
local function threads()
  local list = {}
  for tid in lfs.dir("/proc/self/task") do
    local name = tonumber(tid) and read(("/proc/self/task/%s/comm"):format(tid))
    name = name and name:match("^(kio.*)\n$")
    if name then
      assert(not list[name], "two threads have the name " .. name)
      list[name] = tid
    end
  end
  return list
end

local function names(list)
  local all = {}
  for name in pairs(list) do all[#all + 1] = name end
  table.sort(all)
  return all
end

-- A field of a thread's status; without a number of the first one's.
local function status(key, tid)
  local path = tid and ("/proc/self/task/%s/status"):format(tid) or "/proc/self/status"
  return read(path):match("\n" .. key .. ":%s*(%S+)")
end

-- Runs f(threads) with three workers, and two threads of the pool whose jobs run.
local function with_all(options, f)
  options.threads, options.blocking_threads = 3, 2
  support.run(function()
    local began_r, began_w = assert(kio.pipe())
    local go_r, go_w = assert(kio.pipe())
    local function hold(began, go)
      local up <close> = assert(io.open(began, "w"))
      assert(up:write("b") and up:flush())
      local file <close> = assert(io.open(go))
      file:setvbuf("no")
      return file:read(1)
    end
    local jobs = {}
    for i = 1, 2 do
      jobs[i] = kio.spawn_blocking(hold, "/proc/self/fd/" .. began_w, "/proc/self/fd/" .. go_r)
    end
    for _ = 1, 2 do assert.equal("b", kio.read(began_r, 1)) end
    local ok, err = pcall(f, threads())
    assert(kio.write(go_w, "gg"))
    for _, job in ipairs(jobs) do assert.equal("g", job:await()) end
    for _, fd in ipairs { began_r, began_w, go_r, go_w } do assert(kio.close(fd)) end
    assert(ok, err)
  end, options)
end

local ALL = { "kio-pool-1", "kio-pool-2", "kio-worker-2", "kio-worker-3" }

-- Bytes from a sleeping thread's place in its stack down to the end of that. What lies below is a
-- guard, so a mapping begins there; above, others may be joined with it.
local function stack_left(tid)
  local pointer
  repeat -- one that runs just now has no place
    local call = read(("/proc/self/task/%s/syscall"):format(tid))
    if not call then return nil end
    pointer = call:match("(0x%x+) 0x%x+\n$")
  until pointer
  pointer = math.tointeger(tonumber(pointer))
  for from, to, mode in read("/proc/self/maps"):gmatch("(%x+)%-(%x+) (%S+)") do
    local first, last = tonumber(from, 16), tonumber(to, 16)
    if first <= pointer and pointer < last then
      assert.equal("rw-p", mode)
      return pointer - first
    end
  end
end

describe("kio's threads", function()
  it("have names, and are those that were asked for", function()
    assert.same({}, names(threads()))
    with_all({}, function(list) assert.same(ALL, names(list)) end)
  end)

  it("take none of the process's signals but faults of their own", function()
    local own = { ILL = 4, TRAP = 5, ABRT = 6, BUS = 7, FPE = 8, SEGV = 11, SYS = 31 }
    local blocked = ~0
    for _, number in pairs(own) do blocked = blocked & ~(1 << (number - 1)) end
    for _, number in ipairs { 9, 19, 32, 33 } do -- KILL, STOP, and two of the C library's
      blocked = blocked & ~(1 << (number - 1))
    end
    local before = status "SigBlk"
    with_all({}, function(list)
      for _, name in ipairs(ALL) do
        assert.equal(("%016x"):format(blocked), status("SigBlk", list[name]), name)
      end
      assert.equal(before, status "SigBlk")
    end)
    assert.equal(before, status "SigBlk")
  end)

  it("have stacks of 2 MiB, whatever the process has", function()
    with_all({}, function(list)
      for _, name in ipairs(ALL) do
        local left = stack_left(list[name])
        if not left then return pending("the kernel has no /proc/self/task/*/syscall") end
        assert.is_true(left > MIB and left < 2 * MIB, name .. ": " .. left)
      end
    end)
  end)

  it("have room for the deepest that Lua nests C calls", function()
    local function deep()
      local depth = 0
      local function again()
        depth = depth + 1
        return (("x"):gsub("x", again))
      end
      local _, err = pcall(again)
      return depth, err
    end
    support.run(function()
      for _, task in ipairs { kio.thread.spawn_on(2, deep), kio.spawn_blocking(deep) } do
        local depth, err = task:await()
        assert.is_true(depth > 150)
        assert.matches("C stack overflow", err)
      end
    end, { threads = 2 })
  end)

  it("run on the CPUs they were given, and the pool's on all", function()
    local mine = status "Cpus_allowed_list"
    local cpus = {}
    for first, last in mine:gmatch("(%d+)%-?(%d*)") do
      for cpu = tonumber(first), tonumber(last) or tonumber(first) do cpus[#cpus + 1] = cpu end
    end
    local function cpu_of(worker) return tostring(cpus[(worker - 1) % #cpus + 1]) end
    for _, pin in ipairs { true, cpus } do
      with_all({ pin = pin }, function(list)
        local function allowed(name) return status("Cpus_allowed_list", list[name]) end
        for worker = 2, 3 do assert.equal(cpu_of(worker), allowed("kio-worker-" .. worker)) end
        assert.equal(mine, allowed "kio-pool-1")
        assert.equal(cpu_of(1), status "Cpus_allowed_list")
      end)
      assert.equal(mine, status "Cpus_allowed_list")
    end
  end)
end)

-- What each round does: workers that talk, a pool, names and files on its threads.
local function work()
  local channel = kio.thread.channel(1)
  local task = kio.thread.spawn_on(2, function()
    for i = 1, 10 do channel:send(i) end
    return kio.spawn_blocking(function() return "from its pool" end):await()
  end)
  for i = 1, 10 do assert(channel:receive() == i) end
  assert(task:await() == "from its pool")
  assert(kio.net.resolve("localhost:1") and kio.fs.readdir("spec/thread"))
end

local function descriptors()
  local count = 0
  for _ in lfs.dir("/proc/self/fd") do count = count + 1 end
  return count
end

-- Nothing may be left after any round; memory may not grow with them.
local function leaves_nothing(round)
  local before, memory
  for i = 1, 10 do
    round()
    collectgarbage()
    collectgarbage()
    assert.equal(0, kio.core.world().blocks)
    before = before or descriptors()
    assert.equal(before, descriptors())
    while next(threads()) do kio.run(kio.yield) end -- one that was joined is seen a moment longer
    local pages = tonumber(read("/proc/self/statm"):match("^%d+ (%d+)"))
    memory = memory or pages
    if support.flavour == "test" then assert.is_true(pages < memory + 4096, "round " .. i) end
  end
end

describe("ten in a row leave nothing:", function()
  it("runs", function()
    leaves_nothing(function() support.run(work, { threads = 3 }) end)
  end)

  it("runtimes that are stopped", function()
    leaves_nothing(function()
      local runtime = assert(kio.runtime { threads = 2 })
      runtime:block_on(work)
      assert.is_true(runtime:stop())
    end)
  end)

  it("runtimes that are left to the collector", function()
    leaves_nothing(function() assert(kio.runtime { threads = 2 }):block_on(work) end)
  end)

  it("runtimes beside a run, and beside each other", function()
    leaves_nothing(function()
      local one <close> = assert(kio.runtime { threads = 2 })
      local two <close> = assert(kio.runtime { threads = 2 })
      support.run(work, { threads = 2 })
      one:block_on(work)
      two:block_on(work)
    end)
  end)

  it("runs that fail", function()
    leaves_nothing(function()
      support.expect_error("the end", support.run, function()
        kio.thread.spawn_on(2, kio.sleep, 1e6)
        kio.thread.spawn_on(2, work):await()
        error "the end"
      end, { threads = 2 })
    end)
  end)
end)
