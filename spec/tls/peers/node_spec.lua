-- Node's tls against kio.
-- flavours: test
-- timeout: 120
local common = require "spec.tls.peers.common"
local material = require "spec.tls.material"
local peers = require "spec.peers.common"

local DATA = common.DATA

local function node(what, case, options)
  options.version, options.alpn = case.long, common.PROTOCOL
  local parts = {}
  for key, value in pairs(options) do parts[#parts + 1] = ('"%s":"%s"'):format(key, value) end
  local text = "{" .. table.concat(parts, ",") .. "}"
  return ("node spec/tls/peers/node.js %s %s"):format(what, peers.quote(text))
end

describe("node's client, at kio's server,", function()
  local tls, why = material.find()
  if not tls then return it("is skipped", function() pending(why) end) end

  common.each(it, pending, { "node" }, function(case, files)
    local handler, resumed = common.handler(case, function(stream)
      assert.is_true(stream:read "a" == DATA)
      assert(stream:write(DATA))
      assert(stream:close())
    end)
    peers.serving(handler, function(address)
      local text = peers.output(node("call", case, {
        ca = files.ca, own = files.client, data = files.data, port = address:match "%d+$",
      }))
      assert.equal("kio-test false\nall of it\nkio-test true\nall of it\n", text)
    end, nil, common.server_context(case))
    assert.same({ false, true }, resumed)
  end)
end)

describe("node's server, with kio's client,", function()
  local tls, why = material.find()
  if not tls then return it("is skipped", function() pending(why) end) end

  common.each(it, pending, { "node" }, function(case, files)
    local server <close> = peers.start(node("serve", case, { ca = files.ca, own = files.server }))
    local address = "127.0.0.1:" .. server:expect "^listening on (%d+)$"
    local context = common.client_context(case)
    for _, resumed in ipairs { false, true } do
      local stream <close> = common.connect(address, context, case)
      common.exchange(stream)
      assert(stream:shutdown "write")
      common.expect_end(stream)
      assert.equal(resumed, stream:tls().resumed)
      server:expect(("^a client kio%%-test %s$"):format(resumed))
    end
    server:kill()
    server:wait()
  end)
end)
