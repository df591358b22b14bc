-- A line chat with rooms: "/join ROOM" enters one, anything else goes to all others there. A task
-- for each member writes what it is to be told; who lets a hundred lines pile up is put out.
-- expect: ada hears: bob is here
-- expect: ada hears: bob: hello, lobby
-- expect: bob hears: ada is here
-- expect: bob hears: ada: hello, attic
-- expect: bob hears: ada is gone
local kio = require "kio"

local rooms = {} -- the set of members in each

local function tell(from, text)
  for other in pairs(rooms[from.room]) do
    local told = other == from or other.lines:try_send(text .. "\n")
    if not told then other.stream:shutdown "read" end -- its handler reads the end
  end
end

local function enter(member, room)
  if member.room then rooms[member.room][member] = nil end
  member.room = room
  rooms[room] = rooms[room] or {}
  rooms[room][member] = true
  tell(member, member.name .. " is here")
end

local function leave(member)
  rooms[member.room][member] = nil
  tell(member, member.name .. " is gone")
end

local function handler(stream)
  local name, lines = stream:read("l", { max = 80, timeout = 60 }), kio.sync.channel(100)
  if not name then return end
  local member = setmetatable({ name = name, stream = stream, lines = lines }, { __close = leave })
  enter(member, "lobby")
  local _ <close> = member -- leaves, however this ends
  kio.spawn { daemon = true, function() for line in lines:iter() do stream:write(line) end end }
  for line in function() return (stream:read("l", { max = 1000 })) end do
    local room = line:match "^/join (%w+)$"
    if room then enter(member, room) else tell(member, name .. ": " .. line) end
  end
end

kio.run(function()
  local listener <close> = assert(kio.net.listen "127.0.0.1:0")
  kio.spawn(listener.serve, listener, handler)
  local function join(name) return assert(kio.net.connect(listener:address())):write(name, "\n") end
  local ada = join "ada"
  while not rooms.lobby do kio.yield() end
  local bob <close> = join("bob"):write "hello, lobby\n"
  for _ = 1, 2 do print("ada hears: " .. ada:read "l") end
  bob:write "/join attic\n"
  while not rooms.attic do kio.yield() end
  ada:write("/join attic\nhello, attic\n"):close()
  for _ = 1, 3 do print("bob hears: " .. bob:read "l") end
end)
