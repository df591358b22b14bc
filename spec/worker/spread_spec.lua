-- listener:serve with spread = true: which worker gets a connection, and that limits, errors and
-- the end are what they are without.
local common = require "spec.net.serve.common"
local kio = require "kio"
local support = require "spec.support"

local THREADS <const> = 3

local function run(f, threads) return support.run(f, { threads = threads or THREADS }) end

local function start(handler, options)
  options = options or {}
  options.spread = true
  return common.start(handler, options)
end

-- Tells on which worker it runs, and ends when its peer does.
local function tell_worker(stream)
  stream:write(kio.thread.id(), "\n")
  stream:recv()
end

-- A new connection, and the number of the worker that serves it.
local function connect(address)
  local client = common.client(address)
  return client, math.tointeger(tonumber((client:read "l")))
end

local function close_all(clients)
  for _, client in ipairs(clients) do client:close() end
end

local function stop(serving, listener)
  listener:close()
  return serving:await()
end

describe("spread", function()
  it("gives a connection to the worker with the fewest", function()
    run(function()
      local serving, listener, address = start(tell_worker, { max_connections = 9 })
      local clients, of_worker = {}, { {}, {}, {} }
      for i = 1, 9 do
        local client, worker = connect(address)
        clients[i] = client
        table.insert(of_worker[worker], client)
      end
      for i = 1, THREADS do assert.equal(3, #of_worker[i]) end
      for _, worker in ipairs { 3, 1, 2, 2, 3 } do
        table.remove(of_worker[worker]):close() -- the next one is let in when this has ended
        local client, where = connect(address)
        clients[#clients + 1] = client
        table.insert(of_worker[worker], client)
        assert.equal(worker, where)
      end
      close_all(clients)
      assert.same({ accepted = 14, failed = 0, idle = 0, cut = 0 }, stop(serving, listener))
    end)
  end)

  it("goes round when several have as few, the own worker included", function()
    run(function()
      local serving, listener, address = start(tell_worker, { max_connections = 1 })
      for round = 1, 2 do
        for _, worker in ipairs { 2, 3, 1 } do
          local client, where = connect(address)
          assert.equal(worker, where, "in round " .. round)
          client:close()
        end
      end
      stop(serving, listener)
    end)
  end)

  it("works from any worker, and with one", function()
    local function serve_here()
      local listener = assert(kio.net.listen "127.0.0.1:0")
      local serving = kio.spawn(listener.serve, listener, tell_worker, { spread = true })
      local workers, clients = {}, {}
      for i = 1, 3 do clients[i], workers[i] = connect(listener:address()) end
      close_all(clients)
      listener:close()
      table.sort(workers)
      return workers, serving:await().accepted
    end
    assert.same({ { 1, 2, 3 }, 3 }, { run(function()
      return kio.thread.spawn_on(2, serve_here):await()
    end) })
    assert.same({ { 1, 1, 1 }, 3 }, { run(serve_here, 1) })
  end)

  it("tells the handler the peer, and what has come already", function()
    run(function()
      local serving, listener, address = start(function(stream, peer)
        stream:write(peer, " ", stream:peer(), " ", stream:read "l", "\n")
      end)
      for i = 1, 2 * THREADS do
        local client <close> = common.client(address)
        assert(client:send("number " .. i .. "\n"))
        local own = client:address()
        assert.equal(("%s %s number %d"):format(own, own, i), client:read "l")
      end
      assert.equal(2 * THREADS, stop(serving, listener).accepted)
    end)
  end)

  it("lets the handlers share a channel and an event", function()
    run(function()
      local channel, event = kio.thread.channel(THREADS), kio.thread.event()
      local serving, listener, address = start(function()
        assert(channel:send(kio.thread.id()))
        event:wait()
      end)
      local clients, sum = {}, 0
      for i = 1, THREADS do clients[i] = common.client(address) end
      for _ = 1, THREADS do sum = sum + channel:receive() end
      event:set()
      assert.equal(6, sum)
      close_all(clients)
      stop(serving, listener)
    end)
  end)

  it("gives each worker one copy of the handler, and uses the original here", function()
    run(function()
      local count = 0
      local serving, listener, address = start(function(stream)
        count = count + 1
        stream:write(kio.thread.id(), " ", count, "\n")
      end, { max_connections = 1 })
      local last = {}
      for _ = 1, 3 * THREADS do
        local client <close> = common.client(address)
        local worker, n = client:read("l"):match "(%d+) (%d+)"
        worker, n = math.tointeger(tonumber(worker)), math.tointeger(tonumber(n))
        assert.equal((last[worker] or 0) + 1, n)
        last[worker] = n
      end
      stop(serving, listener)
      assert.same({ 3, 3, 3 }, last)
      assert.equal(3, count)
    end)
  end)
end)

describe("a handler on another worker", function()
  it("that fails is told to on_error here, once, with both tracebacks", function()
    run(function()
      local told = {}
      local serving, listener, address = start(function(stream)
        error { line = stream:read "l" }
      end, { max_connections = 1, on_error = function(...) told[#told + 1] = table.pack(...) end })
      local peers = {}
      for i = 1, THREADS do
        local client <close> = common.client(address)
        peers[i] = client:address()
        client:write("line ", i, "\n")
        assert.is_nil((client:recv()))
      end
      assert.same({ accepted = 3, failed = 3, idle = 0, cut = 0 }, stop(serving, listener))
      for i = 1, THREADS do
        local err, peer, trace = table.unpack(told[i])
        assert.same({ "line " .. i, peers[i] }, { err.line, peer })
        assert.matches(i < 3 and "worker " .. i + 1 or "spread_spec", trace)
      end
    end)
  end)

  it("that raises a cancellation of its own making has failed, and the server goes on", function()
    for _, spread in ipairs { true, false } do
      run(function()
        local told = {}
        local serving, listener, address = common.start(function(stream)
          if stream:read "l" == "await" then
            local task = kio.spawn(kio.sleep, 1e6)
            task:cancel()
            task:await()
          end
          stream:write "served\n"
        end, { spread = spread, on_error = function(err) told[#told + 1] = err end })
        for _ = 1, THREADS do
          local client <close> = common.client(address)
          assert.is_nil(common.ask(client, "await"))
          local other <close> = common.client(address)
          assert.equal("served", common.ask(other, "go on"))
        end
        assert.same({ accepted = 2 * THREADS, failed = THREADS, idle = 0, cut = 0 },
          stop(serving, listener))
        for i = 1, THREADS do assert.matches("handler raised kio.Cancelled", told[i]) end
      end)
    end
  end)

  it("is waited for with the tasks it has spawned, and its output leaves", function()
    run(function()
      local serving, listener, address = start(function(stream)
        kio.spawn(function()
          for _ = 1, 5 do kio.yield() end
          stream:write(("x"):rep(100000))
        end)
      end)
      for _ = 1, THREADS do
        local client <close> = common.client(address)
        assert.equal(100000, #client:read "a")
      end
      stop(serving, listener)
    end)
  end)

  it("is ended when its peer lets nothing move", function()
    run(function()
      local serving, listener, address = start(function(stream)
        stream:write "hello\n"
        stream:recv()
      end, { idle_timeout = 0.05 })
      local clients = {}
      for i = 1, 2 * THREADS do
        clients[i] = common.client(address)
        assert.equal("hello", clients[i]:read "l")
      end
      for _, client in ipairs(clients) do
        assert.is_nil((client:recv()))
        client:close()
      end
      assert.same({ accepted = 6, failed = 0, idle = 6, cut = 0 }, stop(serving, listener))
    end)
  end)
end)

describe("the end of a server that spreads", function()
  -- Answers one line when it has come; says goodbye when it is cut off.
  local function answer(stream)
    local farewell <close> = setmetatable({}, { __close = function(_, err)
      if err then kio.shield(stream.send, stream, "cut off\n") end
    end })
    stream:write "ready\n"
    local line = stream:read "l"
    stream:write("answer to ", line, "\n")
    return farewell
  end

  local function connect_all(address, count)
    local clients = {}
    for i = 1, count do
      clients[i] = common.client(address)
      assert.equal("ready", clients[i]:read "l")
    end
    return clients
  end

  it("lets handlers finish", function()
    run(function()
      local serving, listener, address = start(answer)
      local clients = connect_all(address, 6)
      serving:cancel()
      common.until_true(function() return not listener:fd() end)
      for i, client in ipairs(clients) do
        client:write(i, "\n")
        assert.equal("answer to " .. i, client:read "l")
        client:close()
      end
      assert.same({ accepted = 6, failed = 0, idle = 0, cut = 0 }, serving:await())
    end)
  end)

  it("cuts off those that do not, and they unwind", function()
    run(function()
      local serving, listener, address = start(answer, { drain_timeout = 0.02 })
      local clients = connect_all(address, 6)
      listener:close()
      for _, client in ipairs(clients) do
        assert.equal("cut off", client:read "l")
        assert.is_nil((client:recv()))
        client:close()
      end
      assert.same({ accepted = 6, failed = 0, idle = 0, cut = 6 }, serving:await())
    end)
  end)

  it("comes before any worker was ready, too", function()
    run(function()
      local serving, listener = start(answer)
      kio.yield()
      assert.equal(0, stop(serving, listener).accepted)
      local again, other = start(answer)
      kio.yield()
      again:cancel()
      assert.equal(0, again:await().accepted)
      assert.is_nil(other:fd())
    end)
  end)

  it("leaves nothing on the workers", function()
    run(function()
      for _ = 1, 5 do
        local serving, listener, address = start(tell_worker, { idle_timeout = 60 })
        local clients = {}
        for i = 1, THREADS do clients[i] = connect(address) end
        close_all(clients)
        stop(serving, listener)
      end
      local tasks = kio.thread.spawn_on(2, function() return #kio.tasks() end):await()
      assert.equal(1, tasks)
    end)
  end)
end)

describe("spread is refused", function()
  local function refused(pattern, handler, listen, threads)
    run(function()
      local listener <close> = assert(kio.net.listen(listen
        and "unix:@kio-spread-" .. support.free_port() or "127.0.0.1:0", listen))
      local f = handler or function() return listener end
      assert.error_matches(function() listener:serve(f, { spread = true }) end, pattern)
      assert.is_truthy(listener:fd())
    end, threads)
  end

  it("for a handler that cannot cross, with the path", function()
    local log <close> = assert(io.open "/dev/null")
    local config = { deep = { log } }
    refused("bad argument #1 to 'serve' %(the handler upvalue 'config'%.deep%[1%]: userdata "
      .. "%(FILE%*%) cannot cross", function() return config end)
  end)

  it("for one that holds a handle, even the listener, and nothing moves", function()
    refused("the handler upvalue 'listener': kio.Listener: it moves, and can go to one worker only")
    refused("upvalue 'listener'", nil, nil, 1)
  end)

  it("for packets, and for what is no boolean", function()
    refused("bad argument #2 to 'serve' %(option 'spread' is for streams", print,
      { type = "seqpacket" })
    run(function()
      local listener <close> = assert(kio.net.listen "127.0.0.1:0")
      local function serve() listener:serve(print, { spread = 2 }) end
      assert.error_matches(serve, "must be a boolean")
    end)
  end)

  it("when a module of the handler's is missing over there", function()
    package.loaded["spread.missing"] = { f = function() end }
    local missing = package.loaded["spread.missing"]
    run(function()
      local serving, listener, address = start(function() missing.f() end)
      local client <close> = assert(kio.net.connect(address))
      local ok, err = serving:join()
      assert.is_false(ok)
      assert.matches("spread.missing", tostring(err))
      assert.is_nil(listener:fd())
      assert.is_nil((client:recv()))
    end)
    package.loaded["spread.missing"] = nil
  end)
end)
