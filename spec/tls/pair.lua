-- What specs of TLS share: two ends of a connection, in one process.
local kio = require "kio"
local assert = require "luassert"
local connection = require "spec.net.connection"
local material = require "spec.tls.material"

local pair = {}

-- Both handshakes at once on two plain streams: what each has come to, packed.
function pair.shake(client, server, client_options, context)
  local tls = require "kio.tls"
  local serving = kio.spawn(function()
    return table.pack(tls.server(server, context, { timeout = 10 }))
  end)
  local ours = table.pack(tls.client(client, client_options))
  return ours, serving:await()
end

-- Two streams that speak TLS; a failure is an error. `how`: server and client (options), context.
function pair.open(how)
  how = how or {}
  local tls = require "kio.tls"
  local context = how.context or assert(tls.context(how.server or material.leaf()))
  local client, server = connection.pair(how.how)
  local options = { ca = material.ca(), name = "localhost" }
  for key, value in pairs(how.client or {}) do options[key] = value end
  if options.context then options.ca = nil end
  local ours, theirs = pair.shake(client, server, options, context)
  assert(ours[1], ours[2])
  assert(theirs[1], theirs[2])
  return client, server
end

-- How a handshake fails: the client's message and code, the server's message and code.
function pair.refused(how)
  how = how or {}
  local tls = require "kio.tls"
  local context = how.context or assert(tls.context(how.server or material.leaf()))
  local client, server = connection.pair(how.how)
  local options = { ca = material.ca(), name = "localhost" }
  for key, value in pairs(how.client or {}) do options[key] = value end
  local ours, theirs = pair.shake(client, server, options, context)
  client:close()
  server:close()
  return ours, theirs
end

-- The server's end goes to another worker, and both go on.
function pair.hand_over(client, server)
  server:send "before "
  local answer = kio.thread.spawn(function(stream)
    stream:send "and after"
    return stream:read(5), (stream:tls() or {}).version
  end, server)
  assert.equal("before and after", client:read(16))
  client:send "hello"
  local said, version = answer:await()
  assert.equal("hello", said)
  assert.equal("TLSv1.3", version)
  client:close()
end

return pair
