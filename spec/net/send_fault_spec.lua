-- Whichever send of gathered output fails, and however short the others are: what the peer gets is
-- a beginning of what was written, and when it is not all somebody is told.
-- flavours: test asan hostile workers
local kio = require "kio"
local connection = require "spec.net.connection"

local MESSAGES = 12

local function message(i) return ("%04d"):format(i):rep(8) end

-- Writes over several turns, then flushes and closes; the errors that were told on the way.
local function write_all(stream)
  local codes = {}
  local function note(ok, _, code)
    if not ok then codes[#codes + 1] = code end
  end
  for i = 1, MESSAGES do
    note(stream:write(message(i)))
    if i % 3 == 0 then kio.yield() end
  end
  note(stream:flush())
  note(stream:close())
  return codes
end

local function run(nth, short)
  local faults, codes, got
  kio.testing.run(function()
    local writer, reader = connection.pair()
    faults = kio.testing.faults {
      { op = "send", nth = nth, error = "ECONNABORTED" }, { op = "send", short = short },
    }
    local reading = kio.spawn(function()
      local parts = {}
      for part in function() return reader:recv() end do parts[#parts + 1] = part end
      reader:close()
      return table.concat(parts)
    end)
    codes = write_all(writer)
    got = reading:await()
  end)
  return faults:hits(1), codes, got
end

describe("a send that fails", function()
  for _, short in ipairs { 5, 1000 } do
    it("is told, whichever it is; sends move at most " .. short .. " bytes", function()
      local whole = {}
      for i = 1, MESSAGES do whole[i] = message(i) end
      whole = table.concat(whole)
      local nth = 0
      local hits, codes, got
      repeat
        nth = nth + 1
        hits, codes, got = run(nth, short)
        assert.equal(whole:sub(1, #got), got)
        if hits > 0 then
          assert.is_true(#got < #whole, "the failed send has sent")
          assert.is_true(#codes > 0, "nobody was told of send " .. nth)
          for _, code in ipairs(codes) do assert.equal("ECONNABORTED", code) end
        end
      until hits == 0
      assert.equal(whole, got)
      assert.same({}, codes)
      assert.is_true(nth > (short == 5 and 20 or 1), nth)
    end)
  end
end)
