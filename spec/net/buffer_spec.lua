-- stream:buffer: output that is gathered across turns, and everything that lets it go.
-- With one thread there is nothing for ThreadSanitizer:
-- flavours: test asan hostile workers
local kio = require "kio"
local support = require "spec.support"
local connection = require "spec.net.connection"

local function sends() return kio.stats().ops.send or 0 end

local function turns(n)
  for _ = 1, n do kio.yield() end
end

-- What has arrived at the other end, without waiting.
local function arrived(server)
  return kio.recv(server:fd(), 100000, kio.const.MSG_DONTWAIT | kio.const.MSG_PEEK)
end

describe("a stream that buffers", function()
  it("lets output go when there is as much as it was told, not before", function()
    support.run(function()
      local client, server = connection.pair()
      assert.equal(client, client:buffer(30))
      local before = sends()
      for _ = 1, 29 do
        client:write("x")
        turns(3)
      end
      assert.equal(before, sends())
      assert.is_nil((arrived(server)))
      client:write("yz")
      assert.equal(("x"):rep(29) .. "yz", connection.receive(server, 31))
      if not support.chunk then assert.equal(before + 1, sends()) end
      connection.close(client, server)
    end)
  end)

  it("lets it go for flush, send, shutdown and close", function()
    support.run(function()
      local endings = {
        flush = function(stream) stream:flush() end,
        send = function(stream) stream:send("") end,
        shutdown = function(stream) stream:shutdown("write") end,
        close = function(stream) stream:close() end,
        collected = function() end,
      }
      for name, finish in pairs(endings) do
        local client, server = connection.pair()
        client:buffer(1000):write("held")
        turns(3)
        assert.is_nil((arrived(server)), name)
        finish(client)
        if name == "collected" then client = nil end -- luacheck: ignore
        collectgarbage()
        collectgarbage()
        assert.equal("held", connection.receive(server, 4), name)
        if client then client:close() end
        server:close()
      end
    end)
  end)

  it("lets it go at the end of the run, whoever holds it", function()
    local client, server
    support.run(function()
      client, server = connection.pair()
      client:buffer(1000):write("last words")
    end)
    support.run(function()
      client:close()
      assert.equal("last words", connection.receive_all(server))
      server:close()
    end)
  end)

  it("goes back to a send in each turn with 0, which lets go what was held", function()
    support.run(function()
      local client, server = connection.pair()
      client:buffer(1000):write("held")
      turns(3)
      client:buffer(0)
      assert.equal("held", connection.receive(server, 4))
      client:write("at once")
      assert.equal("at once", connection.receive(server, 7))
      connection.close(client, server)
    end)
  end)

  it("has its mark where it was told, when that is higher than usual", function()
    support.run(function()
      local client, server = connection.narrow()
      local size = support.flavour == "hostile" and 3000 or 300000
      local text, before = ("0123456789"):rep(size // 10), sends()
      client:buffer(size)
      local writing = kio.spawn(function()
        for i = 1, size - 10, 10 do client:write(text:sub(i, i + 9)) end -- waits nowhere
        assert.equal(before, sends())
        client:buffer(20) -- the mark is below what is gathered
        client:write("the end")
        client:close()
      end)
      local got = connection.receive_all(server)
      writing:await()
      assert.is_true(got == text:sub(1, size - 10) .. "the end")
      server:close()
    end)
  end)

  it("writes more than that at the pace of its peer", function()
    support.run(function()
      local client, server = connection.narrow()
      client:buffer(20)
      local text = ("0123456789"):rep(500)
      local reading = kio.spawn(connection.receive_all, server)
      client:write(text)
      client:write("rest")
      client:close()
      assert.is_true(text .. "rest" == reading:await())
      server:close()
    end)
  end)

  it("tells a failed send by the next write", function()
    support.run(function()
      local client, server = connection.pair { address = connection.abstract_name() }
      client:buffer(10)
      server:close()
      assert(client:write("held"))
      assert(client:write("and sent"))
      turns(5)
      assert.equal("EPIPE", select(3, client:write("x")))
      assert.equal("EPIPE", select(3, client:close()))
    end)
  end)

  it("is refused what is no size, and a closed stream", function()
    support.run(function()
      local client, server = connection.pair()
      support.expect_error("negative", client.buffer, client, -1)
      support.expect_error("number expected", client.buffer, client)
      support.expect_error("at most 16 MiB", client.buffer, client, 1 << 25)
      connection.close(client, server)
      assert.equal("EBADF", select(3, client:buffer(1)))
    end)
  end)
end)
