-- What a program can reach of the machinery below: counters; neither the ring nor what wakes it.
-- flavours: test asan hostile
local kio = require "kio"
local lfs = require "lfs"
local support = require "spec.support"

-- This process' descriptors of a kind, as the kernel names it.
local function own(pattern)
  local list = {}
  for name in lfs.dir "/proc/self/fd" do
    local target = lfs.symlinkattributes("/proc/self/fd/" .. name, "target")
    if target and target:find(pattern) then list[#list + 1] = tonumber(name) end
  end
  return list
end

-- Every value that can be had from `root` without the debug library.
local function visit(root, see)
  local seen, queue = {}, { { "kio", root } }
  local function push(name, value)
    local kind = type(value)
    if (kind == "table" or kind == "userdata" or kind == "thread") and not seen[value] then
      seen[value] = true
      queue[#queue + 1] = { name, value }
    end
  end
  while #queue > 0 do
    local name, value = table.unpack(table.remove(queue))
    see(name, value)
    push(name .. "<metatable>", getmetatable(value))
    if type(value) == "table" then
      for key, each in next, value do push(name .. "." .. tostring(key), each) end
    end
  end
end

describe("a program", function()
  it("finds no ring and no scheduler among kio's values, but counters", function()
    support.run(function()
      local found = {}
      visit(kio, function(name, value)
        local of_lua = name:match "^kio%.core%.globals%." -- io's files
        if type(value) == "userdata" and not of_lua then found[#found + 1] = name end
      end)
      assert.same({ "kio.Cancelled" }, found)
      local stats = kio.stats()
      assert.is_true(stats.turns > 0 and stats.ops.read ~= nil or stats.enters >= 0)
      visit(stats, function(name, value) assert.equal("table", type(value), name) end)
      stats.turns = -1 -- a copy
      assert.is_true(kio.stats().turns >= 0)
    end)
  end)

  it("that takes a number of kio's for one of its own breaks nothing", function()
    local path = support.tmpdir() .. "/file"
    support.run(function()
      local fds = own "io_uring"
      table.move(own "event[fp]", 1, 10, #fds + 1, fds)
      assert.is_true(#fds >= 2)
      for _, fd in ipairs(fds) do
        assert.equal("EBADF", select(3, kio.close(fd)), fd)
      end
      for _, fd in ipairs(own "eventfd") do
        assert.equal("EBADF", select(3, kio.read(fd, 8)))
        assert.equal("EBADF", select(3, kio.write(fd, ("\255"):rep(8))))
        assert.equal("EBADF", select(3, kio.poll(fd, "r")))
        assert.equal(0, kio.cancel(fd))
      end
      local file <close> = assert(kio.fs.open(path, "w+"))
      local job = kio.spawn(kio.fs.readdir, "/") -- another thread wakes this one
      kio.sleep(0.001)
      assert.is_true(#job:await() > 0)
      assert.equal(0, file:stat().size)
    end)
    assert.equal(7, support.run(function()
      return kio.thread.spawn_on(2, function() return 7 end):await()
    end, { threads = 2 }))
  end)
end)
