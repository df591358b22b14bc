-- kio for a program that serves until it is stopped: its listeners are at a port of the system's
-- choice, get one client, and are closed when that client is served.
local kio = require "kio"

-- `client(stream)` is called in a task of its own.
return function(client)
  local function listen(_, options)
    local listener = assert(kio.net.listen("127.0.0.1:0", options))
    kio.spawn(function()
      local stream <close> = assert(kio.net.connect(listener:address()))
      client(stream)
      stream:close()
      listener:close()
    end)
    return listener
  end
  local net = setmetatable({ listen = listen }, { __index = kio.net })
  return setmetatable({ net = net }, { __index = kio })
end
