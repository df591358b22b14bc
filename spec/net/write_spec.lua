-- What a stream sends: gathered writes, waiting past the high-water mark, errors told late, flush,
-- send and shutdown.
-- With one thread ThreadSanitizer would only take its time:
-- flavours: test asan hostile workers
local kio = require "kio"
local support = require "spec.support"
local connection = require "spec.net.connection"

local HOSTILE = support.flavour == "hostile"
local HIGH_WATER = HOSTILE and 46 or 65536

-- Text in which every place is different from its neighbours'.
local function pattern(size)
  local parts = {}
  for i = 1, size // 8 + 1 do parts[i] = ("%08x"):format(i) end
  return table.concat(parts):sub(1, size)
end

-- The client's end first, read as far as it goes: a filter has an end mark, and the way is narrow.
local function part(client, server)
  local rest = kio.spawn(connection.receive_all, server)
  client:close()
  rest:await()
  server:close()
end

local function sends() return kio.stats().ops.send or 0 end

describe("write", function()
  it("takes strings, numbers and lists of them, and returns the stream", function()
    support.run(function()
      local client, server = connection.pair()
      assert.equal(client, client:write("a", 1, 2.5, { "b", 3, -0.5 }, {}, "c"))
      client:write(""):write():write({}):write("", { "", "" }):write(math.mininteger, 1e100)
      client:write("\0\255\r\n"):close()
      local expected = "a12.5b3-0.5c" .. math.mininteger .. 1e100 .. "\0\255\r\n"
      assert.equal(expected, connection.receive_all(server))
      server:close()
    end)
  end)

  it("raises on anything else and writes nothing of that call", function()
    support.run(function()
      local client, server = connection.pair()
      for _, bad in ipairs { true, print, io.stdout, client, coroutine.create(print) } do
        support.expect_error("string or list of strings expected", client.write, client, "a", bad)
        support.expect_error("list of strings expected", client.write, client, { "a", bad })
        support.expect_error("string or list of strings expected", client.send, client, "a", bad)
      end
      support.expect_error("string or list of strings", client.write, client, nil)
      support.expect_error("string or list of strings", client.write, client, "a", nil, "b")
      support.expect_error("list of strings expected", client.write, client, { { "nested" } })
      client:write("only this"):close()
      assert.equal("only this", connection.receive_all(server))
      server:close()
    end)
  end)

  it("below the mark returns at once; what one turn wrote leaves in one send", function()
    if support.chunk then return pending("KIO_CHUNK: a send moves one byte") end
    support.run(function()
      local client, server = connection.pair()
      client:send("x")
      connection.receive(server, 1)
      local turns, before = kio.stats().turns, sends()
      -- In the hostile build the loop turns after four operations that did not wait.
      local count = support.flavour == "hostile" and 3 or 40
      for i = 1, count do client:write(i % 10) end
      assert.equal(turns, kio.stats().turns)
      assert.equal("123", connection.receive(server, 3))
      assert.equal(before + 1, sends())
      connection.close(client, server)
    end)
  end)

  it("by several tasks keeps each write in one piece", function()
    support.run(function()
      local client, server = connection.pair()
      local tasks = {}
      for i = 1, 8 do
        tasks[i] = kio.spawn(function()
          for _ = 1, 25 do
            -- Past the mark somebody waits, and the others are refused until then.
            while not pcall(client.write, client, ("%d"):format(i):rep(5), "\n") do kio.yield() end
            kio.yield()
          end
        end)
      end
      local counts, reading = {}, kio.spawn(connection.receive_all, server)
      for i = 1, 8 do tasks[i]:await() end
      client:close()
      for line in reading:await():gmatch("([^\n]*)\n") do
        assert.matches("^(%d)%1%1%1%1$", line)
        counts[line] = (counts[line] or 0) + 1
      end
      for i = 1, 8 do assert.equal(25, counts[("%d"):format(i):rep(5)]) end
      server:close()
    end)
  end)

  it("past the mark waits while the peer does not read, in bounded memory", function()
    support.run(function()
      local client, server = connection.narrow()
      local chunk, taken = pattern(HIGH_WATER // 2), 0
      local total = #chunk * 200
      local writing = kio.spawn(function()
        for _ = 1, 200 do
          assert(client:write(chunk))
          taken = taken + #chunk
        end
        client:close()
      end)
      local idle, last = 0, -1
      while idle < 100 do
        kio.yield()
        idle = taken == last and idle + 1 or 0
        last = taken
        -- At most: what is gathered, what is in flight, what the kernel has, what waits.
        assert.is_true(taken <= 3 * HIGH_WATER + 64 * 1024)
        assert.is_true(kio.stats().buffers <= 2)
      end
      assert.equal("waiting", writing:status())
      assert.is_true(taken < total)
      assert.is_true(chunk:rep(200) == connection.receive_all(server))
      writing:await()
      server:close()
    end)
  end)

  it("goes on when what was gathered is on its way, wherever that has got to", function()
    support.run(function()
      local client, server = connection.narrow()
      local reads = false
      local writing = kio.spawn(function()
        assert(client:write(pattern(HIGH_WATER))) -- in test, the kernel takes only a part of that
        assert(client:write "the end") -- waits for the turn's kernel entry
        return reads
      end)
      for _ = 1, 1000 do -- turns
        if writing:status() == "done" then break end
        kio.yield()
      end
      reads = true
      local closing = kio.spawn(function() return writing:await(), client:close() end)
      assert.equal(pattern(HIGH_WATER) .. "the end", connection.receive_all(server))
      assert.is_false((closing:await()))
      server:close()
    end)
  end)

  it("of a string far larger than the mark arrives whole", function()
    support.run(function()
      local client, server = connection.pair()
      local text = pattern(HOSTILE and 100000 or 5000000)
      local writing = kio.spawn(function() assert(client:write(text)):close() end)
      assert.is_true(text == connection.receive_all(server))
      writing:await()
      server:close()
    end)
  end)

  it("that times out tells how much was taken, and the rest may follow", function()
    support.run(function()
      local client, server = connection.narrow()
      local text = pattern(HIGH_WATER * 20 + 200000)
      client:set_timeout(0.01)
      local ok, message, code, taken = client:write(text)
      assert.is_nil(ok)
      assert.equal("ETIMEDOUT", code)
      assert.equal("write " .. client:peer() .. ": timed out", message)
      assert.is_true(taken > 0 and taken < #text)
      client:set_timeout(nil)
      local writing = kio.spawn(function() assert(client:write(text:sub(taken + 1))):close() end)
      assert.is_true(text == connection.receive_all(server))
      writing:await()
      server:close()
    end)
  end)

  it("that is cancelled raises; what was taken arrives, in order", function()
    support.run(function()
      local client, server = connection.narrow()
      local text = pattern(HIGH_WATER * 20 + 200000)
      local writing = kio.spawn(function() return client:write(text) end)
      connection.until_waiting(writing)
      writing:cancel()
      local ok, err = writing:join()
      assert.is_false(ok)
      assert.is_true(kio.is_cancelled(err))
      local closing = kio.spawn(function() return client:close() end)
      local data = connection.receive_all(server)
      assert.is_true(closing:await())
      assert.is_true(#data > 0 and data == text:sub(1, #data))
      server:close()
    end)
  end)
end)

describe("the error of a gathered send", function()
  -- A connection whose next send fails: the peer has reset it.
  local function broken()
    local client, server = connection.pair()
    client:send("unread")
    assert(kio.poll(server:fd(), "r"))
    server:close()
    assert(kio.poll(client:fd(), "h"))
    assert.equal("ECONNRESET", select(3, client:recv()))
    return client
  end

  it("is told by the next write, by every later one, and by close", function()
    support.run(function()
      local client = broken()
      assert.equal(client, client:write("into the void"))
      kio.yield()
      kio.yield()
      for _ = 1, 2 do
        local ok, message, code, taken = client:write("more")
        assert.is_nil(ok)
        assert.equal("EPIPE", code)
        assert.equal("write " .. client:peer() .. ": broken pipe", message)
        assert.equal(0, taken)
      end
      local fd = client:fd()
      local ok, message, code = client:close()
      assert.is_nil(ok)
      assert.equal("EPIPE", code)
      assert.equal("close " .. client:peer() .. ": broken pipe", message)
      assert.equal("EBADF", select(3, kio.getsockname(fd)))
      assert.is_true(client:close())
    end)
  end)

  it("is told by flush", function()
    support.run(function()
      local client = broken()
      client:write("into the void")
      local ok, message, code = client:flush()
      assert.is_nil(ok)
      assert.equal("EPIPE", code)
      assert.equal("flush " .. client:peer() .. ": broken pipe", message)
      client:close()
    end)
  end)

  it("is told by close alone", function()
    support.run(function()
      local client = broken()
      client:write("into the void")
      assert.equal("EPIPE", select(3, client:close()))
    end)
  end)

  it("is told by send itself, and by shutdown", function()
    support.run(function()
      local client = broken()
      assert.equal("EPIPE", select(3, client:send("into the void")))
      assert.equal("EPIPE", select(3, client:shutdown("write")))
      client:close()
    end)
  end)

  it("ends a writer that waits for room", function()
    support.run(function()
      local client, server = connection.narrow()
      local text = pattern(HIGH_WATER * 10 + 500000)
      local writing = kio.spawn(function() return client:write(text) end)
      connection.until_waiting(writing)
      server:close()
      local ok, _, code, taken = writing:await()
      assert.is_nil(ok)
      assert.is_true(code == "EPIPE" or code == "ECONNRESET")
      assert.is_true(taken > 0)
      client:close()
    end)
  end)

  it("does not touch what was received before", function()
    support.run(function()
      local client, server = connection.pair()
      server:send("still here")
      assert.equal("s", client:recv(1))
      client:send("unread")
      assert(kio.poll(server:fd(), "r"))
      server:close()
      assert(kio.poll(client:fd(), "h"))
      client:send("into the void")
      assert.equal("till here", connection.receive(client, 9))
      client:close()
    end)
  end)
end)

describe("send", function()
  it("returns when the kernel has taken every byte", function()
    if support.chunk then return pending("KIO_CHUNK: a send moves one byte") end
    support.run(function()
      local client, server = connection.pair()
      local before = sends()
      assert.equal(client, client:send("a", 1, { "b" }))
      assert.equal(before + 1, sends())
      assert.equal("a1b", kio.recv(server:fd(), 10, kio.const.MSG_DONTWAIT))
      connection.close(client, server)
    end)
  end)

  it("waits for a peer that does not read", function()
    support.run(function()
      local client, server = connection.narrow()
      connection.fill(client, pattern(HIGH_WATER))
      local sending = kio.spawn(function() return client:send("the end") end)
      connection.until_waiting(sending)
      kio.yield()
      assert.equal("waiting", sending:status())
      local reading = kio.spawn(connection.receive_all, server)
      assert.equal(client, sending:await())
      client:close()
      assert.equal("the end", reading:await():sub(-7))
      server:close()
    end)
  end)
end)

describe("flush", function()
  it("waits for the output to leave, or for its deadline", function()
    support.run(function()
      local client, server = connection.narrow()
      assert.equal(client, client:flush())
      local total = connection.fill(client, pattern(HIGH_WATER))
      local ok, message, code = client:flush { timeout = 0.01 }
      assert.is_nil(ok)
      assert.equal("ETIMEDOUT", code)
      assert.equal("flush " .. client:peer() .. ": timed out", message)
      local flushing = kio.spawn(function() return client:flush() end)
      local data = connection.receive(server, total)
      assert.equal(client, flushing:await())
      assert.equal(total, #data)
      support.expect_error("unknown option", client.flush, client, { tiemout = 1 })
      support.expect_error("negative", client.flush, client, { timeout = -1 })
      part(client, server)
    end)
  end)

  it("succeeds although another task is eager to write", function()
    support.run(function()
      local client, server = connection.pair()
      local flushing = kio.spawn(function() return client:write("x"):flush() end)
      -- Always ready, so it runs before the one that the end of output has woken.
      local eager = kio.spawn(function()
        while flushing:status() ~= "done" do
          pcall(client.write, client, "y")
          kio.yield()
        end
      end)
      assert.equal(client, (flushing:await()))
      eager:await()
      connection.close(client, server)
    end)
  end)
end)

describe("a second writer", function()
  it("raises while the first one waits, and its bytes stay together", function()
    support.run(function()
      local client, server = connection.narrow()
      local text = ("A"):rep(HIGH_WATER * 4 + 100000)
      local writing = kio.spawn(function() assert(client:write(text)) end)
      connection.until_waiting(writing)
      for _, method in ipairs { "write", "send" } do
        support.expect_error("another task is writing to this stream", client[method], client, "b")
      end
      support.expect_error("another task is writing", client.flush, client)
      support.expect_error("another task is writing", client.shutdown, client, "write")
      local reading = kio.spawn(connection.receive_all, server)
      while writing:status() ~= "done" do
        pcall(client.write, client, "b")
        kio.yield()
      end
      client:close()
      assert.matches("^A+b*$", reading:await())
      server:close()
    end)
  end)
end)

describe("shutdown", function()
  it("of writing lets the output leave first, then the peer sees the end", function()
    support.run(function()
      local client, server = connection.narrow()
      local text = pattern(HIGH_WATER * 3)
      local ending = kio.spawn(function()
        client:write(text)
        return client:shutdown("write")
      end)
      assert.is_true(text == connection.receive_all(server))
      assert.is_true(ending:await())
      server:write("still open"):shutdown("write")
      assert.equal("still open", connection.receive_all(client))
      assert.equal("EPIPE", select(3, client:send("more")))
      connection.close(client, server)
    end)
  end)

  it("of writing ends at the stream's deadline when the peer does not read", function()
    support.run(function()
      local client, server = connection.narrow()
      connection.fill(client, pattern(HIGH_WATER))
      client:set_timeout(0.01)
      local ok, message, code = client:shutdown("write")
      assert.is_nil(ok)
      assert.equal("ETIMEDOUT", code)
      assert.equal("shutdown " .. client:peer() .. ": timed out", message)
      client:close { timeout = 0 }
      server:close()
    end)
  end)

  it("of reading ends a recv under way; writing goes on", function()
    support.run(function()
      local client, server = connection.pair()
      local receiving = kio.spawn(function() return table.pack(client:recv()) end)
      connection.until_waiting(receiving)
      assert.is_true(client:shutdown("read"))
      assert.same({ n = 1 }, receiving:await())
      client:write("one way"):close()
      assert.equal("one way", connection.receive_all(server))
      server:close()
    end)
  end)

  it("of both is the default", function()
    support.run(function()
      local client, server = connection.pair()
      client:write("bye")
      assert.is_true(client:shutdown())
      assert.equal("bye", connection.receive_all(server))
      assert.is_nil(client:recv())
      assert.equal("EPIPE", select(3, client:send("x")))
      support.expect_error("invalid option", server.shutdown, server, "all")
      connection.close(client, server)
    end)
  end)
end)
