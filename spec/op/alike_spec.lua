-- What random programs have found to differ between the rings: each answers as io_uring does.
local kio = require "kio"
local connection = require "spec.net.connection"
local support = require "spec.support"

local c = kio.const

local function with_pair(kind, f)
  support.run(function()
    local a, b = kio.socketpair(kind)
    f(a, b)
    connection.close(a, b)
  end)
end

local function code(...) return (select(3, ...)) end

describe("a socket", function()
  for _, kind in ipairs { "stream", "datagram", "seqpacket" } do
    it("of " .. kind .. " has no positions but the first", function()
      with_pair(kind, function(a, b)
        assert(kio.send(a, "text"))
        assert.equal("ESPIPE", code(kio.pread(b, 4, 7)))
        assert.equal("ESPIPE", code(kio.preadv(b, { 4 }, 7)))
        assert.equal("ESPIPE", code(kio.pwrite(a, "more", 7)))
        assert.equal("text", kio.pread(b, 4, 0))
      end)
    end)
  end

  for _, kind in ipairs { "datagram", "seqpacket" } do
    it("of " .. kind .. " sends an empty message by write as well", function()
      with_pair(kind, function(a, b)
        assert.equal(0, kio.write(a, ""))
        assert.equal(0, kio.writev(a, { "", "" }))
        assert(kio.send(a, "next"))
        for _, expected in ipairs { "", "", "next" } do
          assert.equal(expected, (kio.recvmsg(b, 9, { timeout = 10 })))
        end
      end)
    end)
  end

  it("whose peer is gone refuses an empty write", function()
    with_pair("stream", function(a, b)
      kio.shutdown(b, "read")
      assert.equal("EPIPE", code(kio.write(a, "")))
    end)
  end)

  it("of datagrams gives one of them to a receive that wants all bytes", function()
    with_pair("datagram", function(a, b)
      for _, receive in ipairs { kio.recv, function(fd, size, flags)
        return (kio.recvmsg(fd, size, { flags = flags }))
      end } do
        local waiting = kio.spawn(receive, b, 100, c.MSG_WAITALL)
        connection.until_waiting(waiting)
        assert(kio.send(a, "one"))
        assert(kio.send(a, "two"))
        assert.equal("one", waiting:await())
        assert.equal("two", receive(b, 100, c.MSG_WAITALL))
      end
    end)
  end)

  it("of datagrams that is shut down tells its end to all who wait", function()
    local function receives(receive)
      with_pair("datagram", function(_, b)
        local waiting = kio.spawn(receive, b)
        connection.until_waiting(waiting)
        assert(kio.shutdown(b, "read"))
        local data = waiting:await()
        assert.is_true(data == nil or data == "")
        data = receive(b)
        assert.is_true(data == nil or data == "")
      end)
    end
    receives(function(fd) return (kio.recv(fd, 9)) end)
    receives(function(fd) return (kio.read(fd, 9)) end)
    receives(function(fd) return (kio.recvmsg(fd, 9)) end)
  end)
end)

describe("poll", function()
  it("tells that the peer has ended, asked or not", function()
    with_pair("stream", function(a, b)
      local waiting = kio.spawn(kio.poll, b, "p")
      connection.until_waiting(waiting)
      assert(kio.shutdown(a, "write"))
      assert.equal("h", waiting:await())
      assert.equal("rh", kio.poll(b, "r"))
    end)
  end)

  it("of what can never tell it is an error", function()
    support.run(function()
      local zero = assert(kio.openat(nil, "/dev/zero", c.O_RDONLY))
      assert.equal("EINVAL", code(kio.poll(zero, "p")))
      assert.equal("r", kio.poll(zero, "r"))
      kio.close(zero)
    end)
  end)
end)
