-- flavours: test
-- timeout: 120
-- WebSockets with programs of others at the other end, both ways: npm's ws and Python's websockets,
-- in the clear and over TLS, with and without compression.
local http = require "kio.http"
local material = require "spec.tls.material"
local peers = require "spec.peers.common"
local support = require "spec.support"

local NODE = "env NODE_PATH=/usr/share/nodejs node " -- where Debian has its packages

local PROGRAMS = {
  ws = { have = NODE .. "-e 'require(\"ws\")'", missing = "node's package ws (node-ws)",
    command = NODE .. "spec/http/websocket_peers/ws.js" },
  websockets = { have = "/usr/bin/python3 -c 'import websockets'",
    missing = "Python's package websockets (python3-websockets)",
    command = "/usr/bin/python3 spec/http/websocket_peers/websockets_peer.py" },
}

local found = {}

local function need(name)
  local program = PROGRAMS[name]
  if found[name] == nil then
    found[name] = os.execute(program.have .. " >/dev/null 2>&1") or false
  end
  if not found[name] then pending(program.missing .. " is not installed") end
  return program.command
end

local function missing_for(how)
  if how.deflate and not pcall(require, "kio.zlib") then pending "kio.zlib is not built" end
  if how.tls then
    local tls, why = material.find()
    if not tls then pending(why) end
  end
end

local function echo(ws)
  for message, kind in ws:messages() do
    assert(ws:send(kind == "text" and message or { binary = message }))
  end
end

-- Serves an echo while f(url) runs.
local function serving(how, f)
  local options = { protocols = { "echo" }, compress = how.deflate }
  local handler = http.handler(function(_, res) echo(assert(res:websocket(options))) end)
  local context = how.tls and assert(require "kio.tls".context(material.leaf()))
  peers.serving(handler, function(address)
    f(("%s://%s/"):format(how.tls and "wss" or "ws", address))
  end, nil, context)
end

-- What each prints when all is well.
local EXPECTED = {
  ws = { plain = "open echo \npong almost\nclosed 4000 \n",
    deflate = "open echo permessage-deflate\npong almost\nclosed 4000 \n" },
  websockets = { plain = "open echo []\none, two, three\npong\nclosed 4000 \n",
    deflate = "open echo ['permessage-deflate']\none, two, three\npong\nclosed 4000 \n" },
}

local function exchange(ws)
  for _, size in ipairs { 0, 1, 125, 126, 65535, 65536, 200000 } do
    local text, bytes = ("é"):rep(size // 2), ("\xfe"):rep(size)
    assert(ws:send(text))
    local message, kind = ws:receive { timeout = 20 }
    assert.is_true(message == text and kind == "text")
    assert(ws:send { binary = bytes })
    message, kind = ws:receive { timeout = 20 }
    assert.is_true(message == bytes and kind == "binary")
  end
end

for _, name in ipairs { "ws", "websockets" } do
  describe(name, function()
    for _, how in ipairs { {}, { deflate = true }, { tls = true } } do
      local words = how.tls and " over TLS" or how.deflate and ", compressed" or ""

      it("at kio's server" .. words, function()
        local command = need(name)
        missing_for(how)
        peers.run(function()
          serving(how, function(url)
            local text = peers.output(("%s call %s%s"):format(command, url,
              how.deflate and " deflate" or ""))
            assert.equal(EXPECTED[name][how.deflate and "deflate" or "plain"], text)
          end)
        end)
      end)

      if not how.tls then it("with kio's client" .. words, function()
        local command = need(name)
        missing_for(how)
        peers.run(function()
          local server <close> =
            peers.start(("%s serve%s"):format(command, how.deflate and " deflate" or ""))
          local url = "ws://127.0.0.1:" .. server:expect "^listening on (%d+)$"
          local ws <close> = assert(http.websocket(url, { compress = how.deflate }))
          exchange(ws)
          assert.is_true(ws:close(4000, "done"))
          server:expect "^closed 4000 done$"
          server:kill()
          server:wait()
        end)
      end) end
    end
  end)
end

describe("kio's client", function()
  it("at kio's server over TLS", function()
    local tls, why = material.find()
    if not tls then return pending(why) end
    support.run(function()
      serving({ tls = true }, function(url)
        local options = { tls = { ca = material.ca() }, protocols = { "echo" } }
        local ws = assert(http.websocket((url:gsub("127%.0%.0%.1", "localhost")), options))
        exchange(ws)
        assert.equal("echo", ws.protocol)
        assert.is_true(ws:close())
      end)
    end)
  end)
end)
