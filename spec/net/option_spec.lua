-- Socket options by name: set and asked for one by one, and given to connect and listen.
local kio = require "kio"
local support = require "spec.support"
local connection = require "spec.net.connection"

-- name -> a value that is not the default, and what the kernel then says
local TCP = {
  nodelay = { false, false },
  quickack = { false, false },
  keepalive = { 40, 40 },
  keepalive_interval = { 7, 7 },
  keepalive_count = { 3, 3 },
  user_timeout = { 1.5, 1.5 },
  linger = { 0, 0 },
  unsent_limit = { 16384, 16384 },
  send_buffer = { 8192, 16384 }, -- socket(7): the kernel doubles it
  receive_buffer = { 8192, 16384 },
  tos = { 16, 16 },
  ttl = { 7, 7 },
  priority = { 3, 3 },
}

-- Those that an accepted connection has from its listener.
local INHERITED = {
  "nodelay", "keepalive", "keepalive_interval", "keepalive_count", "user_timeout", "linger",
  "unsent_limit", "send_buffer", "receive_buffer", "ttl",
}

local function all_values()
  local options = {}
  for name, values in pairs(TCP) do options[name] = values[1] end
  return options
end

describe("option", function()
  it("sets and tells each option of a TCP connection", function()
    support.run(function()
      local client, server = connection.pair()
      for name, values in pairs(TCP) do
        assert.not_equal(values[2], client:option(name), name)
        assert.equal(client, client:option(name, values[1]))
        assert.equal(values[2], client:option(name), name)
      end
      connection.close(client, server)
    end)
  end)

  it("tells 'off' as false, and takes it back", function()
    support.run(function()
      local client, server = connection.pair()
      assert.is_false(client:option("keepalive"))
      assert.is_false(client:option("linger"))
      assert.is_false(client:option("keepalive", 9):option("keepalive", false):option("keepalive"))
      assert.is_false(client:option("keepalive", 9):option("keepalive", 0):option("keepalive"))
      assert.is_false(client:option("linger", 0):option("linger", false):option("linger"))
      assert.equal(0, client:option("user_timeout"))
      connection.close(client, server)
    end)
  end)

  it("linger = 0 resets the connection at close", function()
    support.run(function()
      local client, server = connection.pair { connect = { linger = 0 } }
      client:close()
      assert.equal("ECONNRESET", select(3, server:recv()))
      server:close()
    end)
  end)

  it("is given to connect", function()
    support.run(function()
      local client, server = connection.pair { connect = all_values() }
      for name, values in pairs(TCP) do
        if name ~= "quickack" then -- tcp(7): not permanent
          assert.equal(values[2], client:option(name), name)
        end
      end
      connection.close(client, server)
    end)
  end)

  it("is given to listen, and inherited by accepted connections", function()
    support.run(function()
      local client, server = connection.pair { listen = all_values() }
      for _, name in ipairs(INHERITED) do
        assert.equal(TCP[name][2], server:option(name), name)
      end
      connection.close(client, server)
    end)
  end)

  it("belongs to listeners, too", function()
    local options = { defer_accept = 2, fastopen = 5, max_segment = 1000, reuseport = true }
    local listener <close> = assert(kio.net.listen("127.0.0.1:0", options))
    assert.is_true(listener:option("defer_accept") >= 2) -- in steps of the kernel's retries
    assert.equal(5, listener:option("fastopen"))
    assert.is_true(listener:option("reuseport"))
    assert.is_true(listener:option("reuseaddr"))
    assert.equal(1000, listener:option("max_segment"))
    assert.equal(listener, listener:option("ttl", 9))
    assert.equal(9, listener:option("ttl"))
  end)

  it("defer_accept keeps a connection back until it has sent something", function()
    support.run(function()
      local listener <close> = assert(kio.net.listen("127.0.0.1:0", { defer_accept = 30 }))
      local client <close> = assert(kio.net.connect(listener:address()))
      assert.equal("ETIMEDOUT", select(3, listener:accept { timeout = 0.02 }))
      client:write("x")
      local server <close> = assert(listener:accept())
      assert.equal("x", server:recv())
    end)
  end)

  it("means both protocols on an IPv6 socket", function()
    if not io.open("/proc/net/if_inet6") then pending("this machine has no IPv6") end
    support.run(function()
      local client, server = connection.pair { address = "[::1]:0", connect = { ttl = 7, tos = 8 } }
      assert.equal(7, client:option("ttl"))
      assert.equal(8, client:option("tos"))
      assert.is_false(client:option("v6only"))
      connection.close(client, server)
    end)
  end)

  it("of TCP is passed over where the address is a Unix name", function()
    support.run(function()
      local how = { address = connection.abstract_name(), connect = all_values(),
        listen = all_values() }
      local client, server = connection.pair(how)
      assert.equal(16384, client:option("send_buffer"))
      assert.equal("EOPNOTSUPP", select(3, client:option("nodelay")))
      assert.matches("^option nodelay: ", select(2, client:option("nodelay", true)))
      connection.close(client, server)
    end)
  end)

  it("of a closed socket is EBADF", function()
    local listener = assert(kio.net.listen("127.0.0.1:0"))
    listener:close()
    assert.equal("EBADF", select(3, listener:option("ttl")))
    assert.equal("EBADF", select(3, listener:option("ttl", 5)))
  end)

  it("tells what the kernel refuses", function()
    local listener <close> = assert(kio.net.listen("127.0.0.1:0"))
    local _, message, code = listener:option("ttl", 0) -- ip(7): 1 to 255
    assert.equal("EINVAL", code)
    assert.matches("^option ttl: ", message)
  end)

  it("raises on names and values that make no sense", function()
    local listener <close> = assert(kio.net.listen("127.0.0.1:0"))
    local function refuses(pattern, ...) support.expect_error(pattern, listener.option, ...) end
    refuses("unknown option 'no_delay'", listener, "no_delay")
    refuses("unknown option 'no_delay'", listener, "no_delay", true)
    refuses("string expected", listener)
    refuses("'nodelay' must be true or false", listener, "nodelay", 1)
    refuses("'nodelay' must be true or false", listener, "nodelay", nil)
    refuses("'ttl' must be a number", listener, "ttl", "9")
    refuses("'ttl' is out of range", listener, "ttl", 256)
    refuses("'ttl' is out of range", listener, "ttl", -1)
    refuses("'ttl' is out of range", listener, "ttl", 0 / 0)
    refuses("'user_timeout' is out of range", listener, "user_timeout", 1 << 40)
    refuses("'linger' must be false, or 0", listener, "linger", 5)
    refuses("'linger' must be false, or 0", listener, "linger", true)
    refuses("'multicast_interface' must be", listener, "multicast_interface", {})
    refuses("cannot be negative", listener, "multicast_interface", -1)
    refuses("too many arguments", listener, "ttl", 5, 6)
    refuses("descriptor or handle expected", "listener", "ttl", 5)
    refuses("descriptor or handle expected", {}, "ttl", 5)
    for _, name in ipairs { "broadcast", "multicast_ttl", "defer_accept" } do
      support.expect_error("unknown option '" .. name .. "'", support.run, function()
        kio.net.connect("127.0.0.1:1", { [name] = 1 })
      end)
    end
  end)
end)

describe("credentials", function()
  it("tell who is at the other end of a Unix connection", function()
    support.run(function()
      local client, server = connection.pair { address = connection.abstract_name() }
      local pid = tonumber(io.open("/proc/self/stat"):read("a"):match("^%d+"))
      for _, stream in ipairs { client, server } do
        local who = stream:credentials()
        assert.equal(pid, who.pid)
        assert.is_true(who.uid >= 0 and who.gid >= 0)
      end
      connection.close(client, server)
      local _, message, code = client:credentials()
      assert.equal("EBADF", code)
      assert.matches("^credentials: the socket is closed$", message)
    end)
  end)

  it("do not exist over TCP", function()
    support.run(function()
      local client, server = connection.pair()
      local who, message, code = client:credentials()
      assert.is_nil(who)
      assert.matches("^credentials fd %d+: ", message)
      assert.equal("EOPNOTSUPP", code)
      connection.close(client, server)
    end)
  end)
end)
