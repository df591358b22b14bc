-- What no program and no peer should do, by kind: two tasks on one body, waits that are given up in
-- the middle, a body that comes byte by byte, fields that would say where a message ends, options
-- that are nonsense. Nobody gets half of anything for the whole, or an answer that is another's.
-- flavours: test asan
local body = require "kio.http.body"
local common = require "spec.http.server.common"
local clients = require "spec.http.client.common"
local http = require "kio.http"
local kio = require "kio"
local multipart = require "kio.http.multipart"
local support = require "spec.support"

local POST <const> = "POST / HTTP/1.1\r\nHost: a\r\n"

local function it_runs(name, f) it(name, function() support.run(f) end) end

-- All that a server with this handler sends for the bytes, until it ends the connection or says
-- nothing more.
local function answers(handler, bytes)
  local text = ""
  common.serving(handler, function(address)
    local stream <close> = common.connect(address)
    stream:write(bytes)
    stream:shutdown "write"
    text = stream:read "a" or ""
  end, nil, { on_error = function() end })
  return text
end

local function count(text, pattern) return select(2, text:gsub(pattern, "")) end

describe("a server", function()
  it_runs("sends one answer, also when a task of the handler's still reads the body", function()
    local function handler(req)
      kio.spawn(function() pcall(req.body, req) end)
      kio.yield()
      return "done"
    end
    for _, rest in ipairs {
      "Content-Length: 10\r\n\r\nabc", "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
    } do
      common.serving(handler, function(address)
        local stream <close> = common.connect(address)
        local status, _, text = common.ask(stream, POST .. rest, "POST")
        assert.same({ 200, "done" }, { status, text })
        assert.is_nil((stream:recv()))
      end, nil, { on_error = function() end })
    end
  end)

  it_runs("lets nothing follow what may be taken for a tunnel", function()
    local text = answers(function(req) return req.method end,
      "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n" .. common.get())
    assert.matches("Connection: close\r\n.*\r\n\r\nCONNECT$", text)
    assert.equal(1, count(text, "HTTP/1.1 "))
  end)

  it_runs("sends no trailer that says where the answer ends", function()
    for _, name in ipairs { "Content-Length", "transfer-encoding", "HOST" } do
      for _, trailers in ipairs { { [name] = "5" }, { { name, "5" } } } do
        local text = answers(function(_, res)
          support.expect_error("no trailer can have the field", res.finish, res, trailers)
          return "refused"
        end, common.get())
        assert.matches("refused$", text)
      end
    end
  end)

  it_runs("leaves a table of fields as it was, and events what they are", function()
    local headers = { ["Content-Type"] = "a/b", ["X-A"] = "1" }
    for _, given in ipairs { headers, { { "Content-Type", "a/b" }, { "X-A", "1" } } } do
      local text = answers(function(_, res)
        local events <close> = res:events { headers = given, heartbeat = 0 }
        events:send "x"
      end, common.get())
      assert.matches("\r\ncontent%-type: text/event%-stream\r\n", text)
      assert.matches("\r\nX%-A: 1\r\n", text)
      assert.equal(1, count(text:lower(), "content%-type"))
    end
    assert.same({ ["Content-Type"] = "a/b", ["X-A"] = "1" }, headers)
  end)

  it_runs("takes nothing for a file that only says that it is one", function()
    local forged = setmetatable({}, { __name = "kio.File", __close = function() end })
    local told
    common.serving(function() return 200, nil, forged end, function(address)
      assert.equal(500, (common.ask_once(address, common.get())))
    end, nil, { on_error = function(err) told = tostring(err) end })
    assert.matches("^spec/http/adversary_spec.lua:.*where a body is expected", told)
  end)
end)

describe("a body that comes byte by byte", function()
  local SIZE <const> = 5000

  local function reader(text)
    local at = 0
    return body.over(nil, { ended = false }, function(_, raw)
      at = at + 1
      raw.ended = at >= #text
      return at <= #text and text:sub(at, at) or nil
    end, 1)
  end

  -- Kilobytes that f has allocated.
  local function allocated(f, ...)
    collectgarbage()
    collectgarbage "stop"
    local before = collectgarbage "count"
    f(...)
    local after = collectgarbage "count"
    collectgarbage "restart"
    return after - before
  end

  it("is gathered in memory that grows as it does", function()
    local text = ("x"):rep(SIZE)
    for _, format in ipairs { SIZE, "l", "L", "a" } do
      local made = reader(text)
      assert.is_true(allocated(function() assert(made:read(format) == text) end) < SIZE)
    end
  end)

  it("is read by lines and counts as if it had come at once", function()
    local made = reader "ab\ncd\n\nefg"
    assert.same({ "ab", "cd\n", "\ne", "fg" },
      { made:read "l", made:read "L", made:read(2), made:read "l" })
    assert.is_nil(made:read "l")
    assert.is_nil(made:read(1))
    assert.equal("", made:read "a")
  end)
end)

describe("a wait that is given up", function()
  local function part_of(req)
    return req:multipart()()
  end

  local READS <const> = {
    ["the whole body"] = function(req) return function() return req:body() end end,
    ["a line"] = function(req) return function() return req:read "l" end end,
    ["a count"] = function(req) return function() return req:read(10) end end,
    ["a part of a form"] = function(req)
      local part
      return function()
        part = part or part_of(req)
        return part:read()
      end
    end,
  }

  for name, read in pairs(READS) do
    it_runs("loses nothing of " .. name, function()
      local is_form = name:find "form"
      local before = is_form and "--X\r\nContent-Disposition: form-data; name=a\r\n\r\n" or ""
      local after = is_form and "\r\n--X--" or ""
      local came, go_on = kio.sync.event(), kio.sync.event()
      local function handler(req)
        local take = read(req)
        local reading = kio.spawn(take)
        came:wait()
        for _ = 1, 50 do kio.yield() end
        reading:cancel()
        reading:join()
        go_on:set()
        return assert(take())
      end
      common.serving(handler, function(address)
        local stream <close> = common.connect(address)
        stream:write(POST, "Content-Type: multipart/form-data; boundary=X\r\nContent-Length: ",
          10 + #before + #after, "\r\n\r\n", before, "01234"):flush()
        came:set()
        go_on:wait()
        stream:write("56789", after)
        local _, _, text = common.answer(stream)
        assert.equal("0123456789", text)
      end)
    end)
  end

  it("loses nothing of a part that is larger than the parser keeps", function()
    support.run(function()
      local function letters(letter) return letter:rep(100) end
      local pieces = { "--X\r\n\r\n" .. letters "a", letters "b", letters "c" .. "\r\n--X--" }
      local parts = multipart.read(function()
        kio.yield()
        return table.remove(pieces, 1)
      end, "X")
      local part = parts()
      local task = kio.spawn(part.read, part)
      for _ = 1, 2 do kio.yield() end
      task:cancel()
      task:join()
      local text = part:read()
      assert.equal(letters "a" .. letters "b" .. letters "c", text)
      assert.equal(300, part.size)
    end)
  end)
end)

describe("a client", function()
  local function with(answer, f) clients.with_server(answer, f) end

  -- A body of ten bytes of which five come when the event is set.
  local function in_two(go_on)
    return function(_, stream)
      stream:write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n01234"):flush()
      go_on:wait()
      return "56789"
    end
  end

  it("tells a second reader of a body, and the first gets all of it", function()
    local go_on = kio.sync.event()
    with(in_two(go_on), function(url)
      local res <close> = assert(http.get(url))
      local reading = kio.spawn(res.body, res)
      kio.yield()
      support.expect_error("another task is reading the body", res.read, res, 5)
      go_on:set()
      assert.equal("0123456789", reading:await())
    end)
  end)

  it("closes a response that another task reads", function()
    local go_on = kio.sync.event()
    with(in_two(go_on), function(url)
      local res = assert(http.get(url))
      local reading = kio.spawn(res.body, res)
      kio.yield()
      res:close()
      assert.equal("EBADF", select(3, reading:await()))
      go_on:set()
    end)
  end)

  it("refuses counts that are none", function()
    with(function() return clients.ok "0123456789" end, function(url)
      support.expect_error("'redirects'", http.get, url, { redirects = 1.5 })
      local res <close> = assert(http.get(url))
      for _, name in ipairs { "body", "chunks", "read", "lines" } do
        local arguments = { name:find "^[rl]" and "l" or { max = 1.5 }, { max = 1.5 } }
        support.expect_error("'max'", res[name], res,
          table.unpack(arguments, 1, name:find "^[rl]" and 2 or 1))
      end
      assert.equal("0123456789", res:body())
    end)
  end)

  it_runs("takes what is no stream from no program", function()
    for _, value in ipairs { true, 5, { {} }, io.stdout } do
      local client <close> = http.client { connect = function() return value end }
      support.expect_error("'connect' must give a kio.Stream", client.get, client, "http://a/")
    end
    local client <close> = http.client { connect = function() return nil, "no way", "ENOENT" end }
    assert.equal("ENOENT", select(3, client:get "http://a/"))
  end)

  it_runs("sends each field of a WebSocket's handshake once", function()
    for _, name in ipairs { "Host", "connection", "Content-Length", "Sec-WebSocket-Key" } do
      for _, headers in ipairs { { [name] = "x" }, { { name, "x" } } } do
        support.expect_error("fields beside those of the handshake", http.websocket,
          "ws://127.0.0.1:1/", { headers = headers })
      end
    end
  end)
end)

describe("what peers send", function()
  -- From each place it looks as far as the white space goes, and then begins again.
  it("is read by no pattern that takes the square of its length", function()
    local pipe <close> = assert(io.popen "grep -rnE '\\(\\.-\\)(%s|\\[ \\\\t\\])[*+]\\$' lua")
    assert.equal("", pipe:read "a")
  end)

  it("is trimmed", function()
    local trim = require "kio.http.trim"
    for text, trimmed in pairs {
      [""] = "", ["  \t "] = "", a = "a", [" a b\t"] = "a b", ["\na "] = "\na", ["a\0 "] = "a\0",
    } do
      assert.equal(trimmed, trim(text))
    end
  end)
end)
