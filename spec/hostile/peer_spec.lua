-- Peers that do what no honest client does, one at a time: bytes in scraps, resets at every stage,
-- half a connection, no reading, no end of a line. A server survives them, tells its handler what
-- happened, and goes on to serve others.
-- With one thread ThreadSanitizer would only take its time:
-- flavours: test asan hostile workers
local kio = require "kio"
local support = require "spec.support"
local common = require "spec.net.serve.common"
local connection = require "spec.net.connection"

local start, client, ask = common.start, common.client, common.ask

-- One whose close resets the connection.
local function resetter(address)
  return assert(kio.net.connect(address, { timeout = 30, linger = 0 }))
end

-- Runs f(address, listener, serving) with a server; its report, when that is done. Somebody else is
-- served before and after.
local function with_server(handler, f, options)
  return support.run(function()
    local good = {}
    local serving, listener, address = start(function(stream, peer)
      if good[peer] then return common.echo(stream) end
      return handler(stream, peer)
    end, options)
    local honest <close> = client(address)
    good[honest:address()] = true
    assert.equal("before", ask(honest, "before"))
    f(address, listener, serving)
    assert.equal("after", ask(honest, "after"))
    honest:close()
    listener:close()
    return serving:await()
  end)
end

local function random_lines(count)
  local lines = {}
  for i = 1, count do
    local bytes = {}
    for j = 1, math.random(0, 40) do bytes[j] = math.random(0, 255) end
    lines[i] = string.char(table.unpack(bytes)):gsub("\n", "\0")
  end
  return lines
end

describe("a peer that sends and takes one byte at a time", function()
  it("gets every byte of its answers, NUL bytes and all", function()
    kio.testing.run(function()
      local serving, listener, address = start(common.echo)
      local stream <close> = client(address)
      kio.testing.faults { { op = "send", short = 1 }, { op = "recv", short = 1 } }
      local lines = random_lines(20)
      local text = table.concat(lines, "\n") .. "\n"
      kio.spawn(function()
        for byte in text:gmatch "." do stream:send(byte) end
        stream:shutdown "write"
      end)
      assert.is_true(stream:read "a" == text)
      listener:close()
      assert.equal(1, serving:await().accepted)
    end, { clock = "real" })
  end)

  it("does so against every way of reading", function()
    local ways = {
      { "l", function(stream) return stream:read "l" end, "text" },
      { "L", function(stream) return stream:read "L" end, "text\n" },
      { "until", function(stream) return stream:read_until "t\nr" end, "tex" },
      { "count", function(stream) return stream:read(7) end, "text\nre" },
      { "peek", function(stream) return stream:peek(6) end, "text\nr" },
      { "all", function(stream) return stream:read "a" end, "text\nrest" },
    }
    for _, way in ipairs(ways) do
      local got
      with_server(function(stream) got = way[2](stream) end, function(address)
        local stream <close> = client(address)
        for byte in ("text\nrest"):gmatch "." do
          if not stream:send(byte) then break end
          kio.yield()
        end
        stream:shutdown "write"
        stream:recv()
      end)
      assert.equal(way[3], got, way[1])
    end
  end)
end)

describe("a reset", function()
  -- What `during(stream, stages)` met in a handler: its results after the peer has reset the
  -- connection, which it does when `ready()` says so.
  local function reset_in(during)
    local results, stages = nil, {}
    local report = with_server(function(stream)
      stages.begun = true
      results = table.pack(during(stream, stages))
    end, function(address)
      local stream = resetter(address)
      stream:send "half a line"
      common.until_true(function() return stages.ready or stages.begun and not stages.wait end)
      for _ = 1, 3 do kio.yield() end
      stream:close()
      common.until_true(function() return results end)
    end)
    assert.equal(2, report.accepted)
    assert.equal(0, report.failed)
    return table.unpack(results, 1, results.n)
  end

  it("before the accept is met by the first read", function()
    local codes = {}
    support.run(function()
      local listener = assert(kio.net.listen "127.0.0.1:0")
      for _ = 1, 20 do resetter(listener:address()):close() end
      local honest <close> = client(listener:address())
      local serving = kio.spawn(listener.serve, listener, function(stream)
        local line, _, code = stream:read "l"
        codes[#codes + 1] = code
        if line then stream:write(line, "\n") end
      end)
      assert.equal("served", ask(honest, "served"))
      honest:close()
      listener:close()
      assert.equal(21, serving:await().accepted)
    end)
    assert.equal(20, #codes)
    for _, code in ipairs(codes) do assert.equal("ECONNRESET", code) end
  end)

  it("while the handler reads is told by the read, whichever", function()
    local reads = {
      function(stream) return stream:read "l" end,
      function(stream) return stream:read(1000) end,
      function(stream) return stream:read "a" end,
      function(stream) return stream:read_until "\n" end,
      function(stream) return stream:peek(1000) end,
      function(stream)
        local data, message, code
        repeat data, message, code = stream:recv(1000) until not data
        return data, message, code
      end,
    }
    for i, read in ipairs(reads) do
      local data, message, code = reset_in(read)
      assert.is_nil(data)
      assert.equal("ECONNRESET", code, i)
      assert.matches(": connection reset by peer$", message)
    end
  end)

  it("while the handler writes is told by the write, and by each one after it", function()
    local code, second, closing = reset_in(function(stream, stages)
      stages.wait = true
      local text, ok, _, failure = ("x"):rep(100000), true, nil, nil
      kio.spawn(function()
        for _ = 1, 20 do kio.yield() end
        stages.ready = true
      end)
      while ok do ok, _, failure = stream:write(text) end
      return failure, select(3, stream:write "x"), select(3, stream:close())
    end)
    local expected = { ECONNRESET = true, EPIPE = true }
    assert.is_true(expected[code], code)
    assert.equal(code, second)
    assert.equal(code, closing)
  end)

  it("while the handler closes is told by the close", function()
    local closed, code = reset_in(function(stream, stages)
      stages.wait = true
      connection.fill(stream, ("x"):rep(100000))
      kio.spawn(function()
        for _ = 1, 5 do kio.yield() end
        stages.ready = true
      end)
      local ok, _, failure = stream:close()
      return ok, failure
    end)
    assert.is_nil(closed)
    assert.is_true(code == "ECONNRESET" or code == "EPIPE", code)
  end)

  it("while serve closes for the handler touches nobody", function()
    local filled
    local report = with_server(function(stream)
      connection.fill(stream, ("x"):rep(100000))
      filled = true
    end, function(address)
      local stream = resetter(address)
      common.until_true(function() return filled end)
      for _ = 1, 5 do kio.yield() end
      stream:close()
    end)
    assert.same({ accepted = 2, failed = 0, idle = 0, cut = 0 }, report)
  end)

  it("while the handler does something else is met when it comes back", function()
    local written, code = reset_in(function(stream, stages)
      stages.wait, stages.ready = true, true
      for _ = 1, 50 do kio.yield() end
      return stream:write "answer" ~= nil, select(3, stream:flush())
    end)
    assert.is_true(written) -- it is gathered; that nobody takes it shows later
    assert.is_true(code == "ECONNRESET" or code == "EPIPE", code)
  end)
end)

describe("half a connection", function()
  it("that the peer has ended takes all of the answer", function()
    local text = ("0123456789"):rep(30000)
    with_server(function(stream)
      local request = stream:read "a"
      assert(stream:write(request, text))
    end, function(address)
      local stream <close> = client(address)
      stream:write("request"):shutdown "write"
      assert.is_true(stream:read "a" == "request" .. text)
    end)
  end)

  it("that the handler has ended gives all of the request", function()
    local text, got = ("0123456789"):rep(30000), nil
    with_server(function(stream)
      stream:write("I have said it"):shutdown "write"
      got = stream:read "a"
    end, function(address)
      local stream <close> = client(address)
      assert.equal("I have said it", stream:read "a")
      assert(stream:write(text):close())
      common.until_true(function() return got end)
    end)
    assert.is_true(got == text)
  end)

  it("on both sides is a whole end", function()
    local first, second
    with_server(function(stream)
      stream:shutdown "write"
      first, second = stream:recv(), stream:recv()
    end, function(address)
      local stream <close> = client(address)
      stream:shutdown "write"
      assert.same({ n = 1 }, table.pack(stream:recv()))
      assert.same({ n = 1 }, table.pack(stream:recv()))
    end)
    assert.is_nil(first)
    assert.is_nil(second)
  end)
end)

describe("a peer that never reads", function()
  local GATHERED = 2 * (support.flavour == "hostile" and 46 or 65536)
  local KERNEL = 1 << 20 -- what the two buffers of a Unix socket hold is less

  it("blocks its writer at the high-water mark, whatever is written, until it is idle", function()
    kio.testing.run(function()
      local taken, waiting = 0, nil
      local serving, listener = start(function(stream)
        waiting = kio.core.own.current()
        local chunk = ("x"):rep(10000)
        while stream:write(chunk) do taken = taken + #chunk end
      end, { idle_timeout = 30 }, connection.abstract_name())
      local stream <close> = client(listener:address())
      kio.sleep(10)
      assert.equal("waiting", waiting:status())
      assert.is_true(taken <= GATHERED + KERNEL, taken)
      local before = taken
      kio.sleep(10)
      assert.equal(before, taken)
      assert.equal("waiting", waiting:status())
      kio.sleep(20)
      assert.equal("cancelled", waiting:status())
      listener:close()
      assert.equal(1, serving:await().idle)
      assert.truthy(stream:recv())
    end)
  end)
end)

describe("a line without an end", function()
  local SIZE = support.chunk and 1 << 17
    or support.scale { hostile = 1 << 18, test = 100 << 20, rest = 40 << 20 }
  local LIMIT = 65536

  -- A client that writes SIZE bytes of one line; how many the server's side has taken over so far.
  local function endless(address)
    local stream, progress = client(address), { sent = 0 }
    progress.task = kio.spawn(function()
      local chunk = ("abcdefgh"):rep(1 << 13)
      while progress.sent < SIZE do
        if not stream:write(chunk) then break end
        progress.sent = progress.sent + #chunk
      end
      stream:close()
    end)
    return progress
  end

  it("is refused at the limit, and its bytes stay", function()
    local code, first, rest, done
    with_server(function(stream)
      code = select(3, stream:read "l")
      first = stream:peek(LIMIT)
      done = true
      rest = stream:read_until("never", { max = 10 * LIMIT })
    end, function(address)
      local progress = endless(address)
      common.until_true(function() return done end)
      progress.task:await()
      assert.is_true(progress.sent < 20 << 20, "the peer was not held up")
    end)
    assert.equal("EMSGSIZE", code)
    assert.is_true(first == ("abcdefgh"):rep(LIMIT // 8))
    assert.is_nil(rest)
  end)

  it("can be passed over in bounded memory", function()
    local total, most = 0, 0
    with_server(function(stream)
      local _, _, code = stream:read "l"
      assert(code == "EMSGSIZE")
      for data in stream:chunks() do
        total, most = total + #data, math.max(most, #data)
      end
    end, function(address) endless(address).task:await() end)
    assert.equal(SIZE, total)
    assert.is_true(most <= 4 * LIMIT, most)
  end)
end)
