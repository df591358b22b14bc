-- What the specs about serving share. Called in a task.
local kio = require "kio"

local common = {}

-- A server that serves: its task, the listener and its address.
function common.start(handler, options, address, listen)
  local listener = assert(kio.net.listen(address or "127.0.0.1:0", listen))
  local serving = kio.spawn(function() return listener:serve(handler, options) end)
  return serving, listener, listener:address()
end

function common.client(address) return assert(kio.net.connect(address, { timeout = 30 })) end

-- The answer to one line.
function common.ask(stream, line)
  assert(stream:write(line, "\n"))
  return stream:read "l"
end

-- A handler that answers lines until the peer ends.
function common.echo(stream)
  for line in stream:lines() do
    if not stream:write(line, "\n") then return end
  end
end

-- Lets the loop turn until `done` returns something.
function common.until_true(done)
  for _ = 1, 100000 do
    local value = done()
    if value then return value end
    kio.yield()
  end
  error("it never comes true", 2)
end

return common
