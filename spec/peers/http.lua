-- A small HTTP/1.1 server, as much as curl needs: connections that stay, bodies by length and in
-- chunks, "Expect: 100-continue", HEAD.
local http = {}

local HEAD_MAX, BODY_MAX = 16 << 10, 256 << 20

-- { method =, path =, headers = by their names in lower case }; nil at the end of the connection.
local function read_head(stream)
  local head, message = stream:read_until("\r\n\r\n", { max = HEAD_MAX })
  if not head then return nil, message end
  local method, path = head:match "^(%u+) (%S+) HTTP/1%.1"
  assert(method, "no HTTP/1.1 request")
  local request = { method = method, path = path, headers = {} }
  for name, value in head:gmatch "\r\n([^:\r\n]+):[ \t]*([^\r\n]*)" do
    request.headers[name:lower()] = value
  end
  return request
end

local function read_chunks(stream)
  local parts, total = {}, 0
  while true do
    local size = tonumber(assert(stream:read_until "\r\n"):match "^%x+", 16)
    total = total + size
    assert(total <= BODY_MAX, "too large a body")
    if size == 0 then break end
    parts[#parts + 1] = assert(stream:read(size))
    assert(stream:read(2) == "\r\n")
  end
  repeat until assert(stream:read_until "\r\n") == "" -- trailers
  return table.concat(parts)
end

-- The body, which a client that asks first is told to send.
function http.read_body(stream, request)
  local headers = request.headers
  if headers.expect == "100-continue" then stream:write "HTTP/1.1 100 Continue\r\n\r\n" end
  if headers["transfer-encoding"] == "chunked" then return read_chunks(stream) end
  local length = math.tointeger(tonumber(headers["content-length"] or 0))
  local body = length > 0 and stream:read(length) or ""
  assert(body and #body == length, "the body ended early")
  return body
end

-- Answers with a body, or for HEAD without; the connection stays unless `close`.
function http.answer(stream, request, status, body, close)
  stream:write("HTTP/1.1 ", status, "\r\nContent-Length: ", #body, "\r\n",
    close and "Connection: close\r\n" or "", "\r\n")
  return stream:write(request.method == "HEAD" and "" or body)
end

-- A handler of connections from one of requests; that returns true when the connection must end.
function http.handler(handle)
  return function(stream)
    for request in read_head, stream do
      if handle(stream, request) then return end
    end
  end
end

return http
