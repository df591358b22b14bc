-- A descriptor that is closed here while a child still has it open: the file lives on, bytes and
-- connections go on arriving at it, and nobody here is to hear of that. What is counted are turns
-- of the loop and entries into the kernel, not time: a spin takes thousands.
-- flavours: test asan hostile
local kio = require "kio"
local connection = require "spec.net.connection"
local programs = require "spec.process.common"
local support = require "spec.support"

local ROUNDS = 20 -- times that something arrives
local FEW = 10 * ROUNDS

-- Runs f(); a child has what `handle` (or the number) is open as.
local function with_child(handle, f)
  local fd = math.type(handle) and handle or handle:fd()
  local child <close> = assert(programs.spawn { "sleep", "1000", stdin = fd, stdout = "null" })
  f()
  child:kill()
  child:wait()
end

-- It happens again and again, with pauses in which the loop has nothing to do but to hear of it.
local function is_calm(happens)
  local turns, enters = kio.stats().turns, kio.stats().enters
  for i = 1, ROUNDS do
    happens(i)
    kio.sleep(0.002)
  end
  local stats = kio.stats()
  assert.is_true(stats.turns - turns < FEW, stats.turns - turns)
  assert.is_true(stats.enters - enters < FEW, stats.enters - enters)
end

-- What waits on it in a task of its own, until it is closed.
local function waiting(f, ...)
  local task = kio.spawn(f, ...)
  connection.until_waiting(task)
  return task
end

local function send(fd) return function() assert(kio.send(fd, "more")) end end

describe("closed here, and kept open by a child,", function()
  local function it_is_calm(what, f) it(what, function() support.run(f) end) end

  it_is_calm("a stream of which a task reads", function()
    for _, address in ipairs { "127.0.0.1:0", "unix:@" } do
      local client, server = connection.pair { address = address }
      local reader = waiting(server.recv, server)
      with_child(server, function()
        assert(client:send "1")
        assert.equal("1", reader:await())
        reader = waiting(server.recv, server)
        server:close()
        assert.equal("EBADF", select(3, reader:await()))
        is_calm(function() client:send "more" end) -- fails: that shuts it down
      end)
      client:close()
    end
  end)

  it_is_calm("a stream that nobody reads", function()
    local client, server = connection.pair()
    with_child(server, function()
      assert(client:send "1")
      assert.equal("1", server:recv())
      server:close()
      is_calm(send(client:fd()))
    end)
    client:close()
  end)

  it_is_calm("a number", function()
    local a, b = kio.socketpair()
    local reader = waiting(kio.recv, b, 100)
    with_child(b, function()
      assert(kio.send(a, "1"))
      assert.equal("1", reader:await())
      assert.equal("ETIMEDOUT", select(3, kio.recv(b, 100, 0, { timeout = 0.001 })))
      kio.core.own.close_now(b)
      is_calm(send(a))
    end)
    kio.close(a)
  end)

  it_is_calm("a number with a wait under way", function()
    local a, b = kio.socketpair()
    local poller = waiting(kio.poll, b, "r")
    with_child(b, function()
      kio.close(b)
      assert.equal("EBADF", select(3, poller:await()))
      is_calm(function() kio.send(a, "more") end)
    end)
    kio.close(a)
  end)

  it_is_calm("a pipe", function()
    local r, w = kio.pipe()
    local reader = waiting(kio.read, r, 100)
    with_child(r, function()
      kio.close(r)
      assert.equal("EBADF", select(3, reader:await()))
      is_calm(function() assert(kio.write(w, "more")) end)
    end)
    kio.close(w)
  end)

  it_is_calm("a datagram socket", function()
    local socket = assert(kio.net.udp "127.0.0.1:0")
    local peer <close> = assert(kio.net.udp("127.0.0.1:0", { peer = socket:address() }))
    local reader = waiting(socket.receive, socket)
    with_child(socket, function()
      socket:close()
      assert.equal("EBADF", select(3, reader:await()))
      is_calm(function() peer:send "more" end)
    end)
  end)

  it_is_calm("a listener", function()
    for _, loops in ipairs { false, true } do
      local listener = assert(kio.net.listen "127.0.0.1:0")
      local address = listener:address()
      local accepter = waiting(loops and function()
        for stream in listener:accepts() do stream:close() end
      end or function() return listener:accept() end)
      with_child(listener, function()
        listener:close()
        accepter:join()
        -- closing a listener ends it for the child as well, or the child's queue takes them
        is_calm(function()
          local stream = kio.net.connect(address, { timeout = 1 })
          if stream then stream:close() end
        end)
      end)
    end
  end)

  it_is_calm("and its number in use again", function()
    local a, b = kio.socketpair()
    local reader = waiting(kio.recv, b, 100)
    with_child(b, function()
      kio.close(b)
      assert.equal("EBADF", select(3, reader:await()))
      local c, d = kio.socketpair()
      local number = c == b and d or c
      assert.is_true(c == b or d == b)
      local got = kio.spawn(kio.recv, b, 100)
      is_calm(function() kio.send(a, "for the child") end)
      assert(kio.send(number, "!"))
      assert.equal("!", got:await())
      connection.close(c, d)
    end)
    kio.close(a)
  end)
end)
