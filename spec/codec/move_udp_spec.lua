-- Sockets of messages that move to another thread: datagrams, and connected packets.
local common = require "spec.codec.common"
local kio = require "kio"
local support = require "spec.support"

local pack, unpack, refusal = common.pack, common.unpack, common.refusal

local GONE = "the socket was handed over to another thread"

local function says(pattern, value, message, code)
  assert.is_nil(value)
  assert.equal("EBADF", code)
  assert.matches(pattern, message, 1, true)
end

describe("a datagram socket", function()
  it("moves with what waits in it and its timeout, and the sender's is closed", function()
    support.run(function()
      local near = assert(kio.net.udp "127.0.0.1:0")
      local far <close> = assert(kio.net.udp "127.0.0.1:0")
      local address = near:address()
      assert(far:send_to("one", address))
      near:set_timeout(0)
      local moved <close> = unpack(pack(near))
      assert.equal(address, moved:address())
      local data, sender = moved:receive_from()
      assert.equal("one", data)
      assert.equal(far:address(), sender)
      assert.equal("ETIMEDOUT", (select(3, moved:receive())))
      assert(moved:send_to("two", sender))
      assert.equal("two", far:receive())
      assert.matches("handed over", tostring(near))
      says(GONE, near:receive())
      says(GONE, near:send_to("x", sender))
      says(GONE, near:connect(sender))
      assert.is_nil(near:fd())
      assert.is_true(near:close())
      assert.equal("arg 1: kio.Udp: it was handed over before", refusal(near))
    end)
  end)

  it("stays connected", function()
    support.run(function()
      local far <close> = assert(kio.net.udp "127.0.0.1:0")
      local near = assert(kio.net.udp(nil, { peer = far:address() }))
      local moved <close> = unpack(pack(near))
      assert.equal(far:address(), moved:peer())
      assert(moved:send "x")
      assert.equal("x", far:receive())
    end)
  end)

  it("is refused while a task receives, an operation is under way, or it is closed", function()
    support.run(function()
      local socket = assert(kio.net.udp "127.0.0.1:0")
      local task = kio.spawn(socket.receive, socket)
      kio.yield()
      assert.equal("arg 1: kio.Udp: a task is receiving from it", refusal(socket))
      assert(socket:send_to("x", socket:address()))
      assert.equal("x", task:await())
      local poll = kio.spawn(kio.poll, socket:fd(), "r", { timeout = 10 })
      kio.yield()
      assert.equal("arg 1: kio.Udp: an operation on it is under way", refusal(socket))
      poll:cancel()
      poll:join()
      assert(socket:send_to("y", socket:address()))
      assert.equal("y", socket:receive())
      socket:close()
      assert.equal("arg 1: kio.Udp: it is closed", refusal(socket))
    end)
  end)

  it("works on another worker, and comes back from there", function()
    support.run(function()
      local near = assert(kio.net.udp "127.0.0.1:0")
      local far <close> = assert(kio.net.udp "127.0.0.1:0")
      for round = 1, 5 do
        assert(far:send_to("round " .. round, near:address()))
        near = kio.thread.spawn_on(2, function(socket)
          local data, sender = socket:receive_from()
          assert(socket:send_to(data .. " seen", sender))
          return socket
        end, near):await()
        assert.equal(("round %d seen"):format(round), far:receive())
      end
      near:close()
    end, { threads = 2 })
  end)

  it("that nobody takes is closed", function()
    support.run(function()
      local near = assert(kio.net.udp "127.0.0.1:0")
      local far <close> = assert(kio.net.udp(nil, { peer = near:address() }))
      local parcel = pack(near) -- luacheck: ignore
      parcel = nil
      collectgarbage()
      collectgarbage()
      far:send "x"
      assert.equal("ECONNREFUSED", (select(3, far:send "y")))
    end)
  end)
end)

describe("a socket of packets", function()
  it("moves, and still tells the end from an empty packet", function()
    support.run(function()
      local options = { type = "seqpacket" }
      local listener <close> = assert(kio.net.listen("unix:@", options))
      local near = assert(kio.net.connect(listener:address(), options))
      local far <close> = assert(listener:accept())
      far:send("one"):send(""):close()
      local moved <close> = unpack(pack(near))
      assert.equal("one", moved:receive())
      assert.equal("", moved:receive())
      assert.is_nil((moved:receive()))
    end)
  end)
end)
