-- kio and socat at the two ends of TCP and Unix connections, and of datagrams.
-- Starts programs from the process, which ThreadSanitizer does not bear:
-- flavours: test asan
-- timeout: 120
local kio = require "kio"
local peers = require "spec.peers.common"
local support = require "spec.support"

local function echo(stream)
  for data in stream:chunks() do assert(stream:write(data)) end
end

-- Sends lines and gets them back; then ends, and sees the peer's end.
local function expect_echo(stream, tag)
  for i = 1, 10 do
    assert(stream:write(tag, " ", i, "\n"))
    assert.equal(tag .. " " .. i, stream:read "l")
  end
  stream:shutdown "write"
  assert.is_nil(stream:read "l")
  assert(stream:close())
end

describe("socat as the client", function()
  it("speaks in lines", function()
    peers.need(pending, "socat")
    peers.run(function()
      peers.serving(function(stream)
        assert.equal("hello", stream:read_until "\r\n")
        assert(stream:write "who are you?\r\n")
        assert.equal("socat", stream:read_until "\r\n")
        assert(stream:write "bye\r\n")
      end, function(address)
        local command = ("socat STDIO TCP:%s,crnl"):format(address)
        local socat <close> = peers.start(command, { input = true })
        socat.input:write "hello\n"
        socat:expect "^who are you%?$"
        socat.input:write "socat\n"
        socat:expect "^bye$"
        assert.same({ "", 0 }, { socat:wait() })
      end)
    end)
  end)

  for kind, target in pairs {
    ["a Unix socket's path"] = { "unix:%s/socket", "UNIX-CONNECT:%s/socket" },
    ["an abstract name"] = { "unix:@%s", "ABSTRACT-CONNECT:%s" },
    ["IPv6"] = { "[::1]:0", nil },
  } do
    it("reaches " .. kind .. " and gets every byte back", function()
      peers.need(pending, "socat")
      local folder, data = support.tmpdir(), peers.bytes(peers.size(1 << 20))
      local file = peers.file(data)
      peers.run(function()
        peers.serving(echo, function(address)
          local to = target[2] and target[2]:format(folder) or "TCP6:" .. address
          local command = ("socat -t 30 - %s >%s/got"):format(to, folder)
          peers.output("sh -c " .. peers.quote(command), { input = file })
          assert.is_true(peers.content(folder .. "/got") == data)
        end, target[1]:format(folder))
      end)
    end)
  end

  it("comes a hundred at once, and each gets its own answer", function()
    peers.need(pending, "socat")
    peers.run(function()
      local served, arrived = 0, kio.sync.event()
      peers.serving(function(stream)
        local line = stream:read "l"
        served = served + 1
        if served == 100 then arrived:set() end
        arrived:wait() -- so that all of them are connected at the same time
        assert(stream:write("answer to ", line, "\n"))
      end, function(address)
        local text = peers.output([[sh -c 'for i in $(seq 100); do
          echo "number $i" | socat -t 30 - TCP:]] .. address .. [[ & done; wait']])
        local seen, count = {}, 0
        for n in text:gmatch "answer to number (%d+)\n" do
          count = count + (seen[n] and 0 or 1)
          seen[n] = true
        end
        assert.equal(100, count)
        assert.equal(100, served)
      end)
    end)
  end)

  for kind, target in pairs {
    UDP = { "127.0.0.1:0", "UDP4:%s" },
    ["UDP over IPv6"] = { "[::1]:0", "UDP6:%s" },
    ["Unix datagrams"] = { "unix:%s/socket", "UNIX-SENDTO:%s,bind=%s/own" },
  } do
    it(("sends %s and gets the answers"):format(kind), function()
      peers.need(pending, "socat")
      local folder = support.tmpdir()
      peers.run(function()
        local socket <close> = assert(kio.net.udp(target[1]:format(folder)))
        local to = socket:address():gsub("^unix:", "")
        local command = "socat STDIO " .. target[2]:format(to, folder)
        local socat <close> = peers.start(command, { input = true })
        for i = 1, 3 do
          socat.input:write("ping ", i, "\n")
          local text, from = socket:receive_from()
          assert.equal(("ping %d\n"):format(i), text)
          assert(socket:send_to({ "pong ", tostring(i), "\n" }, from))
          socat:expect("^pong " .. i .. "$")
        end
        socat:kill()
        socat:wait()
      end)
    end)
  end

  it("sends packets, which stay apart, until it ends", function()
    peers.need(pending, "socat")
    local folder = support.tmpdir()
    peers.run(function()
      local path = folder .. "/socket"
      local listener <close> = assert(kio.net.listen("unix:" .. path, { type = "seqpacket" }))
      local command = ("socat STDIO UNIX-CONNECT:%s,type=5"):format(path)
      local socat <close> = peers.start(command, { input = true })
      local packets <close> = assert(listener:accept())
      for i = 1, 3 do
        socat.input:write("packet ", i, "\n")
        assert.equal(("packet %d\n"):format(i), packets:receive())
        assert(packets:send("answer " .. i .. "\n"))
        socat:expect("^answer " .. i .. "$")
      end
      socat.input:close()
      assert.is_nil((packets:receive()))
      packets:close()
      socat:wait()
    end)
  end)
end)

describe("socat as the server", function()
  -- "... N listening on AF=2 127.0.0.1:43210". With more than a page at a time it can block for
  -- ever in writing to a pipe of which it is the reader as well.
  local function start(address)
    local socat = peers.start("socat -b 4096 -d -d TCP-LISTEN:0,bind=127.0.0.1," .. address)
    return socat, socat:expect "listening on AF=2 ([%d.:]+)"
  end

  it("has twenty connections echoed by processes", function()
    peers.need(pending, "socat")
    peers.run(function()
      local socat <close>, address = start "fork EXEC:cat"
      kio.scope(function(scope)
        for i = 1, 20 do
          scope:spawn(function() expect_echo(assert(kio.net.connect(address)), "client " .. i) end)
        end
      end)
      socat:kill()
      socat:wait()
    end)
  end)

  it("echoes through a pipe of its own, byte for byte", function()
    peers.need(pending, "socat")
    local data = peers.bytes(peers.size(4 << 20))
    peers.run(function()
      local socat <close>, address = start "reuseaddr PIPE"
      local stream <close> = assert(kio.net.connect(address))
      kio.spawn(function() assert(stream:write(data)) end)
      assert.is_true(stream:read(#data) == data)
      socat:kill()
      assert.is_nil(stream:read "l") -- the end, or a reset
      socat:wait()
    end)
  end)

  it("that is killed in the middle ends a read with a clear outcome", function()
    peers.need(pending, "socat")
    peers.run(function()
      local socat <close>, address = start "reuseaddr PIPE"
      local stream <close> = assert(kio.net.connect(address))
      assert(stream:write "half a line")
      assert.equal("half a line", stream:read(11))
      assert(stream:write "more")
      local reader = kio.spawn(function() return stream:read "l" end)
      socat:kill "KILL"
      local line, message, code = reader:await()
      assert.is_true(line == nil or line == "more")
      if message then assert.equal("ECONNRESET", code) end
      local _, status = socat:wait()
      assert.equal("KILL", status)
      local refused, why, errno = kio.net.connect(address)
      assert.is_nil(refused)
      assert.equal("connect " .. address .. ": connection refused", why)
      assert.equal("ECONNREFUSED", errno)
    end)
  end)
end)
