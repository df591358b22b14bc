-- kio's client and kio's server: what one sends the other reads, over one connection.
-- flavours: test asan
local http = require "kio.http"
local kio = require "kio"
local support = require "spec.support"

-- Runs f(client, url) beside a server with this handler; how many connections it had.
local function beside(handler, f)
  return support.run(function()
    local listener = assert(kio.net.listen "127.0.0.1:0")
    local serving = kio.spawn(http.serve, listener, handler)
    local client <close> = http.client()
    f(client, "http://" .. listener:address())
    client:close()
    listener:close()
    return serving:await().accepted
  end)
end

local function pieces_of(...)
  local list, i = { ... }, 0
  return function()
    i = i + 1
    return list[i]
  end
end

describe("the client and the server", function()
  it("agree about bodies of every kind that follow each other", function()
    local connections = beside(function(req)
      return req.method .. " " .. #assert(req:body())
    end, function(client, url)
      local function sent(method, options)
        options.method = method
        return assert(client:request(url, options)):body()
      end
      for _ = 1, 3 do
        assert.equal("GET 0", sent("GET", {}))
        assert.equal("POST 6", sent("POST", { body = pieces_of("abc", "def") }))
        assert.equal("PUT 3", sent("PUT", { body = "abc" }))
        assert.equal("GET 0", sent("GET", {}))
        assert.equal("POST 100000", sent("POST", { body = ("x"):rep(100000) }))
        assert.equal("PUT 7", sent("PUT", { body = pieces_of("abc", "defg"), length = 7 }))
      end
    end)
    assert.equal(1, connections)
  end)

  it("stream both ways", function()
    local connections = beside(function(req)
      local size = 0
      for piece in req:chunks() do size = size + #piece end
      return 200, nil, pieces_of(("y"):rep(size), "end")
    end, function(client, url)
      local count = 0
      local res <close> = assert(client:post(url, {
        body = function()
          count = count + 1
          return count <= 20 and ("x"):rep(50000) or nil
        end,
      }))
      local size = 0
      for piece in res:chunks() do size = size + #piece end
      assert.equal(1000003, size)
    end)
    assert.equal(1, connections)
  end)

  it("ask before a body is sent", function()
    beside(function(req)
      if req.path == "/no" then return 403 end
      return "got " .. assert(req:body())
    end, function(client, url)
      assert.equal("got it", assert(client:put(url, { body = "it", expect = true })):body())
      assert.equal(403, assert(client:put(url .. "/no", { body = "it", expect = true })).status)
    end)
  end)

  it("end a body that is not wanted", function()
    beside(function() return 413, nil, "too large" end, function(client, url)
      local res = assert(client:post(url, {
        body = function() return ("x"):rep(1 << 16) end, body_timeout = 5,
      }))
      assert.equal(413, res.status)
    end)
  end)
end)
