-- SIGTERM under many busy connections that stay: every request that has begun is answered whole,
-- the server ends with exit status 0.
-- The shell that starts the server does not run under ThreadSanitizer:
-- flavours: test asan
-- without: lua55
local child = require "spec.net.child"
local common = require "spec.http.server.common"
local kio = require "kio"
local support = require "spec.support"

local COUNT = support.scale { test = 1000, rest = 200 }
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
      { stop_signals = { "TERM" }, drain_timeout = 3600, spread = %s })
    print(report.accepted .. " accepted, " .. report.cut .. " cut")
  end, { threads = 2, shutdown_timeout = 3600 })]]

-- Asks again and again until the server ends the connection: that is where one answer is over, and
-- nothing of the next has come. `note` is called for each whole answer.
local function talk(stream, number, note)
  local body = number .. " "
  local request = ("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s"):format(#body, body)
  repeat
    stream:write(request)
    local status, headers, answer = common.answer(stream)
    if not status then return end
    assert(status == 200 and answer == body:rep(ANSWER // #body), "an answer is cut")
    note()
  until headers.connection == "close"
end

for _, spread in ipairs { false, true } do
  local words = spread and ", on two workers" or ""
  describe("SIGTERM under many busy connections" .. words, function()
    it("has every request that began answered whole", function()
      local able, reason = support.allow_descriptors(COUNT + 100)
      if not able then pending(reason) end
      local whole = 0
      local prefix = "prlimit --nofile=" .. COUNT + 100
      local output, ended = child.with(SERVER:format(ANSWER, spread), prefix, function(pipe, pid)
        local address = pipe:read "l"
        local function note()
          whole = whole + 1
          if whole == 2 * COUNT then assert(os.execute("kill -TERM " .. pid)) end
        end
        support.run(function()
          local streams = {}
          kio.scope(function(scope)
            for first = 1, CONNECTING do
              scope:spawn(function()
                for i = first, COUNT, CONNECTING do streams[i] = common.connect(address) end
              end)
            end
          end)
          kio.scope(function(scope)
            for i, stream in ipairs(streams) do scope:spawn(talk, stream, i, note) end
          end)
          for _, stream in ipairs(streams) do stream:close() end
        end)
      end)
      local dots, report = output:match "^(%.*)(.*)$"
      assert.same({ #dots, COUNT .. " accepted, 0 cut\n", "exit 0" }, { whole, report, ended })
      assert.is_true(whole >= 2 * COUNT)
    end)
  end)
end
