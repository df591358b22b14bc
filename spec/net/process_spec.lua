-- What shows only in a process of its own: limits, options as the kernel gets them.
-- The shell that starts one does not run under ThreadSanitizer:
-- flavours: test asan hostile
local support = require "spec.support"
local child = require "spec.net.child"

-- strace itself does not run under AddressSanitizer.
local describe_traced = support.flavour ~= "asan" and describe or function() end

describe_traced("the options of sockets", function()
  -- What the options come to is not visible from Lua: strace is asked.
  local function traced(source)
    if not os.execute("strace -o /dev/null true 2>/dev/null") then
      pending("strace cannot trace here")
    end
    local file = support.tmpdir() .. "/trace"
    local output, how, status =
      child.run(source, ("strace -f -e trace=setsockopt,listen -o %s"):format(file))
    assert.equal("exit 0", how .. " " .. status, output)
    local calls = {}
    for line in io.lines(file) do
      local name, value = line:match("setsockopt%(%d+, [%w_]+, ([%w_]+), %[(%d+)%]")
      if name then calls[#calls + 1] = name .. "=" .. value end
      local backlog = line:match("listen%(%d+, (%d+)%)")
      if backlog then calls[#calls + 1] = "backlog=" .. backlog end
    end
    table.sort(calls)
    return table.concat(calls, " ")
  end

  it("of a listener reach the kernel", function()
    assert.equal("SO_KEEPALIVE=1 SO_RCVBUF=20000 SO_REUSEADDR=1 SO_REUSEPORT=1 SO_SNDBUF=10000 "
      .. "TCP_KEEPIDLE=30 TCP_NODELAY=1 backlog=7", traced [[
        assert(require "kio".net.listen("127.0.0.1:0", { backlog = 7, send_buffer = 10000,
          receive_buffer = 20000, keepalive = 29.5, nodelay = true, reuseport = true }))]])
    assert.equal("IPV6_V6ONLY=1 SO_KEEPALIVE=0 SO_REUSEADDR=0 TCP_NODELAY=0 backlog=0", traced [[
      assert(require "kio".net.listen("[::]:0", { backlog = 0, v6only = true, nodelay = false,
        reuseaddr = false, keepalive = 0 }))]])
  end)

  it("of a connection reach the kernel", function()
    local source = [[
      local kio = require "kio"
      local listener = assert(kio.net.listen "unix:@")
      kio.run(function()
        local tcp = kio.socket("tcp4")
        kio.bind(tcp, "127.0.0.1:0")
        kio.listen(tcp, 1)
        assert(kio.net.connect(kio.getsockname(tcp), %s)):close()
        assert(kio.net.connect(listener:address(), %s)):close()
        os.exit(0, false)
      end)]]
    assert.equal("TCP_NODELAY=1 backlog=1 backlog=1024", traced(source:format("nil", "nil")))
    assert.equal("SO_KEEPALIVE=1 SO_RCVBUF=20000 SO_SNDBUF=10000 TCP_KEEPIDLE=5 "
      .. "TCP_NODELAY=0 backlog=1 backlog=1024", traced(source:format(
        "{ nodelay = false, keepalive = 5, send_buffer = 10000, receive_buffer = 20000 }", "{}")))
  end)
end)

describe("a lack of descriptors", function()
  it("is waited out by accepts without spinning", function()
    local output, how, status = child.run([[
      local kio = require "kio"
      kio.run(function()
        local listener = assert(kio.net.listen("127.0.0.1:0"))
        local client = assert(kio.net.connect(listener:address()))
        local held, fd, _, code = {}
        repeat
          fd, _, code = kio.socket("udp4")
          held[#held + 1] = fd
        until code
        assert(code == "EMFILE", code)
        assert(select(3, listener:accept()) == "EMFILE")
        local before = kio.stats().ops.accept
        local serving = kio.spawn(function()
          for stream in listener:accepts() do
            stream:send("served")
            stream:close()
          end
        end)
        kio.sleep(0.1)
        local tries = kio.stats().ops.accept - before
        assert(tries >= 1 and tries <= 10, tries)
        for i = 1, #held do kio.close(held[i]) end
        assert(client:read("a") == "served")
        client:close()
        listener:close()
        serving:await()
        print "served at last"
      end)]], "prlimit --nofile=40")
    assert.equal("served at last\n", output)
    assert.equal("exit 0", how .. " " .. status)
  end)

  it("where descriptors are passed closes those that came, and says so", function()
    local output, how, status = child.run([[
      local kio = require "kio"
      kio.run(function()
        local listener = assert(kio.net.listen("unix:@"))
        local accepting = kio.spawn(function() return listener:accept() end)
        local client = assert(kio.net.connect(listener:address()))
        local server = accepting:await()
        assert(client:send_fds("three", { client, client, client }))
        local held, fd = {}, nil
        repeat fd = kio.socket("udp4"); held[#held + 1] = fd until not fd
        kio.close(table.remove(held))
        local _, message, code, data = server:recv_fds()
        print(code, data, message:match("for which this process has no room"))
        assert(kio.socket("udp4")) -- the one that came was closed
        assert(client:send_fds("one", { client }, nil))
      end)]], "prlimit --nofile=60")
    assert.equal("EMFILE\tthree\tfor which this process has no room\n", output)
    assert.equal("exit 0", how .. " " .. status)
  end)
end)

describe("max_fds of recv_fds", function()
  it("is enough when the process has room for so many, and not for all", function()
    local output = child.run([[
      local kio = require "kio"
      kio.run(function()
        local near, far = kio.socketpair()
        near, far = assert(kio.stream(near)), assert(kio.stream(far))
        local list = {}
        for i = 1, 200 do list[i] = near end
        for _, max in ipairs { 1, 190 } do
          near:send_fds("x", list)
          local data, fds, code, lost = far:recv_fds(10, { max_fds = max })
          print(data, data and #fds or code, lost)
        end
      end)]], "prlimit --nofile=60")
    assert.equal("x\t1\tnil\nnil\tEMFILE\tx\n", output)
  end)

  it("does not hold what a socket brings besides", function()
    local output = child.run([[
      local kio = require "kio"
      kio.run(function()
        local before = #kio.fs.readdir "/proc/self/fd"
        local data, fds = assert(kio.net.datagram(0)):recv_fds(10, { timeout = 10 })
        print(data, #fds, #kio.fs.readdir "/proc/self/fd" - before - #fds)
      end)]], [[python3 -c '
import os, socket, sys
near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
try: far.setsockopt(socket.SOL_SOCKET, 76, 1)
except OSError: print("no SO_PASSPIDFD"); sys.exit()
far.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
socket.send_fds(near, [b"x"], [0] * 253)
os.dup2(far.fileno(), 0)
os.execvp(sys.argv[1], sys.argv[1:])']])
    if output:find "SO_PASSPIDFD" then return pending "SO_PASSPIDFD came with Linux 6.5" end
    assert.equal("x\t253\t0\n", output)
  end)
end)
