-- An input is a program of reads, the sizes of the pieces in which the bytes come, and the bytes.
-- A model does the same reads on the whole; each must agree with the stream.
--   count of reads, then for each: which, argument; count of pieces, their sizes; the bytes
local kio = require "kio"
local core = kio.core

local DELIMITERS = { "\n", "\r\n", "ab", "aab", "\0" }

-- ---- the model: bytes and a position ----

local model = {}

local function took(m, value, size)
  m.at = m.at + size
  return value
end

local function rest(m) return m.bytes:sub(m.at) end

local function left(m) return #m.bytes - m.at + 1 end

local function line(m, keep, max)
  local stop = m.bytes:find("\n", m.at, true)
  local size = (stop or #m.bytes + 1) - m.at
  if size > max then return nil, "EMSGSIZE" end
  if not stop then return took(m, left(m) > 0 and rest(m) or nil, left(m)) end
  return took(m, m.bytes:sub(m.at, keep and stop or stop - 1), size + 1)
end

function model.l(m, max) return line(m, false, max) end
function model.L(m, max) return line(m, true, max) end

function model.a(m, max)
  if left(m) > max then return nil, "EMSGSIZE" end
  return took(m, rest(m), left(m))
end

function model.count(m, n)
  if left(m) == 0 then return nil end
  n = math.min(n, left(m))
  return took(m, m.bytes:sub(m.at, m.at + n - 1), n)
end

function model.peek(m, n)
  if left(m) == 0 then return nil end
  return m.bytes:sub(m.at, m.at + n - 1)
end

function model.until_(m, delimiter, max)
  local first, last = m.bytes:find(delimiter, m.at, true)
  if first then
    if first - m.at > max then return nil, "EMSGSIZE" end
    return took(m, m.bytes:sub(m.at, first - 1), last - m.at + 1)
  end
  if left(m) >= max + #delimiter then return nil, "EMSGSIZE" end
  if left(m) == 0 then return nil end
  return nil, "ENODATA"
end

function model.unread(m, text)
  m.bytes, m.at = text .. rest(m), 1
  return true
end

-- ---- the reads, on both ----

-- Each: what the stream does, and what the model does, for one argument byte.
local reads = {
  function(s, n) return s:read("l", { max = n + 1 }) end,
  function(m, n) return model.l(m, n + 1) end,
  function(s, n) return s:read("L", { max = n + 1 }) end,
  function(m, n) return model.L(m, n + 1) end,
  function(s, n) return s:read("a", { max = n * 8 + 1 }) end,
  function(m, n) return model.a(m, n * 8 + 1) end,
  function(s, n) return s:read(n + 1) end,
  function(m, n) return model.count(m, n + 1) end,
  function(s, n) return s:peek(n + 1) end,
  function(m, n) return model.peek(m, n + 1) end,
  function(s, n) return s:read_until(DELIMITERS[n % #DELIMITERS + 1], { max = n + 1 }) end,
  function(m, n) return model.until_(m, DELIMITERS[n % #DELIMITERS + 1], n + 1) end,
  function(s, n) return s:unread(("ab\n"):rep(n % 4)) and true end,
  function(m, n) return model.unread(m, ("ab\n"):rep(n % 4)) end,
  function(s, n)
    local a, b = s:read(n % 3 + 1, "l")
    return a and (a .. "|" .. tostring(b))
  end,
  function(m, n)
    local before = m.at
    local a = model.count(m, n % 3 + 1)
    if not a then return nil end
    local b, code = model.l(m, 65536)
    if code then m.at = before return nil, code end
    return a .. "|" .. tostring(b)
  end,
}

local function take_bytes(data, at, each)
  local list, count = {}, (data:byte(at) or 0) % 16
  for i = 1, count do
    list[i] = { data:byte(at + 1 + (i - 1) * each, at + i * each) }
  end
  return list, at + 1 + count * each
end

-- Sends the bytes piece by piece; the reader has its turn after each.
local function feed(fd, bytes, pieces)
  local at = 1
  for _, piece in ipairs(pieces) do
    local size = (piece[1] or 0) + 1
    if at > #bytes then break end
    assert(core.send(fd, bytes:sub(at, at + size - 1)))
    at = at + size
    kio.yield()
    kio.yield()
  end
  if at <= #bytes then assert(core.send(fd, bytes:sub(at))) end
  core.close(fd)
end

local function check(step, got, code, want, want_code)
  if got == want and code == want_code then return end
  error(("read %d gave %s, %s instead of %s, %s"):format(step, got, code, want, want_code))
end

local function run(program, pieces, bytes)
  local here, there = assert(core.socketpair())
  local stream <close> = assert(core.own.net_adopt(here, "stream"))
  local feeder = kio.spawn(feed, there, bytes, pieces)
  local m = { bytes = bytes, at = 1 }
  for step, read in ipairs(program) do
    local kind, argument = (read[1] or 0) % (#reads // 2), read[2] or 0
    local want, want_code = reads[2 * kind + 2](m, argument)
    local got, _, code = reads[2 * kind + 1](stream, argument)
    check(step, got, code, want, want_code)
  end
  stream:close()
  feeder:join()
end

return function(data)
  local program, at = take_bytes(data, 1, 2)
  local pieces, from = take_bytes(data, at, 1)
  kio.run(function() run(program, pieces, data:sub(from)) end, { backend = "sim" })
end
