---What a handler returns becomes the answer: a body; or a status, fields and a body, which is a
---string, an iterator over strings, or an open file. What it has begun by itself is ended.
local _ENV = require "kio.core".globals
local body_of = require "kio.http.body"
local check = require "kio.check"
local http_core = require "kio.http.core"
local response = require "kio.http.response"

local answer = {}

-- Its errors are no line's of the handler, which has returned: they name where it begins.
local function blame(f, text)
  local info = debug.getinfo(f, "S")
  error(string.format("%s:%d: %s", info.short_src, info.linedefined, text), 0)
end

local NOTHING = "the handler has returned nothing, and has not started a response"
local NO_BODY = "the handler has returned a %s where a body is expected: a string, an iterator "
  .. "over strings or a kio.File"

-- ---- bodies ----

local PIECE = 1 << 16

local function send_pieces(res, f, iterator)
  if res.framing == "head" then return end
  for piece in iterator do
    local kind = type(piece)
    if kind ~= "string" and kind ~= "number" and not check.is_buffer(piece) then
      blame(f, "the iterator that the handler has returned gave a " .. check.kind(piece))
    end
    if not res:write(piece) then return end
  end
end

local function send_text(res, f, status, headers, body)
  response.begin(res, status, headers, body, f)
  res.sent, res.done = #body, true
end

-- It may be empty, or have no size that is known before it is read, as those in /proc.
local function send_unsized(res, f, status, headers, file)
  local at = 0
  local function piece()
    local bytes, message = file:pread(PIECE, at)
    if message then blame(f, message) end
    at = at + #(bytes or "")
    return bytes
  end
  local first = piece()
  if not first then return send_text(res, f, status, headers, "") end
  if not response.begin(res, status, headers, nil, f) then return end
  if res:write(first) then send_pieces(res, f, piece) end
end

local CLOSED = "the file that the handler has returned is closed"
local NO_REGULAR = "the file that the handler has returned is no regular one"

local function send_file(res, f, status, headers, file)
  local held <close> = file
  local fd = held:fd()
  local about = fd and http_core.file_about(fd)
  if not about then blame(f, CLOSED) end
  if about.type ~= "file" then blame(f, NO_REGULAR) end
  if about.size == 0 then return send_unsized(res, f, status, headers, held) end
  if response.begin(res, status, headers, about.size, f) then
    response.send_open(res, held, 0, about.size)
  end
end

local function send(res, f, status, headers, body)
  local kind = type(body)
  if kind == "number" then body, kind = tostring(body), "string" end
  if kind == "nil" then body, kind = "", "string" end
  if check.is_buffer(body) then
    local _, closed = check.length(body)
    if closed then blame(f, "the handler has returned " .. closed) end
    body, kind = body:string(), "string"
  end
  if kind == "string" then
    return send_text(res, f, status, headers, body)
  elseif kind == "function" then
    if response.begin(res, status, headers, nil, f) then send_pieces(res, f, body) end
  elseif body_of.is_file(body) then send_file(res, f, status, headers, body)
  else blame(f, string.format(NO_BODY, check.kind(body))) end
  answer.finish(res, f)
end

local GIVEN_UP = "the handler has given up a write of its answer, or has ended before it"

---What was begun is ended.
function answer.finish(res, f)
  if res.done or res.framing == "upgraded" then return end
  if res.lost then return end
  if res.writes > 0 then blame(f, GIVEN_UP) end
  if res.framing == "chunked" and not res.excess then return response.end_chunks(res) end
  local short = res.left or 0
  if short > 0 then
    blame(f, string.format("the handler has ended with %d bytes less than it has declared", short))
  elseif res.excess then blame(f, "the handler has tried to write more than it has declared") end
  if res.last then return res:finish() end
  res.done = true
end

---Answers with what f(req, res) has returned.
---@async
function answer.give(res, f, status, headers, body)
  if res.framing or res.done then return answer.finish(res, f) end
  local kind = type(status)
  if kind == "string" then return send_text(res, f, 200, nil, status) end
  if kind == "nil" then blame(f, NOTHING) end
  if kind ~= "number" then return send(res, f, 200, nil, status) end
  return send(res, f, status, headers, body)
end

return answer
