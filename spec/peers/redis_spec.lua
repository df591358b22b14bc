-- The programs of Redis against the example server, and the example client against Redis.
-- Starts programs from the process, which ThreadSanitizer does not bear:
-- flavours: test asan hostile
-- timeout: 120
local kio = require "kio"
local peers = require "spec.peers.common"
local redis = require "examples.redis.client"
local support = require "spec.support"

-- The example server in a process of its own; f(port).
local function with_example(f)
  local command = support.lua .. " examples/redis_server.lua 127.0.0.1:0"
  local server <close> = peers.start(command, { lua = true })
  f(server:expect "^listening on 127%.0%.0%.1:(%d+)$", server)
  server:kill()
  local text, status = server:wait()
  assert.same({ "", 0 }, { text, status })
end

-- A real one, on a Unix socket and without files; f(address, process).
local function with_redis(f)
  local path = support.tmpdir() .. "/redis"
  local server <close> =
    peers.start("redis-server --port 0 --save '' --appendonly no --unixsocket " .. path)
  server:expect "ready to accept connections"
  f("unix:" .. path, server)
  if not server.ended then
    server:kill()
    server:wait()
  end
end

describe("redis-cli", function()
  it("finds in the example server what it knows of Redis", function()
    peers.need(pending, "redis-cli")
    peers.run(function()
      with_example(function(port)
        local function cli(arguments)
          return (peers.output(("redis-cli -p %s %s"):format(port, arguments)):gsub("%s+$", ""))
        end
        assert.equal("PONG", cli "ping")
        assert.equal("two words", cli "echo 'two words'")
        assert.equal("OK", cli "set name kio")
        assert.equal("kio", cli "get name")
        assert.equal("", cli "get nothing")
        assert.equal("OK", cli "mset a 1 b 2")
        assert.equal("2\n3\n4", cli "-r 3 incr a")
        assert.equal("3", cli "lpush list x y z")
        assert.equal("z\ny\nx", cli "lrange list 0 -1")
        assert.equal("z", cli "lpop list")
        assert.equal("1", cli "exists list")
        assert.equal("1", cli "del list")
        assert.equal("0", cli "exists list")
        assert.equal("ERR value is not an integer", cli "incr name")
        assert.equal("ERR unknown command", cli "dance")
        assert.truthy(cli "incr":find "^ERR ") -- too few arguments
      end)
    end)
  end)

  it("stores and fetches any bytes", function()
    peers.need(pending, "redis-cli")
    local data = peers.bytes(peers.size(4 << 20))
    local file, got = peers.file(data), support.tmpdir() .. "/got"
    peers.run(function()
      with_example(function(port)
        peers.output(("redis-cli -p %s -x set blob"):format(port), { input = file })
        local command = ("redis-cli -p %s --raw get blob >%s"):format(port, got)
        peers.output("sh -c " .. peers.quote(command))
        assert.is_true(peers.content(got) == data .. "\n")
      end)
    end)
  end)

  it("puts many commands in flight in its pipe mode", function()
    peers.need(pending, "redis-cli")
    local count = peers.size(20000)
    local lines = {}
    for i = 1, count do lines[i] = ("SET key:%d %d\r\n"):format(i, i * i) end
    local file = peers.file(table.concat(lines))
    peers.run(function()
      with_example(function(port)
        local text = peers.output(("redis-cli -p %s --pipe"):format(port), { input = file })
        assert.truthy(text:find(("errors: 0, replies: %d"):format(count), 1, true), text)
        local last = peers.output(("redis-cli -p %s get key:%d"):format(port, count))
        assert.equal(("%d\n"):format(count * count), last)
      end)
    end)
  end)

  it("hears what another one publishes", function()
    peers.need(pending, "redis-cli")
    peers.run(function()
      with_example(function(port)
        local listening <close> = peers.start(("redis-cli -p %s subscribe news"):format(port))
        listening:expect "^1$"
        assert.equal("1\n", peers.output(("redis-cli -p %s publish news hello"):format(port)))
        assert.equal("message", listening:expect "^message$")
        assert.equal("hello", listening:expect "^hello$")
        listening:kill()
        listening:wait()
      end)
    end)
  end)
end)

describe("redis-benchmark", function()
  it("drives the example server, sixteen commands in flight on each connection", function()
    peers.need(pending, "redis-benchmark")
    peers.run(function()
      with_example(function(port)
        local text = peers.output(("redis-benchmark --csv -p %s -P 16 -c 20 -n %d "
          .. "-t ping,set,get,incr,lpush,lpop,lrange_100,mset"):format(port, peers.size(6400)))
        local rates = {}
        for name, rate in text:gmatch '\n"([^"]+)","([%d.inf]+)"' do -- inf: in less than a tick
          rates[name] = rate == "inf" and math.huge or tonumber(rate)
        end
        for _, name in ipairs { "PING_INLINE", "PING_MBULK", "SET", "GET", "INCR", "LPUSH", "LPOP",
          "LRANGE_100 (first 100 elements)", "MSET (10 keys)" } do
          assert.is_true((rates[name] or 0) > 0, name .. " in\n" .. text)
        end
        assert.is_nil(text:lower():find "error", text)
      end)
    end)
  end)
end)

describe("the example server", function()
  it("answers what is not its protocol by ending that connection only", function()
    peers.run(function()
      with_example(function(port)
        local good <close> = redis.connect("127.0.0.1:" .. port)
        assert.equal("PONG", good:call("PING").ok)
        for _, bytes in ipairs { "*1\r\n$x\r\n", "*99999999999\r\n", "*2\r\n$1\r\na\r\n", "\0\r\n",
          "*1\r\n$-7\r\n", "*1\r\n*1\r\n$1\r\nx\r\n", "*0\r\n", "\r\n" } do
          local stream <close> = assert(kio.net.connect("127.0.0.1:" .. port))
          assert(stream:send(bytes))
          stream:shutdown "write"
          local answer = stream:read "a"
          assert.is_true(answer == "" or answer:find "^%-ERR " ~= nil, answer)
        end
        assert.equal("PONG", good:call("PING").ok)
      end)
    end)
  end)
end)

describe("the example client", function()
  it("has a hundred thousand commands in flight to a real redis-server", function()
    peers.need(pending, "redis-server")
    local count = peers.size(100000)
    peers.run(function()
      with_redis(function(address)
        local client <close> = redis.connect(address)
        local commands = {}
        for i = 1, count do commands[i] = { "INCR", "hits" } end
        local answers = client:pipeline(commands)
        for i = 1, count do
          if answers[i] ~= i then assert.equal(i, answers[i]) end
        end
        assert.equal(tostring(count), client:call("GET", "hits"))
        assert.equal(false, client:call("GET", "nothing"))
        assert.equal("OK", client:call("SET", "text", "x").ok)
        assert.truthy(client:call("INCR", "text").err:find "not an integer")
      end)
    end)
  end)

  it("stores and fetches megabytes exactly", function()
    peers.need(pending, "redis-server")
    local data = peers.bytes(peers.size(16 << 20))
    peers.run(function()
      with_redis(function(address)
        local client <close> = redis.connect(address)
        assert.equal("OK", client:call("SET", "blob", data).ok)
        assert.is_true(client:call("GET", "blob") == data)
        assert.equal(#data, client:call("STRLEN", "blob"))
      end)
    end)
  end)

  it("gets every published message in order, on each of its subscriptions", function()
    peers.need(pending, "redis-server")
    peers.run(function()
      with_redis(function(address)
        local publisher <close> = redis.connect(address)
        kio.scope(function(scope)
          local ready = kio.sync.waitgroup()
          ready:add(10)
          for _ = 1, 10 do
            scope:spawn(function()
              local client <close> = redis.connect(address)
              local messages = client:subscribe "news"
              ready:done()
              for i = 1, 100 do assert.equal("item " .. i, messages()) end
            end)
          end
          ready:wait()
          for i = 1, 100 do assert.equal(10, publisher:call("PUBLISH", "news", "item " .. i)) end
        end)
      end)
    end)
  end)

  it("tells of a server that is killed under a waiting command, and of one that is not there",
    function()
      peers.need(pending, "redis-server")
      peers.run(function()
        with_redis(function(address, server)
          local client <close> = redis.connect(address)
          local waiting = kio.spawn(pcall, client.call, client, "BLPOP", "x", "0")
          local other <close> = redis.connect(address)
          while not other:call("CLIENT", "LIST"):find "cmd=blpop" do kio.sleep(0.001) end
          server:kill "KILL"
          local ok, message = waiting:await()
          assert.is_false(ok)
          assert.equal("redis: the server ended the connection", message)
          local _, status = server:wait()
          assert.equal("KILL", status)
          ok, message = pcall(redis.connect, address)
          assert.is_false(ok)
          assert.truthy(message:find("connect " .. address .. ": connection refused", 1, true))
        end)
      end)
    end)
end)
