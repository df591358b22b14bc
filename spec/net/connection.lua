-- What the specs about sockets share: connections of every kind, and ways to read them. All of it
-- is called in a task.
local kio = require "kio"

local connection = {}

connection.abstract_name = require "spec.unix_name"

-- Two connected streams: the one that connects, the one that was accepted, and the accepted peer.
-- `how`: address (TCP on 127.0.0.1 by default), listen and connect (options).
function connection.pair(how)
  how = how or {}
  local listener <close> = assert(kio.net.listen(how.address or "127.0.0.1:0", how.listen))
  local accepting = kio.spawn(function() return assert(listener:accept()) end)
  local client = assert(kio.net.connect(listener:address(), how.connect))
  local server, peer = accepting:await()
  return client, server, peer
end

-- A pair that holds little: a writer soon waits for its reader. A Unix socket is full when it is
-- full, while TCP goes on probing and takes a little now and then.
function connection.narrow()
  return connection.pair { address = connection.abstract_name(), connect = { send_buffer = 4096 } }
end

-- Two connected TCP descriptors.
function connection.tcp()
  local listener = assert(kio.socket("tcp4"))
  assert(kio.bind(listener, "127.0.0.1:0"))
  assert(kio.listen(listener))
  local client = assert(kio.socket("tcp4"))
  local accepting = kio.spawn(function() return assert(kio.accept(listener)) end)
  assert(kio.connect(client, kio.getsockname(listener)))
  local server = accepting:await()
  assert(kio.close(listener))
  return client, server
end

function connection.close(...)
  for i = 1, select("#", ...) do
    local handle = select(i, ...)
    if math.type(handle) then assert(kio.close(handle)) else handle:close() end
  end
end

-- Exactly `size` bytes from a stream.
function connection.receive(stream, size)
  local parts = {}
  while size > 0 do
    local data = assert(stream:recv(size))
    parts[#parts + 1], size = data, size - #data
  end
  return table.concat(parts)
end

-- All until the peer ends.
function connection.receive_all(stream)
  local parts = {}
  while true do
    local data, message = stream:recv()
    if not data then
      assert(not message, message)
      return table.concat(parts)
    end
    parts[#parts + 1] = data
  end
end

-- Writes `chunk` over and over until the stream takes no more; how many bytes it has taken.
function connection.fill(stream, chunk)
  local total, idle = 0, 0
  stream:set_timeout(0)
  repeat
    local rest = chunk:sub(total % #chunk + 1)
    local ok, _, code, taken = stream:write(rest)
    assert(ok or code == "ETIMEDOUT", code)
    total = total + (ok and #rest or taken)
    idle = taken == 0 and idle + 1 or 0
  until idle == 5
  stream:set_timeout(nil)
  return total
end

-- Lets the loop turn until `task` waits: then what it asked for is on its way.
function connection.until_waiting(task)
  local turns = 0
  repeat
    kio.yield()
    turns = turns + 1
    assert(turns < 100000, "the task never waits")
  until task:status() == "waiting"
end

return connection
