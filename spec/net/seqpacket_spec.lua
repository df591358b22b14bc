-- Sequences of packets over Unix sockets: connected, kept apart, and with an end.
local core = require "kio.core"
local kio = require "kio"
local support = require "spec.support"
local connection = require "spec.net.connection"

local PACKETS = { type = "seqpacket" }

local function pair()
  return connection.pair { address = "unix:@", listen = PACKETS, connect = PACKETS }
end

describe("seqpacket", function()
  it("keeps packets apart and in order, empty ones too, and ends", function()
    support.run(function()
      local client, server = pair()
      client:send("one"):send(""):send { "t", "wo" }:send("")
      client:close()
      for _, expected in ipairs { "one", "", "two", "" } do
        assert.same({ expected, n = 1 }, table.pack(server:receive()))
      end
      assert.same({ nil, n = 1 }, table.pack(server:receive()))
      assert.same({ nil, n = 1 }, table.pack(server:receive_from()))
      assert.equal("EPIPE", select(3, server:send("too late")))
      server:close()
    end)
  end)

  it("is served until its server stops", function()
    support.run(function()
      local listener = assert(kio.net.listen("unix:@", PACKETS))
      local serving = kio.spawn(listener.serve, listener, function(packets)
        for packet in function() return packets:receive() end do packets:send(packet:upper()) end
      end)
      local client = assert(kio.net.connect(listener:address(), PACKETS))
      client:send "one"
      assert.equal("ONE", client:receive())
      listener:close()
      client:send "two"
      assert.equal("TWO", client:receive())
      client:close()
      assert.same({ accepted = 1, failed = 0, idle = 0, cut = 0 }, serving:await())
    end)
  end)

  it("is nothing that HTTP is served over", function()
    local http = require "kio.http"
    support.run(function()
      local listener <close> = assert(kio.net.listen("unix:@", PACKETS))
      support.expect_error("HTTP goes over streams, and this listener gives packets", http.serve,
        listener, print)
    end)
  end)

  it("is idle also while it is being closed", function()
    support.run(function()
      local client, server = pair()
      local waiting = kio.spawn(function() return server:receive() end)
      connection.until_waiting(waiting)
      local closing = kio.spawn(server.close, server)
      local idle = kio.spawn(core.own.stream_idle, server) -- runs before the receiver does
      assert.is_true(idle:await() >= 0)
      assert.equal("EBADF", select(3, waiting:await()))
      closing:await()
      client:close()
    end)
  end)

  it("tells an empty packet from the end also when it waits", function()
    support.run(function()
      local client, server = pair()
      for _, step in ipairs { "send", "close" } do
        local waiting = kio.spawn(function() return server:receive() end)
        connection.until_waiting(waiting)
        client[step](client, step == "send" and "" or nil)
        assert.same({ step == "send" and "" or nil, n = 1 }, table.pack(waiting:await()))
      end
      server:close()
    end)
  end)

  it("gives sockets that know both ends", function()
    support.run(function()
      local listener <close> = assert(kio.net.listen("unix:@", PACKETS))
      assert.matches("^unix:@%x+$", listener:address())
      local accepting = kio.spawn(function() return listener:accept() end)
      local client = assert(kio.net.connect(listener:address(), PACKETS))
      local server, from = accepting:await()
      assert.equal(listener:address(), client:peer())
      assert.equal("unix:", from)
      assert.matches("^kio%.Udp ", tostring(server))
      assert.equal("EOPNOTSUPP", select(3, client:option("nodelay")))
      assert.equal(client:credentials().pid, server:credentials().pid)
      connection.close(client, server)
    end)
  end)

  it("tells a packet larger than was asked for", function()
    support.run(function()
      local client, server = pair()
      client:send("0123456789"):send("next")
      local _, message, code, head = server:receive(4)
      assert.equal("EMSGSIZE", code)
      assert.matches("a message of 10 bytes, of which 4", message)
      assert.equal("0123", head)
      assert.equal("next", server:receive())
      connection.close(client, server)
    end)
  end)

  it("makes a sender wait for a slow receiver", function()
    support.run(function()
      local client, server = pair()
      local sent = 0
      local ok, code, _
      repeat
        ok, _, code = client:send("x", { timeout = 0 })
        sent = sent + (ok and 1 or 0)
      until not ok
      assert.equal("ETIMEDOUT", code)
      local sending = kio.spawn(function() return client:send("last") end)
      connection.until_waiting(sending)
      for _ = 1, sent do assert.equal("x", server:receive()) end
      assert.equal(client, sending:await())
      assert.equal("last", server:receive())
      connection.close(client, server)
    end)
  end)

  it("meets its match alone, and exists only among Unix sockets", function()
    support.run(function()
      local path = "unix:" .. support.tmpdir() .. "/socket"
      local listener <close> = assert(kio.net.listen(path, PACKETS))
      assert.equal("EPROTOTYPE", select(3, kio.net.connect(listener:address())))
      assert.equal("ESOCKTNOSUPPORT", select(3, kio.net.listen("127.0.0.1:0", PACKETS)))
      for _, wrong in ipairs { "datagram", 5, true } do
        support.expect_error("'type' must be", kio.net.listen, "unix:@", { type = wrong })
        support.expect_error("'type' must be", kio.net.connect, "unix:@", { type = wrong })
      end
      kio.net.listen("unix:@", { type = "stream" }):close()
    end)
  end)

  it("is served like a stream: until the end, and not for ever", function()
    support.run(function()
      local listener = assert(kio.net.listen("unix:@", PACKETS))
      local serving = kio.spawn(function()
        return listener:serve(function(socket)
          for packet in function() return socket:receive() end do socket:send(packet:upper()) end
        end, { idle_timeout = 0.05 })
      end)
      local client = assert(kio.net.connect(listener:address(), PACKETS))
      client:send("hello")
      assert.equal("HELLO", client:receive())
      assert.is_nil(client:receive()) -- the server has no patience
      connection.close(client, listener)
      serving:join()
    end)
  end)
end)
