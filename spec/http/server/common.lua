-- What the specs of HTTP servers share: a server that serves while a function runs, and a client
-- that sees every byte. Called in a task.
local http = require "kio.http"
local kio = require "kio"

local common = {}

-- Serves with `handler` while f(address, serving, listener) runs; the report. Errors of handlers
-- are f's failure, unless `serve.on_error` takes them.
function common.serving(handler, f, options, serve)
  local listener = assert(kio.net.listen "127.0.0.1:0")
  local settings, failure = { drain_timeout = 5 }, nil
  for name, value in pairs(serve or {}) do settings[name] = value end
  settings.on_error = settings.on_error or function(err) failure = failure or err end
  local serving = kio.spawn(listener.serve, listener, http.handler(handler, options), settings)
  f(listener:address(), serving, listener)
  listener:close()
  local report = serving:await()
  if failure then error(failure, 0) end
  return report
end

function common.connect(address) return assert(kio.net.connect(address, { timeout = 30 })) end

-- The head of the next answer: its status and its fields, by names in lower case.
function common.head(stream)
  local text, message = stream:read_until "\r\n\r\n"
  if not text then return nil, message end
  text = text .. "\r\n"
  local status = assert(text:match "^HTTP/1%.1 (%d%d%d) [%a -]*\r\n", text)
  local headers = { text = text }
  for name, value in text:gmatch "\r\n([%w-]+): ([^\r\n]*)" do headers[name:lower()] = value end
  return tonumber(status), headers
end

local function chunks(stream)
  local parts = {}
  while true do
    local size = tonumber(assert(stream:read_until "\r\n"), 16)
    if size == 0 then break end
    parts[#parts + 1] = assert(stream:read(size))
    assert(stream:read_until "\r\n" == "")
  end
  local trailers = {}
  for line in function() return stream:read_until "\r\n" end do
    if line == "" then break end
    trailers[#trailers + 1] = line
  end
  return table.concat(parts), trailers
end

-- The next answer: its status, fields and body; `trailers` are a field more.
function common.answer(stream, method)
  local status, headers = common.head(stream)
  if not status then return nil, headers end
  if method == "HEAD" or status < 200 or status == 204 or status == 304 then
    return status, headers, ""
  end
  local body
  if headers["transfer-encoding"] then body, headers.trailers = chunks(stream)
  elseif headers["content-length"] then
    local size = tonumber(headers["content-length"])
    body = size == 0 and "" or stream:read(size)
  else body = stream:read "a" end
  return status, headers, body
end

-- Sends a request, and gives its answer.
function common.ask(stream, text, method)
  assert(stream:write(text))
  return common.answer(stream, method or text:match "^%u+")
end

-- A GET of HTTP/1.1.
function common.get(path, fields)
  return ("GET %s HTTP/1.1\r\nHost: a\r\n%s\r\n"):format(path or "/", fields or "")
end

-- Asks on a connection of its own.
function common.ask_once(address, text)
  local stream <close> = common.connect(address)
  return common.ask(stream, text)
end

-- The server has closed the connection in an orderly way.
function common.is_over(stream) return stream:recv() == nil end

return common
