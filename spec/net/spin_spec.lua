-- A loop of waiting and trying again keeps its deadline and burns nothing, whatever looks ready: no
-- spin. What is counted are turns of the loop, not time.
-- flavours: test asan hostile
local kio = require "kio"
local child = require "spec.run.check.child"
local connection = require "spec.net.connection"
local support = require "spec.support"

local c = kio.const

-- Turns of the loop that a wait may take while nothing happens; a spin takes thousands.
local FEW = 100

local function turns() return kio.stats().turns end

local function times_out(f, ...)
  local before = turns()
  assert.equal("ETIMEDOUT", select(3, f(...)))
  assert.is_true(turns() - before < FEW)
end

describe("recv_fds", function()
  it("on a datagram socket whose input has been shut down tells the end", function()
    support.run(function()
      for _, how in ipairs { "read", "both" } do
        local socket <close> = assert(kio.net.udp "unix:@")
        assert(kio.shutdown(socket:fd(), how))
        local before = turns()
        assert.is_nil((socket:recv_fds(10, { timeout = 30 })))
        assert.is_true(turns() - before < FEW)
      end
    end)
  end)

  it("that waits learns that the input has been shut down", function()
    support.run(function()
      local socket <close> = assert(kio.net.udp "unix:@")
      local waiting = kio.spawn(socket.recv_fds, socket, 10)
      connection.until_waiting(waiting)
      assert(kio.shutdown(socket:fd(), "read"))
      assert.is_nil((waiting:await()))
    end)
  end)

  it("with something in the error queue waits for its deadline, and in peace", function()
    -- (Where python3 is a script of a shell's, that leaks.)
    local command = ('env ASAN_OPTIONS="$ASAN_OPTIONS:detect_leaks=0" python3 %s'):format(
      require "lfs".currentdir() .. "/spec/net/errqueue.py")
    if not os.execute "python3 -c '' 2>/dev/null" then return pending "python3 is not installed" end
    local output, how, status = child.run(command, [[
      local kio = require "kio"
      kio.run(function()
        local socket <close> = assert(kio.net.datagram(3))
        for _, f in ipairs { socket.recv_fds, socket.recv_fds } do
          local before = kio.stats().turns
          local code = select(3, f(socket, 10, { timeout = 0.2 }))
          io.write(code, kio.stats().turns - before < 100 and " calm\n" or " spins\n")
        end
        local waiting = kio.spawn(socket.recv_fds, socket, 10)
        local peer <close> = assert(kio.net.udp("127.0.0.1:0", { peer = socket:address() }))
        kio.sleep(0.05)
        assert(peer:send "arrives")
        io.write((waiting:await()), "\n")
        kio.spawn(function() socket:recv_fds(10) end):cancel()
      end)
    ]])
    assert.same({ "exit", 0 }, { how, status }, output)
    assert.equal("ETIMEDOUT calm\nETIMEDOUT calm\narrives\n", output)
  end)
end)

it("send_fds to a full socket keeps its deadline", function()
  support.run(function()
    local sender, receiver = connection.narrow()
    local r, w = kio.pipe()
    while kio.send(sender:fd(), ("x"):rep(4096), c.MSG_DONTWAIT) do end
    times_out(sender.send_fds, sender, "data", { r }, { timeout = 0.05 })
    connection.close(r, w, receiver)
    sender:close { timeout = 0 }
  end)
end)

-- ---- what is always ready ----

describe("a deadline over several operations that need not wait is kept", function()
  it("of read_exactly, write_all and sendfile", function()
    support.run(function()
      local zero = assert(kio.openat(nil, "/dev/zero", c.O_RDONLY))
      local null = assert(kio.openat(nil, "/dev/null", c.O_WRONLY))
      local function fails(n, ...)
        local _, _, code, count = n, ...
        assert.equal("ETIMEDOUT", code)
        assert.is_true(count > 0)
      end
      fails(kio.read_exactly(zero, 1 << 50, { timeout = 0 }))
      fails(kio.pread_exactly(zero, 1 << 50, 0, { timeout = 0 }))
      fails(kio.sendfile(null, zero, nil, nil, { timeout = 0.5 })) -- some bytes have moved by then
      local r, w = kio.pipe()
      fails(kio.write_all(w, ("x"):rep(1 << 20), { timeout = 0 }))
      connection.close(zero, null, r, w)
    end)
  end)

  it("of a stream that is filled faster than it is read", function()
    support.run(function()
      local client, server = connection.pair { address = "unix:@" }
      local flooding = kio.spawn(function()
        while server:send(("x"):rep(1 << 16)) do end
      end)
      local _, _, code = client:read("a", { timeout = 0.01, max = 1 << 28 })
      assert.equal("ETIMEDOUT", code)
      client:close()
      flooding:await()
      server:close()
    end)
  end)
end)

describe("Watch:next", function()
  it("times out in peace", function()
    support.run(function()
      local dir = support.tmpdir()
      local watch <close> = assert(kio.fs.watch(dir))
      times_out(watch.next, watch, { timeout = 0.02 })
    end)
  end)
end)
