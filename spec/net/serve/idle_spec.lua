-- idle_timeout: who keeps a server waiting and lets nothing move is put out; everybody else stays.
-- On a clock that jumps: the moments are exact.
local kio = require "kio"
local common = require "spec.net.serve.common"
local connection = require "spec.net.connection"

local run, start, client, ask = kio.testing.run, common.start, common.client, common.ask

local IDLE = 8
local LATE = IDLE / 8 + 0.5 -- how much later than promised a connection may end

-- A handler that tells how it ended, and when.
local function telling(ends, handler)
  return function(stream, peer)
    local began = kio.now()
    local mark <close> = setmetatable({}, { __close = function(_, err)
      ends[#ends + 1] = { after = kio.now() - began, cut = kio.is_cancelled(err), peer = peer }
    end })
    handler(stream)
    return mark
  end
end

local function one_ended(serving, listener, ends)
  listener:close()
  assert.same({ accepted = 1, failed = 0, idle = 1, cut = 0 }, serving:await())
  assert.equal(1, #ends)
  assert.is_true(ends[1].cut)
end

describe("idle_timeout", function()
  it("ends a connection whose peer writes nothing", function()
    run(function()
      local ends = {}
      local serving, listener, address = start(telling(ends, common.echo), { idle_timeout = IDLE })
      local stream <close> = client(address)
      assert.is_nil(stream:recv())
      one_ended(serving, listener, ends)
      assert.is_true(ends[1].after >= IDLE and ends[1].after <= IDLE + LATE, ends[1].after)
    end)
  end)

  it("counts from the last byte that moved", function()
    run(function()
      local ends = {}
      local serving, listener, address = start(telling(ends, common.echo), { idle_timeout = IDLE })
      local stream <close> = client(address)
      for i = 1, 5 do
        kio.sleep(IDLE * 0.9)
        assert.equal(tostring(i), ask(stream, i))
      end
      assert.is_nil(stream:recv())
      one_ended(serving, listener, ends)
      local expected = 5 * IDLE * 0.9 + IDLE
      assert.is_true(ends[1].after >= expected - 0.1 and ends[1].after <= expected + LATE,
        ends[1].after)
    end)
  end)

  it("counts single bytes of an unfinished line", function()
    run(function()
      local ends = {}
      local serving, listener, address = start(telling(ends, common.echo), { idle_timeout = IDLE })
      local stream <close> = client(address)
      for letter in ("slowly"):gmatch "." do
        stream:send(letter)
        kio.sleep(IDLE * 0.9)
      end
      assert.equal("slowly!", ask(stream, "!"))
      stream:close()
      listener:close()
      assert.same({ accepted = 1, failed = 0, idle = 0, cut = 0 }, serving:await())
    end)
  end)

  it("ends a connection whose peer reads nothing: its writer waits no longer", function()
    run(function()
      local ends = {}
      local serving, listener = start(telling(ends, function(stream)
        while stream:write(("x"):rep(10000)) do end
      end), { idle_timeout = IDLE }, connection.abstract_name())
      local stream <close> = client(listener:address())
      kio.sleep(3 * IDLE)
      one_ended(serving, listener, ends)
      assert.is_true(#connection.receive_all(stream) > 0)
    end)
  end)

  it("ends a connection whose peer reads nothing of a file", function()
    local path = os.tmpname()
    run(function()
      assert(kio.fs.write_file(path, ("x"):rep(1 << 20)))
      local ends = {}
      local serving, listener = start(telling(ends, function(stream)
        local file <close> = assert(kio.fs.open(path))
        stream:send_file(file)
      end), { idle_timeout = IDLE }, connection.abstract_name())
      local stream <close> = client(listener:address())
      kio.sleep(3 * IDLE)
      one_ended(serving, listener, ends)
      assert.is_true(#connection.receive_all(stream) > 0)
    end)
    os.remove(path)
  end)

  it("ends the closing of a connection whose peer reads nothing", function()
    run(function()
      local serving, listener = start(function(stream)
        connection.fill(stream, ("x"):rep(4096))
      end, { idle_timeout = IDLE }, connection.abstract_name())
      local stream <close> = client(listener:address())
      kio.sleep(3 * IDLE)
      listener:close()
      assert.same({ accepted = 1, failed = 0, idle = 1, cut = 0 }, serving:await())
      assert.is_true(#connection.receive_all(stream) > 0)
    end)
  end)

  it("leaves a handler alone that does something else", function()
    run(function()
      local serving, listener, address = start(function(stream)
        stream:read "l"
        kio.sleep(5 * IDLE)
        stream:write "thought about it\n"
      end, { idle_timeout = IDLE })
      local stream <close> = client(address)
      assert.equal("thought about it", ask(stream, "?"))
      listener:close()
      assert.equal(0, serving:await().idle)
    end)
  end)

  it("ends those that are idle, and no others", function()
    run(function()
      local ends = {}
      local serving, listener, address = start(telling(ends, common.echo), { idle_timeout = IDLE })
      local idle, lively = {}, {}
      for i = 1, 5 do idle[i], lively[i] = client(address), client(address) end
      for round = 1, 10 do
        for i = 1, 5 do assert.equal(tostring(round), ask(lively[i], round)) end
        kio.sleep(IDLE / 4)
      end
      local addresses = {}
      for i = 1, 5 do
        assert.is_nil(idle[i]:recv())
        addresses[idle[i]:address()] = true
      end
      assert.equal(5, #ends)
      for i = 1, 5 do assert.is_true(addresses[ends[i].peer]) end
      connection.close(table.unpack(lively))
      connection.close(table.unpack(idle))
      listener:close()
      assert.same({ accepted = 10, failed = 0, idle = 5, cut = 0 }, serving:await())
    end)
  end)
end)
