-- flavours: test asan
-- The handshake of WebSockets: what a server refuses and with what, whom it lets in, what a client
-- takes for an answer.
local kio = require "kio"
local http = require "kio.http"
local support = require "spec.support"

local KEY = "dGhlIHNhbXBsZSBub25jZQ==" -- of RFC 6455, section 1.3
local ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

-- Serves f as the handler of requests while g(address) runs.
local function serving(f, g)
  support.run(function()
    local listener = assert(kio.net.listen "127.0.0.1:0")
    local task = kio.spawn(listener.serve, listener, http.handler(f))
    g(listener:address())
    listener:close()
    task:await()
  end)
end

-- The head of a handshake, with fields in place of the usual ones (false: without).
local function request(address, fields, first)
  local all = {
    ["Host"] = address, ["Upgrade"] = "websocket", ["Connection"] = "keep-alive, Upgrade",
    ["Sec-WebSocket-Key"] = KEY, ["Sec-WebSocket-Version"] = "13",
  }
  for name, value in pairs(fields or {}) do all[name] = value end
  local lines = { first or "GET /chat HTTP/1.1" }
  for name, value in pairs(all) do
    if value then lines[#lines + 1] = name .. ": " .. value end
  end
  return table.concat(lines, "\r\n") .. "\r\n\r\n"
end

-- What the server answers: the status, the head, and what the handler was told.
local function ask(how)
  local status, head, told
  serving(function(_, res)
    local ws, message, code = res:websocket(how.options)
    told = { message = message, code = code, protocol = ws and ws.protocol }
    if ws then ws:close(1000, "", { timeout = 0 }) end
  end, function(address)
    local stream <close> = assert(kio.net.connect(address))
    local fields = how.fields
    if type(fields) == "function" then fields = fields(address) end
    stream:write(request(address, fields, how.first))
    head = stream:read_until "\r\n\r\n"
    status = tonumber(head:match "^HTTP/1.1 (%d+)")
  end)
  return status, head, told
end

local function refused(name, status, fields, more)
  it("refuses " .. name, function()
    local how = { fields = fields }
    for key, value in pairs(more or {}) do how[key] = value end
    local got, head, told = ask(how)
    assert.equal(status, got)
    assert.equal(status == 403 and "EACCES" or "EPROTO", told.code)
    assert.truthy(told.message:find "^websocket 127%.0%.0%.1:%d+: ")
    if how.field then assert.truthy(head:lower():find(how.field, 1, true)) end
  end)
end

describe("a server's handshake", function()
  it("answers as the RFC's example does", function()
    local status, head = ask { fields = { Origin = false } }
    assert.equal(101, status)
    assert.truthy(head:find("Sec-WebSocket-Accept: " .. ACCEPT, 1, true))
    assert.truthy(head:find "\r\nUpgrade: websocket\r\n")
    assert.truthy(head:find "\r\nConnection: Upgrade\r\n")
    assert.falsy(head:find "Sec%-WebSocket%-Protocol")
  end)

  refused("another method", 405, { ["Content-Length"] = "0" }, { first = "POST / HTTP/1.1",
    field = "allow: get" })
  refused("HTTP/1.0", 400, nil, { first = "GET / HTTP/1.0" })
  refused("what asks for no upgrade", 426, { Upgrade = false, Connection = "keep-alive" },
    { field = "upgrade: websocket" })
  refused("an upgrade to something else", 426, { Upgrade = "h2c" })
  refused("an upgrade that Connection does not name", 426, { Connection = "keep-alive" })
  refused("another version", 426, { ["Sec-WebSocket-Version"] = "8" },
    { field = "sec-websocket-version: 13" })
  refused("no version", 426, { ["Sec-WebSocket-Version"] = false })
  refused("no key", 400, { ["Sec-WebSocket-Key"] = false })
  refused("a key of 15 bytes", 400, { ["Sec-WebSocket-Key"] = "dGhlIHNhbXBsZSBub25j" })
  refused("a key that is no Base64", 400, { ["Sec-WebSocket-Key"] = "dGhlIHNhbXBsZS!ub25jZQ==" })
  refused("two keys", 400, { ["Sec-WebSocket-Key"] = KEY .. "\r\nSec-WebSocket-Key: " .. KEY })
  refused("a body", 400, { ["Content-Length"] = "3" })
  refused("a subprotocol that is no token", 400, { ["Sec-WebSocket-Protocol"] = "a b" })
  refused("another site's page", 403, { Origin = "https://evil.example" })
  refused("a page of another port", 403, { Origin = "http://127.0.0.1:1" })
  refused("a page without an origin", 403, { Origin = "null" })
  refused("two origins", 403, function(address)
    return { Origin = "http://" .. address .. "\r\nOrigin: http://" .. address }
  end)
  refused("a page of the host when others are listed", 403, function(address)
    return { Origin = "http://" .. address }
  end, { options = { origins = { "https://example.org" } } })

  it("lets pages of its own host in, and those that are listed", function()
    for _, how in ipairs {
      { fields = function(address) return { Origin = "http://" .. address } end },
      { fields = { Origin = "https://example.org", Host = "example.org" } },
      { fields = { Origin = "HTTPS://Example.Org:443", Host = "example.ORG" } },
      { fields = { Origin = "https://a.org" }, options = { origins = { "https://A.org:443" } } },
      { fields = { Origin = "null" }, options = { origins = "any" } },
    } do assert.equal(101, (ask(how))) end
  end)

  it("chooses the best protocol that is offered, or none", function()
    local function chosen(offer, protocols)
      local status, head, told = ask {
        fields = { ["Sec-WebSocket-Protocol"] = offer }, options = { protocols = protocols },
      }
      assert.equal(101, status)
      assert.equal(told.protocol, head:match "Sec%-WebSocket%-Protocol: (%S+)")
      return told.protocol
    end
    assert.equal("b", chosen("a, c,b", { "x", "b", "a" }))
    assert.is_nil(chosen("c", { "a" }))
    assert.is_nil(chosen("c", nil))
    assert.equal("a", chosen("b\r\nSec-WebSocket-Protocol: a", { "a", "b" }))
  end)

  it("has answered what it refuses: the connection goes on", function()
    serving(function(_, res)
      local ws = res:websocket()
      assert(not ws)
    end, function(address)
      local stream <close> = assert(kio.net.connect(address))
      for _ = 1, 2 do
        stream:write(request(address, { ["Sec-WebSocket-Version"] = "7" }))
        local head = stream:read_until "\r\n\r\n"
        assert.truthy(head:find "^HTTP/1.1 426 ")
        assert.equal("the version of WebSocket is 13\n", stream:read "L")
      end
    end)
  end)

  it("refuses wrong options by the caller's line", function()
    for option, value in pairs {
      protocols = {}, origins = {}, max_message = 1.5, heartbeat = 0, compres = true,
    } do
      serving(function(_, res)
        support.expect_error("^spec/http/websocket_handshake_spec.lua:%d+: .*'" .. option .. "'",
          function() res:websocket { [option] = value } end)
        return "fine"
      end, function(address)
        local stream <close> = assert(kio.net.connect(address))
        stream:write(request(address))
        assert.truthy(stream:read("l"):find " 200 ")
      end)
    end
  end)

  it("leaves closing to the end of the handler, and tells of its failure", function()
    local codes = {}
    serving(function(req, res)
      local ws = assert(res:websocket())
      ws:send "hello"
      if req.path == "/error" then error "oh" end
    end, function(address)
      for _, path in ipairs { "/fine", "/error" } do
        local ws <close> = assert(http.websocket("ws://" .. address .. path))
        assert.equal("hello", (ws:receive()))
        assert.is_nil(ws:receive())
        codes[#codes + 1] = ws.close_code
      end
    end)
    assert.same({ 1000, 1011 }, codes)
  end)
end)

-- ---- clients ----

-- A client whose server answers f(key): fields or a whole head. What it comes to.
local function answered(f, options)
  local result, sent
  support.run(function()
    local listener = assert(kio.net.listen "127.0.0.1:0")
    kio.spawn { daemon = true, function()
      local stream <close> = assert(listener:accept())
      sent = stream:read_until "\r\n\r\n"
      stream:write(f(require "kio.http.core".websocket_accept(
        sent:match "Sec%-WebSocket%-Key: (%S+)")))
      stream:flush()
      stream:read "a"
    end }
    result = table.pack(http.websocket("ws://" .. listener:address() .. "/a?b=c", options))
    if result[1] then result[1]:close(1000, "", { timeout = 0 }) end
    listener:close()
  end)
  return result, sent
end

local function head(accept, more)
  return "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    .. "Sec-WebSocket-Accept: " .. accept .. "\r\n" .. (more or "") .. "\r\n"
end

describe("a client's handshake", function()
  it("says what it wants", function()
    local result, sent = answered(head, {
      protocols = { "a", "b" }, origin = "https://example.org", headers = { ["X-Token"] = "t" },
    })
    assert.truthy(result[1])
    assert.truthy(sent:find "^GET /a%?b=c HTTP/1.1\r\nHost: 127%.0%.0%.1:%d+\r\n")
    for _, line in ipairs {
      "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13",
      "Sec-WebSocket-Protocol: a, b", "Origin: https://example.org", "X-Token: t",
    } do assert.truthy(sent:find("\r\n" .. line, 1, true), line) end
    assert.truthy(sent:match "Sec%-WebSocket%-Key: (%S+)":find "^[%w+/]+==$")
  end)

  it("takes no answer for one that is none", function()
    local wrong = {
      ["status 404"] = function() return "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n" end,
      ["to another request"] = function() return head(ACCEPT) end,
      ["a subprotocol that was not offered"] = function(accept)
        return head(accept, "Sec-WebSocket-Protocol: x\r\n")
      end,
      ["an extension in a wrong way"] = function(accept)
        return head(accept, "Sec-WebSocket-Extensions: permessage-deflate\r\n")
      end,
      ["to another protocol"] = function(accept)
        return (head(accept):gsub("Upgrade: websocket", "Upgrade: other"))
      end,
    }
    for words, f in pairs(wrong) do
      local result = answered(f, { protocols = { "a" } })
      assert.is_nil(result[1])
      assert.equal("EPROTO", result[3])
      assert.truthy(result[2]:find "^websocket ws://127%.0%.0%.1:%d+/a%?%.%.%.: ", result[2])
      assert.truthy(result[2]:find(words, 1, true), result[2])
      if words == "status 404" then assert.equal(404, result[4]) end
    end
    local result = answered(function() return "" end, { timeout = 0.05 })
    assert.equal("ETIMEDOUT", result[3])
    result = answered(function() return "nonsense\r\n\r\n" end)
    assert.equal("EPROTO", result[3])
  end)

  it("refuses wrong arguments by the caller's line, and tells what cannot be reached", function()
    support.run(function()
      local here = "^spec/http/websocket_handshake_spec.lua:%d+: "
      for words, f in pairs {
        ["no URL of a WebSocket: http://a/"] = function() http.websocket "http://a/" end,
        ["'tls'"] = function() http.websocket("ws://a/", { tls = {} }) end,
        ["'headers'"] = function() http.websocket("ws://a/", { headers = 1 }) end,
      } do support.expect_error(here .. ".*" .. words, f) end
      local address = "127.0.0.1:" .. support.free_port()
      local ws, message, code = http.websocket("ws://" .. address)
      assert.is_nil(ws)
      assert.equal("ECONNREFUSED", code)
      assert.truthy(message:find("^websocket ws://" .. address))
    end)
  end)
end)
