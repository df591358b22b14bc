-- Names: what localhost is, what cannot be a name, and connecting by name.
-- expect: 127.0.0.1 [::1]
-- expect: 127.0.0.1:80
-- expect: [::1]:443
-- expect: EINVAL
-- expect: hello by name
local kio = require "kio"

local function show(name, options)
  local addresses, _, code = kio.net.resolve(name, options)
  print(addresses and table.concat(addresses, " ") or code)
end

kio.run(function()
  show "localhost"
  show("localhost", { family = "inet", port = 80 })
  show "[::1]:443"
  show "127.1"

  -- A name's addresses are tried one after the other, and the first that answers wins.
  local listener <close> = assert(kio.net.listen "localhost:0")
  kio.spawn(function()
    local stream <close> = assert(listener:accept())
    stream:write "hello by name\n"
  end)
  local port = listener:address():match "%d+$"
  local stream <close> = assert(kio.net.connect("localhost:" .. port, { timeout = 5 }))
  print(stream:read "l")
end)
