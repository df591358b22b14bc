-- Streams that are idle in a pool: what comes there, or the end, closes them at once; a read goes
-- on with the receive that is under way; they keep no run alive.
-- flavours: test asan hostile
local kio = require "kio"
local serving = require "spec.net.serve.common"
local support = require "spec.support"

local own = kio.core.own
local run, until_true = support.run, serving.until_true

-- Both ends of a connection.
local function pair()
  local listener <close> = assert(kio.net.listen "127.0.0.1:0")
  local client = assert(kio.net.connect(listener:address()))
  return client, assert(listener:accept())
end

-- Runs f with a pool of connections to a listener, a lease of it, and the other end of that.
local function with_pool(options, f)
  run(function()
    local listener <close> = assert(kio.net.listen "127.0.0.1:0")
    options.connect = function(more) return kio.net.connect(listener:address(), more) end
    local pool <close> = kio.pool(options)
    local lease = assert(pool:acquire())
    local peer <close> = assert(listener:accept())
    f(pool, lease, peer, listener)
  end)
end

-- Runs f with both ends of a connection.
local function with_pair(f)
  run(function()
    local a, b = pair()
    local _ <close> = a
    local _ <close> = b
    f(a, b)
  end)
end

local function closed(stream) return function() return stream:fd() == nil end end

describe("a stream that rests", function()
  for name, happen in pairs {
    ["its peer ends"] = function(peer) peer:close() end,
    ["its peer resets it"] = function(peer) peer:option("linger", 0) peer:close() end,
    ["bytes come"] = function(peer) peer:send "stray" end,
  } do
    it("is closed when " .. name, function()
      with_pool({}, function(pool, lease, peer, listener)
        local stream = lease.member
        lease:release()
        assert.equal(1, pool:stats().idle)
        happen(peer)
        until_true(closed(stream))
        assert.equal(0, pool:stats().idle)
        local other <close> = assert(pool:acquire())
        assert.are_not.equal(stream, other.member)
        assert.equal(1, pool:stats().lost)
        assert(listener:accept()):close()
      end)
    end)
  end

  it("goes on with its receive when somebody reads", function()
    with_pool({}, function(pool, lease, peer)
      local stream = lease.member
      for i = 1, 20 do
        lease:release()
        if i % 2 == 0 then kio.yield() end
        lease = assert(pool:acquire())
        assert.equal(stream, lease.member)
        if i % 5 == 0 then peer:send "early " kio.sleep(0) end -- it is in use: that stays
        stream:write "ping\n"
        assert.equal("ping", peer:read())
        if i % 3 == 0 then
          assert.equal("ETIMEDOUT", select(3, stream:read("l", { timeout = 0 })))
        end
        peer:write "pong\n"
        assert.equal(i % 5 == 0 and "early pong" or "pong", stream:read())
      end
      assert.equal(1, pool:stats().connected)
      lease:drop()
    end)
  end)

  it("is refused with unread bytes, at its end, closed, or in use", function()
    with_pair(function(a, b)
      local reading = kio.spawn(a.read, a)
      kio.yield()
      assert.is_false(own.stream_rest(a))
      b:send "line\nmore"
      reading:await()
      a:peek(4)
      assert.is_false(own.stream_rest(a))
      assert.equal("more", a:read(4))
      assert.is_true(own.stream_rest(a))
      assert.is_true(own.stream_rest(a))
      a:close()
      assert.is_false(own.stream_rest(a))
      b:read "a"
      assert.is_false(own.stream_rest(b))
    end)
  end)

  it("can be closed, dropped and collected", function()
    run(function()
      for _, finish in ipairs {
        function(stream) stream:close() end,
        function(stream) stream:close { timeout = 0 } end,
        function(stream) kio.close(stream:fd()) end,
        function() end,
      } do
        do
          local ends = { pair() }
          local _ <close> = ends[2]
          assert.is_true(own.stream_rest(ends[1]))
          finish(ends[1])
          ends[1] = nil
          collectgarbage()
          collectgarbage()
          assert.is_nil(ends[2]:recv())
        end
      end
    end)
  end)

  it("refuses what needs a stream that nobody receives from", function()
    with_pair(function(a, b)
      assert.is_true(own.stream_rest(a))
      support.expect_error("the stream rests in a pool", a.unread, a, "x")
      b:send "y"
      until_true(closed(a))
    end)
  end)

  it("is watched by who reads from it, and by shutdown", function()
    with_pair(function(a, b)
      assert.is_true(own.stream_rest(a))
      local reading = kio.spawn(a.read, a, 3)
      kio.yield()
      reading:cancel()
      assert.is_false((reading:join()))
      assert.is_true(own.stream_rest(a))
      a:write "out"
      assert.equal("out", b:read(3))
      assert.is_true(own.stream_rests(a))
      a:shutdown "read"
      until_true(closed(a))
    end)
  end)

  it("keeps no run alive, nor its deadlock unseen, and ends with the run", function()
    local stream, peer
    run(function()
      stream, peer = pair()
      assert.is_true(own.stream_rest(stream))
    end)
    assert.is_nil(stream:fd())
    run(function() assert.is_nil(peer:recv()) peer:close() end)
    support.expect_error("deadlock", run, function()
      local a, b = pair()
      assert.is_true(own.stream_rest(a))
      assert.is_true(own.stream_rest(b))
      kio.sync.event():wait()
    end)
  end)

  it("is not made outside of a run", function()
    local a, b = run(pair)
    assert.is_false(own.stream_rest(a))
    assert.is_true(own.stream_rests(a))
    a:close()
    b:close()
  end)

  it("is found in a member by the option 'stream'", function()
    run(function()
      local listener <close> = assert(kio.net.listen "127.0.0.1:0")
      local pool <close> = kio.pool {
        connect = function() return { socket = assert(kio.net.connect(listener:address())) } end,
        close = function(member) member.socket:close() end,
        stream = function(member) return member.socket end,
      }
      local lease = assert(pool:acquire())
      local stream = lease.member.socket
      local peer <close> = assert(listener:accept())
      lease:release()
      peer:close()
      until_true(closed(stream))
      assert.equal(0, pool:stats().idle)
    end)
  end)

  it("is nothing else that the option 'stream' may give", function()
    run(function()
      for _, thing in ipairs { { 5, "number" }, { false, "boolean" }, { {}, "table" },
        { io.stdout, "FILE%*" } } do
        local closed_members = 0
        local pool <close> = kio.pool {
          connect = function() return {} end,
          close = function() closed_members = closed_members + 1 end,
          stream = function() return thing[1] end,
        }
        support.expect_error("option 'stream' has given a " .. thing[2] .. " in place of a "
          .. "kio.Stream or nil", pool.acquire, pool)
        assert.equal(1, closed_members)
        assert.equal(0, pool:stats().leased)
        assert.is_true(pool:close { timeout = 0 })
      end
      local pool <close> = kio.pool { connect = function() return {} end, stream = function() end }
      local lease <close> = assert(pool:acquire())
      assert.is_table(lease.member)
    end)
  end)

  it("is nothing special when it is a pipe", function()
    run(function()
      local from, to = kio.pipe()
      local stream <close> = assert(kio.stream(from))
      assert.is_true(own.stream_rest(stream))
      kio.write(to, "x")
      assert.equal("x", stream:read(1))
      kio.close(to)
    end)
  end)
end)

describe("a member that is released", function()
  it("is dropped when something is unread", function()
    with_pool({ max = 1 }, function(pool, lease, peer)
      peer:send "late"
      lease.member:peek(4)
      local waiter = kio.spawn(pool.acquire, pool)
      kio.yield()
      local first = lease.member
      lease:release()
      assert.is_nil(first:fd())
      local other <close> = waiter:await()
      assert.is_true(other.member:fd() ~= nil)
    end)
  end)

  it("is not handed on when something comes before the next task has it", function()
    with_pool({ max = 1 }, function(pool, lease, peer)
      local waiter = kio.spawn(pool.acquire, pool)
      kio.yield()
      peer:send "stray" -- has arrived when the waiter looks
      kio.sleep(0)
      local first = lease.member
      lease:release()
      local other <close> = waiter:await()
      if other.member == first then
        assert.is_true(own.stream_rests(first)) -- not yet, then
      else
        assert.is_nil(first:fd())
      end
    end)
  end)
end)
