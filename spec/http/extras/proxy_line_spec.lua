-- The PROXY protocol before HTTP: from trusted hosts, and from others.
-- flavours: test asan
local http = require "kio.http"
local kio = require "kio"
local common = require "spec.http.server.common"
local proxy_line = require "kio.http.proxy_line"
local support = require "spec.support"

local SIGNATURE = "\r\n\r\n\0\r\nQUIT\n"
local REQUEST = common.get("/", "Connection: close\r\n")

local function new(command, family, rest) -- version 2
  return SIGNATURE .. string.pack(">BBs2", command, family, rest)
end

local FOUR = new(0x21, 0x11, "\9\9\9\9\127\0\0\1" .. string.pack(">I2I2", 4711, 80))
local SIX = new(0x21, 0x21, ("\0"):rep(15) .. "\1" .. ("\0"):rep(16) .. string.pack(">I2I2", 5, 6)
  .. "\3\0\1x")

-- What the client is told to be, when a connection begins with these bytes; false: it is ended.
local function peer_of(trusted, ...)
  local pieces, body, failure = { ... }, nil, nil
  support.run(function()
    local listener = assert(kio.net.listen "127.0.0.1:0")
    local handler = http.proxied(http.handler(function(req) return req.peer end), trusted)
    local serving = kio.spawn(listener.serve, listener, handler, {
      on_error = function(err) failure = tostring(err) end, drain_timeout = 5,
    })
    local stream <close> = common.connect(listener:address())
    for _, piece in ipairs(pieces) do
      assert(stream:send(piece))
      kio.yield()
    end
    stream:shutdown "write"
    local status, _, text = common.answer(stream)
    body = status == 200 and text
    listener:close()
    serving:await()
  end)
  return body, failure
end

local HERE = { "127.0.0.1/32" }

describe("the PROXY protocol", function()
  it("tells the client's address", function()
    for line, address in pairs {
      ["PROXY TCP4 9.9.9.9 127.0.0.1 4711 80\r\n"] = "9.9.9.9:4711",
      ["PROXY TCP6 2001:db8::1 ::1 1 65535\r\n"] = "[2001:db8::1]:1",
      [FOUR] = "9.9.9.9:4711", [SIX] = "[0:0:0:0:0:0:0:1]:5",
    } do
      assert.equal(address, peer_of(HERE, line .. REQUEST))
      assert.equal(address, peer_of(HERE, line:sub(1, 5), line:sub(6, 13), line:sub(14), REQUEST))
    end
  end)

  it("may tell nothing", function()
    for _, line in ipairs { "PROXY UNKNOWN\r\n", "PROXY UNKNOWN some words\r\n",
      new(0x20, 0x11, ("x"):rep(12)), new(0x21, 0, ""), new(0x21, 0x31, ("x"):rep(216)) } do
      assert.matches("^127.0.0.1:%d+$", peer_of(HERE, line .. REQUEST))
    end
  end)

  it("is not read where nobody is trusted", function()
    assert.matches("^127.0.0.1:%d+$", peer_of({ "10.0.0.0/8" }, REQUEST))
    assert.is_false((peer_of({ "10.0.0.0/8" }, "PROXY TCP4 9.9.9.9 127.0.0.1 1 2\r\n" .. REQUEST)))
  end)

  it("must be there, and whole, where somebody is", function()
    for _, bytes in ipairs {
      REQUEST, "PROXY TCP4 9.9.9.9\r\n" .. REQUEST, "PROXY TCP4 9.9.9.9 127.0.0.1 70000 80\r\n",
      "PROXY TCP4 ::1 ::1 1 2\r\n" .. REQUEST, "PROXY TCP4 9.9.9.9 127.0.0.1 01 2\r\n" .. REQUEST,
      "PROXY TCP4  9.9.9.9 127.0.0.1 1 2\r\n" .. REQUEST, "PROXY " .. ("x"):rep(200) .. "\r\n",
      "PROXY", SIGNATURE, FOUR:sub(1, 20), new(0x11, 0x11, ("x"):rep(12)) .. REQUEST,
      new(0x21, 0x11, "short") .. REQUEST, SIGNATURE .. "\x21\x11\xff\xff" .. REQUEST,
    } do
      local told, failure = peer_of(HERE, bytes)
      assert.is_false(told, bytes)
      assert.matches("PROXY protocol", failure)
    end
    assert.is_false((peer_of(HERE, "")))
  end)

  it("takes a handler and hosts", function()
    support.expect_error("bad argument #1 to 'proxied'", http.proxied, 5, {})
    support.expect_error("'x' is no address", http.proxied, print, { "x" })
    assert.is_nil(proxy_line.parse "PROXY TCP5 1.1.1.1 1.1.1.1 1 1")
  end)
end)
