-- Messages for parsers: made of parts that are right and parts that were somebody's bug, and then
-- damaged. What one seed gives is always the same.
local heads = {}

local METHODS <const> = { "GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "CONNECT" }
local TARGETS <const> = { "/", "/a/b?c=d&e", "/%41;x=y?q", "/x?y?z", "//b/c", "*", "http://a/x",
  "http://a", "https://a?x", "HTTP://a:80/", "a:443", "[::1]:443", "/a#b", "/\xc3\xa4", "/|{}\"",
  "http://u@a/", "" }
local VERSIONS <const> = { "HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/1.2",
  "HTTP/2.0", "http/1.1", "HTTP/1.1 ", "HTTP/11", "" }
local HOSTS <const> = { "a", "a", "a", "a:80", "[::1]:443", "", "a b", "a:x", "u@a", "a%20", "a,b" }
local LENGTHS <const> = { "0", "1", "3", "5", "05", "+5", "-1", "0x5", "5,5", "5 5", "", "1e1",
  "9007199254740993", "18446744073709551621", "1_0" }
local CODINGS <const> = { "chunked", "chunked", "chunked", "Chunked", "gzip, chunked", "chunked, x",
  ",chunked", "identity", "xchunked", "", "\x0bchunked", "chunked\t" }
local FIELDS <const> = { "Accept: */*", "X-Empty:", "X:y", "X: \t y \t", "x-long: " ..
  ("0123456789"):rep(9), "Cookie: a=b; c=d", "Connection: close", "Connection: keep-alive",
  "Connection: upgrade", "Upgrade: websocket", "Connection: Upgrade, x", "Expect: 100-continue",
  "Expect: other", "User-Agent: \xff\xfe", "X : y", " X: y", "X: y\r\n z", "X", ": y", "X: \1",
  "X: a\0b", "X(): y", "Trailer: X", "Keep-Alive: timeout=5", "Content-Type: text/plain",
  "Proxy-Connection: keep-alive", "Connection: x, close", "Content_Length: 5" }
local CHUNKS <const> = { "5\r\nhello\r\n", "1\r\nx\r\n", "A\r\n0123456789\r\n", "005\r\nhello\r\n",
  "2;a=b\r\nhi\r\n", "2;a=\"b c\"\r\nhi\r\n", "2;a\r\nhi\r\n", "3\r\n\r\n\r\r\n", "2 \r\nhi\r\n",
  "0x2\r\nhi\r\n", "2\nhi\r\n", "2\r\nhi\n", "2\r\nhiX", "2; a\r\nhi\r\n", "\r\n", "2\r\nhi" }
local ENDS <const> = { "0\r\n\r\n", "0\r\n\r\n", "0\r\n\r\n", "000\r\n\r\n", "0;a=b\r\n\r\n",
  "0\r\nX-Sum: 1\r\n\r\n", "0\r\nA:\r\nB: c\t\r\n\r\n", "0\r\nContent-Length: 5\r\n\r\n",
  "0\r\nX : y\r\n\r\n", "0\n\r\n", "0\r\n\n", "0\r\n" }
local BEHIND <const> = { "", "", "GET /next HTTP/1.1\r\nHost: a\r\n\r\n", "\r\n", "x", "\0",
  "hello" }
local STATUSES <const> = { "200 OK", "200 OK", "204 No Content", "304 Not Modified", "404 ",
  "500 \xff a", "100 Continue", "200", "99 x", "2000 x", "099 x", "20 x", "200 a\0b", "abc x" }
-- What mutations put in.
local BYTES <const> = { "\r", "\n", "\r\n", " ", "\t", "\0", ":", ",", ";", "0", "1", "a", "A",
  "\x7f", "\x80", "\xff", "\x0b", "\"", "\\", "/", "?", "#", "%", "=", "_", "-", "+", "{", "@", "[",
  "\r\r\n", "\n\n", "\r\n\r\n", "Content-Length: 1\r\n", "Transfer-Encoding: chunked\r\n",
  "\r\nHost: a" }

-- Numbers that depend on the seed alone: xorshift.
local function numbers(seed)
  local state = seed * 0x9E3779B97F4A7C15 | 1
  return function(n)
    state = state ~ state << 13
    state = state ~ state >> 7
    state = state ~ state << 17
    return (state >> 11) % n + 1
  end
end

local function pick(random, list) return list[random(#list)] end

-- One of the first `usual`, and of all of them once in `times`.
local function rather(random, list, usual, times)
  return list[random(random(times) == 1 and #list or usual)]
end

local function body_fields(random, fields)
  local kind = random(8)
  if kind <= 2 then fields[#fields + 1] = "Content-Length: " .. pick(random, LENGTHS) end
  if kind == 2 or kind == 3 or kind == 4 then
    fields[#fields + 1] = "Transfer-Encoding: " .. pick(random, CODINGS)
  end
  if kind == 5 then fields[#fields + 1] = "Content-Length: 5" end
  if kind == 6 and random(4) == 1 then
    fields[#fields + 1] = "Content-Length: 5\r\ncontent-length: " .. pick(random, LENGTHS)
  end
end

local function content(random)
  local parts = {}
  if random(2) == 1 then return pick(random, { "hello", "", "hell", "x" }) end
  for _ = 1, random(3) - 1 do parts[#parts + 1] = rather(random, CHUNKS, 8, 3) end
  parts[#parts + 1] = rather(random, ENDS, 7, 3)
  return table.concat(parts)
end

local function message(random, is_request)
  local fields = {}
  if is_request and random(12) > 1 then fields[1] = "Host: " .. rather(random, HOSTS, 3, 6) end
  for _ = 1, random(5) - 1 do fields[#fields + 1] = rather(random, FIELDS, 11, 5) end
  body_fields(random, fields)
  local first
  if is_request then
    first = pick(random, METHODS) .. " " .. rather(random, TARGETS, 5, 3) .. " "
      .. rather(random, VERSIONS, 5, 4)
  else
    first = rather(random, VERSIONS, 5, 6) .. " " .. rather(random, STATUSES, 4, 3)
  end
  if #fields > 0 then fields[#fields + 1] = "" end
  return first .. "\r\n" .. table.concat(fields, "\r\n") .. "\r\n" .. content(random)
    .. pick(random, BEHIND)
end

local function splice(text, from, to, new)
  return text:sub(1, from - 1) .. new .. text:sub(to + 1)
end

local MUTATIONS <const> = {
  function(text, random) -- a byte becomes another one
    local at = random(#text)
    return splice(text, at, at, pick(random, BYTES))
  end,
  function(text, random) -- one is lost
    local at = random(#text)
    return splice(text, at, at, "")
  end,
  function(text, random) -- something comes between
    local at = random(#text + 1)
    return splice(text, at, at - 1, pick(random, BYTES))
  end,
  function(text, random) -- any byte at all
    local at = random(#text)
    return splice(text, at, at, string.char(random(256) - 1))
  end,
  function(text, random) -- a line is there twice
    local from = random(#text)
    local line = text:match("\r\n([^\r\n]+)\r\n", from)
    return line and splice(text, from, from - 1, line .. "\r\n") or text
  end,
  function(text, random) return text:sub(1, random(#text)) end, -- the rest is lost
  function(text, random) -- the case of a part
    local from = random(#text)
    local part = text:sub(from, from + random(10))
    return splice(text, from, from + #part - 1, random(2) == 1 and part:upper() or part:lower())
  end,
}

---The message of a seed: its bytes, and whether it is a request.
---@return string bytes, boolean is_request
function heads.of(seed)
  local random = numbers(seed)
  for _ = 1, 3 do random(2) end
  local is_request = random(4) > 1
  local text = message(random, is_request)
  for _ = 1, math.max(0, random(5) - 3) do
    if #text > 0 then text = pick(random, MUTATIONS)(text, random) end
  end
  return text, is_request
end

return heads
