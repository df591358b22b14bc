-- A chat room: what one says all others hear. Each member has a channel of lines to be told and a
-- task that writes them; who lets a hundred lines pile up is put out and holds up nobody.
-- expect: ada hears: bob is here
-- expect: ada hears: bob: hello, room
-- expect: bob hears: ada: hello, bob
-- expect: bob hears: ada is gone
local kio = require "kio"

local members = {} -- their channels, by name

local function leave(name)
  if members[name] then members[name]:close() end
  members[name] = nil
end

local function tell(from, text)
  for name, lines in pairs(members) do
    if name ~= from and not lines:try_send(text .. "\n") then leave(name) end
  end
end

local function writer(stream, lines)
  for line in lines:iter() do
    if not stream:write(line) then return end -- it has gone; its reader sees that too
  end
  stream:shutdown("read") -- put out: its reader must not wait any longer
end

local function member(accepted)
  local stream <close> = accepted
  local name = stream:read("l", { max = 80, timeout = 60 })
  if not name or members[name] then return end
  members[name] = kio.sync.channel(100)
  kio.spawn(writer, stream, members[name])
  tell(name, name .. " is here")
  for line in function() return (stream:read("l", { max = 1000 })) end do
    tell(name, name .. ": " .. line)
  end
  leave(name)
  tell(name, name .. " is gone")
end

local function join(address, name)
  local stream = assert(kio.net.connect(address))
  stream:write(name, "\n")
  return stream, function() print(name .. " hears: " .. stream:read("l")) end
end

kio.run(function()
  local listener <close> = assert(kio.net.listen("127.0.0.1:0"))
  kio.spawn(function() for stream in listener:accepts() do kio.spawn(member, stream) end end)
  local ada, ada_hears = join(listener:address(), "ada")
  while not members.ada do kio.yield() end
  local bob <close>, bob_hears = join(listener:address(), "bob")
  ada_hears()
  bob:write("hello, room\n"); ada_hears()
  ada:write("hello, bob\n"); bob_hears()
  ada:close(); bob_hears()
end)
