-- Answers that are given up in the middle: what is not whole never looks so, and nothing follows.
-- flavours: test asan
local common = require "spec.http.server.common"
local kio = require "kio"

local run, get = kio.testing.run, common.get

-- All that comes on a connection that asks for two pages, and how it ends; what on_error was told.
local function answers(handler, first, serve)
  local text, code, told
  run(function()
    local settings = { on_error = function(err) told = err end }
    for name, value in pairs(serve or {}) do settings[name] = value end
    common.serving(handler, function(address)
      local client <close> = common.connect(address)
      client:write(first or get "/", get "/second")
      kio.sleep(1)
      local pieces, piece, _ = {}
      repeat
        piece, _, code = client:recv(1 << 20, { timeout = 5 })
        pieces[#pieces + 1] = piece
      until not piece
      text = table.concat(pieces)
    end, nil, settings)
  end)
  return text, code, told
end

local BIG = ("x"):rep(20000000) -- more than the kernel takes

describe("an answer that is given up in the middle of a write", function()
  local function answer_of(fields)
    return function(req, res)
      if req.path == "/second" then return "second" end
      res:start(200, fields)
      kio.timeout(0.1, res.write, res, BIG)
      res:write "behind"
    end
  end

  it("is reset, and nothing follows it", function()
    for _, fields in ipairs { {}, { ["Content-Length"] = #BIG + 6 } } do
      local text, code, told = answers(answer_of(fields))
      assert.equal("ECONNRESET", code)
      assert.falsy(text:find "second")
      assert.truthy(told:find("given up", 1, true))
    end
  end)

  it("to a client that knows no chunks is reset, too", function()
    assert.equal("ECONNRESET", (select(2, answers(answer_of {}, "GET / HTTP/1.0\r\n\r\n"))))
  end)

  it("by a failure of the file is reset", function()
    local function handler(_, res)
      local file = assert(kio.fs.open("/dev/null"))
      file:close()
      res:start(200)
      res:write "begun"
      res:flush()
      res:send_file(file, 0, 10)
    end
    assert.equal("ECONNRESET", (select(2, answers(handler, "GET / HTTP/1.0\r\n\r\n"))))
  end)
end)

describe("a handler that raises", function()
  it("nothing at all is answered for, too", function()
    local text = answers(function() error(nil) end)
    assert.truthy(text:find "^HTTP/1.1 500 ")
  end)

  it("nothing at all in the middle has the connection reset", function()
    local function handler(_, res)
      res:write "begun"
      res:flush()
      error()
    end
    assert.equal("ECONNRESET", (select(2, answers(handler, "GET / HTTP/1.0\r\n\r\n"))))
  end)

  it("a cancellation that is not its own is answered for", function()
    local text = answers(function() error(kio.Cancelled) end)
    assert.truthy(text:find "^HTTP/1.1 500 ")
  end)
end)
