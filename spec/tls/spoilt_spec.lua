-- timeout: 120
-- flavours: test asan
-- A peer's bytes are wrong: a seed flips bits, loses, doubles, swaps and cuts records of a real
-- exchange, and cuts what comes in pieces; all in memory. Each end comes to a failure with a code
-- of TLS, or to the whole text; never to another text. KIO_TLS_SPOILT: how many seconds this is to
-- take, with seeds from KIO_TLS_SEED on; by hand it has run for 300 under the flavour asan, which
-- were 51,256 exchanges.
local material = require "spec.tls.material"

local SECONDS = tonumber(os.getenv "KIO_TLS_SPOILT")
local FIRST = math.tointeger(tonumber(os.getenv "KIO_TLS_SEED" or 1))
local COUNT = 400 -- of seeds, when nobody asks for seconds

local HOW = {
  ["TLS 1.2"] = { min = "1.2", max = "1.2" },
  ["TLS 1.3"] = { min = "1.3", max = "1.3" },
  ["certificates on both sides"] = { client = "require", alpn = { "one", "two" } },
}

describe("a connection whose bytes are spoilt", function()
  local tls, why = material.find()
  if not tls then return it("is skipped", function() pending(why) end) end
  local core = require "kio.tls.core"

  for name, how in pairs(HOW) do
    it("fails with a code, or brings all: " .. name, function()
      how.ca = material.ca()
      local context = assert(tls.context(material.options(nil, how)))
      local start, seed, spoilt, failed = os.time(), FIRST, 0, 0
      local function go_on()
        if SECONDS then return os.time() < start + SECONDS / 3 end
        return seed < FIRST + COUNT
      end
      while go_on() do
        local client, server, records = core.test_exchange(context, context, seed)
        local said = ("seed %d: %s, %s"):format(seed, client, server)
        local fine = client == "ok" and server == "ok"
        assert.is_truthy(client == "ok" or client:find "^TLS_", said)
        assert.is_truthy(server == "ok" or server:find "^TLS_", said)
        assert.is_true(fine or records > 0, said)
        spoilt, failed = spoilt + (records > 0 and 1 or 0), failed + (fine and 0 or 1)
        seed = seed + 1
      end
      assert.is_true(failed > 50 and spoilt > failed and seed - FIRST > spoilt)
    end)
  end
end)
