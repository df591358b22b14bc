-- How requests and connections end otherwise: a handler that raises, a client that goes, a server
-- that stops; and what the log is told.
-- flavours: test asan hostile
local common = require "spec.http.server.common"
local kio = require "kio"

local run, get, ask = kio.testing.run, common.get, common.ask

local function collecting(list)
  return { on_error = function(err) list[#list + 1] = tostring(err) end }
end

describe("a handler that raises", function()
  it("is answered with 500 when nothing was sent, and told", function()
    local errors = {}
    run(function()
      local report = common.serving(function() error "no luck" end, function(address)
        local stream <close> = common.connect(address)
        local status, headers, body = ask(stream, get())
        assert.same({ 500, "close" }, { status, headers.connection })
        assert.equal("Internal Server Error\n", body)
        assert.is_true(common.is_over(stream))
        assert.equal(500, (common.ask_once(address, get())))
      end, nil, collecting(errors))
      assert.equal(2, report.failed)
    end)
    assert.equal(2, #errors)
    assert.matches("no luck", errors[1])
  end)

  it("resets the connection when something was sent", function()
    for _, version in ipairs { "1.0", "1.1" } do
      local errors = {}
      run(function()
        common.serving(function(_, res)
          res:write "some"
          kio.sleep(1)
          error "no luck"
        end, function(address)
          local stream <close> = common.connect(address)
          stream:write("GET / HTTP/", version, "\r\nHost: a\r\n\r\n")
          common.head(stream)
          local rest, _, code = stream:read "a"
          assert.same({ nil, "ECONNRESET" }, { rest, code })
        end, nil, collecting(errors))
      end)
      assert.equal(1, #errors)
    end
  end)

  it("has answered already", function()
    local errors = {}
    run(function()
      common.serving(function(_, res)
        res:write("all"):finish()
        error "too late"
      end, function(address)
        local stream <close> = common.connect(address)
        assert.equal("all", (select(3, ask(stream, get()))))
        assert.is_true(common.is_over(stream))
      end, nil, collecting(errors))
    end)
    assert.equal(1, #errors)
  end)
end)

describe("a client that goes", function()
  -- Ends a connection by a reset.
  local function reset(stream)
    stream:option("linger", 0)
    stream:close()
  end

  it("does not end the handler", function()
    local ended = false
    run(function()
      common.serving(function(_, res)
        kio.sleep(5)
        ended = true
        local written = true
        while written do
          written = res:write(("x"):rep(10000))
          kio.sleep(1)
        end
      end, function(address)
        local stream = common.connect(address)
        stream:send(get())
        kio.sleep(1)
        reset(stream)
        kio.sleep(20)
      end)
    end)
    assert.is_true(ended)
  end)

  it("ends it when cancel_on_disconnect says so", function()
    local ended, cancelled = false, false
    run(function()
      local report = common.serving(function()
        local mark <close> = setmetatable({}, { __close = function(_, err)
          cancelled = kio.is_cancelled(err)
        end })
        kio.sleep(5)
        ended = true
        return mark and "x"
      end, function(address)
        local stream = common.connect(address)
        stream:send(get())
        kio.sleep(1)
        reset(stream)
        kio.sleep(10)
        assert.is_false(ended)
        assert.equal(200, (common.ask_once(address, get()))) -- and no other
      end, { cancel_on_disconnect = true })
      assert.same({ 2, 0 }, { report.accepted, report.failed })
    end)
    assert.is_true(cancelled == false and ended)
  end)

  it("is still answered when it has only ended its side", function()
    run(function()
      common.serving(function()
        kio.sleep(5)
        return "x"
      end, function(address)
        local stream <close> = common.connect(address)
        stream:write(get()):shutdown "write"
        assert.equal("x", (select(3, common.answer(stream))))
        assert.is_true(common.is_over(stream))
      end, { cancel_on_disconnect = true })
    end)
  end)

  it("is an event for who asks", function()
    local seen
    run(function()
      common.serving(function(req)
        local gone = req:on_disconnect()
        assert(gone == req:on_disconnect() and not gone:is_set())
        local began = kio.now()
        gone:wait()
        seen = kio.now() - began
        return "x"
      end, function(address)
        local stream = common.connect(address)
        stream:send(get())
        kio.sleep(3)
        reset(stream)
        kio.sleep(1)
      end)
    end)
    assert.is_true(seen >= 2.9 and seen < 4, seen)
  end)
end)

describe("a server that stops", function()
  it("ends connections that wait for a next request at once", function()
    run(function()
      local function plain(req) return req.path end
      local report = common.serving(plain, function(address, _, listener)
        local idle, fresh = common.connect(address), common.connect(address)
        ask(idle, get())
        kio.sleep(1)
        local began = kio.now()
        listener:close()
        assert.is_true(common.is_over(idle))
        assert.is_true(common.is_over(fresh))
        assert.is_true(kio.now() - began < 3)
        idle:close()
        fresh:close()
      end)
      assert.same({ accepted = 2, failed = 0, idle = 0, cut = 0 }, report)
    end)
  end)

  it("leaves alone those whose end has come in the same turn", function()
    local own, http_core = require "kio.core".own, require "kio.http.core"
    local limits = http_core.limits { max_head = 1000, max_fields = 9, max_target = 100 }
    run(function()
      local listener <close> = assert(kio.net.listen "127.0.0.1:0")
      for round = 0, 49 do
        local far = common.connect(listener:address())
        local near <close> = listener:accept()
        local reader = kio.spawn(http_core.read_request, near, limits, 60, 60)
        kio.yield()
        far:close()
        for _ = 1, round % 5 do kio.yield() end -- after one of these the reader is ready to run
        own.stream_hurry(near)
        assert.is_nil((reader:await()))
      end
    end)
  end)

  it("answers what has begun whole, and says that nothing follows", function()
    run(function()
      local report = common.serving(function(req)
        kio.sleep(2)
        return assert(req:body())
      end, function(address, serving)
        local streams = {}
        for i = 1, 20 do
          streams[i] = common.connect(address)
          streams[i]:send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nab")
        end
        local half = common.connect(address)
        half:send "GET / HT"
        kio.sleep(1)
        serving:cancel()
        kio.sleep(0.5)
        half:send "TP/1.1\r\nHost: a\r\n\r\n"
        for i = 1, 20 do streams[i]:send "c" end
        for i = 1, 20 do
          local status, headers, body = common.answer(streams[i])
          assert.same({ 200, "close", "abc" }, { status, headers.connection, body })
          assert.is_true(common.is_over(streams[i]))
          streams[i]:close()
        end
        assert.equal(200, (common.answer(half)))
        half:close()
      end)
      assert.same({ accepted = 21, failed = 0, idle = 0, cut = 0 }, report)
    end)
  end)
end)

describe("the log", function()
  it("is told of each request when it was answered", function()
    local records = {}
    run(function()
      common.serving(function(req, res)
        if req.path == "/late" then kio.sleep(2) end
        if req.path == "/bad" then error "no" end
        if req.path == "/pieces" then return res:write("abc", "d") end
        return 201, nil, "hello"
      end, function(address)
        local stream <close> = common.connect(address)
        ask(stream, get("/late?x", "User-Agent: me\r\n"))
        ask(stream, get "/pieces")
        ask(stream, get "/bad")
        common.ask_once(address, "nonsense\r\n\r\n")
      end, { log = function(record) records[#records + 1] = record end },
        { on_error = function() end })
    end)
    local seen = {}
    for i, record in ipairs(records) do
      assert.matches("^127%.0%.0%.1:%d+$", record.peer)
      seen[i] = { record.method, record.target, record.version, record.status, record.sent }
    end
    assert.same({ { "GET", "/late?x", "1.1", 201, 5 }, { "GET", "/pieces", "1.1", 200, 4 },
      { "GET", "/bad", "1.1", 500, 22 } }, { seen[1], seen[2], seen[3] })
    assert.same({ nil, nil, nil, 400, 12 }, seen[4])
    assert.equal("me", records[1].headers["user-agent"])
    assert.is_true(records[1].seconds >= 2 and records[2].seconds < 1)
  end)
end)
