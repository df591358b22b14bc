-- Several filters under one stream: what goes through all of them, in both directions, how it ends
-- and fails, and what they refuse. (One filter: filter_spec.)
-- flavours: test asan hostile
local kio = require "kio"
local core = require "kio.core"
local own = core.own
local support = require "spec.support"
local connection = require "spec.net.connection"
local through = require "spec.net.through"

local TEXT = ("all of it, in order; "):rep(support.flavour == "test" and 2000 or 200)
local SHORT = TEXT:sub(1, 1000)

-- Puts these filters under the stream, the lowest first: { name, fault } or a name.
local function put(stream, list)
  for _, filter in ipairs(list) do
    local name, fault = filter, nil
    if type(filter) == "table" then name, fault = table.unpack(filter) end
    own.stream_filter(stream, core.test_filter(name, fault))
  end
end

local function filtered(how, one, other)
  local client, server = connection.pair(how)
  put(client, one)
  put(server, other or one)
  return client, server
end

-- With one put there by the environment there is no place for others.
local function it_alone(name, f)
  it(name, function()
    if os.getenv "KIO_FILTER" then return pending("KIO_FILTER: it has a filter already") end
    support.run(f)
  end)
end

local STACKS = {
  { "xor", "stutter" }, { "stutter", "xor" }, { "xor", "stutter", "xor" },
  { "stutter", "xor", "xor", "stutter" },
}

describe("a stream with several filters", function()
  for _, stack in ipairs(STACKS) do
    local name = table.concat(stack, ", ")

    it_alone("brings everything through them, and its end: " .. name, function()
      local client, server = filtered(nil, stack)
      through.everything(client, server, TEXT)
    end)

    it_alone("goes on both ways at once: " .. name, function()
      local client, server = filtered({ connect = { send_buffer = 4096 } }, stack)
      through.both_ways(client, server, TEXT)
    end)

    it_alone("loses nothing to deadlines and cancellations: " .. name, function()
      local client, server = filtered(nil, stack)
      through.interrupted(client, server, TEXT:sub(1, 300))
    end)

    it_alone("ends its output in order, and reads on: " .. name, function()
      local client, server = filtered(nil, stack)
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
  end

  it_alone("gives each the unread bytes of those below it", function()
    local client, server = connection.pair()
    put(client, { "stutter" })
    put(server, { "stutter" })
    client:send("plain, then ")
    assert.equal("plain, ", server:read(7))
    put(server, { "xor" })
    put(client, { "xor" })
    client:send("more"):close()
    local seen = server:read "a"
    assert.equal("more", seen:sub(6))
    assert.not_equal("then ", seen:sub(1, 5))
    server:close()
  end)

  it_alone("gives it all of them, however many they are, and their end", function()
    local client, server = connection.pair()
    put(client, { "xor", "xor" }) -- which is nothing
    put(server, { "xor" })
    local writing = kio.spawn(function() client:write(TEXT):close() end)
    local first = assert(server:peek(#TEXT + 1)) -- which looks for the end
    writing:await()
    put(server, { "xor" })
    assert.is_false(first == TEXT)
    assert.is_true(server:read("a", { max = 1 << 20 }) == TEXT)
    server:close()
  end)

  it_alone("shakes hands through the others", function()
    local client, server = filtered(nil, { "stutter", { "xor", "hello" } })
    client:write("after the hello")
    local shaking = kio.spawn(own.stream_handshake, client)
    assert.equal(server, own.stream_handshake(server, { timeout = 10 }))
    assert.equal(client, shaking:await())
    assert.equal("after the hello", server:read(15))
    connection.close(client, server)
  end)

  it_alone("makes a pause of a slow peer: memory stays bounded", function()
    local client, server = filtered({ connect = { send_buffer = 4096 } }, { "xor", "stutter" })
    through.slow_peer(client, server, 1 << 22, 30)
  end)

  -- A failure of whichever comes after what went before it, in that filter's words and code.
  for what, stack in pairs {
    upper = { "xor", { "stutter", "strict" } }, lower = { { "stutter", "strict" }, "xor" },
  } do
    it_alone("tells what was cut off in the words of the " .. what, function()
      local client, server = filtered(nil, what == "upper" and { "xor", "stutter" }
        or { "stutter", "xor" }, stack)
      client:send("ab")
      assert(kio.shutdown(client:fd(), "write"))
      assert.equal("ab", server:read(2))
      for _ = 1, 2 do
        local data, message, code = server:recv()
        assert.is_nil(data)
        assert.equal("STRICT", code)
        assert.matches("^recv .*: the end mark is missing$", message)
      end
      assert.equal(server, server:send("an answer"))
      assert.equal("an answer", client:read(9))
      connection.close(client, server)
    end)
  end

  for place, stack in ipairs { { { "xor", "fail" }, "xor" }, { "xor", { "xor", "fail" } } } do
    it_alone("tells what goes before a failure, then the failure: filter " .. place, function()
      local client, server = filtered(nil, { "xor", "xor" }, stack)
      client:send("123456789 unlucky")
      assert.equal("123456789", server:read(9))
      for _ = 1, 2 do
        local data, message, code = server:read "l"
        assert.is_nil(data)
        assert.equal("EPROTO", code)
        assert.matches("^read .*: the tenth byte is unlucky$", message)
      end
      local ok, message = own.stream_filter(server, core.test_filter "xor")
      assert.is_nil(ok)
      assert.matches("the tenth byte is unlucky$", message)
      connection.close(client, server)
    end)
  end

  it_alone("ends where a lower one ends, if that is fair to the upper one", function()
    for _, fair in ipairs { true, false } do
      local client, server = filtered(nil, { "stutter", "stutter" },
        { "stutter", { "stutter", fair and "" or "strict" } })
      own.stream_filter(client, core.test_filter "xor")
      client:send("x")
      assert.truthy(server:read(1))
      local fd = client:fd()
      assert(kio.send(fd, "\2")) -- the end mark of the lowest
      local data, _, code = server:recv()
      assert.is_nil(data)
      assert.equal(not fair and "STRICT" or nil, code)
      connection.close(client, server)
    end
  end)

  it_alone("is known by all of them, the topmost first", function()
    local client, server = filtered(nil, { "xor", "stutter" })
    assert.matches(", stutter, xor%)$", tostring(client))
    connection.close(client, server)
    assert.matches("closed, peer [%d.:]+%)$", tostring(client))
  end)

  it_alone("has four at most, and none over one that shakes hands or has ended", function()
    local client, server = connection.pair()
    put(client, { "xor", "stutter", "xor", "xor" })
    support.expect_error("four filters already", own.stream_filter, client, core.test_filter "xor")
    put(server, { { "xor", "hello" } })
    server:flush()
    support.expect_error("shaking hands", own.stream_filter, server, core.test_filter "xor")
    connection.close(client, server)
    client, server = filtered(nil, { "stutter" })
    client:shutdown "write"
    local ok, _, code = own.stream_filter(client, core.test_filter "xor")
    assert.is_nil(ok)
    assert.equal("EPIPE", code)
    connection.close(client, server)
  end)

  it("leaves nothing behind where memory is out", function()
    if os.getenv "KIO_FILTER" then return pending("KIO_FILTER: it has a filter already") end
    local n, failures, fired = 0, 0, nil
    local text = support.chunk and SHORT:sub(1, 20) or SHORT -- each byte takes turns there
    local function converse()
      local client, server = connection.pair()
      put(client, { "xor", "stutter", "xor" })
      put(server, { "xor", "stutter", "xor" })
      core.fail_memory(n)
      -- Who fails closes its end, so that the other one does not wait.
      local function try(stream, method, ...)
        local fine, result = pcall(stream[method], stream, ...)
        if not (fine and result) then pcall(stream.close, stream, { timeout = 0 }) end
        return fine and result
      end
      local writing = kio.spawn(try, client, "send", text)
      local reading = kio.spawn(try, server, "read", #text)
      local sent = writing:await() == client
      local whole = reading:await() == text
      fired = core.fail_memory(0)
      connection.close(client, server)
      return sent and whole
    end
    repeat
      n = n + 1
      if not support.run(converse) then failures = failures + 1 end
    until fired == 0
    assert.is_true(failures > 3)
  end)

  it("moves to another worker when all of them may", function()
    if os.getenv "KIO_FILTER" then return pending("KIO_FILTER: it has a filter already") end
    if support.chunk then return pending("KIO_CHUNK knows one thread") end
    support.run(function()
      local client, server = filtered(nil, { "stutter", "xor" })
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
      for _, stack in ipairs { { { "xor", "bound" }, "xor" }, { "xor", { "xor", "bound" } } } do
        client, server = filtered(nil, { "xor", "xor" }, stack)
        support.expect_error("its filter stays where it is", kio.thread.spawn_on, 2, print, server)
        connection.close(client, server)
      end
    end, { threads = 2 })
  end)
end)
