-- What goes through a connection whatever stands under its ends: filters, several of them, TLS.
-- Given both ends; all of it is called in a task.
local kio = require "kio"
local assert = require "luassert"
local connection = require "spec.net.connection"

local through = {}

-- By format, and the end. Closes both.
function through.everything(client, server, text)
  local reading = kio.spawn(function() return server:read("l", 3, "a", { max = 1 << 20 }) end)
  client:write("a line\nabc"):write(text)
  assert.is_true(client:close())
  local line, three, rest = reading:await()
  assert.same({ "a line", "abc" }, { line, three })
  assert.is_true(rest == text)
  assert.is_nil(server:recv())
  server:close()
end

-- Both ways at once. Closes both.
function through.both_ways(client, server, text)
  local function exchange(stream)
    local reading = kio.spawn(function() return stream:read(#text) end)
    stream:send(text)
    return reading:await() == text
  end
  local one, other = kio.spawn(exchange, client), kio.spawn(exchange, server)
  assert.is_true(one:await() and other:await())
  connection.close(client, server)
end

-- To a reader whose reads end by deadlines and cancellations. Closes both.
function through.interrupted(client, server, text)
  local writing = kio.spawn(function()
    for at = 1, #text, 3 do
      client:send(text:sub(at, at + 2))
      kio.yield()
    end
    client:close()
  end)
  local parts = {}
  repeat
    local part, _, code = server:recv(2, { timeout = 0 })
    parts[#parts + 1] = part
    local reading = kio.spawn(function() return server:read(64) end)
    kio.yield()
    reading:cancel()
    local fine, got = pcall(reading.await, reading)
    parts[#parts + 1] = fine and got or nil
  until part == nil and code == nil
  writing:await()
  assert.equal(text, table.concat(parts))
  server:close()
end

-- `size` bytes to a peer that reads nothing: less than half of them are taken, and all of these
-- arrive by a close that waits for `timeout` at most. Closes both.
function through.slow_peer(client, server, size, timeout)
  client:set_timeout(0.01)
  local ok, _, code, taken = client:write(("x"):rep(size))
  assert.is_nil(ok)
  assert.equal("ETIMEDOUT", code)
  assert.is_true(taken < size // 2)
  local reading = kio.spawn(connection.receive_all, server)
  client:close { timeout = timeout }
  assert.equal(taken, #reading:await())
  server:close()
end

return through
