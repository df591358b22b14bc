-- Datagrams: boundaries, addresses, truncation, errors, ends of waits, groups.
local kio = require "kio"
local support = require "spec.support"
local connection = require "spec.net.connection"

local LOCAL = "127.0.0.1:0"

local function udp(...) return assert(kio.net.udp(...)) end

local function pair(first, second)
  local a, b = udp(first or LOCAL), udp(second or LOCAL)
  return a, b, a:address(), b:address()
end

local function all_messages(a, b, a_name, b_name)
  assert.equal(a, a:send_to("datagram", b_name))
  assert.equal(a, a:send_to({ "in ", "", "pieces" }, b_name))
  assert.equal(a, a:send_to("", b_name))
  assert.same({ "datagram", a_name }, { b:receive_from() })
  assert.same({ "in pieces", a_name }, { b:receive_from(100) })
  assert.same({ "", a_name, n = 2 }, table.pack(b:receive_from()))
  b:send_to("back", a_name)
  assert.same({ "back", n = 1 }, table.pack(a:receive()))
  assert.equal(a, a:connect(b_name))
  assert.equal(b_name, a:peer())
  a:send("to the peer"):send { "and ", "again" }
  assert.equal("to the peer", b:receive())
  assert.same({ "and again", a_name }, { b:receive_from() })
  connection.close(a, b)
end

describe("datagrams", function()
  it("keep their boundaries over IPv4", function()
    support.run(function() all_messages(pair(LOCAL, "127.0.0.2:0")) end)
  end)

  it("keep their boundaries over IPv6", function()
    if not io.open("/proc/net/if_inet6") then pending("this machine has no IPv6") end
    support.run(function() all_messages(pair("[::1]:0", "[::1]:0")) end)
  end)

  it("keep their boundaries over Unix names and paths", function()
    support.run(function()
      all_messages(pair("unix:@", "unix:" .. support.tmpdir() .. "/socket"))
    end)
  end)

  it("keep their boundaries when no plain call stands in for a request", function()
    require "kio.testing".run(function() all_messages(pair()) end)
  end)

  it("of the largest size fit without being asked for", function()
    support.run(function()
      local a, b, _, b_name = pair()
      local data = ("0123456789"):rep(6551):sub(1, 65507)
      a:send_to(data, b_name)
      assert.equal(data, b:receive())
      local _, message, code = a:send_to(data .. "x", b_name)
      assert.equal("EMSGSIZE", code)
      assert.truthy(message:find("send_to " .. b_name, 1, true))
      connection.close(a, b)
    end)
  end)

  it("larger than was asked for are told, with what fits", function()
    support.run(function()
      local a, b, a_name, b_name = pair()
      a:send_to("0123456789", b_name):send_to("next", b_name)
      local data, message, code, head, from = b:receive_from(4)
      assert.is_nil(data)
      assert.equal("EMSGSIZE", code)
      assert.truthy(message:find("receive_from " .. a_name .. ": a message of 10 bytes", 1, true))
      assert.same({ "0123", a_name }, { head, from })
      assert.equal("next", b:receive(4))
      a:send_to("x", b_name)
      assert.equal("EMSGSIZE", select(3, b:receive(0)))
      connection.close(a, b)
    end)
  end)

  it("come in order, however many of them, through plain calls and the ring", function()
    support.run(function()
      local a, b, _, b_name = pair()
      local count, turns = support.flavour == "hostile" and 60 or 200, 0
      local ticking = kio.spawn(function()
        while true do
          turns = turns + 1
          kio.yield()
        end
      end)
      b:option("receive_buffer", 1 << 20)
      for i = 1, count do a:send_to("message " .. i, b_name) end
      local before = turns
      for i = 1, count do assert.equal("message " .. i, b:receive()) end
      assert.is_true(turns > before, "the others had no turn while there was something to receive")
      ticking:cancel()
      connection.close(a, b)
    end)
  end)

  it("go to several tasks that send at once", function()
    support.run(function()
      local a, b, _, b_name = pair()
      local seen = {}
      for i = 1, 20 do kio.spawn(function() assert(a:send_to("from " .. i, b_name)) end) end
      for _ = 1, 20 do seen[b:receive()] = true end
      for i = 1, 20 do assert.is_true(seen["from " .. i]) end
      connection.close(a, b)
    end)
  end)

  it("from a Unix socket without a name come from 'unix:'", function()
    support.run(function()
      local a = udp("unix:@")
      local b = udp(nil, { peer = a:address() })
      b:send("hello")
      assert.same({ "hello", "unix:" }, { a:receive_from() })
      assert.equal("EINVAL", select(3, a:send_to("back", "unix:")))
      connection.close(a, b)
    end)
  end)

  it("come from whom the socket is connected to alone, until it is released", function()
    support.run(function()
      local a, b, _, b_name = pair()
      local c = udp(LOCAL)
      b:connect(a:address())
      c:send_to("stranger", b_name)
      a:send_to("friend", b_name)
      assert.equal("friend", b:receive())
      assert.equal(b, b:connect(nil))
      assert.is_nil(b:peer())
      assert.equal("EDESTADDRREQ", select(3, b:send("whereto?")))
      b:option("reuseaddr", true) -- Linux gives a released socket's port back
      connection.close(a, b, c)
    end)
  end)

  it("that nobody receives are reported to a connected socket", function()
    support.run(function()
      local gone = udp(LOCAL)
      local a = udp(nil, { peer = gone:address() })
      gone:close()
      assert(a:send("anybody?"))
      local _, message, code = a:receive(nil, { timeout = 10 })
      assert.equal("ECONNREFUSED", code)
      assert.truthy(message:find("receive " .. a:peer(), 1, true))
      assert(a:send("still nobody?"))
      assert(kio.poll(a:fd(), "r"))
      assert.equal("ECONNREFUSED", select(3, a:send("now")))
      a:close()
    end)
  end)

  it("wait in a Unix queue that is full: with a time limit, and until there is room", function()
    support.run(function()
      local a = udp("unix:@")
      local to_peer, to_name = udp(nil, { peer = a:address() }), udp("unix:@")
      local ok, code, _
      repeat ok, _, code = to_peer:send("x", { timeout = 0 }) until not ok
      assert.equal("ETIMEDOUT", code)
      for _, send in ipairs {
        function(o) return to_peer:send("last", o) end,
        function(o) return to_name:send_to("last", a:address(), o) end,
      } do
        assert.equal("ETIMEDOUT", select(3, send { timeout = 0.01 }))
        local sending = kio.spawn(send)
        connection.until_waiting(sending)
        assert.equal("x", a:receive())
        assert.truthy(sending:await())
      end
      connection.close(a, to_peer, to_name)
    end)
  end)
end)

describe("a wait for a datagram", function()
  it("ends by its timeout, and takes none that comes later", function()
    support.run(function()
      local a, b, _, b_name = pair()
      assert.equal("ETIMEDOUT", select(3, b:receive_from(nil, { timeout = 0 })))
      assert.equal("ETIMEDOUT", select(3, b:set_timeout(0.01):receive_from()))
      a:send_to("later", b_name)
      assert.equal("later", b:set_timeout(nil):receive())
      connection.close(a, b)
    end)
  end)

  it("ends by cancellation, and none is lost", function()
    support.run(function()
      local a, b, _, b_name = pair()
      for i = 1, 50 do
        local got
        local waiting = kio.spawn(function() got = b:receive() end)
        connection.until_waiting(waiting)
        a:send_to("number " .. i, b_name) -- is there before the cancellation, and may win
        waiting:cancel()
        waiting:join()
        assert.equal("number " .. i, got or b:receive(nil, { timeout = 0 }))
      end
      connection.close(a, b)
    end)
  end)

  it("is one at a time: a second one raises", function()
    support.run(function()
      local a, b, _, b_name = pair()
      local waiting = kio.spawn(function() return b:receive_from() end)
      connection.until_waiting(waiting)
      support.expect_error("another task is receiving", b.receive, b)
      a:send_to("one", b_name):send_to("two", b_name)
      assert.equal("one", (waiting:await()))
      assert.equal("two", b:receive())
      connection.close(a, b)
    end)
  end)

  it("ends with EBADF when the socket is closed", function()
    support.run(function()
      local a = udp(LOCAL)
      local name = a:address()
      local waiting = kio.spawn(function() return a:receive_from() end)
      connection.until_waiting(waiting)
      assert.is_true(a:close())
      assert.same({ nil, "receive_from " .. name .. ": the socket is closed", "EBADF", n = 3 },
        table.pack(waiting:await()))
      assert.equal("EBADF", select(3, a:receive()))
      assert.equal("EBADF", select(3, a:send("x")))
      assert.equal("EBADF", select(3, a:send_to("x", name)))
      assert.equal("EBADF", select(3, a:connect(name)))
      assert.equal("EBADF", select(3, a:join("224.0.0.200")))
      assert.is_true(a:close())
      assert.is_nil(a:fd())
      assert.equal(name, a:address())
      assert.matches("^kio%.Udp %(fd %-1, closed, ", tostring(a))
    end)
  end)

  it("may go on in another run", function()
    local a, b
    support.expect_error("the end", support.run, function()
      a, b = pair()
      connection.until_waiting(kio.spawn(function() b:receive() end))
      error("the end")
    end)
    support.run(function()
      a:send_to("again", b:address())
      assert.equal("again", b:receive())
      connection.close(a, b)
    end)
  end)

  it("is told of faults by name, in tests", function()
    local testing = require "kio.testing"
    testing.run(function()
      local a, b, _, b_name = pair()
      testing.faults { { op = "sendmsg", error = "ENOBUFS", nth = 1 },
        { op = "recvmsg", error = "EIO", nth = 1 } }
      assert.equal("ENOBUFS", select(3, a:send_to("x", b_name)))
      assert(a:send_to("x", b_name))
      assert.equal("EIO", select(3, b:receive()))
      assert.equal("x", b:receive())
      connection.close(a, b)
    end)
  end)
end)

describe("udp", function()
  it("is closed by its variable and by the collector, also outside of a run", function()
    local name
    do
      local a <close> = udp(LOCAL)
      name = a:address()
    end
    local b = udp(name)
    assert.matches("^kio%.Udp %(fd %d+, open, 127%.0%.0%.1:%d+%)$", tostring(b))
    b = nil -- luacheck: ignore
    collectgarbage()
    collectgarbage()
    udp(name):close()
  end)

  it("with a peer says so", function()
    local a <close> = udp(LOCAL)
    local b <close> = udp("127.0.0.1:0", { peer = a:address() })
    assert.equal(a:address(), b:peer())
    assert.truthy(tostring(b):find(", peer " .. a:address() .. ")", 1, true))
  end)

  it("takes options, and tells them", function()
    local a <close> = udp(LOCAL, { broadcast = true, ttl = 3, multicast_ttl = 4, tos = 8,
      multicast_loop = false, receive_buffer = 8192, reuseport = true })
    local b <close> = udp(a:address(), { reuseport = true })
    assert.truthy(b)
    assert.is_true(a:option("broadcast"))
    assert.is_false(b:option("broadcast"))
    assert.same({ 3, 4, 8, false, 16384 }, { a:option("ttl"), a:option("multicast_ttl"),
      a:option("tos"), a:option("multicast_loop"), a:option("receive_buffer") })
    assert.is_true(b:option("broadcast", true):option("broadcast"))
  end)

  it("sends to a broadcast address only when told", function()
    support.run(function()
      local a <close> = udp()
      assert.equal("EACCES", select(3, a:send_to("x", "127.255.255.255:9")))
      assert(a:option("broadcast", true):send_to("x", "127.255.255.255:9"))
    end)
  end)

  it("tells what the system refuses", function()
    local a <close> = udp(LOCAL)
    local _, message, code = kio.net.udp(a:address())
    assert.equal("EADDRINUSE", code)
    assert.equal("udp " .. a:address() .. ": address already in use", message)
    assert.equal("EINVAL", select(3, kio.net.udp("nowhere")))
    assert.equal("EINVAL", select(3, kio.net.udp(nil, { peer = "nowhere" })))
    assert.equal("EINVAL", select(3, a:connect("nowhere")))
    assert.equal("EINVAL", select(3, kio.net.udp(LOCAL, { peer = "unix:@nobody" })))
    assert.equal("ECONNREFUSED", select(3, kio.net.udp(nil, { peer = "unix:@kio-nobody" })))
    assert.equal("EOPNOTSUPP", select(3, a:credentials()))
    support.run(function() assert.equal("EINVAL", select(3, a:send_to("x", "nowhere"))) end)
  end)

  it("raises on misuse", function()
    support.run(function()
      local a <close> = udp(LOCAL)
      support.expect_error("unknown option 'nodelay'", kio.net.udp, nil, { nodelay = true })
      support.expect_error("unknown option 'color'", kio.net.udp, LOCAL, { color = 1 })
      support.expect_error("'broadcast' must be true or false", kio.net.udp, LOCAL,
        { broadcast = 1 })
      support.expect_error("'peer' must be an address", kio.net.udp, LOCAL, { peer = 5 })
      support.expect_error("string expected", kio.net.udp, 5)
      support.expect_error("string or list of strings expected", a.send, a, true)
      support.expect_error("a list of strings expected", a.send, a, { {} })
      support.expect_error("an empty list", a.send, a, {})
      support.expect_error("string expected", a.send_to, a, "x")
      support.expect_error("unknown option", a.receive, a, 5, { max = 1 })
      support.expect_error("cannot be negative", a.receive, a, -1)
      support.expect_error("cannot be negative", a.receive, a, 5, { timeout = -1 })
      support.expect_error("cannot be negative", a.set_timeout, a, -1)
      support.expect_error("kio.Udp expected", a.receive, "a")
      support.expect_error("string expected", a.join, a)
      support.expect_error("unknown option", a.join, a, "224.0.0.200", { on = "lo" })
    end)
    local a <close> = udp(LOCAL)
    support.expect_error("outside a task", a.receive, a)
    support.expect_error("outside a task", a.send_to, a, "x", LOCAL)
  end)
end)

describe("a group", function()
  it("is joined and left: then its messages come, and come no more", function()
    support.run(function()
      local group = "239.255.77.1"
      local listener = udp("0.0.0.0:0")
      local port = listener:address():match("%d+$")
      assert.equal(listener, listener:join(group, { interface = "lo" }))
      local sender = udp(nil, { peer = group .. ":" .. port, multicast_interface = "lo" })
      assert(sender:send("to all"))
      assert.equal("to all", listener:receive(nil, { timeout = 10 }))
      assert.equal("EADDRINUSE", select(3, listener:join(group, { interface = "lo" })))
      assert.equal(listener, listener:leave(group, { interface = "lo" }))
      assert(sender:send("to nobody"))
      assert.equal("ETIMEDOUT", select(3, listener:receive(nil, { timeout = 0.02 })))
      assert.equal("EADDRNOTAVAIL", select(3, listener:leave(group, { interface = "lo" })))
      connection.close(listener, sender)
    end)
  end)

  it("of IPv6 is joined and left, by its address with or without brackets", function()
    if not io.open("/proc/net/if_inet6") then pending("this machine has no IPv6") end
    local a <close> = udp("[::]:0", { multicast_interface = 1, multicast_ttl = 2 })
    assert.equal(1, a:option("multicast_interface"))
    assert.equal(2, a:option("multicast_ttl"))
    assert.equal(a, a:join("ff12::4b:1", { interface = "lo" }))
    assert.equal("EADDRINUSE", select(3, a:join("[ff12::4b:1]", { interface = 1 })))
    assert.equal(a, a:leave("[ff12::4b:1]", { interface = 1 }))
    assert.equal("EADDRNOTAVAIL", select(3, a:leave("ff12::4b:1", { interface = "lo" })))
  end)

  it("may be limited to one source", function()
    local a <close> = udp("0.0.0.0:0")
    local options = { interface = "lo", source = "127.0.0.9" }
    assert.equal(a, a:join("232.1.2.3", options))
    assert.equal("EADDRNOTAVAIL", select(3, a:join("232.1.2.3", options)))
    assert.equal(a, a:leave("232.1.2.3", options))
  end)

  it("that makes no sense is an error that names it", function()
    local a <close> = udp(LOCAL)
    for _, text in ipairs { "", "everybody", "[224.0.0.200", ("1"):rep(200), "224.0.0.200:5" } do
      local _, message, code = a:join(text)
      assert.equal("EINVAL", code)
      assert.equal("join " .. text .. ": the group must be a numeric IP address", message)
    end
    assert.equal("ENODEV", select(3, a:join("224.0.0.200", { interface = "nowhere0" })))
    assert.equal("ENODEV", select(3, a:option("multicast_interface", "nowhere0")))
    assert.equal("EINVAL", select(3, a:join("127.0.0.1")))
    assert.matches("source must be", select(2, a:join("224.0.0.200", { source = "me" })))
    assert.equal("EOPNOTSUPP", select(3, a:option("multicast_interface")))
  end)
end)
