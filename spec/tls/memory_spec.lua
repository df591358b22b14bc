-- timeout: 120
-- flavours: test asan
-- without: epoll lua55
-- The n-th allocation fails, in OpenSSL and in kio, for n = 1, 2, 3 ... until there is no such one:
-- while a context is made, in handshakes, reads, writes and ends. Each is an error, or is got over;
-- nothing is left behind, and the next connection is whole. (OpenSSL does not always say that
-- memory is what it lacks: then the code is another.) They are many: some are tried, at random, but
-- all with KIO_FULL=1.
local kio = require "kio"
local connection = require "spec.net.connection"
local material = require "spec.tls.material"
local support = require "spec.support"

-- At most so far from one to the next: in OpenSSL's handshakes, in its contexts, and in kio.
local STRIDES = support.scale { full = { 1, 1, 1 }, asan = { 16, 40, 3 }, rest = { 8, 20, 1 } }

local HOW = {
  ["TLS 1.2"] = { min = "1.2", max = "1.2" },
  ["TLS 1.3"] = { min = "1.3", max = "1.3" },
  ["certificates on both sides"] = { client = "require", alpn = { "one", "two" } },
}

-- With a filter put there by the environment there is no place for another.
local function alone() return not os.getenv "KIO_FILTER" end

describe("an allocation that fails", function()
  local tls, why = material.find()
  if not tls then return it("is skipped", function() pending(why) end) end
  local core = require "kio.tls.core"

  -- f(n) with the n-th allocation failing, then `whole`, for all n. What f gives is checked; blocks
  -- that OpenSSL keeps for later are its own, but none may be left each time.
  local function for_each_allocation(f, whole, stride)
    local n, failures = 0, 0
    for _ = 1, 3 do whole() end
    local function once()
      core.test_fail_memory(n)
      local fine, said = pcall(f)
      local fired = core.test_fail_memory(0)
      assert.is_truthy(fine, ("allocation %d: %s"):format(n, said))
      whole()
      return fired, said
    end
    repeat
      n = n + math.random(stride)
      local before = core.test_live_memory()
      local fired, said = once()
      if said ~= "ok" then failures = failures + 1 end
      if core.test_live_memory() > before then
        before = core.test_live_memory()
        once()
        assert.equal(before, core.test_live_memory(), ("allocation %d leaves blocks"):format(n))
      end
    until fired == 0
    assert.equal("ok", select(2, once()))
    return failures
  end

  for name, how in pairs(HOW) do
    it("in OpenSSL is an error of a handshake, a read, a write or an end: " .. name, function()
      how.ca = material.ca()
      local context = assert(tls.context(material.options(nil, how)))
      local function exchange()
        local client, server = core.test_exchange(context, context)
        for _, said in ipairs { client, server } do
          assert(said == "ok" or said == "ENOMEM" or said:find "^TLS_", said)
        end
        return client == server and client or client .. " " .. server
      end
      local failures = for_each_allocation(exchange, function()
        assert(exchange() == "ok")
      end, STRIDES[1])
      assert.is_true(failures > 10, failures)
    end)
  end

  it("in OpenSSL is an error of a context", function()
    local leaf = material.leaf()
    local options = {
      cert = leaf.cert, key = leaf.key, ca = material.ca(), alpn = { "one", "two" },
      ticket_keys = { ("k"):rep(80) }, ocsp = "a staple", client = "require",
      ciphers = "ECDHE+AESGCM",
    }
    local function make()
      local fine, context, _, code = pcall(tls.context, options)
      if not fine then
        assert(tostring(context):find "not enough memory", context)
        return "raised"
      end
      local said = context and "ok" or code
      context = nil -- luacheck: ignore
      collectgarbage()
      assert(said == "ok" or said == "ENOMEM" or said:find "^TLS_", said)
      return said
    end
    local function whole() assert(make() == "ok") end
    local failures = for_each_allocation(make, whole, STRIDES[2])
    assert.is_true(failures > 5, failures)
  end)

  -- A handshake, some words each way, and the end, on streams: "ok", or what each side has said. A
  -- side that fails closes its end, so that the other one does not wait.
  local function converse(context, n)
    local client, server = connection.pair()
    local function side(stream, f)
      local fine, done, message, code = pcall(f)
      if fine and done then return "ok" end
      pcall(stream.close, stream, { timeout = 0 })
      return tostring(fine and (code or message) or done)
    end
    local function serve()
      local fine, message, code = tls.server(server, context)
      local text
      if fine then text, message, code = server:read "l" end
      if text then fine, message, code = server:send(text) end
      return text and fine, message, code
    end
    local function ask()
      local fine, message, code = tls.client(client, { context = context, name = "localhost" })
      if fine then fine, message, code = client:send "some words\n" end
      if fine then fine, message, code = client:read(10) end
      return fine, message, code
    end
    local serving = kio.spawn(side, server, serve)
    kio.core.fail_memory(n)
    local said = side(client, ask)
    local answer = serving:await()
    local failed = kio.core.fail_memory(0)
    client:close()
    server:close()
    if said == answer then return said, failed end
    return said .. ", " .. answer, failed
  end

  it("in kio is an error as well", function()
    if not alone() then return pending "KIO_FILTER: it has a filter already" end
    local context = assert(tls.context(material.options(nil, { ca = material.ca() })))
    local n, failures, fired = 0, 0, nil
    repeat
      n = n + math.random(STRIDES[3])
      local said
      support.run(function()
        assert.equal("ok", (converse(context, 0)))
        said, fired = converse(context, n)
        assert.equal("ok", (converse(context, 0)))
      end)
      if said ~= "ok" then failures = failures + 1 end
    until fired == 0
    assert.is_true(failures > 10 // STRIDES[3], failures)
  end)
end)
