-- Programs started with Lua's own os.execute and io.popen while operations are in flight: they
-- inherit no descriptor of kio's, and the operations go on. (They block the loop while they run.)
-- Programs do not start under ThreadSanitizer:
-- flavours: test asan hostile
local kio = require "kio"
local lfs = require "lfs"
local support = require "spec.support"

-- number -> what it refers to, of this process
local function own_descriptors()
  local list = {}
  for name in lfs.dir("/proc/self/fd") do
    local target = tonumber(name) and lfs.symlinkattributes("/proc/self/fd/" .. name, "target")
    if target and not target:match("^/proc/") then list[tonumber(name)] = target end
  end
  return list
end

-- The same of a program that was just started.
local function inherited_descriptors()
  local list = {}
  local pipe <close> = assert(io.popen("ls -l /proc/self/fd"))
  for line in pipe:lines() do
    local number, target = line:match("(%d+) %-> (.*)$")
    if number and not target:match("^/proc/") then list[tonumber(number)] = target end
  end
  return list
end

-- A listener, a connection and a pipe, each with an operation in flight, and a file: f runs beside.
local function beside_operations(f)
  local path = support.tmpdir() .. "/file"
  local listener <close> = assert(kio.net.listen("127.0.0.1:0"))
  local accepted = kio.spawn(function() return (listener:accept()) end)
  local client <close> = assert(kio.net.connect(listener:address()))
  local server <close> = accepted:await()
  local r, w = kio.pipe()
  local file = assert(kio.openat(nil, path, kio.const.O_RDWR | kio.const.O_CREAT))
  local waiting = {
    kio.spawn(function() return (listener:accept()) end),
    kio.spawn(function() return client:recv() end),
    kio.spawn(function() return kio.read(r, 10) end),
  }
  kio.yield()
  kio.yield()
  local result = f()
  local late <close> = assert(kio.net.connect(listener:address()))
  assert(server:send("stream") and kio.write(w, "pipe"))
  local stream <close> = waiting[1]:await()
  assert.equal(late:address(), stream:peer())
  assert.equal("stream", waiting[2]:await())
  assert.equal("pipe", waiting[3]:await())
  for _, fd in ipairs { r, w, file } do kio.close(fd) end
  return result
end

describe("a program started beside operations in flight", function()
  it("inherits no descriptor of kio's", function()
    local before = own_descriptors()
    local inherited, own = support.run(function()
      local own
      local inherited = beside_operations(function()
        own = own_descriptors()
        return inherited_descriptors()
      end)
      return inherited, own
    end)
    local kios, found = 0, {}
    for number, target in pairs(own) do
      if not before[number] then kios = kios + 1 end
      if not before[number] and inherited[number] == target then found[#found + 1] = target end
    end
    assert.same({}, found)
    assert.is_true(kios >= 7, kios .. " descriptors were kio's")
    for _, target in pairs(inherited) do assert.not_matches("io_uring", target) end
  end)

  it("leaves them alone, by os.execute too", function()
    support.run(function()
      beside_operations(function() assert.is_true(os.execute("exit 0")) end)
    end)
  end)
end)
