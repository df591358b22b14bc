-- What a misused call says, and how a failed one is named: alike for all kinds of sockets.
local kio = require "kio"
local support = require "spec.support"

-- Runs f(near, far), the two ends of a connection.
local function connected(f)
  support.run(function()
    local listener <close> = assert(kio.net.listen "127.0.0.1:0")
    local near <close> = assert(kio.net.connect(listener:address()))
    local far <close> = assert(listener:accept())
    f(near, far)
  end)
end

local function raises(pattern, f)
  local ok, message = pcall(f)
  assert.is_false(ok)
  assert.matches(pattern, message, 1, true)
end

describe("a failed call of a stream", function()
  it("is named as it was called", function()
    connected(function(near)
      near:close()
      for _, call in ipairs { "read", "peek", "recv", "write", "send", "flush", "shutdown" } do
        local value, message, code = near[call](near)
        assert.is_nil(value)
        assert.equal("EBADF", code)
        assert.matches("^" .. call .. " 127%.0%.0%.1:%d+: the stream is closed$", message)
      end
      local message = select(2, near:read_until "x")
      assert.matches("^read_until 127", message)
      assert.matches("^send_fds 127", (select(2, near:send_fds("x", {}))))
    end)
  end)

  it("that waits is, too", function()
    connected(function(near, far)
      near:set_timeout(0)
      assert.matches("^peek .*timed out$", (select(2, near:peek())))
      far:close()
      near:set_timeout(nil)
      local text = ("x"):rep(1 << 16)
      local sent, message
      repeat sent, message = near:send(text) until not sent
      assert.matches("^send 127", message)
    end)
  end)
end)

describe("a table that is no list of strings", function()
  it("is refused by write and send: they have no options", function()
    connected(function(near, far)
      for _, call in ipairs { "write", "send" } do
        raises("they take no options", function() near[call](near, "x", { timeout = 1 }) end)
        raises("they take no options", function() near[call](near, { timeout = 1 }) end)
        assert(near[call](near, {}))
      end
      assert(near:send { "a", 1, 2.5 })
      assert.equal("a12.5", far:read(5))
    end)
  end)
end)

describe("a limit", function()
  it("that makes no sense is called by its name", function()
    connected(function(near)
      for _, max in ipairs { -1, 1.5, "x", false } do
        raises("option 'max' must be", function() near:read("l", { max = max }) end)
        raises("option 'max' must be", function() near:read_until("x", { max = max }) end)
      end
    end)
  end)

  it("of listen is a whole number", function()
    raises("option 'backlog' must be an integer", function()
      kio.net.listen("127.0.0.1:0", { backlog = 1.5 })
    end)
  end)
end)

describe("a datagram", function()
  it("is made of what a stream writes", function()
    support.run(function()
      local socket <close> = assert(kio.net.udp "127.0.0.1:0")
      local own = socket:address()
      local buffer = kio.buffer "buffer"
      for sent, got in pairs { [12] = "12", [buffer] = "buffer", [buffer:slice(2, 3)] = "uf" } do
        assert(socket:send_to(sent, own))
        assert.equal(got, socket:receive())
      end
      assert(socket:send_to({ "a", 1, 2.5, buffer }, own))
      assert.equal("a12.5buffer", socket:receive())
      assert(socket:connect(own))
      assert(socket:send(7))
      assert.equal("7", socket:receive())
      raises("a list of strings expected", function() socket:send { {} } end)
      buffer:close()
      raises("closed buffer", function() socket:send(buffer) end)
    end)
  end)
end)

describe("who is at the other end", function()
  it("is told with the socket's number, or that it is closed", function()
    connected(function(near)
      local fd = near:fd()
      assert.same({ nil, ("credentials fd %d: operation not supported"):format(fd), "EOPNOTSUPP" },
        { near:credentials() })
      near:close()
      assert.same({ nil, "credentials: the socket is closed", "EBADF" }, { near:credentials() })
    end)
  end)
end)

describe("the service manager", function()
  it("is told nothing but strings", function()
    raises("bad argument #1 to 'notify' (a string expected, got nil)", kio.net.notify)
  end)
end)

describe("a descriptor", function()
  it("is asked for by the function that takes it", function()
    for _, name in ipairs { "listener", "stream", "datagram" } do
      for _, wrong in ipairs { -1, 0.5, "x", {} } do
        raises("bad argument #1 to '" .. name .. "' (a descriptor expected", function()
          kio.net[name](wrong)
        end)
      end
    end
    raises("bad argument #1 to 'stream' (a descriptor expected", function() kio.stream() end)
  end)
end)

describe("a function for another thread", function()
  it("must be there", function()
    support.run(function()
      raises("bad argument #1 to 'spawn_blocking'", function() kio.spawn_blocking() end)
      raises("bad argument #1 to 'spawn'", function() kio.thread.spawn() end)
    end)
  end)
end)
