-- What a server says about errors of its handlers: a fault of the program with its traceback, what
-- a peer did in one line at most.
local common = require "spec.net.serve.common"
local kio = require "kio"
local support = require "spec.support"

-- What serve prints about a handler, for one client that does `deed` and whose stream it is given;
-- and how many handlers have failed.
local function said_about(handler, deed, options)
  local stderr, said, failed = io.stderr, {}, nil
  rawset(io, "stderr", { write = function(_, ...) said[#said + 1] = table.concat { ... } end })
  local ok, err = pcall(support.run, function()
    local serving, _, address = common.start(handler, options)
    local client <close> = assert(kio.net.connect(address, { linger = 0, timeout = 30 }))
    deed(client)
    serving:cancel() -- who has connected is still served
    failed = serving:await().failed
  end)
  rawset(io, "stderr", stderr)
  assert.is_true(ok, err)
  return table.concat(said), failed
end

local function reset(client)
  assert(client:send "x")
  client:close()
end

local function lines_of(text) return select(2, text:gsub("\n", "\n")) end

local HANDLERS = {
  ["a loop over lines"] = function(stream) for _ in stream:lines() do kio.yield() end end,
  ["a loop over pieces"] = function(stream) for _ in stream:chunks() do kio.yield() end end,
  ["assert and read"] = function(stream)
    while assert(stream:read(1)) do kio.yield() end
  end,
  ["error with more words"] = function(stream)
    local _, message = stream:read "a"
    error("no request: " .. message)
  end,
  ["a task of its own"] = function(stream)
    kio.spawn(function() assert(stream:read "a") end)
    kio.sleep(1000)
  end,
}

describe("a reset by the client", function()
  for what, handler in pairs(HANDLERS) do
    it("is one line, in " .. what, function()
      local text, failed = said_about(handler, reset)
      assert.equal(1, failed)
      assert.equal(1, lines_of(text), text)
      assert.matches("^kio: the connection of 127.* ended: .*connection reset by peer", text)
    end)
  end

  it("while it is written to is one line", function()
    local text, failed = said_about(function(stream)
      repeat kio.yield() until not stream:read(1)
      while true do assert(stream:send "more") end
    end, reset)
    assert.equal(1, failed)
    assert.equal(1, lines_of(text), text)
  end)

  it("is told to on_error as before, with the traceback", function()
    local told
    local text = said_about(HANDLERS["a loop over lines"], reset, {
      on_error = function(...) told = { ... } end,
    })
    assert.equal("", text)
    assert.matches("tell_spec%.lua:%d+: read .* %(ECONNRESET%)$", told[1])
    assert.matches("tell_spec%.lua", told[3])
  end)
end)

describe("a line that is too long", function()
  it("is one line, too", function()
    local text, failed = said_about(function(stream) assert(stream:read("l", { max = 10 })) end,
      function(client)
        client:send(("x"):rep(100))
        client:recv()
      end)
    assert.equal(1, failed)
    assert.equal(1, lines_of(text), text)
  end)
end)

describe("a body of a request that cannot be taken", function()
  local http = require "kio.http"

  local function post(fields)
    return function(client)
      client:send("POST / HTTP/1.1\r\nHost: a\r\n" .. fields .. "\r\n\r\nxxxx")
      client:recv()
      client:close()
    end
  end

  for words, deed in pairs {
    ["is larger than 3 bytes"] = post "Content-Length: 4",
    ["is no number in hexadecimal"] = post "Transfer-Encoding: chunked",
  } do
    it("is one line, for it " .. words, function()
      local text, failed = said_about(http.handler(function(req) assert(req:body()) end,
        { max_body = 3 }), deed)
      assert.equal(1, failed)
      assert.equal(1, lines_of(text), text)
      assert.matches("^kio: the connection of 127.* ended: .*read_body 127", text)
    end)
  end

  it("is one line, for it has another type than the handler reads", function()
    for _, handler in ipairs {
      function(req) for _ in req:multipart() do kio.yield() end end,
      function(req) assert(http.compress.body(req)) end,
    } do
      local text = said_about(http.handler(handler),
        post "Content-Length: 4\r\nContent-Encoding: br")
      assert.equal(1, lines_of(text), text)
    end
  end)
end)

describe("a fault of the program", function()
  local function ask(client) client:recv() end

  it("keeps its traceback", function()
    local text, failed = said_about(function(stream) stream.no_such_method() end, ask)
    assert.equal(1, failed)
    assert.matches("failed: .*no_such_method.*\nstack traceback:\n.*tell_spec%.lua", text)
  end)

  it("keeps it when another connection was reset, or its own was closed", function()
    assert.matches("stack traceback", (said_about(function()
      error "read 127.0.0.1:1: connection reset by peer"
    end, ask)))
    assert.matches("stack traceback", (said_about(function(stream)
      stream:close()
      assert(stream:read())
    end, ask)))
  end)

  it("that is a table shows its text, its message and code, or its fields", function()
    local function text_of(err) return (said_about(function() error(err) end, ask)) end
    assert.matches("failed: oh dear %(ENOPE%)\nstack traceback",
      text_of { message = "oh dear", code = "ENOPE" })
    assert.matches("failed: just this\n", text_of { message = "just this" })
    assert.matches("failed: table: 0x%x+, reason = 42\n", text_of { reason = 42, {} })
    assert.matches("failed: in its own words\n", text_of(setmetatable({ message = "no" },
      { __tostring = function() return "in its own words" end })))
  end)
end)
