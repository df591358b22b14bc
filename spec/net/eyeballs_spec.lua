-- Connecting to the first of several addresses that answers (RFC 8305), on a clock that jumps. What
-- makes an attempt is a table of what each address does.
local eyeballs = require "kio.net.eyeballs"
local kio = require "kio"
local support = require "spec.support"

local V6, V4, OTHER = "[2001:db8::1]:80", "192.0.2.1:80", "192.0.2.2:80"
local DELAY = 0.25

-- A network: `hosts` maps addresses to { after = seconds, code = how it fails }, or to "nothing"
-- for one that never answers; what happens is written down.
local function network(hosts)
  local net = { begun = {}, ended = {}, open = {} }
  local start = kio.now()
  local function now() return math.floor((kio.now() - start) * 100 + 0.5) / 100 end
  function net.connect(address, options)
    local host = hosts[address]
    table.insert(net.begun, address .. " " .. now())
    local mark <close> = setmetatable({}, { __close = function()
      net.ended[address] = now()
    end })
    if host == "nothing" then
      kio.sleep(options.timeout or 1e6)
      return nil, "connect " .. address .. ": connection timed out", "ETIMEDOUT"
    end
    if host.stubborn then pcall(kio.sleep, host.after) else kio.sleep(host.after) end
    if host.code then return nil, "connect " .. address .. ": " .. host.code, host.code end
    net.open[address] = true
    assert(mark)
    return { address = address, close = function() net.open[address] = nil end }
  end
  function net.now() return now() end
  return net
end

local function connect(net, addresses, options)
  options = options or {}
  local due = options.timeout and kio.now() + options.timeout
  local stream, message, code =
    eyeballs.connect("name:80", addresses, options, options.delay or DELAY, due, net.connect)
  return stream and stream.address, message, code
end

local function run(f) return kio.testing.run(f, { timeout = 1e6 }) end

describe("connecting to several addresses", function()
  it("takes turns between the families, the first one first", function()
    assert.same({ "[a]:1", "b:1", "[c]:1", "d:1", "e:1" },
      eyeballs.interleave { "[a]:1", "[c]:1", "b:1", "d:1", "e:1" })
    assert.same({ "a:1", "[c]:1", "b:1" }, eyeballs.interleave { "a:1", "b:1", "[c]:1" })
    assert.same({ "a:1" }, eyeballs.interleave { "a:1" })
  end)

  it("goes on to IPv4 when IPv6 never answers", function()
    run(function()
      local net = network { [V6] = "nothing", [V4] = { after = 0.01 } }
      assert.equal(V4, (connect(net, { V6, V4 })))
      assert.same({ V6 .. " 0.0", V4 .. " 0.25" }, net.begun)
      assert.equal(0.26, net.now())
      assert.equal(0.26, net.ended[V6]) -- ended with it, and waited for
      assert.same({ [V4] = true }, net.open)
    end)
  end)

  it("begins no second attempt when the first is quick", function()
    run(function()
      local net = network { [V6] = { after = 0.24 }, [V4] = { after = 0 } }
      assert.equal(V6, (connect(net, { V6, V4 })))
      assert.equal(1, #net.begun)
    end)
  end)

  it("takes the second when it is faster, and cancels the first", function()
    run(function()
      local net = network { [V6] = { after = 1 }, [V4] = { after = 0.1 } }
      assert.equal(V4, (connect(net, { V6, V4 })))
      assert.equal(0.35, net.now())
      assert.same({ [V4] = true }, net.open)
    end)
  end)

  it("takes the first although the second has begun", function()
    run(function()
      local net = network { [V6] = { after = 0.3 }, [V4] = "nothing" }
      assert.equal(V6, (connect(net, { V6, V4 })))
      assert.equal(0.3, net.now())
      assert.same({ [V6] = true }, net.open)
    end)
  end)

  it("closes a connection that comes in spite of its cancel", function()
    run(function()
      local net = network { [V6] = { after = 10, stubborn = true }, [V4] = { after = 0 } }
      assert.equal(V4, (connect(net, { V6, V4 })))
      assert.same({ [V4] = true }, net.open)
      net = network { [V6] = { after = 0.3 }, [V4] = { after = 0.05 } } -- at the same moment
      assert.is_string((connect(net, { V6, V4 })))
      assert.is_nil(next(net.open, (next(net.open))))
    end)
  end)

  it("goes on at once after a failure, and tells of each when all fail", function()
    run(function()
      local refused = { after = 0, code = "ECONNREFUSED" }
      local net = network {
        [V6] = refused, [V4] = refused, [OTHER] = { after = 0.1, code = "EHOSTUNREACH" },
      }
      local stream, message, code = connect(net, { V6, V4, OTHER })
      assert.is_nil(stream)
      assert.equal("EHOSTUNREACH", code)
      assert.equal(("connect name:80: %s: ECONNREFUSED; %s: ECONNREFUSED; %s: EHOSTUNREACH")
        :format(V6, V4, OTHER), message)
      assert.equal(0.1, net.now())
    end)
  end)

  it("a failure while another attempt goes on starts the next at once", function()
    run(function()
      local net = network {
        [V6] = "nothing", [V4] = { after = 0.05, code = "ECONNREFUSED" },
        [OTHER] = { after = 0.01 },
      }
      assert.equal(OTHER, (connect(net, { V6, V4, OTHER })))
      assert.same({ V6 .. " 0.0", V4 .. " 0.25", OTHER .. " 0.3" }, net.begun)
    end)
  end)

  it("waits for the last attempts when there is no other address", function()
    run(function()
      local net = network { [V6] = { after = 20, code = "ETIMEDOUT" }, [V4] = { after = 30 } }
      assert.equal(V4, (connect(net, { V6, V4 })))
      assert.equal(30.25, net.now())
    end)
  end)

  it("begins all at once without a delay", function()
    run(function()
      local net = network { [V6] = { after = 1 }, [V4] = { after = 1 }, [OTHER] = { after = 0.5 } }
      assert.equal(OTHER, (connect(net, { V6, V4, OTHER }, { delay = 0 })))
      assert.equal(0.5, net.now())
    end)
  end)

  it("ends at its deadline, in the middle of it all", function()
    run(function()
      local net = network { [V6] = "nothing", [V4] = "nothing", [OTHER] = { after = 0 } }
      local stream, message, code = connect(net, { V6, V4, OTHER }, { timeout = 0.3 })
      assert.is_nil(stream)
      assert.equal("ETIMEDOUT", code)
      assert.equal(0.3, net.now())
      assert.equal(2, #net.begun)
      assert.matches("^connect name:80: .*connection timed out; .*connection timed out$", message)
    end)
  end)

  it("with a timeout of 0 tries each once", function()
    run(function()
      local net = network { [V6] = { after = 0, code = "ECONNREFUSED" }, [V4] = { after = 0 } }
      assert.equal(V4, (connect(net, { V6, V4 }, { timeout = 0 })))
    end)
  end)

  it("ends with its scope's deadline", function()
    run(function()
      local net = network { [V6] = "nothing", [V4] = "nothing" }
      assert.equal("ETIMEDOUT", select(3, kio.timeout(0.4, connect, net, { V6, V4 })))
      assert.equal(0.4, net.now())
      assert.equal(2, #net.begun)
    end)
  end)

  it("ends when its task is cancelled; a connection that comes all the same is closed", function()
    run(function()
      local net = network { [V6] = "nothing", [V4] = { after = 10, stubborn = true } }
      local task = kio.spawn(connect, net, { V6, V4 })
      kio.sleep(0.5)
      task:cancel()
      local ok, err = task:join()
      assert.is_false(ok)
      assert.is_true(kio.is_cancelled(err))
      assert.equal(0.5, net.now())
      assert.same({}, net.open)
    end)
  end)

  it("raises what an attempt raises", function()
    run(function()
      support.expect_error("broken", eyeballs.connect, "name:80", { V6, V4 }, {}, DELAY, nil,
        function() error "broken" end)
    end)
  end)
end)
