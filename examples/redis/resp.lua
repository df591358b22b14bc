-- Redis' protocol (RESP2), with values as Redis' own Lua scripts have them: a status is
-- { ok = text }, an error { err = text }, null is false; texts, integers and lists are themselves.
local resp = {}

local LONGEST = 64 << 20 -- bytes of a text, and values of a list

function resp.encode(value)
  if type(value) == "string" then return ("$%d\r\n%s\r\n"):format(#value, value) end
  if math.type(value) == "integer" then return (":%d\r\n"):format(value) end
  if not value then return "$-1\r\n" end
  if value.ok then return "+" .. value.ok .. "\r\n" end
  if value.err then return "-" .. value.err .. "\r\n" end
  local parts = { ("*%d\r\n"):format(#value) }
  for i = 1, #value do parts[i + 1] = resp.encode(value[i]) end
  return table.concat(parts)
end

local function read_text(stream, size)
  local text, message = stream:read(size + 2) -- with the line's end behind it
  if not text or #text < size + 2 then return nil, message or "the connection ended early" end
  return text:sub(1, size)
end

local function read_list(stream, size)
  local list = {}
  for i = 1, size do
    local value, message = resp.read(stream)
    if value == nil then return nil, message or "the connection ended early" end
    list[i] = value
  end
  return list
end

-- The next value; nil at the end of the stream, nil and a message when it fails.
function resp.read(stream)
  local line, message = stream:read "l"
  if not line then return nil, message end
  local kind, rest = line:match "^([-+:$*])(.-)\r?$"
  if kind == "+" then return { ok = rest } end
  if kind == "-" then return { err = rest } end
  local size = math.tointeger(tonumber(rest))
  if kind == ":" then return size end
  if size == -1 then return false end
  if not kind or not size or size < 0 or size > LONGEST then return nil, "not RESP: " .. line end
  return (kind == "$" and read_text or read_list)(stream, size)
end

return resp
