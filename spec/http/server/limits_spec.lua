-- What a client may cost: sizes and times, each with the status it is refused with.
-- flavours: test hostile
local common = require "spec.http.server.common"
local kio = require "kio"

local run, get, ask = kio.testing.run, common.get, common.ask

local function plain() return "x" end

-- The status that text is refused with; the connection is over then.
local function refused(text, options)
  local status
  run(function()
    common.serving(plain, function(address)
      local stream <close> = common.connect(address)
      local headers, _
      status, headers, _ = ask(stream, text, "GET")
      if status == 200 then return end
      assert.equal("close", headers.connection)
      assert.is_truthy(headers.date)
      assert.is_true(common.is_over(stream))
    end, options)
  end)
  return status
end

describe("a head", function()
  it("has at most max_head bytes: 431", function()
    local text = get("/", "A: " .. ("x"):rep(16384) .. "\r\n")
    assert.equal(431, refused(text))
    assert.equal(200, refused(text, { max_head = 20000 }))
    assert.equal(200, refused(get("/", "A: " .. ("x"):rep(16000) .. "\r\n")))
  end)

  it("has at most max_fields fields: 431", function()
    assert.equal(431, refused(get("/", ("A: x\r\n"):rep(100))))
    assert.equal(200, refused(get("/", ("A: x\r\n"):rep(99))))
    assert.equal(431, refused(get("/", "A: x\r\n"), { max_fields = 1 }))
  end)

  it("has a target of at most max_target bytes: 414", function()
    assert.equal(414, refused(get("/" .. ("x"):rep(8192))))
    assert.equal(200, refused(get("/" .. ("x"):rep(8191))))
    assert.equal(414, refused(get "/abc", { max_target = 3 }))
  end)

  it("is one of HTTP: 400, 501, 505", function()
    assert.equal(400, refused "hello\r\n\r\n")
    assert.equal(400, refused "GET / HTTP/1.1\r\n\r\n")
    assert.equal(505, refused "GET / HTTP/2.0\r\nHost: a\r\n\r\n")
    assert.equal(501, refused(get("/", "Transfer-Encoding: gzip\r\n")))
  end)

  it("is as wide as the server's limits, which must make sense", function()
    local http = require "kio.http"
    local fine, message = pcall(http.handler, plain, { max_head = 1 })
    assert.is_false(fine)
    assert.matches("#2 to 'handler'.*max_head", message)
  end)
end)

describe("a client that is slow", function()
  -- What it sees after so many seconds of having sent only this.
  local function after(text, options)
    local status, took
    run(function()
      common.serving(plain, function(address)
        local stream <close> = common.connect(address)
        stream:write(text)
        local began = kio.now()
        status = common.head(stream)
        took = kio.now() - began
      end, options)
    end, { timeout = 300 })
    return status, took
  end

  it("has 30 s for its head: 408", function()
    local status, took = after "GET / HTTP/1.1\r\n"
    assert.equal(408, status)
    assert.is_true(took >= 29.9 and took < 32, took)
  end)

  it("has them for the whole of it, however it comes", function()
    local status
    run(function()
      common.serving(plain, function(address)
        local stream <close> = common.connect(address)
        local feeding = kio.spawn(function()
          for byte in get("/", "A: xxxxxxxxxxxxxxxxxxxxxxxxxx\r\n"):gmatch "." do
            if not stream:send(byte) then return end
            kio.sleep(1)
          end
        end)
        local began = kio.now()
        status = common.head(stream)
        assert.is_true(kio.now() - began < 32)
        feeding:cancel()
        feeding:join()
      end)
    end, { timeout = 300 })
    assert.equal(408, status)
  end)

  it("has 75 s for its first and each next request, and no answer then", function()
    local status, took = after ""
    assert.is_nil(status)
    assert.is_true(took >= 74.9 and took < 77, took)
    run(function()
      common.serving(plain, function(address)
        local stream <close> = common.connect(address)
        ask(stream, get())
        local began = kio.now()
        assert.is_true(common.is_over(stream))
        assert.is_true(kio.now() - began >= 4.9 and kio.now() - began < 7)
      end, { keepalive_timeout = 5 })
    end)
  end)

  it("must go on with its body: 408", function()
    run(function()
      common.serving(function(req) return assert(req:body()) end, function(address)
        local stream <close> = common.connect(address)
        stream:send "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n"
        for _ = 1, 3 do
          kio.sleep(29)
          stream:send "x"
        end
        local began = kio.now()
        assert.equal(408, (common.head(stream)))
        assert.is_true(kio.now() - began >= 29 and kio.now() - began < 33)
      end, nil, { on_error = function() end })
    end, { timeout = 300 })
  end)
end)
