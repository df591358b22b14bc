-- Large strings are sent from where they lie: no copy, whatever becomes of them meanwhile, and what
-- is written before and behind them stays in its order.
-- flavours: test asan hostile
local kio = require "kio"
local support = require "spec.support"
local connection = require "spec.net.connection"

local MARK <const> = support.flavour == "hostile" and 46 or 65536
local LARGE <const> = support.flavour == "hostile" and 40 or 20000

-- Text in which every place is different from its neighbours', and no other reference to it.
local function pattern(size)
  local parts = {}
  for i = 1, size // 8 + 1 do parts[i] = ("%08x"):format(i) end
  return table.concat(parts):sub(1, size)
end

describe("a large string", function()
  it("takes no buffer of its own until it has left", function()
    support.run(function()
      local client, server = connection.pair()
      local before = kio.stats().buffers
      client:write(pattern(MARK))
      assert.equal(before, kio.stats().buffers)
      client:close()
      assert.is_true(pattern(MARK) == connection.receive_all(server))
      server:close()
    end)
  end)

  it("keeps its place among small ones", function()
    support.run(function()
      local client, server = connection.pair()
      local writing = kio.spawn(function()
        for i = 1, 20 do
          client:write(pattern(LARGE))
          if i % 2 == 0 then client:write("<", i, ">") end
          if i % 3 == 0 then client:write("", pattern(MARK * 3)):write "|" end
          if i % 5 == 0 then client:flush() end
        end
        client:close()
      end)
      local expected = {}
      for i = 1, 20 do
        expected[#expected + 1] = pattern(LARGE)
        if i % 2 == 0 then expected[#expected + 1] = "<" .. i .. ">" end
        if i % 3 == 0 then expected[#expected + 1] = pattern(MARK * 3) .. "|" end
      end
      assert.is_true(table.concat(expected) == connection.receive_all(server))
      writing:await()
      server:close()
    end)
  end)

  it("is alive until it has left, though nobody else has it", function()
    support.run(function()
      local client, server = connection.narrow()
      local writing = kio.spawn(function()
        for _ = 1, 10 do client:write(pattern(MARK)) end
        client:close()
      end)
      connection.until_waiting(writing)
      collectgarbage()
      collectgarbage()
      local other = {} -- other strings where it was, if it were gone
      for i = 1, 100 do other[i] = (" "):rep(MARK + i % 2) end
      assert.equal(100, #other)
      assert.is_true(pattern(MARK):rep(10) == connection.receive_all(server))
      writing:await()
      server:close()
    end)
  end)

  it("is let go when it has left, and when it will not", function()
    local function live()
      collectgarbage()
      collectgarbage()
      return collectgarbage "count" * 1024
    end
    support.run(function()
      local size <const> = MARK * 16
      local client, server = connection.narrow()
      local reading = kio.spawn(connection.receive_all, server)
      client:send(pattern(size))
      local before = live()
      client:write(pattern(MARK)):close()
      reading:await()
      server:close()
      for _ = 1, 10 do
        local sender, silent = connection.narrow()
        local writing = kio.spawn(function() return sender:write(pattern(size)) end)
        connection.until_waiting(writing)
        sender:set_timeout(0)
        sender:close()
        writing:await()
        silent:close()
      end
      assert.is_true(live() < before + size * 2)
    end)
  end)

  it("is copied when its stream goes to another thread before it has left", function()
    if support.chunk then return pending("KIO_CHUNK knows one thread") end
    support.run(function()
      local client, server = connection.pair()
      client:write(pattern(MARK))
      local sending = kio.thread.spawn(function(stream)
        stream:write(" and the end"):close()
      end, client)
      assert.is_true(pattern(MARK) .. " and the end" == connection.receive_all(server))
      sending:await()
      server:close()
    end, { threads = 2 })
  end)
end)
