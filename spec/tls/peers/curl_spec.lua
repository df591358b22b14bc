-- curl against a server of HTTP/1.1 over TLS.
-- flavours: test
-- timeout: 120
local common = require "spec.tls.peers.common"
local http = require "spec.peers.http"
local material = require "spec.tls.material"
local peers = require "spec.peers.common"

local DATA = common.DATA

describe("curl, at kio's server,", function()
  local tls, why = material.find()
  if not tls then return it("is skipped", function() pending(why) end) end

  common.each(it, pending, { "curl" }, function(case, files)
    case.protocol = "http/1.1"
    local got
    local answer = http.handler(function(stream, request)
      if request.method == "PUT" then got = http.read_body(stream, request) end
      http.answer(stream, request, "200 OK", request.method == "PUT" and "" or DATA, true)
      return true
    end)
    local handler, resumed = common.handler(case, answer)
    peers.serving(handler, function(address)
      local url = ("https://localhost:%s/"):format(address:match "%d+$")
      local usual = ("-sS --noproxy '*' --http1.1 --ipv4 --cacert %s --cert %s --key %s --tlsv%s "
        .. "--tls-max %s"):format(files.ca, files.client, files.client, case.version, case.version)
      -- Both in one process, which keeps the session.
      assert.equal("", peers.output(("curl -q %s -H Expect: -T %s %sup --next %s -o %s/got %sdown"):
        format(usual, files.data, url, usual, files.folder, url)))
      assert.is_true(got == DATA)
      assert.is_true(peers.content(files.folder .. "/got") == DATA)
    end, nil, common.server_context(case, { alpn = { case.protocol } }))
    -- With TLS 1.2 it takes no tickets, and kio's server keeps no sessions.
    assert.same({ false, case.version == "1.3" }, resumed)
  end)
end)
