-- Loops over a listener: the kernel goes on accepting while one waits for the next connection. No
-- connection is lost or leaked, and nobody is accepted whom no one expects. Both ways of accepting.
-- flavours: test asan hostile workers
local kio = require "kio"
local core = require "kio.core"
local support = require "spec.support"
local connection = require "spec.net.connection"

local LOCAL = "127.0.0.1:0"
local MANY = support.flavour == "test" and 300 or 40
local SEEDS = 10

local ways = {
  ["many at a time"] = {},
  ["one at a time"] = { multishot = false },
  ["many at a time, on a ring of one entry"] = { entries = 1, cq_entries = 2 },
  ["many at a time, polled"] = { busy_poll = 0.001 },
  ["many at a time, on the simulated ring"] = { backend = "sim", script = {} },
}
for seed = 1, SEEDS do
  ways["many at a time, on the simulated ring in order " .. seed] =
    { backend = "sim", script = { reorder = seed, full = 1 + seed % 3 } }
end

-- Connects `count` clients, which send their numbers; the numbers a loop got, sorted.
local function storm(listener, count)
  local got, tasks = {}, {}
  for i = 1, count do
    tasks[i] = kio.spawn(function()
      local stream = assert(kio.net.connect(listener:address()))
      assert(stream:send(string.pack("<I4", i)))
      assert(stream:read(1) == "!")
      stream:close()
    end)
  end
  for stream, peer in listener:accepts() do
    assert(peer == stream:peer())
    kio.spawn(function()
      local number = string.unpack("<I4", (stream:read(4)))
      got[#got + 1] = number
      stream:send("!")
      stream:close()
      if #got == count then listener:close() end
    end)
  end
  for _, task in ipairs(tasks) do task:await() end
  table.sort(got)
  return got
end

local function until_nothing_is_pending()
  local turns = 0
  while kio.stats().pending > 0 do
    kio.yield()
    turns = turns + 1
    assert(turns < 1000, "the kernel goes on accepting")
  end
end

local function numbers(count)
  local list = {}
  for i = 1, count do list[i] = i end
  return list
end

for name, way in pairs(ways) do
  describe("accepting " .. name, function()
    local function run(f)
      local options = {}
      for key, value in pairs(way) do options[key] = value end
      options.script = nil
      if way.script then core.sim(way.script) end
      return support.run(f, options)
    end

    it("gives every connection of a storm, once", function()
      run(function()
        local listener = assert(kio.net.listen(LOCAL))
        local count = way.script and 30 or MANY
        assert.same(numbers(count), storm(listener, count))
        local stats = kio.stats()
        local multishot = way.multishot == nil and not support.chunk
        if multishot then assert.is_true(stats.more > 0) else assert.equal(0, stats.more) end
      end)
    end)

    it("gives those that came all at once", function()
      run(function()
        local listener = assert(kio.net.listen(LOCAL))
        local clients, count = {}, 0
        for i = 1, 20 do clients[i] = assert(kio.net.connect(listener:address())) end
        for stream in listener:accepts() do
          count = count + 1
          stream:close()
          if count == 20 then listener:close() end
        end
        for _, client in ipairs(clients) do client:close() end
        assert.equal(20, count)
      end)
    end)

    it("ends while nobody waits for the next one", function()
      run(function()
        local listener <close> = assert(kio.net.listen(LOCAL))
        local first = assert(kio.net.connect(listener:address()))
        local stream = listener:accepts()()
        local accepts = kio.stats().ops.accept
        until_nothing_is_pending()
        local second = assert(kio.net.connect(listener:address()))
        for _ = 1, 5 do kio.yield() end
        assert.equal(accepts, kio.stats().ops.accept)
        second:send("still in the queue")
        local later = assert(listener:accept { timeout = 0.05 })
        assert.equal("still", later:read(5))
        connection.close(first, stream, second, later)
      end)
    end)

    it("leaves what no loop has taken to others, and closes what is left", function()
      run(function()
        local listener <close> = assert(kio.net.listen(LOCAL))
        local clients = {}
        for i = 1, 3 do clients[i] = assert(kio.net.connect(listener:address())) end
        local streams = { (listener:accepts()()) } -- others may have come with it
        until_nothing_is_pending()
        streams[#streams + 1] = assert(listener:accept { timeout = 0.05 })
        listener:close()
        for i = 1, 2 do streams[i]:close() end
        local ended = 0
        for _, client in ipairs(clients) do
          if not client:recv() then ended = ended + 1 end
          client:close()
        end
        assert.equal(3, ended)
      end)
    end)

    it("by several loops serves each connection once", function()
      run(function()
        local listener = assert(kio.net.listen(LOCAL))
        local count, loops = 0, {}
        for i = 1, 3 do
          loops[i] = kio.spawn(function()
            for stream in listener:accepts() do
              count = count + 1
              stream:close()
            end
          end)
        end
        for _ = 1, 30 do
          local client <close> = assert(kio.net.connect(listener:address()))
          assert.is_nil(client:recv())
        end
        listener:close()
        for _, loop in ipairs(loops) do loop:await() end
        assert.equal(30, count)
      end)
    end)

    it("races with cancellation without losing a connection or a descriptor", function()
      math.randomseed(1)
      run(function()
        local listener = assert(kio.net.listen(LOCAL))
        local taken, cancelled = 0, 0
        for _ = 1, MANY // 4 do
          local loop = kio.spawn(function()
            local stream = listener:accepts()()
            taken = taken + 1
            stream:close()
          end)
          local client
          local connecting = kio.spawn(function()
            client = assert(kio.net.connect(listener:address()))
          end)
          for _ = 1, math.random(0, 4) do kio.yield() end
          loop:cancel()
          if not loop:join() then cancelled = cancelled + 1 end
          connecting:await()
          client:close()
        end
        local left = 0
        while true do
          local stream = listener:accept { timeout = 0.05 }
          if not stream then break end
          left = left + 1
          stream:close()
        end
        listener:close()
        assert.equal(MANY // 4, taken + left)
        assert.is_true(cancelled > 0)
      end)
    end)

    if not (way.script and way.script.reorder) then -- else one try may come to nothing
      it("under a deadline of 0 takes what is there", function()
        run(function()
          local listener <close> = assert(kio.net.listen(LOCAL))
          local client <close> = assert(kio.net.connect(listener:address()))
          assert(kio.poll(listener:fd(), "r"))
          local next_one = listener:accepts()
          local stream = kio.timeout(0, next_one)
          assert.matches("kio.Stream", tostring(stream))
          assert.equal("ETIMEDOUT", select(3, kio.timeout(0, next_one)))
          stream:close()
          assert.equal(client:address(), stream:peer())
        end)
      end)
    end

    it("kio.cancel ends the wait with ECANCELED for all, and the next ones work", function()
      run(function()
        local listener <close> = assert(kio.net.listen(LOCAL))
        local loops = {}
        for i = 1, 2 do loops[i] = kio.spawn(core.own.listener_next, listener) end
        for _ = 1, 3 do kio.yield() end
        assert.is_true(kio.cancel(listener:fd()) >= 1)
        for _, loop in ipairs(loops) do assert.equal("ECANCELED", select(3, loop:await())) end
        local client <close> = assert(kio.net.connect(listener:address()))
        local stream <close> = assert(listener:accepts()())
        assert.equal(client:address(), stream:peer())
      end)
    end)
  end)
end

describe("a loop that accepts many", function()
  it("passes over a lack of descriptors and an aborted connection", function()
    core.sim { { op = "accept", nth = 1, result = "EMFILE" },
      { op = "accept", nth = 2, result = "ECONNABORTED" } }
    support.run(function()
      local listener <close> = assert(kio.net.listen(LOCAL))
      local client <close> = assert(kio.net.connect(listener:address()))
      local stream <close> = assert(listener:accepts()())
      assert.equal(client:address(), stream:peer())
      assert.equal(3, kio.stats().ops.accept)
    end, { backend = "sim" })
  end)

  it("gives connections that were reset in the queue, whose peer is not known any more", function()
    support.run(function()
      local listener <close> = assert(kio.net.listen(LOCAL))
      local gone = assert(kio.net.connect(listener:address(), { linger = 0 }))
      gone:close()
      local client = kio.spawn(function() return assert(kio.net.connect(listener:address())) end)
      local stream = listener:accepts()()
      if not support.chunk then assert.equal("unknown", stream:peer()) end -- else one at a time
      assert.equal("ECONNRESET", select(3, stream:recv()))
      stream:close()
      stream = listener:accepts()()
      assert.equal(client:await():address(), stream:peer())
      stream:close()
      client:await():close()
    end)
  end)

  it("outlives a run, and works in the next one", function()
    local listener
    for i = 1, 2 do
      support.run(function()
        listener = listener or assert(kio.net.listen(LOCAL))
        local looping = kio.spawn { function()
          for stream in listener:accepts() do stream:close() end
        end, daemon = true }
        local client <close> = assert(kio.net.connect(listener:address()))
        assert.is_nil(client:recv(), i)
        connection.until_waiting(looping)
      end)
    end
    listener:close()
  end)

  it("refuses what is no listener, and options of kio.run that are wrong", function()
    support.run(function()
      support.expect_error("kio.Listener expected", core.own.listener_next)
      support.expect_error("kio.Listener expected", core.own.listener_next, io.stdout)
      local closed = assert(kio.net.listen(LOCAL))
      closed:close()
      assert.equal("EBADF", select(3, core.own.listener_next(closed)))
    end)
    support.expect_error("'multishot' must be true or false", kio.run, print, { multishot = 1 })
  end)
end)
