-- What a stream receives: in pieces, at the end, early ends, and that no byte is ever lost.
-- With one thread ThreadSanitizer would only take its time:
-- flavours: test asan hostile workers
local kio = require "kio"
local support = require "spec.support"
local connection = require "spec.net.connection"

describe("recv", function()
  it("gives what has arrived, at most as much as asked for", function()
    support.run(function()
      local client, server = connection.pair()
      client:send("hello kio")
      assert.equal("h", server:recv(1))
      local some = server:recv(4)
      assert.equal(("ello"):sub(1, #some), some)
      assert.equal(("ello kio"):sub(#some + 1), connection.receive(server, 8 - #some))
      client:send("x")
      assert.equal("x", server:recv(1 << 40))
      connection.close(client, server)
    end)
  end)

  it("raises on what is no number of bytes, and on bad options", function()
    support.run(function()
      local client, server = connection.pair()
      client:send("kept")
      support.expect_error("at least 1 byte", server.recv, server, 0)
      support.expect_error("at least 1 byte", server.recv, server, -1)
      support.expect_error("number expected", server.recv, server, "many")
      support.expect_error("integer", server.recv, server, 1.5)
      support.expect_error("unknown option", server.recv, server, 1, { max = 1 })
      support.expect_error("negative", server.recv, server, 1, { timeout = -1 })
      support.expect_error("negative or NaN", server.recv, server, 1, { timeout = 0 / 0 })
      support.expect_error("table expected", server.recv, server, 1, 5)
      assert.equal("kept", connection.receive(server, 4))
      connection.close(client, server)
    end)
  end)

  it("gives nil and nothing else at the end, again and again", function()
    support.run(function()
      local client, server = connection.pair()
      client:send("x")
      client:close()
      assert.equal("x", server:recv())
      for _ = 1, 3 do
        assert.same({ n = 1 }, table.pack(server:recv()))
      end
      server:close()
    end)
  end)

  it("works one byte at a time, written one byte at a time", function()
    support.run(function()
      local client, server = connection.pair()
      local text = ("0123456789"):rep(100)
      local writing = kio.spawn(function()
        for i = 1, #text do client:send(text:sub(i, i)) end
        client:close()
      end)
      local parts = {}
      for data in function() return server:recv(1) end do
        assert.equal(1, #data)
        parts[#parts + 1] = data
      end
      assert.equal(text, table.concat(parts))
      writing:await()
      server:close()
    end)
  end)

  it("tells of a reset once, as an error", function()
    support.run(function()
      local client, server = connection.pair()
      client:send("unread")
      assert(kio.poll(server:fd(), "r"))
      server:close() -- with input nobody has read, TCP resets the connection
      local data, message, code = client:recv()
      assert.is_nil(data)
      assert.equal("ECONNRESET", code)
      assert.equal("recv " .. client:peer() .. ": connection reset by peer", message)
      assert.same({ n = 1 }, table.pack(client:recv()))
      client:close()
    end)
  end)

  it("goes on after the peer was told that nothing more comes from here", function()
    support.run(function()
      local client, server = connection.pair()
      client:send("question")
      assert.is_true(client:shutdown("write"))
      assert.equal("question", connection.receive_all(server))
      server:send("answer")
      server:close()
      assert.equal("answer", connection.receive_all(client))
      client:close()
    end)
  end)
end)

describe("a recv that ends early", function()
  it("by its timeout fails with ETIMEDOUT", function()
    support.run(function()
      local client, server = connection.pair()
      local data, message, code = server:recv(10, { timeout = 0.01 })
      assert.is_nil(data)
      assert.equal("ETIMEDOUT", code)
      assert.equal("recv " .. server:peer() .. ": timed out", message)
      assert.equal("ETIMEDOUT", select(3, server:recv(nil, { timeout = 0 })))
      client:send("later")
      assert.equal("later", connection.receive(server, 5))
      connection.close(client, server)
    end)
  end)

  it("with a timeout of 0 takes what is there", function()
    support.run(function()
      local client, server = connection.pair()
      client:send("here")
      assert(kio.poll(server:fd(), "r"))
      local start = server:recv(2, { timeout = 0 })
      assert.equal(("he"):sub(1, #start), start)
      assert.equal("re", connection.receive(server, 4 - #start):sub(-2))
      connection.close(client, server)
    end)
  end)

  it("by the stream's own timeout does so too; that of the call comes first", function()
    support.run(function()
      local client, server = connection.pair()
      assert.equal(server, server:set_timeout(0.01))
      assert.equal("ETIMEDOUT", select(3, server:recv()))
      local receiving = kio.spawn(function() return server:recv(1, { timeout = 100 }) end)
      kio.sleep(0.03)
      assert.equal("waiting", receiving:status())
      client:send("x")
      assert.equal("x", receiving:await())
      server:set_timeout(nil)
      receiving = kio.spawn(function() return server:recv(1) end)
      kio.sleep(0.03)
      assert.equal("waiting", receiving:status())
      client:send("y")
      assert.equal("y", receiving:await())
      support.expect_error("negative", server.set_timeout, server, -0.5)
      support.expect_error("NaN", server.set_timeout, server, 0 / 0)
      support.expect_error("number expected", server.set_timeout, server, "soon")
      connection.close(client, server)
    end)
  end)

  it("by kio.cancel fails with ECANCELED, and the next one works", function()
    support.run(function()
      local client, server = connection.pair()
      local receiving = kio.spawn(function() return server:recv() end)
      connection.until_waiting(receiving)
      assert.equal(1, kio.cancel(server:fd()))
      assert.equal("ECANCELED", select(3, receiving:await()))
      client:send("x")
      assert.equal("x", server:recv())
      connection.close(client, server)
    end)
  end)

  it("by cancellation raises Cancelled", function()
    support.run(function()
      local client, server = connection.pair()
      local receiving = kio.spawn(function() return server:recv() end)
      connection.until_waiting(receiving)
      receiving:cancel()
      local ok, err = receiving:join()
      assert.is_false(ok)
      assert.is_true(kio.is_cancelled(err))
      client:send("x")
      assert.equal("x", server:recv())
      connection.close(client, server)
    end)
  end)
end)

-- Numbers in order, four bytes each: a lost, doubled or swapped piece shows.
local function numbers(count)
  local parts = {}
  for i = 1, count do parts[i] = string.pack("<I4", i) end
  return table.concat(parts)
end

local function write_in_scraps(stream, data)
  local at = 1
  while at <= #data do
    local size = math.random(1, 40)
    stream:send(data:sub(at, at + size - 1))
    at = at + size
    for _ = 1, math.random(0, 2) do kio.yield() end
  end
  stream:close()
end

describe("no byte is lost", function()
  local count = support.flavour == "test" and 10000 or 2000

  local function run(receive)
    math.randomseed(count)
    support.run(function()
      local client, server = connection.pair()
      local writing = kio.spawn(write_in_scraps, client, numbers(count))
      local data, early = receive(server)
      assert.is_true(numbers(count) == data)
      assert.is_true(early > 10, "the race never happened")
      writing:await()
      server:close()
    end)
  end

  it("when a recv times out", function()
    run(function(server)
      local parts, early = {}, 0
      while true do
        local data, message, code = server:recv(math.random(1, 50), { timeout = 0 })
        if data then parts[#parts + 1] = data
        elseif not message then return table.concat(parts), early
        else
          assert.equal("ETIMEDOUT", code)
          early = early + 1
          kio.yield()
        end
      end
    end)
  end)

  it("when a recv is cancelled", function()
    run(function(server)
      local parts, early, ended = {}, 0, false
      while not ended do
        local reading = kio.spawn(function()
          local data, message = server:recv(math.random(1, 50))
          assert(not message, message)
          if data then parts[#parts + 1] = data else ended = true end
        end)
        for _ = 1, math.random(0, 3) do kio.yield() end
        reading:cancel()
        if not reading:join() then early = early + 1 end
      end
      return table.concat(parts), early
    end)
  end)

  it("when kio.cancel ends it", function()
    run(function(server)
      local parts, early, fd, ended = {}, 0, server:fd(), false
      local cancelling = kio.spawn(function()
        while not ended do
          kio.cancel(fd)
          kio.yield()
        end
      end)
      while not ended do
        local data, message, code = server:recv(math.random(1, 50))
        if data then parts[#parts + 1] = data
        elseif not message then ended = true
        else
          assert.equal("ECANCELED", code)
          early = early + 1
        end
      end
      cancelling:await()
      return table.concat(parts), early
    end)
  end)
end)

describe("a second reader", function()
  it("raises, and the first one is not disturbed", function()
    support.run(function()
      local client, server = connection.pair()
      local receiving = kio.spawn(function() return server:recv() end)
      connection.until_waiting(receiving)
      support.expect_error("another task is reading from this stream", server.recv, server)
      client:send("x")
      assert.equal("x", receiving:await())
      client:send("y")
      assert.equal("y", server:recv())
      connection.close(client, server)
    end)
  end)

  it("raises also after the first one was woken, until it has run", function()
    support.run(function()
      local client, server = connection.pair()
      local receiving = kio.spawn(function() return server:recv() end)
      connection.until_waiting(receiving)
      local refused = 0
      -- This task is always ready, so it runs before the reader that the bytes have woken.
      local pushing = kio.spawn(function()
        while receiving:status() ~= "done" do
          local ok, err = pcall(server.recv, server, nil, { timeout = 0 })
          assert.is_false(ok, "it took the bytes of the first reader")
          assert.matches("another task is reading", err)
          refused = refused + 1
          kio.yield()
        end
      end)
      client:send("x")
      assert.equal("x", receiving:await())
      pushing:await()
      assert.is_true(refused > 0)
      connection.close(client, server)
    end)
  end)

  it("may come when the first one is done; a writer may be there all the time", function()
    support.run(function()
      local client, server = connection.pair()
      local text = ("abc"):rep(1000)
      local function both_ways(stream)
        local writing = kio.spawn(function()
          for i = 1, #text do stream:write(text:sub(i, i)) end
          stream:shutdown("write")
        end)
        assert.equal(text, connection.receive_all(stream))
        writing:await()
        stream:close()
      end
      local other = kio.spawn(both_ways, server)
      both_ways(client)
      other:await()
    end)
  end)
end)
