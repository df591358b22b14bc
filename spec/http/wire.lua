-- Connections for specs of what reads HTTP: bytes that have come, or come in pieces.
local kio = require "kio"
local core = require "kio.http.core"

local wire = {}

-- Runs f(reader, writer) on two ends of a connection; returns what it does.
function wire.connected(f, opts)
  return kio.run(function()
    local listener = assert(kio.net.listen("127.0.0.1:0"))
    local accepting = kio.spawn(function() return (listener:accept()) end)
    local writer <close> = assert(kio.net.connect(listener:address()))
    local reader <close> = assert(accepting:await())
    listener:close()
    return f(reader, writer)
  end, opts)
end

-- The same when all of `data` has been sent, and nothing follows.
function wire.sent(data, f)
  return wire.connected(function(reader, writer)
    assert(writer:write(data))
    assert(writer:shutdown("write"))
    return f(reader, writer)
  end)
end

-- What core.read_request makes of the bytes, and all that is left behind them.
function wire.request(data, limits)
  return wire.sent(data, function(reader)
    local head, message, code, status = core.read_request(reader, core.limits(limits), 5, 5)
    return head, message, code, status, reader:read("a")
  end)
end

function wire.response(data, method)
  return wire.sent(data, function(reader)
    local head, message, code = core.read_response(reader, core.limits(), method or "GET", 5)
    return head, message, code, reader:read("a")
  end)
end

-- The body of the only request in the bytes: its pieces joined, its trailers, what is left.
function wire.body(data, max, size)
  return wire.sent(data, function(reader)
    local limits = core.limits()
    local head = assert(core.read_request(reader, limits, 5, 5))
    local body, pieces = core.body(head, max), {}
    local piece, message, code, status
    repeat
      piece, message, code, status = core.read_body(reader, body, size, 5)
      pieces[#pieces + 1] = piece
    until not piece
    if message then return nil, message, code, status, table.concat(pieces) end
    assert(body.ended and body.received == #table.concat(pieces))
    return table.concat(pieces), body:trailers(), reader:read("a")
  end)
end

return wire
