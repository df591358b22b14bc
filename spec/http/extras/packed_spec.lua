-- What a handler writes itself, packed on its way: http.compress.handler.
-- flavours: test asan
local common = require "spec.http.server.common"
local http = require "kio.http"
local kio = require "kio"
local found_zlib = require "spec.zlib.common"
local support = require "spec.support"

local zlib, why = found_zlib.find()

local TEXT <const> = ("some text\n"):rep(1000)
local TAKES <const> = "Accept-Encoding: gzip\r\n"

local function it_runs(name, f)
  it(name, function()
    if not zlib then return pending(why) end
    support.run(f)
  end)
end

-- The answer of a handler to one request: status, fields, body.
local function ask(handler, request, options)
  local answer
  common.serving(http.compress.handler(handler, options), function(address)
    answer = table.pack(common.ask_once(address, request or common.get("/", TAKES)))
  end)
  return table.unpack(answer, 1, answer.n)
end

local function write_parts(_, res)
  res:start(200, { ["Content-Type"] = "text/css", ["Content-Length"] = #TEXT, ETag = '"a"' })
  for at = 1, #TEXT, 1000 do res:write(TEXT:sub(at, at + 999)) end
end

describe("what a handler writes", function()
  it_runs("is packed for who takes that", function()
    local status, headers, body = ask(write_parts)
    assert.same({ 200, "gzip", "chunked", 'W/"a"', "Accept-Encoding", nil }, { status,
      headers["content-encoding"], headers["transfer-encoding"], headers.etag, headers.vary,
      headers["content-length"] })
    assert.is_true(#body < #TEXT and zlib.decompress(body) == TEXT)
    status, headers, body = ask(write_parts, common.get())
    assert.same({ 200, nil, tostring(#TEXT), '"a"', "Accept-Encoding", TEXT }, { status,
      headers["content-encoding"], headers["content-length"], headers.etag, headers.vary, body })
  end)

  it_runs("is packed however it begins and ends", function()
    local handlers = {
      function(_, res) res:write(TEXT) end,
      function(_, res) res:write(TEXT) res:finish() end,
      function(_, res) res:write(TEXT:sub(1, 10), TEXT:sub(11)) res:finish { ["X-Sum"] = "1" } end,
      function(_, res)
        res:set("Content-Type", "text/plain")
        res:start(200)
        res:write ""
        for at = 1, #TEXT do res:write(TEXT:sub(at, at)) end
      end,
    }
    for i, handler in ipairs(handlers) do
      local _, headers, body = ask(handler)
      assert.equal("gzip", headers["content-encoding"])
      assert.equal(TEXT, (zlib.decompress(body)))
      assert.same(i == 3 and { "X-Sum: 1" } or {}, headers.trailers)
    end
    local _, headers, body = ask(handlers[1], "GET / HTTP/1.0\r\n" .. TAKES .. "\r\n")
    assert.equal("gzip", headers["content-encoding"])
    assert.equal(TEXT, (zlib.decompress(body)))
  end)

  it_runs("can be read when it comes", function()
    local go_on = kio.sync.event()
    local function handler(_, res)
      res:write "first"
      go_on:wait()
      res:write "second"
    end
    common.serving(http.compress.handler(handler), function(address)
      local client <close> = http.client()
      local res <close> = assert(client:get("http://" .. address))
      local pieces = res:chunks()
      assert.equal("first", pieces())
      go_on:set()
      assert.equal("second", pieces())
      assert.is_nil(pieces())
    end)
  end)

  it_runs("has the same fields for HEAD, and no length that is not its own", function()
    local function returned() return 200, { ["content-type"] = "text/plain" }, TEXT end
    for _, handler in ipairs { write_parts, returned } do
      local _, of_get = ask(handler)
      local request = common.get("/", TAKES):gsub("^GET", "HEAD")
      local status, headers, body = ask(handler, request)
      assert.same({ 200, "" }, { status, body })
      for _, name in ipairs { "content-encoding", "content-type", "etag", "vary" } do
        assert.equal(of_get[name], headers[name])
      end
      assert.is_nil(headers["content-length"])
    end
  end)

  it_runs("stays as it is where that does not pay, or must not be", function()
    local function started(status, fields, body)
      return function(_, res)
        res:start(status, fields)
        if body then res:write(body) end
      end
    end
    local typed = { ["Content-Type"] = "text/plain" }
    for _, handler in ipairs {
      started(200, { ["Content-Type"] = "image/png" }, TEXT), started(204), started(304, typed),
      started(200, { { "Content-Type", "text/plain" }, { "Content-Length", 5 } }, "short"),
      started(200, { ["Content-Type"] = "text/plain", ["Content-Encoding"] = "br" }, TEXT),
      started(200, { ["Content-Type"] = "text/plain", ["Cache-Control"] = "No-Transform" }, TEXT),
      started(206, { ["Content-Type"] = "text/plain", ["Content-Range"] = "bytes 0-3/9" }, "part"),
      function(_, res)
        res:set("Content-Encoding", "br"):write(TEXT)
      end,
      function(_, res)
        res:set("Content-Encoding", "br")
        return 200, typed, TEXT
      end,
      function(_, res) res:events { heartbeat = 0 }:send(TEXT) end,
    } do
      local _, headers = ask(handler)
      assert.not_equal("gzip", headers["content-encoding"])
    end
    assert.is_nil(typed.Vary)
  end)

  it_runs("is a file, too, but no part of one", function()
    local root = support.tmpdir()
    local file <close> = assert(io.open(root .. "/a.txt", "w"))
    file:write(TEXT:rep(20)):close()
    local files = http.files(root)
    local status, headers, body = ask(files, common.get("/a.txt", TAKES))
    assert.same({ 200, "gzip" }, { status, headers["content-encoding"] })
    assert.matches('^W/"', headers.etag)
    assert.equal(TEXT:rep(20), (zlib.decompress(body)))
    local known = ("If-None-Match: %s\r\n"):format(headers.etag)
    assert.equal(304, (ask(files, common.get("/a.txt", TAKES .. known))))
    status, headers, body = ask(files, common.get("/a.txt", TAKES .. "Range: bytes=0-8\r\n"))
    assert.same({ 206, nil, "some text" }, { status, headers["content-encoding"], body })
  end)

  it_runs("is told of its handler's misuse as ever", function()
    ask(function(_, res)
      support.expect_error("'write'", res.write, res, {})
      support.expect_error("'send_file'", res.send_file, res, io.stdout, -1, 2)
      res:write "x"
      support.expect_error("'send_file'", res.send_file, res, io.stdout, -1, 2)
      support.expect_error("started before", res.start, res, 200)
      res:finish()
      support.expect_error("has been answered", res.write, res, "y")
      support.expect_error("has been answered", res.finish, res)
    end)
  end)

  it_runs("is told of fields that are none as ever", function()
    local told
    common.serving(http.compress.handler(function() return 200, "x", TEXT end), function(address)
      assert.equal(500, (common.ask_once(address, common.get("/", TAKES))))
    end, nil, { on_error = function(err) told = tostring(err) end })
    assert.matches("returned a string where a table of fields", told)
  end)
end)
