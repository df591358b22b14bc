-- sendmsg and recvmsg: pieces, datagrams and their addresses, flags.
local kio = require "kio"
local support = require "spec.support"
local connection = require "spec.net.connection"

local const = kio.const

local function bound(kind, address)
  local fd = assert(kio.socket(kind))
  assert(kio.bind(fd, address))
  return fd, assert(kio.getsockname(fd))
end

local function all(kind, first, second)
  support.run(function()
    local a, a_name = bound(kind, first)
    local b, b_name = bound(kind, second)
    assert.equal(10, kio.sendmsg(a, { "data", "", "gram", "#1" }, { to = b_name }))
    assert.equal(0, kio.sendmsg(a, "", { to = b_name }))
    assert.equal(1, kio.sendmsg(a, "3", { to = b_name }))
    local data, peer, flags = kio.recvmsg(b, 100)
    assert.equal("datagram#1", data)
    assert.equal(a_name, peer)
    assert.equal(0, flags)
    data, peer = kio.recvmsg(b, 100)
    assert.equal("", data)
    assert.equal(a_name, peer)
    assert.equal(4, kio.sendmsg(b, "back", { to = peer }))
    assert.equal("3", (kio.recvmsg(b, 100)))
    data, peer = kio.recvmsg(a, 100)
    assert.equal("back", data)
    assert.equal(b_name, peer)
    connection.close(a, b)
  end)
end

describe("sendmsg and recvmsg", function()
  it("carry datagrams over IPv4", function() all("udp4", "127.0.0.1:0", "127.0.0.2:0") end)

  it("carry datagrams over IPv6", function()
    local file = io.open("/proc/net/if_inet6")
    if not file then pending("this machine has no IPv6") end
    file:close()
    all("udp6", "[::1]:0", "[::1]:0")
  end)

  it("carry datagrams over Unix names and paths", function()
    all("unixgram", connection.abstract_name(), "unix:" .. support.tmpdir() .. "/socket")
  end)

  it("tell of a nameless peer as nil", function()
    support.run(function()
      local fd, name = bound("unixgram", connection.abstract_name())
      local from = assert(kio.socket("unixgram"))
      kio.sendmsg(from, "hello", { to = name })
      local result = table.pack(kio.recvmsg(fd, 10))
      assert.same({ "hello", nil, 0, n = 3 }, result)
      connection.close(fd, from)
    end)
  end)

  it("tell of a datagram that did not fit", function()
    support.run(function()
      local fd, name = bound("udp4", "127.0.0.1:0")
      local from = assert(kio.socket("udp4"))
      kio.sendmsg(from, "0123456789", { to = name })
      kio.sendmsg(from, "0123456789", { to = name })
      local data, _, flags = kio.recvmsg(fd, 4)
      assert.equal("0123", data)
      assert.equal(const.MSG_TRUNC, flags & const.MSG_TRUNC)
      -- Asking for the true size must not read beyond the buffer.
      data, _, flags = kio.recvmsg(fd, 4, { flags = const.MSG_TRUNC })
      assert.equal("0123", data)
      assert.equal(const.MSG_TRUNC, flags & const.MSG_TRUNC)
      connection.close(fd, from)
    end)
  end)

  it("work on streams, in 1024 pieces, with an empty string at the end", function()
    support.run(function()
      local a, b = kio.socketpair()
      local pieces = {}
      for i = 1, 1024 do pieces[i] = tostring(i % 10) end
      assert.equal(1024, kio.sendmsg(a, pieces))
      assert.equal(table.concat(pieces), (kio.recvmsg(b, 4096)))
      assert.equal(5, kio.sendmsg(a, "plain"))
      assert.equal("pl", (kio.recvmsg(b, 2, { flags = const.MSG_PEEK })))
      assert.equal("plain", (kio.recvmsg(b, 100)))
      connection.close(a)
      assert.equal("", (kio.recvmsg(b, 100)))
      connection.close(b)
    end)
  end)

  it("keep the pieces although the table changes meanwhile", function()
    support.run(function()
      local a, b = kio.socketpair()
      while kio.send(a, ("x"):rep(100000), const.MSG_DONTWAIT) do assert(a) end
      local pieces = { ("1"):rep(100), ("2"):rep(100) }
      local sending = kio.spawn(kio.sendmsg, a, pieces)
      connection.until_waiting(sending)
      pieces[1], pieces[2] = nil, nil
      collectgarbage()
      collectgarbage()
      local last = ""
      while sending:status() ~= "done" do last = kio.recv(b, 100000) end
      assert.equal(200, sending:await())
      last = last .. (kio.recv(b, 100000, const.MSG_DONTWAIT) or "")
      assert.equal(("1"):rep(100) .. ("2"):rep(100), last:sub(-200))
      connection.close(a, b)
    end)
  end)

  it("end early as others do", function()
    support.run(function()
      local a, b = kio.socketpair()
      local _, message, code = kio.recvmsg(a, 10, { timeout = 0.01 })
      assert.equal("ETIMEDOUT", code)
      assert.equal(("recvmsg fd %d: timed out"):format(a), message)
      assert.equal("EAGAIN", select(3, kio.recvmsg(a, 10, { flags = const.MSG_DONTWAIT })))
      while kio.send(a, ("x"):rep(100000), const.MSG_DONTWAIT) do assert(a) end
      assert.equal("ETIMEDOUT", select(3, kio.sendmsg(a, ("x"):rep(100000), { timeout = 0.01 })))
      local receiving = kio.spawn(kio.recvmsg, a, 10)
      connection.until_waiting(receiving)
      receiving:cancel()
      assert.is_true(kio.is_cancelled(select(2, receiving:join())))
      connection.close(a, b)
    end)
  end)

  it("tell what the kernel refuses", function()
    support.run(function()
      local udp = assert(kio.socket("udp4"))
      assert.equal("EDESTADDRREQ", select(3, kio.sendmsg(udp, "x")))
      assert.equal("EAFNOSUPPORT", select(3, kio.sendmsg(udp, "x", { to = "[::1]:9" })))
      assert.equal("EMSGSIZE",
        select(3, kio.sendmsg(udp, ("x"):rep(70000), { to = "127.0.0.1:9" })))
      local unix = assert(kio.socket("unixgram"))
      local _, message, code = kio.sendmsg(unix, "x", { to = connection.abstract_name() })
      assert.equal("ECONNREFUSED", code)
      assert.matches("^sendmsg fd " .. unix .. ": ", message)
      connection.close(udp, unix)
      assert.equal("EBADF", select(3, kio.sendmsg(udp, "x")))
      assert.equal("EBADF", select(3, kio.recvmsg(udp, 1)))
    end)
  end)

  it("raise on bad arguments", function()
    support.run(function()
      local fd = assert(kio.socket("udp4"))
      local too_many = {}
      for i = 1, 1025 do too_many[i] = "x" end
      support.expect_error("1024", kio.sendmsg, fd, too_many)
      support.expect_error("list", kio.sendmsg, fd, {})
      support.expect_error("string", kio.sendmsg, fd, { "a", 1, {} })
      support.expect_error("table expected", kio.sendmsg, fd, 5)
      support.expect_error("unknown option", kio.sendmsg, fd, "x", { two = "127.0.0.1:1" })
      support.expect_error("unknown option", kio.recvmsg, fd, 1, { from = "127.0.0.1:1" })
      support.expect_error("number expected", kio.sendmsg, fd, "x", { flags = "oob" })
      support.expect_error("negative", kio.sendmsg, fd, "x", { timeout = -1 })
      support.expect_error("negative", kio.recvmsg, fd, -1)
      support.expect_error("negative", kio.recvmsg, -1, 1)
      support.expect_error("2 GiB", kio.recvmsg, fd, 1 << 31)
      connection.close(fd)
    end)
    support.expect_error("outside a task", kio.sendmsg, 0, "x")
    support.expect_error("outside a task", kio.recvmsg, 0, 1)
  end)
end)
