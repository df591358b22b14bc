-- A whole program over a ring whose kernel thread submits: servers, files, datagrams, processes,
-- passed descriptors, threads of the pool, other workers.
local kio = require "kio"
local support = require "spec.support"

local fs = kio.fs

local function echo_storm(clients, messages)
  local listener = assert(kio.net.listen "127.0.0.1:0")
  local serving = kio.spawn(listener.serve, listener, function(stream)
    for line in stream:lines "L" do stream:write(line) end
  end, { max_connections = 4, drain_timeout = 10 })
  kio.scope(function(scope)
    for i = 1, clients do
      scope:spawn(function()
        local stream <close> = assert(kio.net.connect(listener:address()))
        for k = 1, messages do
          local line = ("%d %d %s\n"):format(i, k, ("x"):rep(i * k % 5000))
          stream:write(line)
          assert.equal(line, stream:read "L")
        end
      end)
    end
  end)
  listener:close()
  return serving:await()
end

local function files(root)
  local text = ("0123456789abcdef"):rep(20000)
  assert(fs.write_file(root .. "/a", text, { atomic = true, sync = true }))
  assert(fs.copy(root .. "/a", root .. "/b"))
  assert.is_true(text == fs.read_file(root .. "/b"))
  local near, far = assert(kio.socketpair "stream")
  local reader = kio.spawn(kio.read_exactly, far, #text)
  local file <close> = assert(fs.open(root .. "/b"))
  assert.equal(#text, kio.sendfile(near, file:fd()))
  assert.is_true(text == reader:await())
  kio.close(near)
  kio.close(far)
  assert.equal(2, #fs.readdir(root))
  assert.is_true(fs.remove(root .. "/a") and fs.remove(root .. "/b"))
end

local function datagrams()
  local a <close> = assert(kio.net.udp "127.0.0.1:0")
  local b <close> = assert(kio.net.udp(nil, { peer = a:address() }))
  local waiting = kio.spawn(a.receive, a)
  kio.yield()
  b:send "x"
  assert.equal("x", waiting:await())
  assert.equal("ETIMEDOUT", select(3, a:receive(1, { timeout = 0.001 })))
end

describe("over a ring with sqpoll", function()
  for _, threads in ipairs { 1, 2 } do
    it("a whole program works, with workers: " .. threads, function()
      local root = support.tmpdir()
      local slow = support.flavour ~= "test"
      local done, reason, code = kio.run(function()
        local report = echo_storm(slow and 5 or 20, slow and 10 or 50)
        assert.same({ 0, 0, 0 }, { report.failed, report.idle, report.cut })
        files(root)
        datagrams()
        if support.flavour ~= "tsan" then
          assert.equal("hi", kio.process.run({ "cat", stdin = "hi", env = { LD_PRELOAD = false } })
            .stdout)
        end
        local task = kio.spawn(kio.sleep, 60)
        kio.yield()
        task:cancel()
        assert.is_false((task:join()))
        assert.equal(threads, kio.thread.spawn_on(threads, kio.thread.id):await())
        return true
      end, { sqpoll = 0.01, threads = threads })
      if code == "EPERM" or code == "EINVAL" then return pending("no SQPOLL here: " .. reason) end
      assert.is_true(done, reason)
    end)
  end
end)
