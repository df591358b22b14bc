-- openssl's s_client and s_server against kio.
-- flavours: test
-- timeout: 120
local kio = require "kio"
local common = require "spec.tls.peers.common"
local material = require "spec.tls.material"
local peers = require "spec.peers.common"

local DATA = common.DATA

describe("openssl s_client, at kio's server,", function()
  local tls, why = material.find()
  if not tls then return it("is skipped", function() pending(why) end) end

  common.each(it, pending, { "openssl" }, function(case, files)
    local handler, resumed = common.handler(case, function(stream)
      common.exchange(stream)
      assert(stream:shutdown "write")
      common.expect_end(stream)
    end)
    peers.serving(handler, function(address)
      local command = ("openssl s_client -quiet -connect %s -CAfile %s -verify_return_error "
        .. "-verify_hostname localhost -servername localhost -tls%s -alpn other,%s "
        .. "-cert %s -key %s -sess_%%s %s/session >%s/got 2>%s/said"):format(address, files.ca,
        case.version:gsub("%.", "_"), common.PROTOCOL, files.client, files.client, files.folder,
        files.folder, files.folder)
      for _, session in ipairs { "out", "in" } do
        local text = command:format(session)
        peers.output("sh -c " .. peers.quote(text), { input = files.data })
        assert.is_true(peers.content(files.folder .. "/got") == DATA)
      end
    end, nil, common.server_context(case))
    assert.same({ false, true }, resumed)
  end)
end)

describe("openssl s_server, with kio's client,", function()
  local tls, why = material.find()
  if not tls then return it("is skipped", function() pending(why) end) end

  common.each(it, pending, { "openssl" }, function(case, files)
    local command = ("openssl s_server -quiet -unix %s/socket -cert %s -key %s -CAfile %s "
      .. "-Verify 1 -verify_return_error -tls%s -alpn %s 2>/dev/null"):format(files.folder,
      files.server, files.server, files.ca, case.version:gsub("%.", "_"), common.PROTOCOL)
    local server <close> = peers.start(command, { input = true })
    local context = common.client_context(case)
    for _, resumed in ipairs { false, true } do
      local stream <close> = common.connect("unix:" .. files.folder .. "/socket", context, case)
      local typing = kio.spawn(function() return server.input:write(DATA) end)
      local reading = kio.spawn(function() return server.output:read(#DATA) end)
      common.exchange(stream)
      assert(typing:await())
      assert.is_true(reading:await() == DATA)
      assert.equal(resumed, stream:tls().resumed)
      assert(stream:shutdown "write")
      common.expect_end(stream)
    end
    server:kill()
    server:wait()
  end)
end)
