-- Requests and answers as they should be, of every form that bodies have: one after the other, and
-- all at once. Behind each of them the next one must come through, and its answer.
local assert = require "luassert"
local kio = require "kio"
local server = require "spec.http.server.common"

local exchanges = {}

local WITHIN <const> = "GET /within HTTP/1.1\r\nHost: a\r\n\r\n"
local LONG <const> = ("0123456789abcdef"):rep(10000)

local function counted(body) return ("Content-Length: %d\r\n"):format(#body) end
local function chunk(body) return ("%x\r\n%s\r\n"):format(#body, body) end

local CHUNKED <const> = "Transfer-Encoding: chunked\r\n"

-- { method, path, fields, what is sent behind the head, the body that it means }
local LIST <const> = {
  { "GET", "/" },
  { "HEAD", "/long" },
  { "GET", "/long" },
  { "GET", "/pieces" },
  { "HEAD", "/pieces" },
  { "GET", "/none" },
  { "GET", "/unchanged" },
  { "POST", "/" },
  { "POST", "/", counted "" },
  { "POST", "/", CHUNKED, "0\r\n\r\n" },
  { "DELETE", "/" },
  { "OPTIONS", "/" },
  { "PUT", "/", counted "hello", "hello", "hello" },
  { "POST", "/long", counted(LONG), LONG, LONG },
  { "POST", "/", counted(WITHIN), WITHIN, WITHIN },
  { "POST", "/none", counted "0\r\n\r\n", "0\r\n\r\n", "0\r\n\r\n" },
  { "POST", "/", CHUNKED, chunk "hello" .. "0\r\n\r\n", "hello" },
  { "PUT", "/pieces", CHUNKED, chunk(LONG) .. chunk(WITHIN) .. "0\r\n\r\n", LONG .. WITHIN },
  { "POST", "/", CHUNKED, "5;name=value;b\r\nhello\r\n000\r\n\r\n", "hello" },
  { "POST", "/", CHUNKED .. "Trailer: X-End\r\n", chunk "hello" .. "0\r\nX-End: yes\r\n\r\n",
    "hello" },
  { "POST", "/", counted "hello" .. "Expect: 100-continue\r\n", "hello", "hello" },
  { "PUT", "/", CHUNKED .. "Expect: 100-continue\r\n", chunk(WITHIN) .. "0\r\n\r\n", WITHIN },
  { "GET", "/" },
}

-- What the server behind gives: fields with these, a body.
function exchanges.answer(req, fields)
  if req.path == "/long" then return 200, fields, LONG end
  if req.path == "/none" then return 204, fields end
  if req.path == "/unchanged" then return 304, fields end
  if req.path ~= "/pieces" then return 200, fields, "seen\n" end
  local left = 4
  return 200, fields, function()
    left = left - 1
    return left >= 0 and LONG:sub(1, 10000) or nil
  end
end

local ANSWERS <const> = { ["/long"] = { 200, LONG }, ["/none"] = { 204, "" },
  ["/unchanged"] = { 304, "" }, ["/pieces"] = { 200, LONG:sub(1, 10000):rep(4) },
  ["/"] = { 200, "seen\n" } }

local function send(stream, exchange, await)
  local method, path, fields, sent = table.unpack(exchange, 1, 4)
  assert(stream:write(method, " ", path, " HTTP/1.1\r\nHost: a\r\n", fields or "", "\r\n"))
  if await and fields and fields:find "Expect" then
    assert.equal(100, (server.head(stream)))
  end
  if sent then assert(stream:write(sent)) end
end

local function receive(stream, exchange, number)
  local method, path = exchange[1], exchange[2]
  local status, headers, body
  repeat status, headers, body = server.answer(stream, method) until status ~= 100
  local wanted = ANSWERS[path]
  assert.same({ wanted[1], tostring(number) }, { status, headers["x-seen"] })
  assert.is_true(body == (method == "HEAD" and "" or wanted[2]))
end

local function compare(records)
  assert.equal(#LIST, #records)
  for i, exchange in ipairs(LIST) do
    local record = records[i]
    local method, path, _, _, body = table.unpack(exchange, 1, 5)
    assert.same({ method, path, "here" }, { record.method, record.target, record.stamp })
    assert.is_true(record.body == (body or ""))
  end
end

-- On one connection, each answer awaited.
function exchanges.one_by_one(address, records)
  local stream <close> = server.connect(address)
  for i, exchange in ipairs(LIST) do
    send(stream, exchange, true)
    receive(stream, exchange, i)
  end
  compare(records)
end

-- All of them before the first answer.
function exchanges.pipelined(address, records)
  local stream <close> = server.connect(address)
  local sending = kio.spawn(function()
    for _, exchange in ipairs(LIST) do send(stream, exchange) end
  end)
  for i, exchange in ipairs(LIST) do receive(stream, exchange, i) end
  sending:await()
  compare(records)
end

return exchanges
