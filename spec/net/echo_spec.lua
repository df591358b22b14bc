-- An echo over TCP: the walking skeleton of everything above the ring.
local kio = require "kio"

local function echo(stream)
  local data = stream:recv()
  while data do
    stream:write(data)
    data = stream:recv()
  end
  stream:close()
end

describe("echo", function()
  it("brings back what was sent", function()
    local got = kio.run(function()
      local listener = assert(kio.net.listen("127.0.0.1:0"))
      local server = kio.spawn(function() echo((listener:accept())) end)
      local client = assert(kio.net.connect(listener:address()))
      client:write("hello ", 5, { " kio" })
      local data = client:read(11)
      client:close()
      server:await()
      listener:close()
      return data
    end)
    assert.equal("hello 5 kio", got)
  end)
end)
