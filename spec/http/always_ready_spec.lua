-- without: lua55
-- What of HTTP, pools and closed handles is always ready: a loop of it lets the others run and sees
-- deadlines. (spec/task/always_ready_spec.lua has the same for operations.)
local http = require "kio.http"
local kio = require "kio"
local support = require "spec.support"

local LOOPS = 100000

-- Repeats an operation until a deadline ends that.
local function ends(name, op)
  local _, message, code = kio.timeout(0.001, function()
    for _ = 1, LOOPS do op() end
    return nil, "the loop has not turned in " .. LOOPS .. " calls"
  end)
  if code ~= "ETIMEDOUT" then error(name .. ": " .. tostring(message), 0) end
end

-- The same for a close, which no deadline refuses: the others have their turn.
local function turns(name, op)
  local turned = false
  kio.spawn(function() turned = true end)
  for _ = 1, LOOPS do
    op()
    if turned then return end
  end
  error(name .. ": the loop has not turned in " .. LOOPS .. " calls", 0)
end

-- Has a handler be called with a request that has this body.
local function served(method, handler)
  local listener = assert(kio.net.listen "127.0.0.1:0")
  local failure
  local serving = kio.spawn(http.serve, listener, handler, {
    on_error = function(err) failure = err end,
  })
  local client <close> = assert(kio.net.connect(listener:address()))
  client:write(method, " / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n",
    "Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 40\r\n\r\n",
    "--b\r\nA: b\r\n\r\n", ("\n"):rep(20), "\r\n--b--")
  client:shutdown "write"
  while client:recv() do end
  listener:close()
  serving:await()
  if failure then error(failure, 0) end
end

local function it_serves(name, method, handler)
  it(name, function()
    support.run(function() served(method, handler) end)
  end)
end

describe("what is always ready in HTTP", function()
  it_serves("is a body that was read", "POST", function(req)
    req:body()
    ends("body", function() req:body() end)
    ends("read", function() req:read(1) end)
    ends("lines", req:lines())
    ends("chunks", req:chunks())
    return 204
  end)

  it_serves("is a body without bytes that are wanted", "POST", function(req)
    ends("read(0)", function() req:read(0) end)
    req:read(1)
    ends("read(0)", function() req:read(0) end)
    req:read "a"
    ends("read 'a'", function() req:read "a" end)
    return 204
  end)

  it_serves("is a part of a form that was read", "POST", function(req)
    local parts = req:multipart()
    local part = parts()
    part:read()
    ends("recv", function() part:recv() end)
    ends("read", function() part:read() end)
    ends("chunks", part:chunks())
    parts()
    ends("multipart", parts)
    return 204
  end)

  it_serves("is writing nothing", "GET", function(_, res)
    local file <close> = kio.fs.open "README.md"
    res:start(200)
    ends("write", function() res:write "" end)
    ends("send_file", function() res:send_file(file, 0, 0) end)
  end)

  it_serves("is writing what a HEAD does not get", "HEAD", function(_, res)
    local file <close> = kio.fs.open "README.md"
    ends("write", function() res:write "x" end)
    ends("send_file", function() res:send_file(file, 0, 10) end)
  end)

  it("is a response that a client has read", function()
    support.run(function()
      local listener = assert(kio.net.listen "127.0.0.1:0")
      local serving = kio.spawn(http.serve, listener, function() return "a body\n" end)
      local client <close> = http.client()
      local url = "http://" .. listener:address()
      local res = assert(client:get(url))
      ends("read(0)", function() res:read(0) end)
      res:body()
      ends("body", function() res:body() end)
      ends("read", function() res:read(1) end)
      ends("lines", res:lines())
      ends("chunks", res:chunks())
      turns("close", function() res:close() end)
      local closed = assert(client:get(url))
      closed:close()
      ends("read of a closed one", function() closed:read(1) end)
      listener:close()
      serving:await()
    end)
  end)

  it("is a request that cannot be sent", function()
    support.run(function()
      local client = http.client { connect = function() return nil, "no", "EIO" end }
      ends("connect", function() client:get "http://a" end)
      ends("URL", function() client:get "nonsense" end)
      client:close()
      ends("closed", function() assert(select(3, client:get "http://a") == "EBADF") end)
    end)
  end)

  it("is a WebSocket that has ended", function()
    support.run(function()
      local listener = assert(kio.net.listen "127.0.0.1:0")
      local function handler(_, res) res:websocket():receive() end
      local serving = kio.spawn(http.serve, listener, handler)
      local ws = assert(http.websocket("ws://" .. listener:address()))
      ws:close()
      ends("receive", function() ws:receive() end)
      ends("messages", ws:messages())
      ends("send", function() ws:send "x" end)
      turns("close", function() ws:close() end)
      listener:close()
      serving:await()
    end)
  end)
end)

describe("what is always ready in a pool", function()
  local function noop() end

  it("is a member of one that is made at once", function()
    support.run(function()
      local pool = kio.pool { connect = function() return {} end, close = noop }
      ends("release", function() pool:acquire():release() end)
      ends("drop", function() pool:acquire():drop() end)
      pool:close()
      ends("acquire", function() assert(select(3, pool:acquire()) == "EBADF") end)
      turns("close", function() pool:close() end)
      assert.equal(0, pool:stats().leased)
    end)
  end)

  it("is one that cannot be made, or used", function()
    support.run(function()
      local pool = kio.pool { connect = function() return nil, "no", "EIO" end }
      ends("connect", function() pool:acquire() end)
      assert.equal(0, pool:stats().leased)
      local tested = kio.pool {
        connect = function() return {} end, close = noop, test = function() return false end,
      }
      ends("test", function() tested:acquire():release() end)
      assert.equal(0, tested:stats().leased)
    end)
  end)
end)

describe("what is always ready of what is closed", function()
  it("is its close, and the operations that need it open", function()
    support.run(function()
      local near, far = kio.socketpair()
      local listener = assert(kio.net.listen "127.0.0.1:0")
      local closed = {
        stream = kio.stream(near), listener = listener, udp = assert(kio.net.udp "127.0.0.1:0"),
        file = assert(kio.fs.open "README.md"), watch = assert(kio.fs.watch "."),
      }
      kio.close(far)
      for _, each in pairs(closed) do each:close() end
      for name, each in pairs(closed) do turns(name, function() each:close() end) end
      ends("serve", function() listener:serve(print) end)
      ends("next", function() closed.watch:next() end)
    end)
  end)

  it("is never refused to a cancelled task, whose loop turns all the same", function()
    support.run(function()
      local file = assert(kio.fs.open "README.md")
      file:close()
      local turned, closed = false, 0
      kio.spawn(function() turned = true end)
      kio.scope(function(scope)
        scope:cancel()
        while not turned and closed < LOOPS do
          assert(file:close())
          closed = closed + 1
        end
      end)
      assert.is_true(turned)
    end)
  end)
end)
