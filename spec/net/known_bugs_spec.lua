-- Bugs that other libraries' sockets have had, each by its name.
local kio = require "kio"
local support = require "spec.support"

-- Runs f(near, far, listener) with the two ends of a connection.
local function connected(f)
  support.run(function()
    local listener <close> = assert(kio.net.listen "127.0.0.1:0")
    local near <close> = assert(kio.net.connect(listener:address()))
    local far <close> = assert(listener:accept())
    f(near, far, listener)
  end)
end

local function times_out(f, ...)
  local value, message, code = f(...)
  assert.is_nil(value)
  assert.equal("ETIMEDOUT", code)
  assert.equal("string", type(message))
end

local ONCE = { timeout = 0 }

describe("a timeout of 0", function()
  it("tries once, whatever waits, and never for ever", function()
    connected(function(near, _, listener)
      local udp <close> = assert(kio.net.udp "127.0.0.1:0")
      local child <close> = assert(kio.process.spawn { "sleep", "100" })
      local watch <close> = assert(kio.fs.watch ".")
      times_out(near.recv, near, nil, ONCE)
      times_out(near.read, near, "l", ONCE)
      times_out(near.read_until, near, "x", ONCE)
      times_out(near.peek, near, 1, ONCE)
      times_out(near.recv_into, near, kio.buffer(1), 1, 1, ONCE)
      times_out(near.recv_fds, near, 1, ONCE)
      times_out(listener.accept, listener, ONCE)
      times_out(udp.receive, udp, nil, ONCE)
      times_out(udp.receive_from, udp, nil, ONCE)
      times_out(udp.recv_fds, udp, nil, ONCE)
      times_out(child.wait, child, ONCE)
      times_out(watch.next, watch, ONCE)
      times_out(kio.signal.wait, "USR1", ONCE)
      times_out(kio.poll, near:fd(), "r", ONCE)
      assert(child:kill "KILL")
    end)
  end)
end)

describe("a timeout", function()
  it("bounds the whole call, however steadily bytes drip", function()
    connected(function(near, far)
      local dripping = kio.spawn(function()
        while far:send "x" do kio.sleep(0.001) end
      end)
      times_out(near.read, near, "a", { timeout = 0.05 })
      times_out(near.read, near, 1 << 20, { timeout = 0.05 })
      times_out(near.read_until, near, "y", { timeout = 0.05 })
      near:set_timeout(0.05)
      local ok, message = pcall(function() for _ in near:lines() do end end)
      assert.is_false(ok)
      assert.matches("timed out", message)
      dripping:cancel()
      dripping:join()
    end)
  end)

  it("does not stick: the next call works, and what came late is all there", function()
    connected(function(near, far)
      near:set_timeout(0)
      for _ = 1, 3 do times_out(near.read, near) end
      near:set_timeout(nil)
      assert(far:send "late\n")
      assert.equal("late", near:read())
      assert(near:send "answer")
      assert.equal("answer", far:read(6))
    end)
  end)

  it("of one task is not that of another on the same stream", function()
    connected(function(near, far)
      local reading = kio.spawn(near.read, near, 5)
      kio.yield()
      far:buffer(1 << 20)
      far:write "hel"
      times_out(kio.timeout, 0.001, kio.sleep, 1)
      far:write("lo"):flush()
      assert.equal("hello", reading:await())
    end)
  end)
end)

describe("bytes", function()
  it("are never translated: CRLF, NUL, and all others", function()
    connected(function(near, far)
      local all = {}
      for i = 0, 255 do all[#all + 1] = string.char(i) end
      local text = table.concat(all)
      assert(near:send("line\r\n", "\r\r\n", "\n", text))
      near:shutdown "write"
      assert.equal("line\r", far:read())
      assert.equal("\r\r", far:read())
      assert.equal("", far:read())
      assert.equal(text, far:read "a")
    end)
  end)

  it("come in pieces as large as what is there, not as some buffer", function()
    connected(function(near, far)
      local text = ("0123456789abcdef"):rep(1024)
      assert(near:send(text))
      assert.equal(text, far:peek(#text))
      assert.equal(text, far:recv())
    end)
  end)
end)

describe("an error", function()
  it("is told by a string and a code, never by a number or table", function()
    support.run(function()
      local closed <close> = assert(kio.net.listen "127.0.0.1:0")
      local address = closed:address()
      closed:close()
      for _, failed in ipairs {
        table.pack(kio.net.connect(address)),
        table.pack(kio.net.connect "unix:/no/such/socket"),
        table.pack(kio.net.listen "unix:/no/such/folder/socket"),
        table.pack(kio.net.udp "unix:/no/such/folder/socket"),
        table.pack(kio.fs.watch "/no/such/folder"),
        table.pack(kio.process.spawn { "/no/such/program" }),
        table.pack(kio.net.resolve "no such name"),
      } do
        assert.is_nil(failed[1])
        assert.equal("string", type(failed[2]))
        assert.matches("^E[%u%d_]+$", failed[3])
      end
    end)
  end)
end)

describe("a stream that nobody closes", function()
  it("is closed by the collector, so that its peer hears the end", function()
    support.run(function()
      local listener <close> = assert(kio.net.listen "127.0.0.1:0")
      local near <close> = assert(kio.net.connect(listener:address()))
      local function forget() assert(listener:accept()) end
      forget()
      collectgarbage()
      collectgarbage()
      assert.is_nil((near:read()))
    end)
  end)
end)

describe("a handler that ends early", function()
  it("has its answer heard by a client whose bytes it has not read", function()
    support.run(function()
      local listener <close> = assert(kio.net.listen "127.0.0.1:0")
      local serving = kio.spawn(listener.serve, listener, function(stream)
        stream:read "l"
        stream:write "enough\n"
      end)
      local client <close> = assert(kio.net.connect(listener:address()))
      client:send("hello\n", ("x"):rep(50000)) -- which may fail
      assert.equal("enough", client:read())
      listener:close()
      serving:await()
    end)
  end)
end)

describe("a datagram", function()
  it("of any size UDP allows comes whole", function()
    support.run(function()
      local a <close> = assert(kio.net.udp "127.0.0.1:0")
      local b <close> = assert(kio.net.udp "127.0.0.1:0")
      for _, size in ipairs { 0, 1, 8191, 8192, 8193, 65506, 65507 } do
        local data = ("%05d"):format(size):rep(size // 5 + 1):sub(1, size)
        assert(a:send_to(data, b:address()))
        assert.is_true(data == b:receive(), size)
      end
      assert.equal("EMSGSIZE", select(3, a:send_to(("x"):rep(65508), b:address())))
    end)
  end)

  it("over IPv4 to a socket of both protocols is answered by the address it came from", function()
    support.run(function()
      local both = kio.net.udp "[::]:0"
      if not both then return pending "there is no IPv6 here" end
      local client <close> = assert(kio.net.udp "127.0.0.1:0")
      client:send_to("ask", "127.0.0.1:" .. both:address():match "%d+$")
      local data, from = both:receive_from()
      assert.equal("ask", data)
      assert.equal(both, both:send_to("answer", from))
      assert.equal("answer", client:receive())
      both:close()
    end)
  end)

  it("that nobody took is told once, and the socket goes on", function()
    support.run(function()
      local gone = assert(kio.net.udp "127.0.0.1:0")
      local address = gone:address()
      gone:close()
      local client <close> = assert(kio.net.udp(nil, { peer = address }))
      assert(client:send "lost")
      assert.equal("ECONNREFUSED", select(3, client:receive(10, { timeout = 10 })))
      times_out(client.receive, client, nil, ONCE)
      local back <close> = assert(kio.net.udp(address))
      assert(client:send "found")
      assert.equal("found", back:receive())
      -- without a peer it never hears of it
      local server <close> = assert(kio.net.udp "127.0.0.1:0")
      gone = assert(kio.net.udp "127.0.0.1:0")
      address = gone:address()
      gone:close()
      for _ = 1, 5 do assert(server:send_to("lost", address)) end
      assert(client:connect(server:address()) and client:send "x")
      assert.equal("x", server:receive())
    end)
  end)
end)
