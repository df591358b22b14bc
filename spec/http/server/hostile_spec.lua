-- Clients that mean no good: slow ones, those that go at any byte, garbage behind requests. Nobody
-- else notices, and nothing is left behind.
-- flavours: test asan hostile
local common = require "spec.http.server.common"
local kio = require "kio"

local run, get, ask = kio.testing.run, common.get, common.ask

local function reset(stream)
  stream:option("linger", 0)
  stream:close()
end

local REQUEST = "POST /a?b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"
  .. "0\r\nX-Sum: 1\r\n\r\n"

describe("a client that goes", function()
  local function echo(req) return assert(req:body()) end

  it("at any byte of its request, by a reset or an end, harms nobody", function()
    for _, go in ipairs { reset, function(stream) stream:close() end } do
      run(function()
        local report = common.serving(echo, function(address)
          for n = 0, #REQUEST - 1 do
            local stream = common.connect(address)
            if n > 0 then stream:send(REQUEST:sub(1, n)) end
            go(stream)
          end
          assert.equal("hello", (select(3, common.ask_once(address, REQUEST))))
        end, nil, { on_error = function() end })
        assert.equal(0, report.cut)
      end)
    end
  end)

  it("at any byte of its answer harms nobody", function()
    run(function()
      common.serving(function(_, res)
        for i = 1, 5 do
          if not res:write(("x"):rep(10)) then return end
          if i == 3 then kio.sleep(1) end
        end
      end, function(address)
        for n = 0, 150, 3 do
          local stream = common.connect(address)
          stream:send(get())
          if n > 0 then stream:read(n) end
          reset(stream)
        end
        assert.equal(50, #select(3, common.ask_once(address, get())))
      end, nil, { on_error = function() end })
    end)
  end)

  it("while it is sent an endless body ends that", function()
    local ended = false
    run(function()
      common.serving(function(_, res)
        local piece = ("x"):rep(10000)
        while res:write(piece) do kio.yield() end
        ended = true
      end, function(address)
        local stream = common.connect(address)
        stream:send(get())
        stream:read(100000)
        reset(stream)
      end)
    end)
    assert.is_true(ended)
  end)
end)

describe("slow clients", function()
  it("that send a byte now and then keep nobody out", function()
    run(function()
      local report = common.serving(function() return "x" end, function(address)
        local slow = {}
        for i = 1, 50 do
          slow[i] = common.connect(address)
          slow[i]:send "G"
        end
        for _ = 1, 3 do
          kio.sleep(9)
          for _, stream in ipairs(slow) do stream:send "E" end
          assert.equal(200, (common.ask_once(address, get())))
        end
        kio.sleep(5)
        for _, stream in ipairs(slow) do
          assert.equal(408, (common.head(stream)))
          stream:close()
        end
      end)
      assert.equal(0, report.failed)
    end)
  end)

  it("that take nothing are ended by idle_timeout", function()
    run(function()
      local report = common.serving(function(_, res)
        local piece = ("x"):rep(100000)
        while res:write(piece) do kio.yield() end
      end, function(address)
        local stream = common.connect(address)
        stream:send(get())
        kio.sleep(50)
        stream:close()
      end, nil, { idle_timeout = 30 })
      assert.equal(1, report.idle)
    end)
  end)
end)

describe("garbage", function()
  it("behind a request is refused behind its answer", function()
    run(function()
      common.serving(function() return "x" end, function(address)
        local stream <close> = common.connect(address)
        assert.equal(200, (ask(stream, get() .. "garbage\r\n\r\n" .. get(), "GET")))
        assert.equal(400, (common.answer(stream)))
        assert.is_true(common.is_over(stream))
      end)
    end)
  end)

  it("of another protocol is refused", function()
    run(function()
      common.serving(function() return "x" end, function(address)
        for _, text in ipairs {
          "\22\3\1\2\0\1\0\1\252\3\3\r\n\r\n", "SSH-2.0-x\r\n\r\n", "\r\n\r\n\r\n", "\n\n",
          "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", ("\0"):rep(100) .. "\r\n\r\n",
        } do
          local status = common.ask_once(address, text)
          assert.is_true(status == 400 or status == 505, text)
        end
      end)
    end)
  end)
end)

describe("at the end of a busy server", function()
  local CONNECTIONS = tonumber(os.getenv "KIO_DRAIN" or 100) -- 1000 by hand

  it("every request that has begun is answered whole", function()
    run(function()
      local whole, refused = 0, 0
      local report = common.serving(function(req)
        kio.sleep(0.01)
        return 200, { ["X-Path"] = req.path }, ("x"):rep(100)
      end, function(address, serving)
        kio.scope(function(scope)
          for i = 1, CONNECTIONS do
            scope:spawn(function()
              local stream <close> = common.connect(address)
              for n = 1, 1000 do
                local path = ("/%d/%d"):format(i, n)
                local sent = stream:send(get(path))
                local status, headers, body = common.answer(stream)
                if not sent or not status then
                  refused = refused + 1
                  return
                end
                assert.same({ 200, path, 100 }, { status, headers["x-path"], #body })
                whole = whole + 1
                if headers.connection == "close" then return end
              end
            end)
          end
          kio.sleep(0.1)
          serving:cancel()
        end)
      end)
      assert.same({ CONNECTIONS, 0, 0 }, { report.accepted, report.failed, report.cut })
      assert.is_true(whole >= CONNECTIONS and refused <= CONNECTIONS)
    end)
  end)
end)
