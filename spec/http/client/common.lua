-- What the specs of the HTTP client share: servers that do what a script says.
local kio = require "kio"
local support = require "spec.support"

local common = {}

-- A request as it came: its head as text, method, target, fields by name in lower case, body; nil:
-- the client has ended.
function common.read_request(stream)
  local text = stream:read_until("\r\n\r\n", { timeout = 10 })
  if not text then return nil end
  local req = { text = text, fields = {} }
  req.method, req.target = text:match "^(%S+) (%S+) HTTP/1.1"
  for name, value in text:gmatch "\r\n([^:]+): ([^\r]*)" do
    req.fields[name:lower()] = value
  end
  if req.fields["content-length"] then
    local size = tonumber(req.fields["content-length"])
    req.body = size > 0 and stream:read(size, { timeout = 10 }) or ""
  elseif req.fields["transfer-encoding"] then
    req.body, req.chunks = "", 0
    repeat
      local size = tonumber(stream:read("l", { timeout = 10 }), 16)
      req.body = req.body .. (size > 0 and stream:read(size) or "")
      req.chunks = req.chunks + 1
      stream:read "l"
    until size == 0
  end
  return req
end

-- "HTTP/1.1 200 OK" with the length of the body, and these fields.
function common.ok(body, fields, status)
  return ("HTTP/1.1 %s\r\n%sContent-Length: %d\r\n\r\n%s"):format(status or "200 OK", fields or "",
    #body, body)
end

-- Runs f(url, log) beside a server that calls answer(req, stream, log) for each request: what it
-- returns is sent; nothing: the connection is closed. log.connections, log.requests count. With a
-- context it speaks TLS. `run`: what has all of it run, as support.run does.
function common.with_server(answer, f, context, run)
  return (run or support.run)(function()
    local listener = assert(kio.net.listen "127.0.0.1:0")
    local log = { connections = 0, requests = 0, all = {} }
    local serving = kio.spawn(function()
      return listener:serve(function(stream)
        log.connections = log.connections + 1
        for req in common.read_request, stream do
          log.requests = log.requests + 1
          log.all[#log.all + 1] = req
          req.connection = log.connections
          local text = answer(req, stream, log)
          if not text then return end
          if type(text) == "string" then stream:write(text) end
        end
      end, { drain_timeout = 0, on_error = function() end, tls = context })
    end)
    local scheme = context and "https://" or "http://"
    local results = table.pack(pcall(f, scheme .. listener:address(), log))
    serving:cancel()
    serving:join()
    if not results[1] then error(results[2], 0) end
    return table.unpack(results, 2, results.n)
  end)
end

return common
