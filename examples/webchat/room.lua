-- A chat room for browsers: the page at "/", and its WebSocket at "/chat?NAME". What members are
-- told is "NAME words", or " words" when nobody in particular says it.
local kio = require "kio"

local room = {}

local PAGE = "examples/webchat/page.html"
local LATE = 100 -- messages: who lets so many pile up is put out
local SLOW = { timeout = 10 }

local members = {}

local function tell(text)
  for member in pairs(members) do
    if not member.lines:try_send(text) then
      members[member] = nil
      member.lines:close()
    end
  end
end

local function name_of(query)
  local name = string.gsub(query or "", "%%(%x%x)", function(hex)
    return string.char(tonumber(hex, 16))
  end)
  return string.find(name, "^%S+$") and #name <= 40 and utf8.len(name) and name or "somebody"
end

local function chat(req, res)
  local ws = res:websocket { protocols = { "chat" }, max_message = 2000 }
  if not ws then return end
  local name, lines = name_of(req.query), kio.sync.channel(LATE)
  local member <close> = setmetatable({ lines = lines }, {
    __close = function(self)
      members[self] = nil
      tell(" " .. name .. " is gone")
    end,
  })
  members[member] = true
  kio.spawn { daemon = true, function()
    for line in lines:iter() do
      if not ws:send(line, SLOW) then break end
    end
    ws:close(1008, "too slow")
  end }
  tell(" " .. name .. " is here")
  for message in function() return (ws:receive()) end do tell(name .. " " .. message) end
end

function room.handler(req, res)
  if req.path == "/chat" then return chat(req, res) end
  if req.path == "/" then return res:file(PAGE) end
  return 404, nil, "there is a page at /\n"
end

return room
