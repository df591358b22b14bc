-- What a handshake refuses, and in which words: both sides know why.
-- flavours: test asan hostile
local kio = require "kio"
local connection = require "spec.net.connection"
local material = require "spec.tls.material"
local pair = require "spec.tls.pair"
local support = require "spec.support"

local function it_alone(name, f)
  it(name, function()
    if os.getenv "KIO_FILTER" then return pending("KIO_FILTER: it has a filter already") end
    support.run(f)
  end)
end

-- What one side has come to: a failure with this code and these words.
local function assert_failed(result, code, words)
  assert.is_nil(result[1])
  assert.equal(code, result[3], result[2])
  assert.matches("^handshake 127%.0%.0%.1:%d+: " .. words, result[2])
end

describe("a client", function()
  local tls, why = material.find()
  if not tls then return it("is skipped", function() pending(why) end) end

  local CERTIFICATES = {
    { "an expired certificate", { names = "DNS:localhost", from = -9, days = -2 },
      "certificate has expired", "certificate expired" },
    { "one that is not valid yet", { names = "DNS:localhost", from = 2, days = 9 },
      "certificate is not yet valid", "bad certificate" },
    { "one that has signed itself", { names = "DNS:localhost", self = true },
      "self.signed certificate", "unknown CA" },
    { "the certificate of another host", { names = "DNS:a.org, DNS:*.a.org" },
      "name mismatch %(has a%.org, %*%.a%.org%)", "bad certificate" },
    { "a name in CN alone", { cn = "localhost" }, "name mismatch %(has no name%)",
      "bad certificate" },
  }
  for _, version in ipairs { "1.2", "1.3" } do
    for _, case in ipairs(CERTIFICATES) do
      local what, how, words, alert = table.unpack(case)
      it_alone(("refuses %s, and says so: TLS %s"):format(what, version), function()
        local ours, theirs = pair.refused { server = material.options(how, { max = version }) }
        assert_failed(ours, "TLS_CERT", "certificate verify failed: " .. words)
        assert_failed(theirs, "TLS_ALERT", "the peer sent the alert: " .. alert)
      end)
    end
  end

  it_alone("refuses whom an authority has signed that it does not know", function()
    local other = require "kio.tls.core".test_certificate { cn = "another authority", ca = 1 }
    local ours, theirs = pair.refused { client = { ca = other } }
    assert_failed(ours, "TLS_CERT", "certificate verify failed: unable to get local issuer")
    assert_failed(theirs, "TLS_ALERT", "the peer sent the alert: unknown CA")
  end)

  it_alone("refuses the certificate of another address", function()
    local leaf = material.leaf { names = "IP:192.0.2.7, DNS:localhost" }
    local ours = pair.refused { server = leaf, client = { name = "127.0.0.1" } }
    assert_failed(ours, "TLS_CERT",
      "certificate verify failed: name mismatch %(has 192%.0%.2%.7, localhost%)")
  end)

  for _, how in ipairs { { "revoked", "the certificate is revoked" },
    { "old", "the staple is out of date" }, { "none", "the server stapled nothing" } } do
    it_alone("refuses a staple that is " .. how[1], function()
      local leaf = material.leaf()
      local staple = material.staple(leaf, {
        status = how[1] == "revoked" and "revoked" or "good", age = how[1] == "old" and 9 or 0,
      })
      if how[1] ~= "none" then leaf.ocsp = staple end
      local ours = pair.refused { server = leaf, client = { ocsp = "require" } }
      assert_failed(ours, "TLS_CERT", "certificate verify failed: " .. how[2])
    end)
  end

  it_alone("takes a staple that is good", function()
    local leaf = material.leaf()
    leaf.ocsp = material.staple(leaf)
    local client, server = pair.open { server = leaf, client = { ocsp = "require" } }
    connection.close(client, server)
  end)

  it_alone("finds nothing in common: versions, ciphers, protocols", function()
    local ours, theirs = pair.refused {
      server = material.options(nil, { min = "1.3" }), client = { max = "1.2" },
    }
    assert_failed(ours, "TLS_ALERT", "the peer sent the alert: protocol version")
    assert_failed(theirs, "TLS_PROTOCOL", "no version of TLS in common")
    ours, theirs = pair.refused {
      server = material.options(nil, { ciphers = "ECDHE-ECDSA-AES256-GCM-SHA384", max = "1.2" }),
      client = { ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256" },
    }
    assert_failed(ours, "TLS_ALERT", "the peer sent the alert: handshake failure")
    assert_failed(theirs, "TLS_PROTOCOL", "no cipher in common")
    ours, theirs = pair.refused {
      server = material.options(nil, { alpn = { "h2" } }), client = { alpn = { "http/1.1" } },
    }
    assert_failed(ours, "TLS_ALERT", "the peer sent the alert: no application protocol")
    assert_failed(theirs, "TLS_PROTOCOL", "no application protocol in common")
  end)

  it_alone("is offered no cipher without forward secrecy", function()
    local ours, theirs = pair.refused {
      server = material.leaf { names = "DNS:localhost", key = "rsa" },
      client = { ciphers = "AES128-GCM-SHA256", max = "1.2" },
    }
    assert_failed(ours, "TLS_ALERT", "the peer sent the alert: handshake failure")
    assert_failed(theirs, "TLS_PROTOCOL", "no cipher in common")
  end)

  it_alone("is told what is no TLS", function()
    local client, server = connection.pair()
    server:write "220 mail.example.org ESMTP\r\n"
    local shaken = table.pack(tls.client(client, { name = "localhost", ca = material.ca() }))
    assert_failed(shaken, "TLS_PROTOCOL", "what came is no TLS")
    assert.is_nil(client:fd())
    server:close()
  end)

  it_alone("takes nothing that was slipped in behind the answer to STARTTLS", function()
    local client, server = connection.pair()
    server:write "220 go ahead\r\n250 all your passwords are welcome\r\n"
    assert.equal("220 go ahead", client:read_until "\r\n")
    local shaken = table.pack(tls.client(client, { name = "localhost", ca = material.ca() }))
    assert_failed(shaken, "TLS_PROTOCOL", "what came is no TLS")
    assert.is_nil((client:read "l"))
    server:close()
  end)

  it_alone("is told of an end in the middle", function()
    local client, server = connection.pair()
    local shaking = kio.spawn(function()
      return table.pack(tls.client(client, { name = "localhost", ca = material.ca() }))
    end)
    server:recv()
    server:close()
    assert_failed(shaking:await(), "TLS_TRUNCATED", "the peer has ended in the handshake")
  end)

  it_alone("gives up in time, and closes", function()
    local client, server = connection.pair()
    local ok, message, code = tls.client(client, { name = "localhost", timeout = 0.01 })
    assert.is_nil(ok)
    assert.equal("ETIMEDOUT", code, message)
    assert.is_nil(client:fd())
    server:close()
  end)

  it_alone("closes when it is cancelled", function()
    local client, server = connection.pair()
    local shaking = kio.spawn(tls.client, client, { name = "localhost" })
    connection.until_waiting(shaking)
    shaking:cancel()
    assert.is_false((pcall(shaking.await, shaking)))
    assert.is_nil(client:fd())
    server:close()
  end)

  it_alone("must say whom it wants", function()
    local client, server = connection.pair()
    support.expect_error("option 'name' is needed", tls.client, client, {})
    support.expect_error("option 'name' must be the name", tls.client, client, { name = "a b" })
    support.expect_error("unknown option 'verifi'", tls.client, client, { verifi = true })
    support.expect_error("bad argument #2 to 'connect' %(unknown option 'nome'", tls.connect,
      "127.0.0.1:1", { nome = "x" })
    connection.close(client, server)
  end)

  it_alone("raises when somebody else reads or writes, and closes nothing", function()
    local client, server = connection.pair()
    local reading = kio.spawn(client.recv, client)
    connection.until_waiting(reading)
    support.expect_error("another task is reading", tls.client, client, { name = "localhost" })
    server:send "x"
    assert.equal("x", reading:await())
    connection.close(client, server)
  end)
end)

describe("a server", function()
  local tls, why = material.find()
  if not tls then return it("is skipped", function() pending(why) end) end

  for _, version in ipairs { "1.2", "1.3" } do
    it_alone("refuses a client without a certificate, and a stranger's: TLS " .. version, function()
      local demanding = material.options(nil, {
        ca = material.ca(), client = "require", max = version,
      })
      local context = assert(tls.context(demanding))
      local stranger = material.leaf { self = true, cn = "stranger" }
      for _, case in ipairs {
        { {}, "the peer sent no certificate", version == "1.2" and "handshake failure"
          or "certificate required" },
        { stranger, "certificate verify failed: self", "unknown CA" },
      } do
        local client, server = connection.pair()
        local options = { ca = material.ca(), name = "localhost", cert = case[1].cert,
          key = case[1].key }
        local ours, theirs = pair.shake(client, server, options, context)
        assert_failed(theirs, "TLS_CERT", case[2])
        local told = ours
        if version == "1.3" then told = table.pack(client:recv()) end -- it was ready before
        assert.equal("TLS_ALERT", told[3], told[2])
        assert.matches(case[3], told[2])
        connection.close(client, server)
      end
    end)
  end

  it_alone("tells HTTP from TLS, and lets the peer know", function()
    local context = assert(tls.context(material.leaf()))
    local client, server = connection.pair()
    client:send "GET / HTTP/1.1\r\n\r\n"
    assert_failed(table.pack(tls.server(server, context)), "TLS_PROTOCOL",
      "plain HTTP came where TLS was expected")
    client:close()
  end)

  for what, text in pairs {
    ["of another protocol"] = "EHLO mail.example.org\r\n", ["that mean nothing"] = ("\0"):rep(64),
  } do
    it_alone("tells bytes " .. what .. " from TLS", function()
      local context = assert(tls.context(material.leaf()))
      local client, server = connection.pair()
      client:send(text)
      assert_failed(table.pack(tls.server(server, context)), "TLS_PROTOCOL", "what came is no TLS")
      client:close()
    end)
  end

  it_alone("waits no longer than it is told, whichever byte the client stops at", function()
    local context = assert(tls.context(material.leaf()))
    local client, server = connection.pair()
    kio.spawn(tls.client, client, { name = "localhost", ca = material.ca() })
    local hello = server:peek(64)
    connection.close(server)
    for size = 0, #hello, support.flavour == "test" and 1 or 16 do
      local near, far = connection.pair()
      near:send(hello:sub(1, size))
      local _, message, code = tls.server(far, context, { timeout = 0 })
      assert.equal("ETIMEDOUT", code, message)
      assert.is_nil(far:fd())
      near:close()
    end
  end)
end)

describe("a context", function()
  local tls, why = material.find()
  if not tls then return it("is skipped", function() pending(why) end) end

  local function assert_refused(options, code, words)
    local context, message, told = tls.context(options)
    assert.is_nil(context)
    assert.equal(code, told, message)
    assert.matches("^context: " .. words, message)
  end

  it("refuses what does not belong together, and what is nothing", function()
    local leaf, other = material.leaf(), material.leaf { names = "DNS:other" }
    assert_refused({ cert = leaf.cert, key = other.key }, "TLS_CERT",
      "the key does not belong to the certificate")
    local locked = material.leaf { names = "DNS:localhost", passphrase = "open sesame" }
    assert_refused({ cert = locked.cert, key = locked.key, passphrase = "wrong" }, "TLS_CERT",
      "key: the passphrase is wrong")
    assert_refused({ cert = locked.cert, key = locked.key }, "TLS_CERT",
      "key: it is encrypted, and there is no passphrase")
    assert_refused({ cert = locked.cert, key = locked.key,
      passphrase = function() return "open sesame\0" end }, "TLS_CERT",
      "key: a passphrase cannot contain a zero byte")
    locked.passphrase = function() return "open sesame" end
    assert.is_truthy(tls.context(locked))
    assert_refused({ cert = "/nowhere/at/all.pem" }, "ENOENT", "/nowhere/at/all.pem: No such file")
    assert_refused({ cert = "-----BEGIN CERTIFICATE-----\nnothing\n-----END CERTIFICATE-----\n" },
      "TLS_CERT", "")
    assert_refused({ cert = leaf.cert }, "TLS_CERT", "cert: its private key is missing: ")
    assert_refused({ cert = leaf.cert, key = leaf.cert }, "TLS_CERT", "key: no private key in it")
    assert_refused({ ciphers = "NO-SUCH" }, "TLS_PROTOCOL", "no cipher match")
    assert_refused({ ca = leaf.key }, "TLS_CERT", "ca: ")
    assert_refused({ cert = "/" }, "EISDIR", "/: ")
    assert_refused({ cert = ("x"):rep(300) }, "ENAMETOOLONG", "x+: ")
  end)

  it("refuses options that mean nothing", function()
    local long = {}
    for i = 1, 200 do long[i] = ("x"):rep(200) .. i end
    for words, options in pairs {
      ["unknown option 'certificate'"] = { certificate = "x" },
      ["option 'key' needs 'cert'"] = { key = "x" },
      ["option 'ocsp' must be a response"] = { ocsp = "" },
      ["option 'client' needs 'ca'"] = { client = "require" },
      ["option 'client' must be \"request\" or \"require\""] = { client = "maybe", ca = "x" },
      ["option 'min' must be \"1.2\" or \"1.3\""] = { min = "1.1" },
      ["option 'alpn' must be a list"] = { alpn = { "" } },
      ["of 1 to 255 bytes each and 16 KiB in all"] = { alpn = long },
      ["option 'ticket_keys' must be a list"] = { ticket_keys = { "short" } },
      ["option 'tickets' must be an integer"] = { tickets = 2.5 },
      ["option 'verify' must be a boolean"] = { verify = 0 },
      ["option 'sni' has no context for 'a.org'"] = { sni = { ["a.org"] = true } },
      ["option 'passphrase' must be a string or a function"] = { passphrase = 1 },
      ["option 'passphrase' cannot contain a zero byte"] = { passphrase = "secret\0more" },
      ["option 'cert' cannot contain a zero byte"] = { cert = "/etc/hostname\0.pem" },
      ["option 'ca' cannot contain a zero byte"] = { ca = { "/etc/hostname\0.pem" } },
      ["option 'ciphers' cannot contain a zero byte"] = {
        ciphers = "ECDHE-RSA-AES128-GCM-SHA256\0NO-SUCH",
      },
    } do
      local err = support.expect_error("bad argument #1 to 'context'", tls.context, options)
      assert.is_truthy(err:find(words, 1, true), err)
    end
  end)

  it("shows that nobody is verified", function()
    assert.matches("verify = false", tostring(assert(tls.context { verify = false })))
    assert.not_matches("verify", tostring(assert(tls.context {})))
  end)
end)
