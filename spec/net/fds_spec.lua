-- Descriptors that travel over Unix sockets: to streams, to packets; none is ever lost or left.
local kio = require "kio"
local support = require "spec.support"
local connection = require "spec.net.connection"

local PACKETS = { type = "seqpacket" }

local function streams() return connection.pair { address = "unix:@" } end
local function packets()
  return connection.pair { address = "unix:@", listen = PACKETS, connect = PACKETS }
end

-- A pipe's writing end passed and used: what arrives at the reading end.
local function passes(client, server)
  local from, to = kio.pipe()
  assert.equal(client, client:send_fds("take this", { to, from }))
  local data, fds = server:recv_fds()
  assert.equal("take this", data)
  assert.equal(2, #fds)
  connection.close(to)
  assert.equal(5, kio.write(fds[1], "hello"))
  assert.equal("hello", kio.read(fds[2], 10))
  for _, fd in ipairs(fds) do
    local flags = io.open("/proc/self/fdinfo/" .. fd):read("a"):match("flags:%s*(%d+)")
    assert.not_equal(0, tonumber(flags, 8) & tonumber("2000000", 8), "not close-on-exec")
  end
  connection.close(from, fds[1], fds[2], client, server)
end

describe("descriptors", function()
  it("travel with bytes of a stream", function() support.run(function() passes(streams()) end) end)
  it("travel with a packet", function() support.run(function() passes(packets()) end) end)

  it("travel with a datagram", function()
    support.run(function()
      local server = assert(kio.net.udp("unix:@"))
      passes(assert(kio.net.udp("unix:@", { peer = server:address() })), server)
    end)
  end)

  it("come behind what was written before, and before what is written after", function()
    support.run(function()
      local client, server = streams()
      client:write("before ")
      client:send_fds("with", { client })
      client:write(" after")
      local text, fds = "", {}
      repeat
        local data, came = server:recv_fds()
        text = text .. data
        if #came > 0 then
          assert.equal("before with", text)
          table.move(came, 1, #came, #fds + 1, fds)
        end
      until #text == #"before with after"
      assert.equal("before with after", text)
      assert.equal(1, #fds)
      connection.close(client, server, fds[1])
    end)
  end)

  it("come behind what the stream has received already", function()
    support.run(function()
      local client, server = streams()
      client:write("line\nrest"):flush()
      assert.equal("line", server:read("l"))
      client:send_fds("!", { client })
      local data, fds = server:recv_fds(2)
      assert.same({ "re", {} }, { data, fds })
      local text = "" -- the kernel joins bytes in front of those that carry descriptors
      repeat
        data, fds = server:recv_fds()
        text = text .. data
      until text:sub(-1) == "!"
      assert.equal("st!", text)
      connection.close(client, server, fds[1])
    end)
  end)

  it("of handles are passed as well: listeners, streams, files, numbers", function()
    support.run(function()
      local client, server = streams()
      local listener = assert(kio.net.listen("127.0.0.1:0"))
      local file = assert(kio.fs.open("/dev/null"))
      client:send_fds("all", { listener, client, file, server:fd() })
      local _, fds = server:recv_fds()
      assert.equal(4, #fds)
      assert.equal(listener:address(), kio.getsockname(fds[1]))
      connection.close(listener, file, client, server, table.unpack(fds))
    end)
  end)

  it("may be none, and as many as 253", function()
    support.run(function()
      local client, server = streams()
      client:send_fds("none", {})
      assert.same({ "none", {} }, { server:recv_fds() })
      local list = {}
      for i = 1, 253 do list[i] = client end
      client:send_fds("many", list)
      local _, fds = server:recv_fds()
      assert.equal(253, #fds)
      for _, fd in ipairs(fds) do kio.core.own.close_now(fd) end
      list[254] = client
      support.expect_error("more than 253", client.send_fds, client, "x", list)
      connection.close(client, server)
    end)
  end)

  it("that nobody takes are closed by the kernel", function()
    support.run(function()
      local client, server = streams()
      local from, to = kio.pipe()
      client:send_fds("read plainly", { to })
      connection.close(to)
      assert.equal("read plainly", server:read(12))
      assert.is_nil(kio.read(from, 1)) -- the end: no writer is left
      connection.close(from)
      from, to = kio.pipe()
      client:send_fds("never read", { to })
      connection.close(to, client, server)
      assert.is_nil(kio.read(from, 1))
      connection.close(from)
    end)
  end)

  it("end with the stream", function()
    support.run(function()
      for _, make in ipairs { streams, packets } do
        local client, server = make()
        client:close()
        assert.same({ nil, n = 1 }, table.pack(server:recv_fds()))
        assert.equal("EPIPE", select(3, server:send_fds("x", {})))
        server:close()
      end
    end)
  end)

  it("and an empty packet is not the end", function()
    support.run(function()
      local client, server = packets()
      client:send("")
      assert.same({ "", {} }, { server:recv_fds() })
      connection.close(client, server)
    end)
  end)

  it("of a message cut short are closed, and it is told", function()
    support.run(function()
      local client, server = packets()
      local from, to = kio.pipe()
      client:send_fds("0123456789", { to })
      connection.close(to)
      local _, message, code, head = server:recv_fds(4)
      assert.equal("EMSGSIZE", code)
      assert.matches("^recv_fds unix:: a message longer", message)
      assert.equal("0123", head)
      assert.is_nil(kio.read(from, 1))
      connection.close(from, client, server)
    end)
  end)
end)

describe("max_fds", function()
  -- How many descriptors this process has.
  local function count() return #assert(kio.fs.readdir "/proc/self/fd") end

  it("takes so many of those that come, and closes the rest", function()
    support.run(function()
      for _, make in ipairs { streams, packets } do
        local client, server = make()
        local list = {}
        for i = 1, 253 do list[i] = client end
        local before = count()
        for _, max in ipairs { 0, 1, 2, 252, 253, 1000 } do
          assert.is_truthy(client:send_fds("x", list))
          local data, fds = server:recv_fds(10, { max_fds = max })
          assert.equal("x", data)
          assert.equal(math.min(max, 253), #fds)
          assert.equal(before + #fds, count())
          connection.close(table.unpack(fds))
        end
        client:send_fds("x", { client })
        local _, fds = server:recv_fds(10, { max_fds = 5, timeout = 10 })
        assert.equal(1, #fds)
        connection.close(client, server, fds[1])
      end
    end)
  end)

  it("is an integer of 0 or more", function()
    support.run(function()
      local client, server = streams()
      for _, bad in ipairs { -1, 1.5, "2", true } do
        support.expect_error("'max_fds' must be an integer of 0 or more", server.recv_fds, server,
          1, { max_fds = bad })
      end
      support.expect_error("unknown option 'max_fds'", client.send_fds, client, "x", {},
        { max_fds = 1 })
      connection.close(client, server)
    end)
  end)
end)

describe("a wait for descriptors", function()
  it("ends by timeout, cancellation and close, and takes nothing with it", function()
    support.run(function()
      for _, make in ipairs { streams, packets } do
        local client, server = make()
        assert.equal("ETIMEDOUT", select(3, server:recv_fds(1, { timeout = 0 })))
        assert.equal("ETIMEDOUT", select(3, server:recv_fds(1, { timeout = 0.01 })))
        for _ = 1, 20 do
          local got
          local waiting = kio.spawn(function() got = select(2, server:recv_fds()) end)
          connection.until_waiting(waiting)
          client:send_fds("x", { client })
          waiting:cancel()
          waiting:join()
          got = got or select(2, server:recv_fds(1, { timeout = 0 }))
          assert.equal(1, #got)
          connection.close(got[1])
        end
        local waiting = kio.spawn(function() return server:recv_fds() end)
        connection.until_waiting(waiting)
        support.expect_error("another task is", server.recv_fds, server)
        server:close()
        assert.equal("EBADF", select(3, waiting:await()))
        assert.equal("EBADF", select(3, server:recv_fds()))
        assert.equal("EBADF", select(3, server:send_fds("x", {})))
        client:close()
      end
    end)
  end)

  it("for room keeps others from writing in between", function()
    support.run(function()
      local client, server = connection.narrow()
      local from, to = kio.pipe()
      local size = connection.fill(client, ("x"):rep(1000))
      local unread = size
      repeat -- until all that was gathered has left, and the socket is full
        local data = server:recv(1)
        unread = unread - #data
      until client:flush { timeout = 0 }
      repeat local ok = kio.send(client:fd(), "x", kio.const.MSG_DONTWAIT) until not ok
      assert.equal("ETIMEDOUT", select(3, client:send_fds("fds", { to }, { timeout = 0.01 })))
      local sending = kio.spawn(function() return client:send_fds("fds", { to }) end)
      connection.until_waiting(sending)
      support.expect_error("another task is writing", client.write, client, "mixed")
      client:close()
      assert.equal("EBADF", select(3, sending:await()))
      connection.close(server, from, to)
    end)
  end)

  it("goes on when there is room", function()
    support.run(function()
      local client, server = packets()
      local ok
      repeat ok = client:send("x", { timeout = 0 }) until not ok
      local sending = kio.spawn(function() return client:send_fds("fds", { client, server }) end)
      connection.until_waiting(sending)
      local data, fds
      repeat data, fds = server:recv_fds() until data ~= "x"
      assert.equal("fds", data)
      assert.equal(client, sending:await())
      connection.close(client, server, table.unpack(fds))
    end)
  end)
end)

describe("passing descriptors", function()
  it("fails over TCP, with the numbers of closed ones, and of none", function()
    support.run(function()
      local client, server = connection.pair()
      assert.equal("EINVAL", select(3, client:send_fds("x", { client })) or "EINVAL")
      connection.close(client, server)
      client, server = streams()
      local _, message, code = client:send_fds("x", { 1000000 })
      assert.equal("EBADF", code)
      assert.matches("^send_fds unix:@%x+: ", message)
      local listener = assert(kio.net.listen("127.0.0.1:0"))
      listener:close()
      _, message, code = client:send_fds("x", { listener })
      assert.equal("EBADF", code)
      assert.matches("what is to be passed is closed", message)
      connection.close(client, server)
    end)
  end)

  it("raises on misuse", function()
    support.run(function()
      local client, server = streams()
      support.expect_error("a byte at least", client.send_fds, client, "", { client })
      support.expect_error("table expected", client.send_fds, client, "x", client)
      support.expect_error("table expected", client.send_fds, client, "x")
      support.expect_error("descriptor or handle", client.send_fds, client, "x", { "file" })
      support.expect_error("cannot be negative", client.send_fds, client, "x", { -1 })
      for _, wrong in ipairs { {}, kio.sync.event(), math.maxinteger } do
        support.expect_error(
          "fds_spec.lua:%d+: bad argument #2 to 'send_fds' %(element 2: ",
          function() client:send_fds("x", { client, wrong }) end)
      end
      support.expect_error("unknown option", client.send_fds, client, "x", {}, { max = 1 })
      support.expect_error("at least 1 byte", server.recv_fds, server, 0)
      support.expect_error("unknown option", server.recv_fds, server, 1, { max = 1 })
      connection.close(client, server)
    end)
  end)
end)

describe("a wait for descriptors", function()
  it("ends in order wherever it stands on the stack", function()
    kio.run(function()
      for depth = 1, 40 do
        local near, far = kio.socketpair()
        local server, client = kio.stream(near), kio.stream(far)
        local function at(level)
          if level == 0 then return select(3, server:recv_fds()) end
          return (at(level - 1))
        end
        local waiting = kio.spawn(at, depth)
        kio.yield()
        server:close()
        assert.equal("EBADF", waiting:await())
        client:close()
      end
    end)
  end)
end)
