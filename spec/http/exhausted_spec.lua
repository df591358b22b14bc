-- The n-th allocation of C memory fails while kio's client and server talk, for n = 1, 2, 3 ...
-- until there is no such one: each is an error for somebody, or is got over; nobody gets half of an
-- answer or of a message for a whole one, nothing is left behind, and what is asked next is
-- answered. The clock is virtual, so that who gets no answer waits no time for that. Under the
-- sanitizer some are tried, at random.
-- flavours: test asan
-- without: epoll lua55
local http = require "kio.http"
local kio = require "kio"
local support = require "spec.support"
local testing = require "kio.testing"

local STRIDE <const> = support.scale { full = 1, asan = 4, rest = 1 }
local LARGE <const> = ("0123456789"):rep(10000)

-- Runs talk(address) beside a server with this handler, with the n-th allocation failing in the
-- midst; what it has returned, "raised" in its place; and how many have failed.
local function beside(handler, talk, n)
  return testing.run(function()
    local listener = assert(kio.net.listen "127.0.0.1:0")
    local serving = kio.spawn(listener.serve, listener, http.handler(handler),
      { on_error = function() end, drain_timeout = 1 })
    local address = listener:address()
    assert(talk(address) == "ok")
    kio.core.fail_memory(n)
    local fine, said = pcall(talk, address)
    local failed = kio.core.fail_memory(0)
    assert(talk(address) == "ok")
    listener:close()
    serving:join()
    return fine and said or "raised", failed
  end, { timeout = 1000, watchdog = false })
end

local function for_each_allocation(handler, talk)
  local n, failures = 0, 0
  repeat
    n = n + math.random(STRIDE)
    local said, failed = beside(handler, talk, n)
    assert.is_string(said, "allocation " .. n)
    if said ~= "ok" then failures = failures + 1 end
  until failed == 0
  assert.is_true(failures > 0, failures)
end

local function pieces()
  local left = 3
  return function()
    left = left - 1
    return left >= 0 and LARGE or nil
  end
end

describe("an allocation that fails", function()
  it("in an exchange is an error, or got over", function()
    local function answer(req)
      local body = assert(req:body())
      return 200, nil, function() body, req = nil, body return req end
    end
    for_each_allocation(answer, function(address)
      local client <close> = http.client()
      for _, body in ipairs { "short", pieces() } do
        local res <close>, message, code = client:post("http://" .. address, { body = body })
        if not res then return assert(code, message) end
        local text
        text, message, code = res:body()
        if not text then return assert(code, message) end
        local whole = type(body) == "string" and body or LARGE:rep(3)
        if res.status == 200 then assert(text == whole, "half an answer")
        else return "status " .. res.status end
      end
      return "ok"
    end)
  end)

  it("in a WebSocket is an error, or got over", function()
    local function echo(_, res)
      local ws = assert(res:websocket())
      for message in ws:messages() do assert(ws:send(message)) end
    end
    for_each_allocation(echo, function(address)
      local ws <close>, message, code = http.websocket("ws://" .. address)
      if not ws then return assert(code, message) end
      for _, text in ipairs { "short", LARGE } do
        local sent, came, _
        sent, message, code = ws:send(text)
        if not sent then return assert(code, message) end
        came, _, code = ws:receive()
        if not came then return code or "closed" end
        assert(came == text, "half a message")
      end
      local closed
      closed, message, code = ws:close()
      return closed and "ok" or assert(code, message)
    end)
  end)
end)
