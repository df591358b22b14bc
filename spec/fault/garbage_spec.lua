-- Descriptors that garbage holds: who finds none left has it collected and tries once more. The
-- collector stands still in these programs, so that nothing else lets go of any.
-- prlimit does not run under ThreadSanitizer:
-- flavours: test asan hostile
-- without: lua55
local child = require "spec.net.child"
local support = require "spec.support"

local START = [[
  collectgarbage "stop"
  local kio = require "kio"
  local common = require "spec.process.common"
  local core = kio.core
  local listener = kio.net.listen "127.0.0.1:0"
  local function litter() -- until not a single one is left, nor is any garbage collected meanwhile
    local held = {}
    for _ = 1, 200 do
      local file = io.open "/proc/self/stat"
      if not file then break end
      local another = kio.net.listen "127.0.0.1:0"
      file:close()
      if not another then break end -- each try in vain spends of what collecting may cost
      held[#held + 1] = another
    end
    repeat
      local file = io.open "/dev/null"
      held[#held + 1] = file
    until not file
    return #held > 0
  end
  local function with_some(f) -- calls f when none, one, two... are left beside the garbage
    for count = 0, 8 do
      collectgarbage()
      local spare = {}
      for i = 1, count do spare[i] = io.open "/dev/null" end
      litter()
      for i = 1, count do spare[i]:close() end
      f()
    end
  end
]]

local function outcome(source)
  source = ("local path = %q\n"):format(support.tmpdir() .. "/file") .. START .. source
  local output, how, status = child.run(source, "prlimit --nofile=64")
  return output .. how .. " " .. status
end

-- What makes descriptors, in a task; each is called when garbage holds all there are.
local ways = {
  ["a listener"] = [[assert(kio.net.listen "127.0.0.1:0")]],
  ["a stream that connects"] = [[assert(kio.net.connect(listener:address()))]],
  ["a datagram socket"] = [[assert(kio.net.udp "127.0.0.1:0")]],
  ["a file"] = [[assert(kio.fs.open "/proc/self/stat")]],
  ["a whole file"] = [[assert(kio.fs.read_file "/proc/self/stat")]],
  ["a watch"] = [[assert(kio.fs.watch "/")]],
  ["a directory"] = [[assert(kio.fs.readdir "/")]],
  ["a name"] = [[assert(kio.net.resolve "localhost")]],
  ["a program"] = [[assert(common.run { "true" })]],
  ["a raw socket"] = [[assert(kio.socket "tcp4")]],
  ["a pipe"] = [[assert(kio.pipe())]],
  ["a pair"] = [[assert(kio.socketpair())]],
  ["a raw open"] = [[assert(kio.openat(nil, "/", kio.const.O_RDONLY))]],
  ["signals"] = [[kio.signal.on("USR1", function() end)]],
  ["a splice"] = [[
    local r, w = kio.pipe()
    local from, to = kio.openat(nil, "/etc/passwd", 0), kio.openat(nil, "/dev/null", 1)
    assert(litter())
    assert(kio.splice(from, nil, w, nil, 10))
    litter()
    assert(kio.splice(r, nil, to, nil, 10))]],
  ["a file in place of another"] = [[
    with_some(function() assert(kio.fs.write_file(path, "x", { atomic = true })) end)]],
  ["a copy"] = [[with_some(function() assert(kio.fs.copy("/etc/passwd", path)) end)]],
  ["a transfer"] = [[
    local from, to = kio.openat(nil, "/etc/passwd", 0), kio.openat(nil, "/dev/null", 1)
    with_some(function() assert(assert(kio.sendfile(to, from, 0, 10)) == 10) end)]],
  ["a blocking function"] = [[assert(kio.spawn_blocking(function() return true end):await())]],
}

-- What accepts one of two connections that wait.
local accepts = {
  ["accept"] = "assert(listener:accept())",
  ["a raw accept"] = "assert(kio.accept(listener:fd()))",
  ["a loop"] = "for stream in listener:accepts() do assert(stream) break end",
}

describe("with all descriptors held by garbage", function()
  for name, code in pairs(ways) do
    it("there is still " .. name, function()
      assert.equal("done\nexit 0", outcome(([[
        kio.run(function()
          assert(litter())
          %s
          print "done"
        end)]]):format(code)))
    end)
  end

  for name, code in pairs(accepts) do
    it("a connection is taken by " .. name, function()
      assert.equal("done\nexit 0", outcome(([[
        kio.run(function()
          local client = kio.net.connect(listener:address())
          assert(litter())
          %s
          print(client and "done")
        end)]]):format(code)))
    end)
  end

  for _, threads in ipairs { 1, 3 } do
    it(("a run with %d workers starts"):format(threads), function()
      assert.equal("done\nexit 0", outcome(([[
        assert(litter())
        kio.run(function()
          kio.thread.spawn(function() end):await()
          print "done"
        end, { threads = %d })]]):format(threads)))
    end)
  end

  it("a runtime starts", function()
    assert.equal("done\nexit 0", outcome [[
      assert(litter())
      local runtime = assert(kio.runtime { threads = 2 })
      print(runtime:block_on(function() return "done" end))
      runtime:stop()]])
  end)

  it("calls outside a run find some", function()
    assert.equal("done\nexit 0", outcome [[
      assert(litter()) assert(kio.net.listen "127.0.0.1:0")
      assert(litter()) assert(kio.pipe())
      assert(litter()) assert(kio.fs.readdir "/")
      print "done"]])
  end)

  it("what a finalizer cancels meanwhile is not tried again", function()
    assert.equal("nil EMFILE\nexit 0", outcome [[
      kio.run(function()
        local opening
        assert(litter())
        setmetatable({}, { __gc = function() opening:cancel() end })
        opening = kio.spawn(kio.openat, nil, "/", kio.const.O_RDONLY)
        local _, fd, _, code = opening:join()
        print(("%s %s"):format(fd, code))
      end)]])
  end)

  -- In a namespace with a limit of its own: that of the user is everybody's.
  it("and all of a user's watches", function()
    local inside = "unshare -U -r sh -c 'echo 20 > /proc/sys/user/max_inotify_instances"
    local able = os.execute(inside .. "' 2>/dev/null")
    if not able then pending "no user namespace may be made here" end
    local output, how, status = child.run([[
      collectgarbage "stop"
      local kio = require "kio"
      kio.run(function()
        for _ = 1, 70 do assert(kio.fs.watch "/") end
        print "done"
      end)]], inside .. [[ && exec "$@"' sh]])
    assert.equal("done\nexit 0", output .. how .. " " .. status)
  end)

  it("it may be garbage again and again", function()
    assert.equal("done\nexit 0", outcome [[
      kio.run(function()
        for _ = 1, 2000 do assert(kio.net.connect(listener:address())) assert(listener:accept()) end
        for _ = 1, 2000 do assert(kio.fs.open "/proc/self/stat") end
        print "done"
      end)]])
  end)
end)

describe("with all descriptors in use", function()
  it("splice loses nothing that it has taken from a socket", function()
    assert.equal("bytes\nexit 0", outcome [[
      kio.run(function()
        local here, there = kio.socketpair()
        local r, w = kio.pipe()
        local held = {}
        repeat
          local file = io.open "/dev/null"
          held[#held + 1] = file
        until not file
        kio.write(there, "bytes")
        assert(kio.splice(here, nil, w, nil, 100))
        print(#held > 0 and kio.read(r, 100))
      end)]])
  end)

  it("the failure is told, and again what is garbage later is found", function()
    assert.equal("EMFILE EMFILE\ndone\nexit 0", outcome [[
      kio.run(function()
        local held = {}
        local function fill()
          local file, _, code
          repeat
            file, _, code = kio.fs.open "/proc/self/stat"
            held[#held + 1] = file
          until not file
          return code
        end
        io.write(fill(), " ", fill(), "\n")
        held = nil
        assert(kio.fs.open "/proc/self/stat")
        print "done"
      end)]])
  end)

  -- A finalizer that waits for its input makes it long and cheap, as other programs do.
  it("and a collection that takes long, that time earns no other one", function()
    local slow = [[sh -c 'while sleep 0.3; do echo; done | exec prlimit --nofile=64 "$@"' sh]]
    local output, how, status = child.run([[
      local kio = require "kio"
      kio.run(function()
        local held, memory = {}, {}
        for i = 1, 400000 do memory[i] = { i } end
        repeat
          local file = kio.fs.open "/proc/self/stat"
          held[#held + 1] = file
        until not file
        local collected = 0
        local function watch()
          setmetatable({}, { __gc = function() collected = collected + #io.read "L" watch() end })
        end
        watch()
        for _ = 1, 60 do assert(not kio.fs.open "/proc/self/stat") end
        print(collected > 0 and collected < 30 and #memory > 0 and "bounded" or collected)
      end)]], slow)
    assert.equal("bounded\nexit 0", output .. how .. " " .. status)
  end)

  it("and much memory, what fails again and again does not collect every time", function()
    assert.equal("bounded\nexit 0", outcome [[
      kio.run(function()
        local held, memory = {}, {}
        for i = 1, 200000 do memory[i] = { i } end
        repeat
          local file = kio.fs.open "/proc/self/stat"
          held[#held + 1] = file
        until not file
        local collected = 0
        local function watch()
          setmetatable({}, { __gc = function() collected = collected + 1 watch() end })
        end
        watch()
        for _ = 1, 20000 do assert(not kio.fs.open "/proc/self/stat") end
        print(collected > 0 and collected < 10000 and #memory > 0 and "bounded" or collected)
      end)]])
  end)
end)
