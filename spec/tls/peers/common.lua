-- Programs of others at the other end of TLS: certificates for them, and what every connection must
-- show. Each program meets both versions and both kinds of keys.
local assert = require "luassert"
local kio = require "kio"
local material = require "spec.tls.material"
local peers = require "spec.peers.common"
local support = require "spec.support"

local common = {}

local PROTOCOL = "kio-test"
common.PROTOCOL = PROTOCOL

common.DATA = peers.bytes(3 << 20)

-- Defines a test for each version and kind of key: f(case, files).
function common.each(it, pending, programs, f)
  for _, version in ipairs { "1.2", "1.3" } do
    for _, key in ipairs { "ec", "rsa" } do
      local case = { version = version, long = "TLSv" .. version, key = key }
      it(("TLS %s, %s"):format(version, key == "ec" and "ECDSA" or "RSA"), function()
        if os.getenv "KIO_FILTER" then pending("KIO_FILTER: it has a filter already") end
        peers.need(pending, table.unpack(programs))
        peers.run(function() f(case, common.files(case)) end)
      end)
    end
  end
end

-- The protocol that is agreed on: case.protocol, false for none.
local function assert_agreed(case, info)
  local protocol = case.protocol
  if protocol == nil then protocol = PROTOCOL end
  assert.equal(protocol or nil, info.alpn)
  assert.equal(case.long, info.version)
end

local function leaves(key)
  return material.leaf { names = "DNS:localhost, IP:127.0.0.1", key = key },
    material.leaf { cn = "a client", names = "DNS:client.test", key = key }
end

-- The paths of what a program is to use: ca, server and client (certificate and key in one), data.
function common.files(case)
  local folder = support.tmpdir()
  local server, client = leaves(case.key)
  local files = { folder = folder }
  for name, text in pairs {
    ca = material.ca(), server = server.cert .. server.key, client = client.cert .. client.key,
    data = common.DATA,
  } do
    files[name] = folder .. "/" .. name
    local file <close> = assert(io.open(files[name], "wb"))
    assert(file:write(text))
  end
  return files
end

-- What both sides of kio go by.
local function context(leaf, case, others)
  local options = {
    cert = leaf.cert, key = leaf.key, ca = material.ca(), min = case.version, max = case.version,
    alpn = { PROTOCOL },
  }
  for key, value in pairs(others or {}) do options[key] = value end
  return assert(require "kio.tls".context(options))
end

function common.server_context(case, others)
  others = others or {}
  others.client = others.client or "require"
  return context(leaves(case.key), case, others)
end

function common.client_context(case, others)
  return context(select(2, leaves(case.key)), case, others)
end

-- All of `data`, by default common.DATA, both ways at once.
function common.exchange(stream, data)
  data = data or common.DATA
  local writing = kio.spawn(function() return stream:write(data) end)
  assert.is_true(stream:read(#data) == data)
  assert(writing:await())
end

-- kio's server: what each connection's handshake must have come to, then f(stream). Returns the
-- handler, and a list of whether each connection went on with a session.
function common.handler(case, f)
  local resumed = {}
  return function(stream)
    local info = stream:tls()
    assert_agreed(case, info)
    assert.equal("CN=a client", info.peer.subject)
    assert.is_true(info.verified)
    resumed[#resumed + 1] = info.resumed
    f(stream)
  end, resumed
end

-- kio's client: a connection to a program that may not listen yet.
function common.connect(address, used, case)
  local stream = peers.connect(address)
  assert(require "kio.tls".client(stream, { context = used, name = "localhost", timeout = 20 }))
  local info = stream:tls()
  assert_agreed(case, info)
  assert.same({ "localhost", "127.0.0.1" }, info.peer.names)
  return stream
end

-- The peer's end, in its own words: neither cut off nor an error.
function common.expect_end(stream)
  local data, message = stream:recv()
  assert.is_nil(data)
  assert.is_nil(message)
end

return common
