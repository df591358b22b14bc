-- Sockets by number: adopted, from the service manager, and telling it how the service does.
-- The shell that starts a child does not run under ThreadSanitizer:
-- flavours: test asan hostile
local kio = require "kio"
local support = require "spec.support"
local connection = require "spec.net.connection"
local child = require "spec.net.child"

local function passed(handle)
  local client, server = connection.pair { address = "unix:@" }
  assert(client:send_fds("x", { handle }))
  local _, fds = server:recv_fds()
  connection.close(client, server)
  return fds[1]
end

describe("adopting", function()
  it("a listener that was passed makes one that accepts", function()
    support.run(function()
      local first = assert(kio.net.listen("127.0.0.1:0"))
      local second = assert(kio.net.listener(passed(first)))
      assert.equal(first:address(), second:address())
      local accepting = kio.spawn(function() return first:accept() end)
      connection.until_waiting(accepting)
      first:close() -- while it accepts; the other goes on
      assert.equal("EBADF", select(3, accepting:await()))
      accepting = kio.spawn(function() return assert(second:accept()) end)
      local client = assert(kio.net.connect(second:address()))
      local server = accepting:await()
      server:send("served")
      assert.equal("served", client:read(6))
      connection.close(second, client, server)
    end)
  end)

  it("a listener that closes where Lua cannot yield leaves the other one whole", function()
    support.run(function()
      local first = assert(kio.net.listen("127.0.0.1:0"))
      local second = assert(kio.net.listener(passed(first)))
      local accepting = kio.spawn(function() return first:accept() end)
      connection.until_waiting(accepting)
      table.sort({ 1, 2 }, function(a, b) return (first:close() and a or a) < b end)
      assert.equal("EBADF", select(3, accepting:await()))
      local client = assert(kio.net.connect(second:address()))
      local server = assert(second:accept())
      connection.close(second, client, server)
    end)
  end)

  it("a stream that was passed goes on where the other one was", function()
    support.run(function()
      local client, server = connection.pair()
      local other = assert(kio.net.stream(passed(server)))
      assert.equal(client:address(), other:peer())
      server:close()
      other:send("still here")
      assert.equal("still here", client:read(10))
      connection.close(client, other)
    end)
  end)

  it("a datagram socket, bound or connected, and packets", function()
    support.run(function()
      local a = assert(kio.net.udp("127.0.0.1:0"))
      local b = assert(kio.net.udp(nil, { peer = a:address() }))
      local other_a, other_b = kio.net.datagram(passed(a)), kio.net.datagram(passed(b))
      assert.is_nil(other_a:peer())
      assert.equal(a:address(), other_b:peer())
      other_b:send("hello")
      assert.same({ "hello", b:address() }, { other_a:receive_from() })
      connection.close(a, b, other_a, other_b)
      local packets = { type = "seqpacket" }
      local listener = assert(kio.net.listen("unix:@", packets))
      local client = assert(kio.net.connect(listener:address(), packets))
      local second = assert(kio.net.listener(passed(listener)))
      local server = assert(kio.net.datagram(passed(assert(second:accept()))))
      client:send("")
      client:close()
      assert.equal("", server:receive())
      assert.is_nil(server:receive())
      connection.close(listener, second, server)
    end)
  end)

  it("of anything else fails, and leaves it to the caller", function()
    support.run(function()
      local reading, writing = kio.pipe()
      assert.equal("ENOTSOCK", select(3, kio.net.listener(reading)))
      assert.equal("EBADF", select(3, kio.net.stream(1000000)))
      local listener = assert(kio.net.listen("127.0.0.1:0"))
      local _, message, code = kio.net.stream(listener:fd())
      assert.equal("EINVAL", code)
      assert.equal(("stream fd %d: the socket is a listener"):format(listener:fd()), message)
      assert.equal("EINVAL", select(3, kio.net.datagram(listener:fd())))
      local loose = kio.socket("tcp4")
      _, message = kio.net.stream(loose)
      assert.matches("the socket is not connected, or of no kind that kio knows$", message)
      support.expect_error("a descriptor expected", kio.net.listener, "x")
      support.expect_error("a descriptor expected", kio.net.listener, -1)
      connection.close(reading, writing, listener, loose)
    end)
  end)
end)

-- A shell that hands two sockets over, as the service manager does.
local ACTIVATED = [[
  local kio = require "kio"
  local handles, names = kio.net.systemd_listeners()
  for i, handle in ipairs(handles) do
    print(names[i], (tostring(handle):gsub("%%d%%d+", "N")))
  end
  print(os.getenv "LISTEN_FDS", os.getenv "LISTEN_PID", os.getenv "LISTEN_FDNAMES")
  print(#kio.net.systemd_listeners())
  if handles[1] then
    print(kio.run(function() return select(3, handles[1]:accept { timeout = 0.01 }) end))
  end
  for i in ipairs(handles) do
    local flags = io.open("/proc/self/fdinfo/" .. i + 2):read("a"):match("flags:%%s*(%%d+)")
    print(tonumber(flags, 8) & tonumber("2000000", 8) ~= 0)
  end]]

describe("systemd_listeners", function()
  -- perl opens the sockets as 3 and 4, sets the variables and becomes Lua.
  local function activated(environment)
    local listener = [[perl -MSocket -MFcntl -MPOSIX -e '
      POSIX::close($_) for 3 .. 9; $^F = 20;
      socket(A, AF_INET, SOCK_STREAM, 0); bind(A, sockaddr_in(0, INADDR_LOOPBACK)); listen(A, 5);
      fcntl(A, F_SETFL, O_NONBLOCK); # the ring would not wait on it
      socket(B, AF_INET, SOCK_DGRAM, 0); bind(B, sockaddr_in(0, INADDR_LOOPBACK));
      ]] .. environment .. [[ exec @ARGV']]
    return child.run((ACTIVATED:gsub("%%%%", "%%")), listener)
  end

  it("are what was handed over, once", function()
    local output, how, status = activated(
      '$ENV{LISTEN_FDS} = 2; $ENV{LISTEN_PID} = $$; $ENV{LISTEN_FDNAMES} = "http:";')
    assert.equal("exit 0", how .. " " .. status, output)
    assert.equal("http\tkio.Listener (fd 3, open, N.0.0.1:N)\n"
      .. "unknown\tkio.Udp (fd 4, open, N.0.0.1:N)\nnil\tnil\tnil\n0\n"
      .. "ETIMEDOUT\ntrue\ntrue\n", output)
  end)

  it("are refused when one of them is not open", function()
    local output, how, status = child.run([[
      local kio = require "kio"
      print(kio.net.systemd_listeners())
      print(#kio.net.systemd_listeners())]], [[perl -MPOSIX -e '
        POSIX::close($_) for 3 .. 9;
        $ENV{LISTEN_FDS} = 1; $ENV{LISTEN_PID} = $$; exec @ARGV']])
    assert.equal("exit 0", how .. " " .. status, output)
    assert.equal("nil\tsystemd_listeners fd 3: bad file descriptor\tEBADF\n0\n", output)
  end)

  it("are none when they are meant for another process, or there are none", function()
    for _, environment in ipairs { '$ENV{LISTEN_FDS} = 2; $ENV{LISTEN_PID} = 1;', "",
      '$ENV{LISTEN_FDS} = "two"; $ENV{LISTEN_PID} = $$;', '$ENV{LISTEN_PID} = "x";' } do
      assert.equal("nil\tnil\tnil\n0\n", (activated(environment)))
    end
  end)
end)

describe("notify", function()
  local function notified(address)
    support.run(function()
      local manager = assert(kio.net.udp(address))
      local path = manager:address():match("^unix:(.*)$")
      local output, how, status = child.run([[
        local kio = require "kio"
        kio.run(function()
          print(kio.net.notify("READY=1\nSTATUS=at work"))
          print(kio.net.notify("FDSTORE=1", { assert(kio.net.listen("127.0.0.1:0")) }))
          print(select(2, pcall(function() kio.net.notify() end)))
        end)]], "env NOTIFY_SOCKET=" .. path)
      assert.equal("exit 0", how .. " " .. status, output)
      assert.equal("true\ntrue\n(command line):5: bad argument #1 to 'notify' "
        .. "(a string expected, got nil)\n", output)
      assert.equal("READY=1\nSTATUS=at work", manager:receive())
      local data, fds = manager:recv_fds()
      assert.same({ "FDSTORE=1", 1 }, { data, #fds })
      connection.close(manager, fds[1])
    end)
  end

  it("tells a manager that listens at a path", function()
    notified("unix:" .. support.tmpdir() .. "/notify")
  end)

  it("tells a manager that listens at an abstract name", function() notified("unix:@") end)

  it("is false without a manager, and a failure when it has gone", function()
    local output = child.run([[
      local kio = require "kio"
      kio.run(function()
        print(kio.net.notify("READY=1"))
      end)]], "env -u NOTIFY_SOCKET")
    assert.equal("false\n", output)
    output = child.run([[
      local kio = require "kio"
      kio.run(function()
        print(select(3, kio.net.notify("READY=1")))
      end)]], "env NOTIFY_SOCKET=@kio-nobody")
    assert.equal("ECONNREFUSED\n", output)
  end)
end)
