-- listener:serve: what a connection is given, and that what becomes of it is nobody else's concern.
local kio = require "kio"
local support = require "spec.support"
local common = require "spec.net.serve.common"
local connection = require "spec.net.connection"

local start, client, ask = common.start, common.client, common.ask

-- Options whose on_error collects what it is told.
local function collecting(options)
  local told = {}
  options = options or {}
  options.on_error = function(...) told[#told + 1] = table.pack(...) end
  return options, told
end

local function stop(serving, listener)
  listener:close()
  return serving:await()
end

describe("a handler", function()
  it("is called with the stream and the peer's address, each in a task of its own", function()
    support.run(function()
      local tasks, peers = {}, {}
      local serving, listener, address = start(function(stream, peer, ...)
        assert.equal(0, select("#", ...))
        assert.equal(peer, stream:peer())
        tasks[#tasks + 1], peers[peer] = kio.core.own.current(), true
        common.echo(stream)
      end)
      local a <close> = client(address)
      local b <close> = client(address)
      assert.equal("one", ask(a, "one"))
      assert.equal("two", ask(b, "two"))
      assert.is_true(peers[a:address()] and peers[b:address()])
      assert.not_equal(tasks[1], tasks[2])
      a:close()
      b:close()
      assert.same({ accepted = 2, failed = 0, idle = 0, cut = 0 }, stop(serving, listener))
    end)
  end)

  it("that returns has its stream closed, after its output has left", function()
    support.run(function()
      local text = ("x"):rep(300000)
      local kept
      local serving, listener, address = start(function(stream)
        kept = stream
        stream:write(text)
      end)
      local stream <close> = client(address)
      assert.is_true(text == connection.receive_all(stream))
      stop(serving, listener)
      assert.is_nil(kept:fd())
    end)
  end)

  it("may close the stream itself", function()
    support.run(function()
      local serving, listener, address = start(function(stream) assert(stream:close()) end)
      local stream <close> = client(address)
      assert.is_nil(stream:recv())
      assert.same({ accepted = 1, failed = 0, idle = 0, cut = 0 }, stop(serving, listener))
    end)
  end)

  it("that forgets its tasks is waited for: they end, then the stream closes", function()
    support.run(function()
      local serving, listener, address = start(function(stream)
        kio.spawn(function()
          for _ = 1, 5 do kio.yield() end
          stream:write "from a task"
        end)
      end)
      local stream <close> = client(address)
      assert.equal("from a task", connection.receive_all(stream))
      stop(serving, listener)
    end)
  end)
end)

describe("an error of a handler", function()
  -- Fails when asked to, with a task that sleeps for ever behind it.
  local function failing(stream, mark)
    for line in stream:lines() do
      if line == "fail" then
        kio.spawn(function()
          local held <close> = setmetatable({}, { __close = mark })
          kio.sleep(1000)
          return held
        end)
        kio.yield()
        error { reason = "asked to" }
      end
      stream:write(line, "\n")
    end
  end

  it("is told once, with peer and traceback, and closes its stream; others go on", function()
    support.run(function()
      local options, told = collecting()
      local children_ended = 0
      local function mark() children_ended = children_ended + 1 end
      local serving, listener, address = start(function(stream) failing(stream, mark) end, options)
      local good <close> = client(address)
      local bad <close> = client(address)
      assert.equal("before", ask(good, "before"))
      local bad_address = bad:address()
      assert.is_nil(ask(bad, "fail"))
      assert.equal("after", ask(good, "after"))
      assert.equal(1, children_ended)
      assert.equal(1, #told)
      assert.equal("asked to", told[1][1].reason)
      assert.equal(bad_address, told[1][2])
      assert.matches("connection_spec.lua", told[1][3])
      good:close()
      assert.same({ accepted = 2, failed = 1, idle = 0, cut = 0 }, stop(serving, listener))
    end)
  end)

  it("that cannot even be told as a text ends that connection and no other", function()
    local stderr, said = io.stderr, {}
    rawset(io, "stderr", { write = function(_, ...) said[#said + 1] = table.concat { ... } end })
    local ok, err = pcall(support.run, function()
      local unspeakable = setmetatable({}, { __tostring = function() error "not this one" end })
      local serving, listener, address = start(function(stream)
        if stream:read "l" == "fail" then error(unspeakable) end
        common.echo(stream)
      end)
      local good <close> = client(address)
      good:write "first\n"
      local bad <close> = client(address)
      assert.is_nil(ask(bad, "fail"))
      assert.equal("after", ask(good, "after"))
      good:close()
      assert.same({ accepted = 2, failed = 1, idle = 0, cut = 0 }, stop(serving, listener))
    end)
    rawset(io, "stderr", stderr)
    assert.is_true(ok, err)
    assert.equal(1, #said)
    assert.matches("^kio: the connection of 127%.0%.0%.1:%d+ failed: %(error object is", said[1])
  end)

  it("in one of its tasks is the handler's", function()
    support.run(function()
      local options, told = collecting()
      local serving, listener, address = start(function(stream)
        kio.spawn(error, "in a task", 0)
        stream:recv()
      end, options)
      local stream <close> = client(address)
      assert.is_nil(stream:recv())
      assert.equal(1, stop(serving, listener).failed)
      assert.equal("in a task", told[1][1])
    end)
  end)

  it("does not wait for a peer that reads nothing, but lets go what fits", function()
    support.run(function()
      local options, told = collecting()
      local address = connection.abstract_name()
      local serving, listener = start(function(stream)
        stream:write "last words"
        kio.yield()
        connection.fill(stream, ("x"):rep(4096))
        error "now"
      end, options, address)
      local stream <close> = client(address)
      common.until_true(function() return #told == 1 end)
      listener:close()
      assert.equal(1, serving:await().failed) -- although nobody has read a byte
      assert.equal("last words", stream:read(10))
    end)
  end)
end)

describe("max_connections", function()
  it("leaves the others unaccepted until one ends", function()
    support.run(function()
      local now, most = 0, 0
      local serving, listener, address = start(function(stream)
        now = now + 1
        most = math.max(most, now)
        common.echo(stream)
        now = now - 1
      end, { max_connections = 2 })
      local streams = {}
      for i = 1, 6 do
        streams[i] = client(address)
        streams[i]:write(i, "\n")
      end
      for i = 1, 6 do
        assert.equal(tostring(i), streams[i]:read "l") -- in the order they came
        -- Nobody is accepted in order to be closed.
        local _, _, code = streams[6]:peek(1, { timeout = 0 })
        assert.is_true(code == "ETIMEDOUT" or i >= 5, code)
        streams[i]:close()
      end
      assert.equal(2, most)
      assert.equal(6, stop(serving, listener).accepted)
    end)
  end)

  it("reached, is waited for at the server, and not where descriptors get free", function()
    -- How often tasks are resumed while somebody closes descriptors.
    local function resumes()
      local before = kio.stats().resumes
      for _ = 1, 10 do
        local r, w = kio.pipe()
        kio.close(r)
        kio.close(w)
        kio.yield()
      end
      return kio.stats().resumes - before
    end
    kio.testing.run(function()
      local alone = resumes()
      local serving, listener, address = start(common.echo, { max_connections = 1 })
      local stream <close> = client(address)
      ask(stream, "x")
      kio.sleep(1) -- the server waits for room
      assert.equal(alone, resumes())
      stream:close()
      stop(serving, listener)
    end)
  end)

  it("reached, does not keep the server from being stopped", function()
    for _, how in ipairs { "close", "cancel" } do
      kio.testing.run(function()
        local serving, listener, address = start(common.echo, { max_connections = 1 })
        local stream <close> = client(address)
        local waiting <close> = client(address)
        ask(stream, "x")
        kio.sleep(1) -- the server waits for room
        if how == "close" then listener:close() else serving:cancel() end
        kio.sleep(1)
        assert.is_nil(listener:fd())
        assert.is_nil(waiting:recv())
        stream:close()
        assert.equal(1, serving:await().accepted)
      end)
    end
  end)
end)

describe("serve", function()
  it("refuses misuse", function()
    support.run(function()
      local listener <close> = assert(kio.net.listen "127.0.0.1:0")
      local function refused(pattern, ...)
        support.expect_error("^bad argument #%d to 'serve' %(" .. pattern, listener.serve,
          listener, ...)
      end
      local function handler() end
      support.expect_error("kio.Listener expected", listener.serve, {}, handler)
      refused "a function expected, got nil"
      refused("a function expected, got table", {})
      refused("a table of options expected", handler, 5)
      refused("unknown option 'max'", handler, { max = 1 })
      refused("option 'max_connections' must be an integer of 1 or more", handler,
        { max_connections = 0 })
      refused("option 'accept_budget' must be an integer", handler, { accept_budget = 1.5 })
      refused("option 'idle_timeout' cannot be 0", handler, { idle_timeout = 0 })
      refused("option 'drain_idle' cannot be 0", handler, { drain_idle = 0 })
      refused("option 'idle_timeout' cannot be negative", handler, { idle_timeout = -1 })
      refused("option 'drain_timeout' must be a number", handler, { drain_timeout = "1" })
      refused("option 'on_error' must be a function or true", handler, { on_error = false })
    end)
    local listener <close> = assert(kio.net.listen "127.0.0.1:0")
    support.expect_error("outside a task", listener.serve, listener, print)
  end)

  it("on a closed listener fails at once", function()
    support.run(function()
      local listener = assert(kio.net.listen "127.0.0.1:0")
      local address = listener:address()
      listener:close()
      assert.same({ n = 3, nil, "serve " .. address .. ": the listener is closed", "EBADF" },
        table.pack(listener:serve(print)))
    end)
  end)

  it("returns an error that does not pass, when the connections have ended", function()
    support.run(function()
      local serving, listener, address = start(common.echo)
      local stream <close> = client(address)
      assert.equal("x", ask(stream, "x"))
      kio.cancel(listener:fd())
      common.until_true(function() return not listener:fd() end)
      assert.equal("y", ask(stream, "y"))
      stream:close()
      local report, message, code, last = serving:await()
      assert.is_nil(report)
      assert.equal("accept " .. address .. ": operation canceled", message)
      assert.equal("ECANCELED", code)
      assert.equal(1, last.accepted)
    end)
  end)

  for _, most in ipairs { 1, 2 } do
    it("tells that its listener's number was closed, accepting at most " .. most, function()
      support.run(function()
        local serving, listener, address = start(common.echo, { max_connections = most })
        local stream <close> = client(address)
        assert.equal("x", ask(stream, "x"))
        assert.is_true(kio.close(listener:fd()))
        assert.equal("y", ask(stream, "y"))
        stream:close()
        local report, message, code, last = serving:await()
        assert.is_nil(report)
        local lost = ": its descriptor was closed by its number"
        assert.equal("accept " .. address .. lost, message)
        assert.equal("EBADF", code)
        assert.equal(1, last.accepted)
      end)
    end)
  end

  it("passes over connections that died before they were accepted", function()
    for _, code in ipairs { "ECONNABORTED", "EPROTO", "EINTR" } do
      kio.testing.run(function()
        local faults = kio.testing.faults { { op = "accept", nth = 1, error = code } }
        local serving, listener, address = start(common.echo)
        local stream <close> = client(address)
        assert.equal("x", ask(stream, "x"))
        assert.equal(1, faults:hits())
        stream:close()
        assert.equal(1, stop(serving, listener).accepted)
      end)
    end
  end)

  it("takes no more than accept_budget connections at once", function()
    support.run(function()
      local core, at, most, served = kio.core, {}, 0, 0
      local take = core.own.listener_next
      local listener = assert(kio.net.listen "127.0.0.1:0")
      for _ = 1, 20 do client(listener:address()):close() end -- they come all at once
      core.own.listener_next = function(...)
        local stream, peer, code = take(...)
        local turn = kio.stats().turns
        at[turn] = (at[turn] or 0) + 1
        most = math.max(most, at[turn])
        return stream, peer, code
      end
      local serving = kio.spawn(listener.serve, listener, function() served = served + 1 end,
        { accept_budget = 4 })
      common.until_true(function() return served == 20 end)
      core.own.listener_next = take
      assert.is_true(most <= 4, most)
      stop(serving, listener)
    end)
  end)

  it("several times at once is one program with several listeners", function()
    support.run(function()
      local servings, listeners = {}, {}
      for i = 1, 3 do
        servings[i], listeners[i] = start(function(stream) stream:write("listener ", i) end)
      end
      for i = 1, 3 do
        local stream <close> = client(listeners[i]:address())
        assert.equal("listener " .. i, connection.receive_all(stream))
      end
      for i = 1, 3 do assert.equal(1, stop(servings[i], listeners[i]).accepted) end
    end)
  end)
end)
