-- timeout: 120
-- flavours: test asan hostile workers
-- Handshakes that are cancelled at random moments, on one side or on both, on the loop and on the
-- pool: the stream is closed, the other side is told, and nothing is left behind. KIO_TLS_CANCELS:
-- how many; by hand 10,000 have run under the flavour asan. KIO_SEED: of the moments.
local kio = require "kio"
local connection = require "spec.net.connection"
local material = require "spec.tls.material"
local support = require "spec.support"

local COUNT = math.tointeger(tonumber(os.getenv "KIO_TLS_CANCELS" or 300))
local SEED = math.tointeger(tonumber(os.getenv "KIO_SEED" or os.time()))
local MOST = 30 -- turns of the loop before the cancellation

describe("a handshake", function()
  local tls, why = material.find()
  if not tls then return it("is skipped", function() pending(why) end) end

  local function shake(how)
    local client, server = connection.pair()
    local ends = {
      kio.spawn(function()
        return tls.client(client, { context = how.context, name = "localhost", timeout = 30 })
      end),
      kio.spawn(function() return tls.server(server, how.context, { timeout = 30 }) end),
    }
    for _ = 1, math.random(1, MOST) do kio.yield() end
    local cancelled = math.random(1, 3) -- the client's, the server's, both
    if cancelled ~= 2 then ends[1]:cancel() end
    if cancelled ~= 1 then ends[2]:cancel() end
    local fine = { pcall(ends[1].await, ends[1]), pcall(ends[2].await, ends[2]) }
    return client, server, fine
  end

  it("is cancelled at any moment, and leaves nothing behind", function()
    if os.getenv "KIO_FILTER" then return pending "KIO_FILTER: it has a filter already" end
    math.randomseed(SEED)
    local options = { ca = material.ca() }
    local hows = {
      { context = assert(tls.context(material.options(nil, options))) },
      { context = assert(tls.context(material.options({ names = "DNS:localhost", key = "rsa" },
        options))) },
    }
    local came, given_up = 0, 0
    for first = 1, COUNT, 50 do
      support.run(function()
        for i = first, math.min(first + 49, COUNT) do
          local client, server = shake(hows[i % #hows + 1])
          local both = client:fd() and server:fd()
          if both then
            assert(client:send "whole")
            assert.equal("whole", server:read(5))
            came = came + 1
          else
            given_up = given_up + 1
          end
          client:close()
          server:close()
        end
      end)
    end
    assert.equal(COUNT, came + given_up)
    assert.is_true(given_up > COUNT // 10, ("seed %d: %d"):format(SEED, given_up))
  end)
end)
