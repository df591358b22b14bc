-- Buffers that the ring lends when bytes arrive: an idle connection holds none, and when thousands
-- receive at once nobody starves and memory stays bounded.
-- With one thread ThreadSanitizer would only take its time:
-- flavours: test asan hostile workers
local kio = require "kio"
local core = require "kio.core"
local support = require "spec.support"
local connection = require "spec.net.connection"

local HOSTILE = support.flavour == "hostile"
local BUFFER = HOSTILE and 23 or 4096 -- KIO_BUFFER_MIN
local RECEIVE <const> = HOSTILE and 92 or 65536 -- KIO_RECEIVE_MAX
local MANY = HOSTILE and 40 or 300

-- Rings that lend in ways of their own. To poll first is what a kernel without buffer rings does.
local ways = {
  ["the kernel's ring"] = {},
  ["a ring of one buffer"] = { lend_buffers = 1 },
  ["a ring of two buffers"] = { lend_buffers = 2 },
  ["a ring that polls first"] = { lend_buffers = 0 },
  ["the simulated ring"] = { backend = "sim" },
}

local function pairs_of_streams(count)
  local near, far = {}, {}
  for i = 1, count do far[i], near[i] = connection.pair() end
  return near, far
end

local function close_all(near, far)
  for i = 1, #near do connection.close(far[i], near[i]) end
end

-- A message that no other one equals.
local function message(i)
  return string.pack("<I4", i) .. ("%05d"):format(i):rep(i % 7)
end

-- Calls f where Lua cannot yield, so that the loop does not turn however long it takes.
local function in_one_turn(f) ("x"):gsub("x", function() f() end) end

for name, options in pairs(ways) do
  describe("on " .. name, function()
    local function run(f)
      if options.backend == "sim" then core.sim({}) end
      return support.run(f, options)
    end

    it("streams that wait for their first byte hold no buffer", function()
      run(function()
        local near, far = pairs_of_streams(10)
        local readers = {}
        for i, stream in ipairs(near) do
          readers[i] = kio.spawn(function() return connection.receive(stream, 4) end)
          connection.until_waiting(readers[i])
        end
        assert.equal(0, kio.stats().buffers)
        for i, stream in ipairs(far) do stream:send(("%04d"):format(i)) end
        for i, reader in ipairs(readers) do assert.equal(("%04d"):format(i), reader:await()) end
        assert.equal(0, kio.stats().buffers)
        close_all(near, far)
      end)
    end)

    it("nobody starves when all receive at once, and few buffers are in use", function()
      run(function()
        local near, far = pairs_of_streams(MANY)
        local readers, most = {}, 0
        for i, stream in ipairs(near) do
          readers[i] = kio.spawn(function()
            local got = stream:read(#message(i))
            most = math.max(most, kio.stats().buffers)
            return got
          end)
        end
        for _ = 1, 3 do kio.yield() end
        in_one_turn(function()
          for i, stream in ipairs(far) do stream:write(message(i)) end
        end)
        for i, reader in ipairs(readers) do assert.equal(message(i), reader:await()) end
        if options.lend_buffers and options.lend_buffers > 0 and not HOSTILE then
          assert.is_true(kio.stats().starved > 0, "nobody had to wait")
          assert.is_true(most <= options.lend_buffers, most .. " buffers in use")
        end
        assert.equal(0, kio.stats().buffers)
        close_all(near, far)
      end)
    end)

    it("a timeout of 0 takes what is there, however many do it", function()
      run(function()
        local near, far = pairs_of_streams(MANY // 4)
        for i, stream in ipairs(far) do stream:send(message(i)) end
        for _, stream in ipairs(near) do assert(kio.poll(stream:fd(), "r")) end
        local readers = {}
        for i, stream in ipairs(near) do
          readers[i] = kio.spawn(function() return stream:recv(1, { timeout = 0 }) end)
        end
        for i, reader in ipairs(readers) do assert.equal(message(i):sub(1, 1), reader:await()) end
        close_all(near, far)
      end)
    end)

    it("receives end early by cancellation and close, and no byte is lost", function()
      run(function()
        local near, far = pairs_of_streams(MANY // 4)
        local readers = {}
        for i, stream in ipairs(near) do
          readers[i] = kio.spawn(function() return stream:read(1) end)
        end
        for _ = 1, 3 do kio.yield() end
        for i, stream in ipairs(far) do stream:write(message(i)) end
        for _ = 1, math.random(0, 2) do kio.yield() end
        for i = 1, #readers, 2 do readers[i]:cancel() end
        for i, reader in ipairs(readers) do
          local got, data = reader:join()
          data = got and data or ""
          assert.equal(message(i), data .. near[i]:read(#message(i) - #data))
        end
        local closed = kio.spawn(function() return near[1]:recv() end)
        connection.until_waiting(closed)
        near[1]:close()
        assert.equal("EBADF", select(3, closed:await()))
        close_all(near, far)
      end)
    end)

    it("a reader that is slow delays nobody, and holds one buffer", function()
      run(function()
        local near, far = pairs_of_streams(4)
        for i = 1, 3 do
          far[i]:send("xy")
          assert.equal("xy", near[i]:peek(2))
          assert.equal("x", near[i]:read(1)) -- "y" stays in its buffer
        end
        assert.equal(3, kio.stats().buffers)
        far[4]:send("free")
        assert.equal("free", near[4]:read(4))
        assert.equal(3, kio.stats().buffers)
        for i = 1, 3 do assert.equal("y", near[i]:read(1)) end
        assert.equal(0, kio.stats().buffers)
        close_all(near, far)
      end)
    end)

    it("a busy stream goes on with larger buffers of its own", function()
      run(function()
        local near, far = pairs_of_streams(1)
        local data = ("0123456789abcdef"):rep(HOSTILE and 500 or 100000)
        local writing = kio.spawn(function()
          far[1]:send(data)
          far[1]:shutdown("write")
        end)
        local parts, largest = {}, 0
        for part in function() return near[1]:recv() end do
          parts[#parts + 1] = part
          largest = math.max(largest, #part)
        end
        assert.is_true(table.concat(parts) == data)
        local bound = options.backend == "sim" or support.chunk
        if not bound then assert.is_true(largest > BUFFER, largest .. " bytes") end
        writing:await()
        close_all(near, far)
      end)
    end)
  end)
end

describe("a flood", function()
  it("from one peer holds no more than one buffer while it is not read", function()
    support.run(function()
      local client, server = connection.narrow()
      connection.fill(client, ("x"):rep(HOSTILE and 46 or 65536))
      assert.equal("x", server:read(1))
      for _ = 1, 10 do kio.yield() end
      -- one of the reader's, what the writer has gathered, and what a filter cannot decode yet
      local most = os.getenv "KIO_FILTER" and 4 or 3
      assert.is_true(kio.stats().buffers <= most, kio.stats().buffers .. " buffers")
      connection.close(server, client)
    end)
  end)

  it("comes in pieces that stay in the processor's cache", function()
    support.run(function()
      local client, server = connection.pair()
      local writer = kio.spawn(function()
        client:write(("x"):rep(2000 * BUFFER))
        client:close()
      end)
      local most, total = 0, 0
      repeat
        local data = server:recv()
        most, total = math.max(most, data and #data or 0), total + (data and #data or 0)
      until not data
      writer:await()
      server:close()
      assert.equal(2000 * BUFFER, total)
      assert.is_true(most <= RECEIVE, most)
    end)
  end)
end)

describe("lend_buffers", function()
  it("is a whole number from 0 to 32768", function()
    local function run_with(value)
      return function() kio.run(function() end, { lend_buffers = value }) end
    end
    support.expect_error("must be from 0 to 32768", run_with(-1))
    support.expect_error("must be from 0 to 32768", run_with(32769))
    support.expect_error("must be an integer", run_with(1.5))
    support.expect_error("must be an integer", run_with("many"))
    run_with(32768)()
  end)
end)
