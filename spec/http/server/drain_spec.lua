-- SIGTERM under many busy connections that stay, with TLS and without: every request that has begun
-- is answered whole, connections end as they should, the server with exit status 0.
-- The shell that starts the server does not run under ThreadSanitizer:
-- flavours: test asan
-- without: lua55
local child = require "spec.net.child"
local common = require "spec.http.server.common"
local kio = require "kio"
local material = require "spec.tls.material"
local support = require "spec.support"

local COUNT = support.scale { test = 1000, rest = 200 }
local ENCRYPTED = support.scale { full = 1000, test = 150, rest = 40 } -- handshakes cost most
local CONNECTING = 50 -- clients that connect side by side
local ANSWER = 20000 -- bytes

-- Prints a dot for each request that has begun.
local SERVER = [[
  local kio = require "kio"
  local http = require "kio.http"
  local function handler(req)
    io.stdout:write "."
    local body = assert(req:body())
    require "kio".sleep(0.01)
    return 200, nil, body:rep(%d // #body)
  end
  kio.run(function()
    local listener = assert(kio.net.listen "127.0.0.1:0")
    print(listener:address())
    io.stdout:flush()
    local report = http.serve(listener, handler,
      { stop_signals = { "TERM" }, drain_timeout = 3600, spread = %s, tls = %s })
    print(report.accepted .. " accepted, " .. report.cut .. " cut")
  end, { threads = 2, shutdown_timeout = 3600 })]]

-- Asks again and again until the server ends the connection: that is where one answer is over, and
-- nothing of the next has come; TLS says so, too. A request may cross the end of its connection,
-- which resets that. `note` is called for each whole answer.
local function talk(stream, number, note)
  local body = number .. " "
  local request = ("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s"):format(#body, body)
  repeat
    stream:write(request)
    local status, headers, answer = common.answer(stream)
    if not status then return assert(not headers or headers:find "reset by peer", headers) end
    assert(status == 200 and answer == body:rep(ANSWER // #body), "an answer is cut")
    note()
  until headers.connection == "close"
  local more, message = stream:recv()
  assert(not more and not message, message)
end

local tls, why = material.find()

-- The source of the server's context; nil: it has none.
local function context_of(encrypted)
  if not encrypted then return "nil" end
  local leaf = material.leaf()
  return ("require 'kio.tls'.context { cert = %q, key = %q }"):format(leaf.cert, leaf.key)
end

local function connect(address, encrypted)
  if not encrypted then return common.connect(address) end
  return assert(tls.connect(address, { ca = material.ca(), timeout = 120 }))
end

-- `count` clients under `spread` or not; how many answers they got, and what the server printed.
local function drain(spread, encrypted, count)
  local whole = 0
  local source = SERVER:format(ANSWER, spread, context_of(encrypted))
  local prefix = "prlimit --nofile=" .. count + 100
  local output, ended = child.with(source, prefix, function(pipe, pid)
    local address = pipe:read "l"
    local function note()
      whole = whole + 1
      if whole == 2 * count then assert(os.execute("kill -TERM " .. pid)) end
    end
    support.run(function()
      local streams = {}
      kio.scope(function(scope)
        for first = 1, CONNECTING do
          scope:spawn(function()
            for i = first, count, CONNECTING do streams[i] = connect(address, encrypted) end
          end)
        end
      end)
      kio.scope(function(scope)
        for i, stream in ipairs(streams) do scope:spawn(talk, stream, i, note) end
      end)
      for _, stream in ipairs(streams) do stream:close() end
    end)
  end)
  return whole, output, ended
end

for _, way in ipairs {
  { "" }, { ", on two workers", spread = true }, { ", encrypted", encrypted = true },
  { ", encrypted, on two workers", spread = true, encrypted = true },
} do
  describe("SIGTERM under many busy connections" .. way[1], function()
    it("has every request that began answered whole", function()
      if way.encrypted and not tls then return pending(why) end
      local count = way.encrypted and ENCRYPTED or COUNT
      local able, reason = support.allow_descriptors(count + 100)
      if not able then return pending(reason) end
      local whole, output, ended = drain(way.spread or false, way.encrypted, count)
      local dots, report = output:match "^(%.*)(.*)$"
      assert.same({ #dots, count .. " accepted, 0 cut\n", "exit 0" }, { whole, report, ended })
      assert.is_true(whole >= 2 * count)
    end)
  end)
end
