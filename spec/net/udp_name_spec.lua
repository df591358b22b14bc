-- Datagram sockets and names: connect, peers and bound addresses are looked up, send_to is not.
local kio = require "kio"
local core = require "kio.core"
local support = require "spec.support"

local lookup = core.own.net_lookup
after_each(function() core.own.net_lookup = lookup end)

-- Every name has these addresses; what was asked is kept.
local asked
local function answer(...)
  local list = table.pack(...)
  core.own.net_lookup = function(...)
    asked = table.pack(...)
    local out = {}
    for i, host in ipairs(list) do out[i] = host .. ":" .. asked[2] end
    return out
  end
end

-- Runs f(server, its port).
local function serving(f)
  support.run(function()
    local server <close> = assert(kio.net.udp "127.0.0.1:0")
    f(server, server:address():match "%d+$")
  end)
end

describe("a datagram socket", function()
  it("connects to the first address of a name that it can have", function()
    answer("[::1]", "127.0.0.1", "127.0.0.2")
    serving(function(server, port)
      local client <close> = assert(kio.net.udp "127.0.0.1:0")
      assert.equal(client, client:connect("example.org:" .. port, { timeout = 7 }))
      assert.equal("127.0.0.1:" .. port, client:peer())
      assert.same({ "example.org", port, "any", "datagram" }, { table.unpack(asked, 1, 4) })
      assert.equal(7, asked[5].timeout)
      client:send "x"
      assert.same({ "x", client:address() }, { server:receive_from() })
      assert.equal(client, client:connect(nil))
      assert.is_nil(client:peer())
    end)
  end)

  it("is made with a peer, or bound, by name", function()
    answer("127.0.0.3", "127.0.0.1")
    serving(function(server, port)
      local options = { peer = "example.org:" .. port, ttl = 9 }
      local client <close> = assert(kio.net.udp(nil, options))
      assert.equal("127.0.0.3:" .. port, client:peer())
      assert.equal(9, client:option "ttl")
      assert.equal("example.org:" .. port, options.peer)
      local bound <close> = assert(kio.net.udp("example.org:0", { peer = server:address() }))
      assert.matches("^127%.0%.0%.3:%d+$", bound:address())
      assert.equal(server:address(), bound:peer())
    end)
  end)

  it("of localhost needs nobody's answer", function()
    core.own.net_lookup = function() error "asked" end
    serving(function(_, port)
      local client <close> = assert(kio.net.udp(nil, { peer = "localhost:" .. port }))
      assert.equal("127.0.0.1:" .. port, client:peer())
      assert(client:connect("localhost:" .. port) and client:send_to("x", "localhost:" .. port))
    end)
  end)

  it("tells of a name that is not known, and of addresses that cannot be had", function()
    core.own.net_lookup = function(name)
      return nil, "resolve " .. name .. ": not known", "EAI_NONAME"
    end
    serving(function(server)
      local function fails(code, message, ...)
        assert.same({ n = 3, nil, message, code }, table.pack(...))
      end
      fails("EAI_NONAME", "connect no.example:1: not known", server:connect "no.example:1")
      fails("EAI_NONAME", "udp no.example:1: not known",
        kio.net.udp(nil, { peer = "no.example:1" }))
      fails("EAI_NONAME", "udp no.example:1: not known", kio.net.udp "no.example:1")
      answer("[::1]")
      assert.equal("EAFNOSUPPORT", select(3, server:connect "example.org:1"))
      assert.is_nil(server:peer())
    end)
  end)

  it("looks no name up for each message: send_to says who does", function()
    core.own.net_lookup = function() error "asked" end
    serving(function(server)
      local done, message, code = server:send_to("x", "example.org:1")
      assert.is_nil(done)
      assert.equal("EINVAL", code)
      assert.equal("send_to example.org:1: the host is a name, and must be numeric here: "
        .. "kio.net.resolve", message)
    end)
  end)
end)
