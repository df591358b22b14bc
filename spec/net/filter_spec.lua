-- Filters under streams (kio.core's stream_filter): what arrives, ends and fails through them, and
-- what they refuse. test_filter is in test builds: xor and stutter, right and wrong.
local kio = require "kio"
local core = require "kio.core"
local own = core.own
local support = require "spec.support"
local connection = require "spec.net.connection"
local through = require "spec.net.through"

local TEXT = ("all of it, in order; "):rep(2000)
local NAMES = { "xor", "stutter" }

-- A pair with these filters; a string is a name.
local function filtered(how, one, other)
  local client, server = connection.pair(how)
  own.stream_filter(client, core.test_filter(table.unpack(one)))
  own.stream_filter(server, core.test_filter(table.unpack(other or one)))
  return client, server
end

-- With one put there by the environment there is no place for another.
local function it_alone(name, f)
  it(name, function()
    if os.getenv "KIO_FILTER" then return pending("KIO_FILTER: it has a filter already") end
    support.run(f)
  end)
end

describe("a stream with a filter", function()
  for _, name in ipairs(NAMES) do
    it_alone("brings everything through " .. name .. ", and its end", function()
      local client, server = filtered(nil, { name })
      through.everything(client, server, TEXT)
    end)

    it_alone("goes on both ways at once through " .. name, function()
      local client, server = filtered({ connect = { send_buffer = 4096 } }, { name })
      through.both_ways(client, server, TEXT)
    end)

    it_alone("loses nothing to deadlines and cancellations through " .. name, function()
      local client, server = filtered(nil, { name })
      through.interrupted(client, server, TEXT:sub(1, 600))
    end)

    it_alone("gives the filter what is unread, and the reader nothing of it: " .. name, function()
      local client, server = connection.pair()
      client:send("plain")
      assert.equal("p", server:recv(1))
      own.stream_filter(client, core.test_filter "xor")
      own.stream_filter(server, core.test_filter "xor")
      client:send(name):close()
      local seen = server:read "a"
      assert.equal(name, seen:sub(5))
      assert.not_equal("lain", seen:sub(1, 4))
      server:close()
    end)
  end

  it_alone("makes a pause of a slow peer: memory stays bounded", function()
    local client, server = filtered({ connect = { send_buffer = 4096 } }, { "stutter" })
    through.slow_peer(client, server, 1 << 22, 10)
  end)

  it_alone("shakes hands, and writes only then", function()
    local client, server = filtered(nil, { "xor", "hello" })
    client:write("after the hello")
    local shaking = kio.spawn(own.stream_handshake, client)
    assert.equal(server, own.stream_handshake(server, { timeout = 10 }))
    assert.equal(client, shaking:await())
    assert.equal("after the hello", server:read(15))
    connection.close(client, server)
  end)

  it_alone("gives up a handshake by its deadline, by cancellation, at the end", function()
    local client, server = connection.pair()
    own.stream_filter(client, core.test_filter("xor", "hello"))
    assert.equal("ETIMEDOUT", select(3, own.stream_handshake(client, { timeout = 0.01 })))
    local shaking = kio.spawn(own.stream_handshake, client)
    connection.until_waiting(shaking)
    shaking:cancel()
    assert.is_false((pcall(shaking.await, shaking)))
    server:close()
    local ok, message, code = own.stream_handshake(client)
    assert.is_nil(ok)
    assert.truthy(code, message)
    client:close()
  end)

  it_alone("tells an end from what was cut off, in the filter's words", function()
    local client, server = connection.pair()
    own.stream_filter(server, core.test_filter("stutter", "strict"))
    client:send("\0\1a\0\1b"):close()
    assert.equal("ab", server:read(2))
    for _ = 1, 2 do
      local data, message, code = server:recv()
      assert.is_nil(data)
      assert.equal("STRICT", code) -- a code of its own
      assert.matches("^recv .*: the end mark is missing$", message)
    end
    server:close()
  end)

  it_alone("tells what goes before a failure, and then the failure, each time", function()
    local client, server = filtered(nil, { "xor" }, { "xor", "fail" })
    client:send("123456789 unlucky")
    assert.equal("123456789", server:read(9))
    for _ = 1, 2 do
      local data, message, code = server:read "l"
      assert.is_nil(data)
      assert.equal("EPROTO", code)
      assert.matches("^read .*: the tenth byte is unlucky$", message)
    end
    assert.equal(server, server:send("an answer"))
    assert.equal("an answer", client:read(9))
    connection.close(client, server)
  end)

  it_alone("says so when a filter never tells the end", function()
    local client, server = filtered(nil, { "xor" }, { "xor", "mute" })
    client:close()
    local data, message, code = server:recv()
    assert.is_nil(data)
    assert.equal("EPROTO", code)
    assert.matches("the filter made no progress$", message)
    server:close()
  end)

  -- What these show is that the specs above would see such a filter.
  for fault, check in pairs {
    drop = function(got) return #got == #TEXT - 1 end,
    early = function(got) return #got == 9 end,
  } do
    it_alone("shows a filter that is wrong: " .. fault, function()
      local client, server = filtered(nil, { "xor" }, { "xor", fault })
      local reading = kio.spawn(function() return server:read("a", { max = 1 << 20 }) end)
      client:write(TEXT)
      client:close()
      local got = reading:await()
      assert.is_true(got ~= TEXT and check(got))
      server:close()
    end)
  end

  it_alone("sends files through it, and refuses descriptors with words", function()
    local client, server = filtered({ address = connection.abstract_name() }, { "stutter" })
    local path = os.tmpname()
    assert(kio.fs.write_file(path, TEXT))
    local file <close> = assert(kio.fs.open(path))
    assert(kio.fs.remove(path))
    local reading = kio.spawn(connection.receive_all, server)
    assert.equal(100, client:send_file(file, 5, 100))
    for _, call in ipairs { "send_fds", "recv_fds" } do
      local ok, message, code
      if call == "send_fds" then ok, message, code = client:send_fds("x", { client })
      else ok, message, code = client:recv_fds() end
      assert.is_nil(ok)
      assert.equal("EOPNOTSUPP", code)
      assert.matches("^" .. call .. " .*descriptors cannot pass", message)
    end
    client:close()
    assert.equal(TEXT:sub(6, 105), reading:await())
    server:close()
  end)

  it_alone("tells what of a file will leave, when a deadline ends it", function()
    local how = { address = connection.abstract_name(), connect = { send_buffer = 4096 } }
    local client, server = filtered(how, { "xor" })
    local path = os.tmpname()
    assert(kio.fs.write_file(path, TEXT))
    local file <close> = assert(kio.fs.open(path))
    assert(kio.fs.remove(path))
    local sent, _, code, some = client:send_file(file, 0, nil, { timeout = 0.01 })
    assert.is_nil(sent)
    assert.equal("ETIMEDOUT", code)
    local reading = kio.spawn(connection.receive_all, server)
    assert.equal(#TEXT - some, client:send_file(file, some))
    client:close()
    assert.is_true(TEXT == reading:await())
    server:close()
  end)

  it_alone("ends its output in order, and reads on", function()
    local client, server = filtered(nil, { "stutter" })
    client:write("last")
    assert.is_true(client:shutdown "write")
    assert.equal("last", server:read "a")
    server:send("answer"):close()
    assert.equal("answer", client:read "a")
    local ok, _, code = client:send("more")
    assert.is_nil(ok)
    assert.equal("EPIPE", code)
    client:close()
  end)

  it("waits only so long to say its end to a peer that takes nothing", function()
    if os.getenv "KIO_FILTER" then return pending("KIO_FILTER: it has a filter already") end
    kio.testing.run(function()
      local client, server = connection.narrow()
      own.stream_filter(client, core.test_filter "stutter")
      repeat until not kio.send(client:fd(), ("x"):rep(64), kio.const.MSG_DONTWAIT)
      repeat until not kio.send(client:fd(), "x", kio.const.MSG_DONTWAIT)
      local before = kio.now()
      local ok, message, code = client:close()
      assert.is_nil(ok)
      assert.equal("ETIMEDOUT", code, message)
      assert.equal(5, (kio.now() - before) // 1)
      assert.is_nil(client:fd())
      server:close()
    end)
  end)

  it_alone("is closed under its reader", function()
    local client, server = filtered(nil, { "stutter" })
    local reading = kio.spawn(function() return select(3, server:recv()) end)
    connection.until_waiting(reading)
    assert.is_true(server:close())
    assert.equal("EBADF", reading:await())
    client:close()
  end)

  it_alone("is refused where it cannot be", function()
    local client, server = connection.pair()
    local filter = core.test_filter "xor"
    support.expect_error("another version", own.stream_filter, client, core.test_filter "future")
    support.expect_error("kio.Filter expected", own.stream_filter, client, io.stdout)
    client:buffer(100):write("held")
    support.expect_error("flush it first", own.stream_filter, client, filter)
    client:flush()
    local reading = kio.spawn(function() return client:recv() end)
    connection.until_waiting(reading)
    support.expect_error("another task is reading", own.stream_filter, client, filter)
    server:send("x")
    reading:await()
    assert.equal(client, own.stream_filter(client, filter))
    support.expect_error("under a stream already", own.stream_filter, server, filter)
    client:close()
    assert.equal("EBADF", select(3, own.stream_filter(client, core.test_filter "xor")))
    server:close()
  end)

  it("moves to another worker when its filter may", function()
    if os.getenv "KIO_FILTER" then return pending("KIO_FILTER: it has a filter already") end
    if support.chunk then return pending("KIO_CHUNK knows one thread") end
    support.run(function()
      local client, server = filtered(nil, { "xor" })
      client:send("over there")
      assert.equal("over", server:read(4))
      local moved = kio.thread.spawn_on(2, function(s)
        local got = s:read(6)
        s:send("and back"):close()
        return got
      end, server)
      assert.equal(" there", moved:await())
      assert.equal("and back", client:read "a")
      client:close()
      client, server = filtered(nil, { "xor", "bound" })
      support.expect_error("its filter stays where it is", kio.thread.spawn_on, 2, print, server)
      connection.close(client, server)
    end, { threads = 2 })
  end)
end)
