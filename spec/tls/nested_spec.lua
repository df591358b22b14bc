-- TLS in TLS: HTTPS through an HTTPS proxy, and both ends of such a connection in one process.
-- flavours: test asan hostile
local kio = require "kio"
local connection = require "spec.net.connection"
local through = require "spec.net.through"
local material = require "spec.tls.material"
local pair = require "spec.tls.pair"
local support = require "spec.support"

-- More than a record has room for; byte by byte, through four filters, not much more.
local TEXT = ("all of it, in order; "):rep(support.chunk and 1000
  or support.flavour == "test" and 40000 or 2000)

local function it_alone(name, f, options)
  it(name, function()
    if os.getenv "KIO_FILTER" then return pending("KIO_FILTER: it has a filter already") end
    if options and support.chunk then return pending("KIO_CHUNK knows one thread") end
    support.run(f, options)
  end)
end

-- Passes on what one brings until it ends, and then ends the other's output.
local function pass(from, to)
  for data in from:chunks() do to:send(data) end
  to:shutdown "write"
end

-- What a proxy does with a connection: CONNECT, and then bytes both ways.
local function tunnel(stream)
  local target = stream:read "l":match "^CONNECT (%S+) HTTP/1.1\r$"
  assert.equal("\r", stream:read "l")
  local far <close> = assert(kio.net.connect(target))
  stream:send "HTTP/1.1 200 Connection established\r\n\r\n"
  kio.all { function() pass(stream, far) end, function() pass(far, stream) end }
end

-- Calls f with a stream on which the proxy has just agreed, its options for tls.client, and what
-- the origin's handlers have come to; `handler` is the origin's.
local function through_proxy(handler, f)
  local tls = require "kio.tls"
  local origin = assert(kio.net.listen "127.0.0.1:0")
  local proxy = assert(kio.net.listen "127.0.0.1:0")
  local errors = {}
  local function serve(listener, cn, serving)
    local context = assert(tls.context(material.leaf { cn = cn, names = "DNS:" .. cn }))
    return kio.spawn(function()
      return listener:serve(serving, {
        tls = context, on_error = function(err) errors[#errors + 1] = tostring(err) end,
      })
    end)
  end
  local servers = { serve(origin, "origin.test", handler), serve(proxy, "proxy.test", tunnel) }
  local ca = material.ca()
  local stream <close> = assert(tls.connect(proxy:address(), { ca = ca, name = "proxy.test" }))
  stream:send("CONNECT ", origin:address(), " HTTP/1.1\r\n\r\n")
  assert.equal("HTTP/1.1 200 Connection established\r", stream:read "l")
  assert.equal("\r", stream:read "l")
  f(stream, { ca = ca, name = "origin.test", timeout = 30 }, errors)
  stream:close()
  for _, server in ipairs(servers) do
    server:cancel()
    pcall(server.await, server)
  end
end

local function echo(stream)
  for data in stream:chunks() do stream:send(data) end
  stream:send "the end"
end

-- Two ends of a connection that speak TLS in TLS.
local function open_nested(how)
  local tls = require "kio.tls"
  local client, server = pair.open(how)
  local inner = assert(tls.context(material.leaf { cn = "inner", names = "DNS:inner.test" }))
  local ours, theirs = pair.shake(client, server,
    { ca = material.ca(), name = "inner.test", timeout = 30 }, inner)
  assert(ours[1], ours[2])
  assert(theirs[1], theirs[2])
  return client, server
end

describe("TLS in TLS", function()
  local tls, why = material.find()
  if not tls then return it("is skipped", function() pending(why) end) end

  it_alone("reaches an origin through an HTTPS proxy, half after half", function()
    through_proxy(echo, function(stream, options)
      assert.equal("CN=proxy.test", stream:tls().peer.subject)
      assert.equal(stream, tls.client(stream, options))
      assert.equal("CN=origin.test", stream:tls().peer.subject)
      assert.matches(", tls, tls%)$", tostring(stream))
      local writing = kio.spawn(function() return stream:send(TEXT) and stream:shutdown "write" end)
      assert.is_true(stream:read(#TEXT) == TEXT)
      assert.is_true(writing:await())
      assert.equal("the end", stream:read "a")
      assert.is_nil(stream:recv())
    end)
  end)

  it_alone("does not take the proxy for the origin", function()
    through_proxy(echo, function(stream, options, errors)
      options.name = "proxy.test"
      local ok, message, code = tls.client(stream, options)
      assert.is_nil(ok)
      assert.equal("TLS_CERT", code, message)
      assert.is_nil(stream:fd())
      while #errors == 0 do kio.yield() end
      assert.matches("alert", errors[1]) -- the alert has got there
    end)
  end)

  it_alone("shows a proxy that nobody has verified", function()
    local client, server = open_nested { client = { verify = false } }
    assert.matches(", tls, tls, verify = false%)$", tostring(client))
    assert.is_true(client:tls().verified)
    connection.close(client, server)
  end)

  it_alone("ends by the word of the inner peer, each way", function()
    local client, server = open_nested()
    client:write(TEXT)
    assert.is_true(client:shutdown "write")
    assert.is_true(server:read "a" == TEXT)
    assert.is_nil(server:recv())
    assert(server:send "an answer")
    assert.equal("an answer", client:read(9))
    assert.is_true(server:close())
    local data, message = client:recv()
    assert.is_nil(data)
    assert.is_nil(message)
    client:close()
  end)

  local function assert_cut_off(stream)
    assert.equal("some of it", stream:read(10))
    for _ = 1, 2 do
      local data, message, code = stream:recv()
      assert.is_nil(data)
      assert.equal("TLS_TRUNCATED", code)
      assert.matches("^recv 127.0.0.1:%d+: the connection was cut off", message)
    end
  end

  it_alone("tells that the connection was cut off", function()
    local client, server = open_nested()
    client:send "some of it"
    assert(kio.shutdown(client:fd(), "write"))
    assert_cut_off(server)
    connection.close(client, server)
  end)

  it_alone("tells that the origin was cut off, though the proxy ends as it should", function()
    through_proxy(function(stream)
      stream:send "some of it"
      assert(kio.shutdown(stream:fd(), "write"))
      stream:recv()
    end, function(stream, options)
      assert(tls.client(stream, options))
      assert_cut_off(stream)
    end)
  end)

  it_alone("loses nothing to deadlines and cancellations", function()
    local client, server = open_nested()
    through.interrupted(client, server, TEXT:sub(1, 600))
  end)

  it_alone("makes a pause of a slow peer: memory stays bounded", function()
    local client, server = open_nested { how = { connect = { send_buffer = 4096 } } }
    through.slow_peer(client, server, 1 << 24, 30)
  end)

  it_alone("takes what came early for the inner handshake's", function()
    local client, server = pair.open()
    client:send "STARTTLS\r\nQUIT\r\n"
    assert.equal("STARTTLS\r", server:read "l")
    local inner = assert(tls.context(material.leaf()))
    local ok, message, code = tls.server(server, inner, { timeout = 10 })
    assert.is_nil(ok)
    assert.equal("TLS_PROTOCOL", code, message)
    connection.close(client, server)
  end)

  it_alone("gives up at its deadline, and closes", function()
    local client, server = pair.open()
    local ok, message, code = tls.client(client, { verify = false, timeout = 0.01 })
    assert.is_nil(ok)
    assert.equal("ETIMEDOUT", code, message)
    assert.is_nil(client:fd())
    server:close()
  end)

  it_alone("does not begin while another handshake is under way", function()
    local client, server = connection.pair()
    local asked = kio.sync.event()
    local answer = kio.sync.event()
    local leaf = assert(tls.context(material.leaf()))
    local context = assert(tls.context { sni = function()
      asked:set()
      answer:wait()
      return leaf
    end })
    local shaking = kio.spawn(pair.shake, client, server,
      { ca = material.ca(), name = "localhost" }, context)
    asked:wait()
    for _, stream in ipairs { client, server } do
      support.expect_error("another task is", tls.client, stream, { verify = false })
      support.expect_error("another task is", tls.server, stream, leaf)
    end
    answer:set()
    local ours, theirs = shaking:await()
    assert(ours[1], ours[2])
    assert(theirs[1], theirs[2])
    connection.close(client, server)
  end)

  it_alone("goes four deep, and no deeper", function()
    local client, server = pair.open()
    local context = assert(tls.context(material.leaf()))
    local function deeper()
      local ours, theirs = pair.shake(client, server,
        { ca = material.ca(), name = "localhost", timeout = 30 }, context)
      assert(ours[1], ours[2])
      assert(theirs[1], theirs[2])
    end
    for _ = 2, 4 do deeper() end
    client:send "deep"
    assert.equal("deep", server:read(4))
    support.expect_error("four filters already", tls.client, client, { verify = false })
    connection.close(client, server)
  end)

  it_alone("moves to another worker", function()
    pair.hand_over(open_nested())
  end, { threads = 2 })
end)
