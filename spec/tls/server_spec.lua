-- Servers: listener:serve with TLS, names, sessions, certificates that are replaced, workers.
-- flavours: test asan hostile workers
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

-- Serves while f(address) runs; what serve returns.
local function serve(handler, options, f)
  local listener = assert(kio.net.listen "127.0.0.1:0")
  local serving = kio.spawn(function() return listener:serve(handler, options) end)
  f(listener:address())
  listener:close()
  return serving:await()
end

local function echo(stream)
  for data in stream:chunks() do stream:write(data) end
end

describe("a server with TLS", function()
  local tls, why = material.find()
  if not tls then return it("is skipped", function() pending(why) end) end

  it_alone("shows the certificates that it was given, and none of those it trusts", function()
    local options = material.options(nil, { ca = material.ca() })
    local client, server = pair.open { server = options }
    assert.same({}, client:tls().peer.chain)
    connection.close(client, server)
  end)

  it_alone("goes on with a handshake whose function is taken away meanwhile", function()
    local core = require "kio.tls.loaded"
    local state, context = core.state, nil
    local _ <close> = setmetatable({}, { __close = function() core.state = state end })
    core.state = function(stream)
      if context and state(stream) == "choose" then assert(context:replace(material.leaf())) end
      return state(stream)
    end
    local options = material.options(nil, { sni = function() error "is not asked" end })
    context = assert(tls.context(options))
    connection.close(pair.open { context = context })
  end)

  it_alone("gives its handler streams that have agreed", function()
    local context = assert(tls.context(material.leaf()))
    local seen
    local report = serve(function(stream)
      seen = stream:tls().version
      echo(stream)
    end, { tls = context }, function(address)
      local client <close> = assert(tls.connect(address, { ca = material.ca() }))
      client:send "hello"
      assert.equal("hello", client:read(5))
      local other <close> = assert(kio.net.connect(address, { tls = { ca = material.ca() } }))
      other:send "again"
      assert.equal("again", other:read(5))
    end)
    assert.equal("TLSv1.3", seen)
    assert.same({ accepted = 2, failed = 0, idle = 0, cut = 0 }, report)
  end)

  it_alone("tells of those that have not, and goes on", function()
    local context = assert(tls.context(material.leaf()))
    local told = {}
    local options = { tls = context, on_error = function(err) told[#told + 1] = err end }
    local report = serve(echo, options, function(address)
      local plain = assert(kio.net.connect(address))
      plain:send "GET / HTTP/1.1\r\n\r\n"
      assert.is_truthy(plain:read "a" or true)
      plain:close()
      local fine <close> = assert(tls.connect(address, { ca = material.ca() }))
      fine:send "x"
      assert.equal("x", fine:read(1))
    end)
    assert.equal(1, report.failed)
    assert.matches("^handshake 127%.0%.0%.1:%d+: plain HTTP came", told[1])
  end)

  it_alone("gives up on who says nothing", function()
    local context = assert(tls.context(material.leaf()))
    local told
    local options = { tls = context, handshake_timeout = 0.01 }
    function options.on_error(err) told = err end
    serve(echo, options, function(address)
      local silent <close> = assert(kio.net.connect(address))
      assert.is_nil((silent:recv()))
    end)
    assert.matches("^handshake 127%.0%.0%.1:%d+: .*timed out", told)
  end)

  it_alone("needs a context for it", function()
    local listener <close> = assert(kio.net.listen "127.0.0.1:0")
    support.expect_error("option 'tls' must be a kio.tls.Context", listener.serve, listener, echo,
      { tls = true })
    support.expect_error("option 'tls' must be a kio.tls.Context", listener.serve, listener, echo,
      { tls = listener })
    support.expect_error("options for handshakes need 'tls'", listener.serve, listener, echo,
      { max_handshakes = 1 })
    local packets <close> = assert(kio.net.listen("unix:@", { type = "seqpacket" }))
    support.expect_error("'tls' is for streams, and this listener gives packets", packets.serve,
      packets, echo, { tls = assert(tls.context(material.leaf())) })
  end)

  for _, where in ipairs { "pool", "loop" } do
    it_alone("computes handshakes on the " .. where, function()
      local context = assert(tls.context(material.options({ names = "DNS:localhost", key = "rsa" },
        { handshake = where })))
      local options = { tls = context, max_handshakes = 1 }
      serve(echo, options, function(address)
        kio.scope(function(scope)
          for i = 1, 5 do
            scope:spawn(function()
              local client <close> = assert(tls.connect(address,
                { ca = material.ca(), name = "localhost" }))
              client:send("hello " .. i)
              assert.equal("hello " .. i, client:read(7))
            end)
          end
        end)
      end)
    end)
  end

  -- ---- names ----

  local function name_of(address, name)
    local client <close>, message = tls.connect(address, { ca = material.ca(), name = name })
    return client and client:tls().peer.subject or message
  end

  local function named(cn, names) return material.leaf { cn = cn, names = names } end

  -- A hello of TLS 1.3 for "a.org"; the server asks for another one when it has no share of a key.
  local function raw_hello(share)
    local function extension(number, data) return string.pack(">I2s2", number, data) end
    local body = "\3\3" .. ("r"):rep(32) .. "\0" .. string.pack(">s2", "\x13\1") .. "\1\0"
      .. string.pack(">s2", extension(0, string.pack(">s2", "\0" .. string.pack(">s2", "a.org")))
        .. extension(10, string.pack(">s2", "\0\29")) .. extension(43, "\2\3\4")
        .. extension(13, string.pack(">s2", "\4\3\8\4"))
        .. extension(51, string.pack(">s2", share and "\0\29" .. string.pack(">s2", share) or "")))
    return "\22\3\1" .. string.pack(">s2", "\1" .. string.pack(">I3", #body) .. body)
  end

  -- The type of the next record that says something: not ChangeCipherSpec.
  local function next_record(stream)
    local kind, _, size = string.unpack(">c1I2I2", stream:read(5))
    assert(stream:read(size))
    return kind == "\20" and next_record(stream) or kind
  end

  it_alone("leaves nothing behind when a client says hello twice", function()
    local core = require "kio.tls.core"
    local function greet_twice()
      local a = assert(tls.context(named("a", "DNS:a.org")))
      local context = assert(tls.context(material.options(nil, { sni = { ["a.org"] = a } })))
      local client, server = connection.pair()
      local serving = kio.spawn(tls.server, server, context)
      client:send(raw_hello())
      assert.equal("\22", next_record(client))
      client:send(raw_hello(("9"):rep(32)))
      assert.equal("\22", next_record(client))
      client:close()
      assert.is_nil((serving:await()))
    end
    greet_twice()
    collectgarbage()
    local before = core.test_live_memory()
    greet_twice()
    collectgarbage()
    assert.equal(before, core.test_live_memory())
  end)

  it_alone("has certificates for several hosts, and one for the others", function()
    local function context(cn, names) return assert(tls.context(named(cn, names))) end
    local options = named("others", "DNS:localhost, DNS:x.y.a.org")
    options.sni = {
      ["a.org"] = context("a", "DNS:a.org"), ["*.A.org"] = context("stars", "DNS:*.a.org"),
      ["www.a.org"] = context("www", "DNS:www.a.org"),
    }
    serve(echo, { tls = assert(tls.context(options)) }, function(address)
      assert.equal("CN=a", name_of(address, "A.ORG"))
      assert.equal("CN=www", name_of(address, "www.a.org"))
      assert.equal("CN=stars", name_of(address, "mail.a.org"))
      assert.equal("CN=others", name_of(address, "x.y.a.org"))
      assert.equal("CN=others", name_of(address, "localhost"))
    end)
  end)

  it_alone("asks a function, which may wait and refuse", function()
    local contexts = { ["a.org"] = assert(tls.context(named("a", "DNS:a.org"))) }
    local asked = {}
    local options = { sni = function(name, hello)
      asked[#asked + 1] = { name, hello.alpn[1] }
      kio.sleep(0.001)
      return contexts[name]
    end, handshake = "loop" }
    for _, where in ipairs { "loop", "pool" } do
      options.handshake = where
      serve(echo, { tls = assert(tls.context(options)), on_error = function() end },
        function(address)
          local client <close> = assert(tls.connect(address,
            { ca = material.ca(), name = "a.org", alpn = { "h2" } }))
          assert.equal("CN=a", client:tls().peer.subject)
          assert.matches("unrecognized name", name_of(address, "b.org"))
        end)
    end
    assert.same({ { "a.org", "h2" }, { "b.org" }, { "a.org", "h2" }, { "b.org" } }, asked)
  end)

  it_alone("has its deadline for a function that never answers, too", function()
    local options = material.options(nil, { sni = function() kio.sleep(1e9) end })
    local context = assert(tls.context(options))
    local client, server = connection.pair()
    local asking = kio.spawn(tls.client, client, { ca = material.ca(), name = "localhost" })
    local fine, message, code = tls.server(server, context, { timeout = 0.05 })
    assert.is_nil(fine)
    assert.matches("^handshake .*: timed out$", message)
    assert.equal("ETIMEDOUT", code)
    assert.is_nil((asking:await()))
  end)

  it_alone("refuses who asks for nobody when it has no certificate of its own", function()
    local options = { sni = { ["a.org"] = assert(tls.context(named("a", "DNS:a.org"))) } }
    local report = serve(echo, { tls = assert(tls.context(options)), on_error = function() end },
      function(address)
        assert.matches("unrecognized name", name_of(address, "b.org"))
        assert.equal("CN=a", name_of(address, "a.org"))
      end)
    assert.equal(1, report.failed)
  end)

  -- ---- sessions ----

  -- Whether a second connection goes on with the first one's session.
  local function resumes(address, context, between)
    for i = 1, 2 do
      local client <close> = assert(tls.connect(address, { context = context, name = "localhost" }))
      client:send "x"
      assert.equal("x", client:read(1)) -- and the tickets that came before it
      if i == 2 then return client:tls().resumed end
      if between then between() end
    end
  end

  local function client_context(others)
    local options = { ca = material.ca() }
    for key, value in pairs(others or {}) do options[key] = value end
    return assert(tls.context(options))
  end

  for _, version in ipairs { "1.2", "1.3" } do
    it_alone("goes on with sessions by tickets, or not: TLS " .. version, function()
      local context = assert(tls.context(material.leaf()))
      serve(echo, { tls = context }, function(address)
        assert.is_true(resumes(address, client_context { max = version }))
        assert.is_true(resumes(address, client_context { max = version }, function()
          assert(context:replace(material.leaf()))
        end))
      end)
      local none = assert(tls.context(material.options(nil, { tickets = 0 })))
      serve(echo, { tls = none }, function(address)
        assert.is_false(resumes(address, client_context { max = version }))
      end)
    end)

    it_alone("opens the tickets of other machines with their keys: TLS " .. version, function()
      local old, new = ("o"):rep(80), ("n"):rep(80)
      local function with(...) return material.options(nil, { ticket_keys = { ... } }) end
      local context = assert(tls.context(with(old)))
      serve(echo, { tls = context }, function(address)
        assert.is_true(resumes(address, client_context { max = version }, function()
          assert(context:replace(with(new, old)))
        end))
        assert.is_false(resumes(address, client_context { max = version }, function()
          assert(context:replace(with(("x"):rep(80))))
        end))
      end)
    end)
  end

  it_alone("lets no session past rules that came later", function()
    local context = assert(tls.context(material.leaf()))
    serve(echo, { tls = context, on_error = function() end }, function(address)
      local ours = client_context()
      local client <close> = assert(tls.connect(address, { context = ours, name = "localhost" }))
      client:send "x"
      client:read(1)
      local strict = material.options(nil, { ca = material.ca(), client = "require" })
      assert(context:replace(strict))
      local late <close> = assert(tls.connect(address, { context = ours, name = "localhost" }))
      assert.equal("TLS_ALERT", select(3, late:recv()))
    end)
  end)

  -- ---- certificates that are replaced ----

  it_alone("replaces certificates while it serves", function()
    local context = assert(tls.context(named("first", "DNS:localhost")))
    serve(echo, { tls = context }, function(address)
      local options = { ca = material.ca(), name = "localhost" }
      local client <close> = assert(tls.connect(address, options))
      assert.is_nil((context:replace { cert = "/nowhere" }))
      assert.equal("CN=first", name_of(address, "localhost"))
      assert.is_true(context:replace(named("second", "DNS:localhost")))
      assert.equal("CN=second", name_of(address, "localhost"))
      client:send "still there"
      assert.equal("still there", client:read(11))
    end)
  end)

  -- ---- workers ----

  local function it_spread(name, f)
    it(name, function()
      if os.getenv "KIO_FILTER" then return pending("KIO_FILTER: it has a filter already") end
      if support.chunk then return pending("KIO_CHUNK knows one thread") end
      support.run(f, { threads = 3 })
    end)
  end

  it_spread("serves on all workers by one context, and resumes across them", function()
    local context = assert(tls.context(material.leaf()))
    local options = { tls = context, spread = true }
    serve(function(stream)
      local me = tostring(require "kio".thread.id())
      for line in stream:lines() do stream:write(me, " ", line, "\n") end
    end, options, function(address)
      local ours, workers, resumed = client_context(), {}, 0
      local open = {}
      for i = 1, 6 do
        local client = assert(tls.connect(address, { context = ours, name = "localhost" }))
        client:write(i, "\n")
        local worker, what = client:read():match "^(%d+) (%d+)$"
        assert.equal(tostring(i), what)
        workers[worker] = true
        if client:tls().resumed then resumed = resumed + 1 end
        open[i] = client
      end
      connection.close(table.unpack(open))
      assert.equal(5, resumed)
      local count = 0
      for _ in pairs(workers) do count = count + 1 end
      assert.equal(3, count)
    end)
  end)

  -- The workers that have chosen, by a function that each of them has a copy of.
  local function workers_of(address, name)
    local workers, open = {}, {}
    for i = 1, 6 do
      local client = assert(tls.connect(address, { ca = material.ca(), name = name }))
      client:write "x\n"
      workers[client:read()] = true
      open[i] = client
    end
    connection.close(table.unpack(open))
    local list = {}
    for worker in pairs(workers) do list[#list + 1] = worker end
    table.sort(list)
    return table.concat(list, ", ")
  end

  it_spread("asks a function on each worker, also after it was replaced", function()
    local leaves = {
      ["a.org"] = assert(tls.context(named("a", "DNS:a.org"))),
      ["b.org"] = assert(tls.context(named("b", "DNS:b.org"))),
    }
    local function only(name)
      return { sni = function(asked)
        require "kio".sleep(0.001)
        return asked == name and leaves[asked] or nil
      end }
    end
    local context = assert(tls.context(only "a.org"))
    serve(function(stream)
      local me = tostring(require "kio".thread.id())
      for _ in stream:lines() do stream:write(me, "\n") end
    end, { tls = context, spread = true, on_error = function() end }, function(address)
      assert.equal("1, 2, 3", workers_of(address, "a.org"))
      assert.matches("unrecognized name", name_of(address, "b.org"))
      assert(context:replace(only "b.org"))
      assert.equal("1, 2, 3", workers_of(address, "b.org"))
      assert.matches("unrecognized name", name_of(address, "a.org"))
    end)
  end)

  it_spread("says why a function cannot be copied, or is to be had no more", function()
    local context = assert(tls.context { sni = function() end })
    local listener <close> = assert(kio.net.listen "127.0.0.1:0")
    assert.is_truthy(kio.thread.spawn_on(2, function(c) return c end, context):await() == context)
    local own = coroutine.create(print)
    context = assert(tls.context { sni = function() return own end })
    support.expect_error("the function 'sni' of its context.*thread", listener.serve, listener,
      print, { tls = context, spread = true })
    local there = kio.thread.spawn_on(2, function()
      return assert(require "kio.tls".context { sni = function() end })
    end):await()
    kio.thread.spawn_on(2, function() collectgarbage() end):await()
    local client, server = connection.pair()
    local shaking = kio.spawn(tls.client, client, { verify = false })
    support.expect_error("the function 'sni' of this context is gone", tls.server, server, there)
    pcall(shaking.await, shaking)
    client:close()
  end)

  it_spread("hands streams over to other workers", function()
    pair.hand_over(pair.open())
  end)
end)
