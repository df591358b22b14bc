-- Addresses as text (F6): what is accepted comes back the same; what is not is an error with its
-- text in it, never a silent 0.0.0.0.
local kio = require "kio"
local support = require "spec.support"
local connection = require "spec.net.connection"

-- Random texts may be names: nobody is asked for them.
local core = require "kio.core"
local real_lookup = core.own.net_lookup
before_each(function()
  core.own.net_lookup = function(name)
    return nil, "resolve " .. name .. ": unknown", "EAI_NONAME"
  end
end)
after_each(function() core.own.net_lookup = real_lookup end)

-- Text, and what must be said about it.
local BAD = {
  { "", "the address is empty" },
  { "1.2.3", "the port is missing" },
  { "1.2.3.4", "the port is missing" },
  { "1.2.3:80", "the host must be" },
  { "1.2.3.4.5:80", "the host must be" },
  { "1.2.3.256:80", "the host must be" },
  { "01.2.3.4:80", "the host must be" },
  { "0x7f.0.0.1:80", "the host must be" },
  { "127.1:80", "the host must be" },
  { " 127.0.0.1:80", "the host must be" },
  { "127.0.0.1 :80", "the host must be" },
  { "bad name.org:80", "the host must be" },
  { "*:80", "the host must be" },
  { "localhost", "the port is missing" },
  { ":80", "the host is missing" },
  { "[]:80", "the host is missing" },
  { ":", "the port must be a number" },
  { "1.2.3.4:", "the port must be a number" },
  { "1.2.3.4:x", "the port must be a number" },
  { "1.2.3.4:80x", "the port must be a number" },
  { "1.2.3.4: 80", "the port must be a number" },
  { "1.2.3.4:+80", "the port must be a number" },
  { "1.2.3.4:-1", "the port must be a number" },
  { "1.2.3.4:65536", "the port must be a number" },
  { "1.2.3.4:70000", "the port must be a number" },
  { "1.2.3.4:18446744073709551696", "the port must be a number" },
  { "::1:80", "brackets" },
  { "1:2:80", "brackets" },
  { "[::1]", "the port" },
  { "[::1]80", "the port" },
  { "[::1:80", "the host must be" },
  { "::1]:80", "brackets" },
  { "[zz]:1", "not an IPv6 address" },
  { "[1.2.3.4]:1", "not an IPv6 address" },
  { "[localhost]:1", "not an IPv6 address" },
  { "[::1::]:1", "not an IPv6 address" },
  { "[::1%]:1", "the scope" },
  { "[::1%lo]:1", "the scope" },
  { "[::1%-1]:1", "the scope" },
  { "[::1%4294967296]:1", "the scope" },
  { "[" .. ("0"):rep(100) .. "::1]:1", "not a host address" },
  { "127.0.0.1\0:80", "not a host address" },
  { "127.0.0.1:80\0", "the port must be a number" },
  { "[::1\0]:80", "not a host address" },
  { "unix:", "the path is empty" },
  { "unix:/a\0b", "zero byte" },
  { "unix:/" .. ("x"):rep(107), "longer than 107 bytes" },
  { "unix:@" .. ("x"):rep(108), "longer than 107 bytes" },
}

local function visible(text) return text:match("^[^%z]*") end

local function check_refused(operation, text, why, result, message, code)
  assert.is_nil(result, ("%s %q gave %s"):format(operation, text, result))
  assert.equal("EINVAL", code)
  local start = operation .. " " .. visible(text)
  assert.equal(start, message:sub(1, #start))
  assert.truthy(message:find(why, 1, true), ("%q is not about %q"):format(message, why))
end

describe("a bad address", function()
  it("is refused by listen, connect, and the raw operations, each naming it", function()
    support.run(function()
      local fd, udp = assert(kio.socket("tcp4")), assert(kio.socket("udp4"))
      for _, case in ipairs(BAD) do
        local text, why = case[1], case[2]
        check_refused("listen", text, why, kio.net.listen(text))
        check_refused("connect", text, why, kio.net.connect(text))
        check_refused("connect", text, why, kio.connect(fd, text))
        check_refused("bind", text, why, kio.bind(fd, text))
        check_refused("sendmsg", text, why, kio.sendmsg(udp, "x", { to = text }))
      end
      assert.equal("0.0.0.0:0", kio.getsockname(fd)) -- still unbound
      connection.close(fd, udp)
    end)
  end)

  it("is a name where nobody looks names up", function()
    support.run(function()
      local fd, udp = assert(kio.socket("tcp4")), assert(kio.socket("udp4"))
      local name = "example.org:80"
      check_refused("connect", name, "the host is a name", kio.connect(fd, name))
      check_refused("bind", name, "the host is a name", kio.bind(fd, name))
      check_refused("sendmsg", name, "the host is a name", kio.sendmsg(udp, "x", { to = name }))
      connection.close(fd, udp)
    end)
  end)

  it("of a wrong type raises", function()
    support.run(function()
      local fd = assert(kio.socket("tcp4"))
      local calls = {
        kio.net.listen, kio.net.connect,
        function(address) return kio.connect(fd, address) end,
        function(address) return kio.bind(fd, address) end,
      }
      for _, call in ipairs(calls) do
        support.expect_error("string expected", call)
        support.expect_error("string expected", call, {})
        support.expect_error("string expected", call, true)
      end
      support.expect_error("string expected", kio.net.listen, 80)
      support.expect_error("string expected", kio.net.connect, 80)
      support.expect_error("string expected", kio.sendmsg, fd, "x", { to = {} })
      connection.close(fd)
    end)
  end)
end)

-- What the descriptor of a listener on `text` is bound to, and what its connections tell.
local function round_trip(text, expected)
  local listener = assert(kio.net.listen(text))
  local address = listener:address()
  assert.matches(expected, address)
  assert.equal(address, kio.getsockname(listener:fd()))
  local accepting = kio.spawn(function() return assert(listener:accept()) end)
  local client = assert(kio.net.connect(address))
  local server, peer = accepting:await()
  assert.equal(address, client:peer())
  assert.equal(address, server:address())
  assert.equal(kio.getpeername(client:fd()), client:peer())
  assert.equal(client:address(), server:peer())
  assert.equal(client:address(), peer)
  connection.close(client, server, listener)
  return address, peer
end

-- The first address of this machine that matches, as text, and its interface's number.
local function ipv6_address(pattern)
  local file <close> = io.open("/proc/net/if_inet6")
  for line in (file and file:lines() or function() end) do
    local digits, interface = line:match("^(%x+) (%x+)")
    if digits:match(pattern) then
      return digits:gsub("%x%x%x%x", "%0:"):sub(1, -2), tonumber(interface, 16)
    end
  end
end

describe("an address", function()
  it("of TCP over IPv4 comes back", function()
    support.run(function()
      local address, peer = round_trip("127.0.0.1:0", "^127%.0%.0%.1:%d+$")
      assert.matches("^127%.0%.0%.1:%d+$", peer)
      assert.not_equal(address, peer)
      round_trip("127.1.2.3:0", "^127%.1%.2%.3:%d+$")
    end)
  end)

  it("says which port it got, and takes one that is given", function()
    support.run(function()
      local port = support.free_port()
      assert.equal("127.0.0.1:" .. port, (round_trip("127.0.0.1:" .. port, ":" .. port .. "$")))
      assert.equal("127.0.0.1:" .. port, (round_trip("127.0.0.1:000" .. port, ":" .. port .. "$")))
    end)
  end)

  it("of localhost is 127.0.0.1", function()
    support.run(function() round_trip("localhost:0", "^127%.0%.0%.1:%d+$") end)
  end)

  it("of TCP over IPv6 comes back in brackets", function()
    if not ipv6_address("^0+1$") then pending("this machine has no [::1]") end
    support.run(function()
      round_trip("[::1]:0", "^%[::1%]:%d+$")
      round_trip("[0:0:0:0:0:0:0:1]:0", "^%[::1%]:%d+$")
      round_trip("[::ffff:127.0.0.1]:0", "^%[::ffff:127%.0%.0%.1%]:%d+$")
    end)
  end)

  it("of IPv6 keeps its scope", function()
    local host, interface = ipv6_address("^fe80")
    if not host then pending("no interface of this machine has a link-local address") end
    support.run(function()
      local scoped = ("[%s%%%d]:0"):format(host, interface)
      local expected = "^%[fe80:.*%%" .. interface .. "%]:%d+$"
      local _, peer = round_trip(scoped, expected)
      assert.matches(expected, peer)
    end)
  end)

  it("of a Unix path comes back, up to 107 bytes", function()
    local folder = support.tmpdir()
    support.run(function()
      local address, peer = round_trip("unix:" .. folder .. "/socket", "^unix:.*/socket$")
      assert.equal("unix:" .. folder .. "/socket", address)
      assert.equal("unix:", peer) -- the connecting side has no name
      local longest = folder .. "/" .. ("x"):rep(107 - #folder - 1)
      assert.equal("unix:" .. longest, (round_trip("unix:" .. longest, "x$")))
    end)
  end)

  it("of the abstract namespace comes back, zero bytes and all", function()
    support.run(function()
      local name = connection.abstract_name()
      assert.equal(name, (round_trip(name, "^unix:@")))
      assert.equal(name .. "\0\0x", (round_trip(name .. "\0\0x", "^unix:@")))
      local longest = name .. ("y"):rep(108 - #name + 5)
      assert.equal(longest, (round_trip(longest, "^unix:@")))
    end)
  end)

  it("of a wildcard stays what it is", function()
    support.run(function()
      local listener = assert(kio.net.listen("0.0.0.0:0"))
      assert.matches("^0%.0%.0%.0:%d+$", listener:address())
      listener:close()
    end)
  end)
end)

-- Texts near the border: pieces of good and bad addresses, cut, joined, with bytes changed.
local PIECES = {
  "127.0.0.1", "[::1]", "::1", "[", "]", ":", "80", "65535", "65536", "%", "1", "unix:", "@", "\0",
  "/", "fe80::", ".", "localhost", "0", "-", "ffff:", "\255", " ",
}

local function random_text()
  if math.random(4) == 1 then
    local bytes = {}
    for i = 1, math.random(0, 40) do bytes[i] = string.char(math.random(0, 255)) end
    return table.concat(bytes)
  end
  local parts = {}
  for i = 1, math.random(1, 6) do parts[i] = PIECES[math.random(#PIECES)] end
  return table.concat(parts)
end

-- What a reader of design and manual pages would accept; ports and hosts checked independently.
local function plausible(text)
  if text:sub(1, 5) == "unix:" then return #text > 5 end
  local host, port = text:match("^(.+):(%d+)$")
  if not host or tonumber(port) > 65535 then return false end
  if host:match("^%[[%x:.]+%%?%d*%]$") then return true end
  if host == "localhost" then return true end
  local n = 0
  for part in (host .. "."):gmatch("(%d+)%.") do
    n = n + 1
    if tonumber(part) > 255 then return false end
  end
  return n == 4 and host:match("^[%d.]+$") ~= nil
end

describe("the parser", function()
  it("accepts or refuses any text, and what it accepts is an address", function()
    local seed = os.time()
    math.randomseed(seed)
    local rounds = support.flavour == "test" and 20000 or 4000
    support.run(function()
      local fd = assert(kio.socket("udp6")) -- connecting it sends nothing
      local accepted = 0
      for _ = 1, rounds do
        local text = random_text()
        local ok, message, code = kio.connect(fd, text)
        local trouble = ("seed %d, text %q: %s"):format(seed, text, message)
        if code == "EINVAL" and message:sub(-16) ~= "invalid argument" then
          local start = "connect " .. visible(text) .. ": "
          assert.equal(start, message:sub(1, #start), trouble)
        else
          accepted = accepted + 1
          assert.is_true(ok or code ~= nil, trouble)
          assert.is_true(plausible(text), trouble)
        end
      end
      assert.is_true(accepted > 10, "hardly any text was accepted, seed " .. seed)
      connection.close(fd)
    end)
  end)

  it("never binds a listener to another place than the text says", function()
    local seed = os.time()
    math.randomseed(seed)
    support.run(function()
      for _ = 1, 2000 do
        local text = random_text()
        -- Paths would leave files behind.
        if text:sub(1, 5) ~= "unix:" or text:sub(6, 6) == "@" then
          local listener, _, code = kio.net.listen(text)
          if listener then
            local trouble = ("seed %d, text %q bound to %s"):format(seed, text, listener:address())
            assert.is_true(plausible(text), trouble)
            local asked = text:match("^0%.0%.0%.0:") or text:match("^%[[0:.]+%%?%d*%]")
            local wild = listener:address():match("^0%.0%.0%.0:")
              or listener:address():match("^%[::%]")
            assert.is_true(not wild or asked ~= nil, trouble)
            listener:close()
          else
            assert.is_string(code)
          end
        end
      end
    end)
  end)
end)
