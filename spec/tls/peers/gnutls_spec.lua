-- gnutls-cli and gnutls-serv against kio: another implementation of TLS.
-- flavours: test
-- timeout: 120
local common = require "spec.tls.peers.common"
local material = require "spec.tls.material"
local peers = require "spec.peers.common"
local support = require "spec.support"

local DATA = common.DATA:sub(1, 1 << 17) -- gnutls-cli reads and writes each byte by a call

-- gnutls-serv takes what comes for C's strings, and some for commands.
local TEXT = {}
for i = 1, 250000 do TEXT[i] = i .. ": a line\n" end
TEXT = table.concat(TEXT)

local function priority(case)
  return "NORMAL:-VERS-ALL:+VERS-TLS" .. case.version
end

describe("gnutls-cli, at kio's server,", function()
  local tls, why = material.find()
  if not tls then return it("is skipped", function() pending(why) end) end

  common.each(it, pending, { "gnutls-cli" }, function(case, files)
    local connections = 0
    local handler, resumed = common.handler(case, function(stream)
      connections = connections + 1
      if connections == 1 then return common.expect_end(stream) end -- it has come for the session
      assert.is_true(stream:read "a" == DATA) -- its input ends, and it goes on reading
      assert(stream:write(DATA))
      assert(stream:close())
    end)
    peers.serving(handler, function(address)
      local command = ("gnutls-cli -r --waitresumption --logfile=%s/said --x509cafile=%s "
        .. "--x509certfile=%s --x509keyfile=%s --verify-hostname=localhost "
        .. "--sni-hostname=localhost --alpn=%s --priority=%s -p %s 127.0.0.1 >%s/got"):format(
        files.folder, files.ca, files.client, files.client, common.PROTOCOL, priority(case),
        address:match "%d+$", files.folder)
      peers.output("sh -c " .. peers.quote(command), { input = peers.file(DATA) })
      assert.is_true(peers.content(files.folder .. "/got") == DATA)
    end, nil, common.server_context(case))
    assert.same({ false, true }, resumed)
  end)
end)

describe("gnutls-serv, with kio's client,", function()
  local tls, why = material.find()
  if not tls then return it("is skipped", function() pending(why) end) end

  common.each(it, pending, { "gnutls-serv" }, function(case, files)
    local port = support.free_port() -- it cannot be told to choose one, and to say which
    local command = ("gnutls-serv --echo -q -p %d --x509certfile=%s --x509keyfile=%s "
      .. "--x509cafile=%s --require-client-cert --verify-client-cert --alpn=%s --alpn-fatal "
      .. "--priority=%s >/dev/null 2>&1"):format(port, files.server, files.server, files.ca,
      common.PROTOCOL, priority(case))
    local server <close> = peers.start(command)
    local context = common.client_context(case)
    for _, resumed in ipairs { false, true } do
      local stream <close> = common.connect("127.0.0.1:" .. port, context, case)
      common.exchange(stream, TEXT)
      assert.equal(resumed, stream:tls().resumed)
      assert(stream:shutdown "write")
      common.expect_end(stream)
    end
    server:kill()
    server:wait()
  end)
end)
