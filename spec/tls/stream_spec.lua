-- A stream that speaks TLS is a stream: both sides of it, ends and halves, deadlines, handing over.
-- flavours: test asan hostile
local kio = require "kio"
local connection = require "spec.net.connection"
local through = require "spec.net.through"
local material = require "spec.tls.material"
local pair = require "spec.tls.pair"
local support = require "spec.support"

local TEXT = ("all of it, in order; "):rep(support.chunk and 200 or 20000)

-- With a filter put there by the environment there is no place for another.
local function it_alone(name, f)
  it(name, function()
    if os.getenv "KIO_FILTER" then return pending("KIO_FILTER: it has a filter already") end
    support.run(f)
  end)
end

local VERSIONS = { ["1.2"] = "TLSv1.2", ["1.3"] = "TLSv1.3" }

describe("a stream with TLS", function()
  local tls, why = material.find()
  if not tls then return it("is skipped", function() pending(why) end) end

  for short, long in pairs(VERSIONS) do
    for _, key in ipairs { "ec", "rsa" } do
      it_alone(("brings everything both ways: %s, %s"):format(long, key), function()
        local server_options = material.options({ names = "DNS:localhost", key = key },
          { min = short, max = short })
        local client, server = pair.open { server = server_options }
        local function exchange(stream)
          local reading = kio.spawn(function() return stream:read(#TEXT) end)
          stream:send(TEXT)
          return reading:await() == TEXT
        end
        local one, other = kio.spawn(exchange, client), kio.spawn(exchange, server)
        assert.is_true(one:await() and other:await())
        assert.equal(long, client:tls().version)
        assert.equal(long, server:tls().version)
        connection.close(client, server)
      end)
    end

    it_alone("ends by the peer's word, half after half: " .. long, function()
      local client, server = pair.open { client = { min = short, max = short } }
      client:write "the last words"
      assert.is_true(client:shutdown "write")
      assert.equal("the last words", server:read "a")
      assert.is_nil(server:recv())
      assert(server:send "and an answer")
      assert.equal("and an answer", client:read(13))
      assert.is_true(server:close())
      local data, message = client:recv()
      assert.is_nil(data)
      assert.is_nil(message)
      client:close()
    end)

    it_alone("tells an end that was cut off, after what came before it: " .. long, function()
      local client, server = pair.open { client = { min = short, max = short } }
      client:send "some of it"
      assert(kio.shutdown(client:fd(), "write"))
      assert.equal("some of it", server:read(10))
      for _ = 1, 2 do
        local data, message, code = server:recv()
        assert.is_nil(data)
        assert.equal("TLS_TRUNCATED", code)
        assert.matches("^recv 127.0.0.1:%d+: the connection was cut off", message)
      end
      connection.close(client, server)
    end)
  end

  it_alone("takes a plain end for one when it is told to", function()
    local options = material.options(nil, { truncation = "end" })
    local client, server = pair.open { server = options }
    client:send "some of it"
    assert(kio.shutdown(client:fd(), "write"))
    assert.equal("some of it", server:read "a")
    assert.is_nil(server:recv())
    connection.close(client, server)
  end)

  it_alone("loses nothing to deadlines and cancellations", function()
    local client, server = pair.open()
    through.interrupted(client, server, TEXT:sub(1, 600))
  end)

  it_alone("closes without losing what the peer has not read, tickets unread", function()
    local client, server = pair.open()
    local reading = kio.spawn(function() return client:read "a" end)
    server:write(TEXT)
    assert.is_true(server:close())
    assert.is_true(reading:await() == TEXT)
    client:close()
    client, server = pair.open()
    client:write(TEXT)
    assert.is_true(client:close()) -- the server's tickets have come, and nobody has read them
    assert.is_true(server:read "a" == TEXT)
    server:close()
  end)

  it_alone("makes a pause of a slow peer: memory stays bounded", function()
    local client, server = pair.open { how = { connect = { send_buffer = 4096 } } }
    through.slow_peer(client, server, 1 << 24, 10)
  end)

  it_alone("speaks over Unix sockets and in TLS's own name", function()
    local client, server = pair.open { how = { address = connection.abstract_name() } }
    assert.matches("tls%)$", tostring(client))
    client:send "hello"
    assert.equal("hello", server:read(5))
    connection.close(client, server)
  end)

  it_alone("says when nobody is verified", function()
    local client, server = pair.open { client = { verify = false } }
    assert.matches("tls, verify = false%)$", tostring(client))
    assert.is_false(client:tls().verified)
    connection.close(client, server)
  end)

  it_alone("tells what is known of both ends", function()
    local context = assert(tls.context(material.options(nil, {
      ca = material.ca(), client = "require", alpn = { "h2", "http/1.1" },
    })))
    local own = material.leaf { cn = "a client", names = "DNS:client.test" }
    local client, server = pair.open {
      context = context, client = { cert = own.cert, key = own.key, alpn = { "http/1.1" } },
    }
    client:send "x" -- a server of TLS 1.3 looks at the certificate after the client is ready
    assert.equal("x", server:read(1))
    local ours, theirs = client:tls(), server:tls()
    assert.same({ "localhost", "127.0.0.1" }, ours.peer.names)
    assert.equal("CN=a client", theirs.peer.subject)
    assert.equal("CN=kio test authority", theirs.peer.issuer)
    assert.is_true(ours.verified and theirs.verified)
    assert.equal("http/1.1", ours.alpn)
    assert.equal("http/1.1", theirs.alpn)
    assert.equal("localhost", theirs.name)
    assert.is_true(ours.peer.not_before < os.time() and os.time() < ours.peer.not_after)
    for _, kind in ipairs { "tls-exporter", "tls-server-end-point" } do
      assert.equal(ours:binding(kind), theirs:binding(kind))
      assert.equal(32, #ours:binding(kind))
    end
    connection.close(client, server)
    assert.is_nil(client:tls())
  end)

  it_alone("has no TLS to tell of without it", function()
    local client, server = connection.pair()
    assert.is_nil(client:tls())
    connection.close(client, server)
  end)

  it_alone("goes on in TLS where it was plain: unread bytes are the handshake's", function()
    local client, server = connection.pair()
    local context = assert(tls.context(material.leaf()))
    client:send "STARTTLS\r\n"
    assert.equal("STARTTLS\r", server:read "l")
    server:send "go on\n"
    assert.equal("go on", client:read "l")
    local serving = kio.spawn(function()
      assert(server:peek(1)) -- the hello is there before the filter is
      return assert(tls.server(server, context))
    end)
    assert.equal(client, tls.client(client, { name = "localhost", ca = material.ca() }))
    assert.equal(server, serving:await())
    client:send "secret"
    assert.equal("secret", server:read(6))
    connection.close(client, server)
  end)

  it_alone("takes what was slipped in before for what it is: no TLS", function()
    local client, server = connection.pair()
    local context = assert(tls.context(material.leaf()))
    client:send "STARTTLS\r\nQUIT\r\n"
    assert.equal("STARTTLS\r", server:read "l")
    local ok, message, code = tls.server(server, context, { timeout = 10 })
    assert.is_nil(ok)
    assert.equal("TLS_PROTOCOL", code)
    assert.matches("^handshake 127.0.0.1:%d+: ", message)
    connection.close(client, server)
  end)
end)
