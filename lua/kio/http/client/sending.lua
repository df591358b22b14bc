---Sending a request: its head, and its body in whatever form it comes.
local _ENV = require "kio.core".globals
local core = require "kio.core"
local dial = require "kio.http.client.dial"
local encode_fields = require "kio.http.core".encode_fields
local proxies = require "kio.http.client.proxy"

local sending = {}

local CONTINUE = 1 -- seconds that a server gets to say that it wants the body

-- ---- the head ----

local function target_of(plan)
  local url, proxy = plan.url, plan.proxy
  if proxy and url.scheme == "http" then return "http://" .. url.authority .. url.target end
  return url.target
end

-- The fields that are not the user's.
local function own_fields(plan, settings)
  local parts, has, url, proxy = {}, plan.has, plan.url, plan.proxy
  local function add(text) parts[#parts + 1] = text end
  if not has.host then add("Host: " .. url.authority .. "\r\n") end
  if not has["user-agent"] then add("User-Agent: " .. settings.user_agent .. "\r\n") end
  if plan.accepts and not has["accept-encoding"] then
    add("Accept-Encoding: " .. plan.accepts .. "\r\n")
  end
  if plan.authorization then add("Authorization: " .. plan.authorization .. "\r\n") end
  if plan.cookies then add("Cookie: " .. plan.cookies .. "\r\n") end
  if plan.type and not has["content-type"] then add("Content-Type: " .. plan.type .. "\r\n") end
  if proxy and url.scheme == "http" then add(proxies.authorization(proxy)) end
  if plan.length then add("Content-Length: " .. plan.length .. "\r\n")
  elseif plan.body ~= nil then add "Transfer-Encoding: chunked\r\n" end
  if plan.expects then add "Expect: 100-continue\r\n" end
  return table.concat(parts)
end

local function head_of(plan, settings)
  local fields = #plan.fields > 0 and encode_fields(plan.fields) or ""
  return plan.method .. " " .. target_of(plan) .. " HTTP/1.1\r\n" .. own_fields(plan, settings)
    .. fields .. "\r\n"
end

-- ---- the body ----

local WRONG_LENGTH = "the body has %s bytes than its declared length"

-- What an iterator gives, in chunks or as many bytes as were declared.
local function send_pieces(plan, stream)
  local left = plan.length
  for piece in plan.body do
    if type(piece) ~= "string" then
      core.own.raise("the body's iterator must give strings, not a " .. type(piece))
    end
    local fine, message, code = true, nil, nil
    if left then
      left = left - #piece
      if left < 0 then return nil, string.format(WRONG_LENGTH, "more"), "EMSGSIZE" end
      fine, message, code = stream:write(piece)
    elseif piece ~= "" then
      fine, message, code = stream:write(string.format("%x\r\n", #piece), piece, "\r\n")
    end
    if not fine then return nil, message, code end
  end
  if not left then return stream:write "0\r\n\r\n" end
  if left > 0 then return nil, string.format(WRONG_LENGTH, "fewer"), "ENODATA" end
  return true
end

local function send_file(plan, stream)
  local sent, message, code = stream:send_file(plan.body, 0, plan.length)
  if not sent then return nil, message, code end
  if sent < plan.length then return nil, string.format(WRONG_LENGTH, "fewer"), "ENODATA" end
  return true
end

-- Waits for "100 Continue", but not for long: many servers do not know of it. The head of another
-- response; true: the body is to be sent.
local function ask(plan, stream, due, settings)
  local until_then = core.now() + CONTINUE
  local head, message, code = dial.read_head(stream, settings.limits, plan.method,
    due and math.min(due, until_then) or until_then, function() return true end)
  if head then return head.status == 100 or head end
  if code == "ETIMEDOUT" then return true end
  return nil, message, code
end

---Sends all of it: true; the head of a response: the server did not want the body; nil, message,
---code and whether nothing was sent at all.
---@async
---@param plan kio.http.Plan
---@param stream kio.Stream
---@param due? number
---@param settings kio.http.ClientSettings
---@return true|kio.http.Head|nil
---@return string? message
---@return string? code
---@return boolean? unsent
function sending.send(plan, stream, due, settings)
  local head, body = head_of(plan, settings), plan.body
  local is_text = type(body) == "string"
  stream:set_timeout(plan.streams and plan.body_timeout or due and math.max(0, due - core.now()))
  local fine, message, code, taken
  if is_text and not plan.expects then fine, message, code, taken = stream:write(head, body)
  else fine, message, code, taken = stream:write(head) end
  if not fine then return nil, message, code, taken == 0 end
  if plan.expects then
    fine, message, code = ask(plan, stream, due, settings)
    if fine ~= true then return fine, message, code, false end
    if is_text then fine, message, code = stream:write(body) end
  end
  if fine and body ~= nil and not is_text then
    local send = plan.is_file and send_file or send_pieces
    fine, message, code = send(plan, stream)
  end
  if not fine then return nil, message, code, false end
  return true
end

return sending
