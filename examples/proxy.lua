-- A proxy: every connection to it becomes one to the server behind. Bytes flow both ways, each end
-- of a direction is passed on by itself, and a side that reads slowly slows down the other: past
-- 64 KiB a write waits.
-- expect: the server got 4194304 bytes and answers
-- expect: nobody behind: the proxy closes
local kio = require "kio"

local function pump(from, to)
  for data in from:chunks() do
    if not to:write(data) then return end
  end
  to:shutdown("write") -- the other direction goes on
end

-- A handler for one address behind.
local function relay_to(address)
  return function(client)
    local server <close> = kio.net.connect(address, { timeout = 5 })
    if not server then return end
    kio.scope(function(scope) -- ends when both directions have
      scope:spawn(pump, client, server)
      scope:spawn(pump, server, client)
    end)
  end
end

local function count(stream)
  local size = 0
  for data in stream:chunks() do size = size + #data end
  stream:write("the server got ", size, " bytes and answers")
end

kio.run(function()
  local behind = assert(kio.net.listen("127.0.0.1:0"))
  local front = assert(kio.net.listen("127.0.0.1:0"))
  kio.spawn(behind.serve, behind, count)
  kio.spawn(front.serve, front, relay_to(behind:address()))
  local stream = assert(kio.net.connect(front:address()))
  stream:write(("x"):rep(4 << 20)):shutdown("write")
  print(stream:read("a"))
  stream:close()

  behind:close()
  stream = assert(kio.net.connect(front:address()))
  if stream:read("a") == "" then print "nobody behind: the proxy closes" end
  stream:close()
  front:close()
end)
