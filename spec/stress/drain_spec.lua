-- SIGTERM under a thousand busy connections: every request that was in flight is answered as a
-- whole; a second signal ends handlers that hang.
-- The shell that starts the server does not run under ThreadSanitizer:
-- flavours: test asan hostile
local kio = require "kio"
local support = require "spec.support"
local child = require "spec.net.child"

local COUNT = support.scale { test = 1000, hostile = 100, rest = 300 }
local CONNECTING = 50 -- clients that connect side by side
local ANSWER = support.flavour == "hostile" and 20000 or 100000 -- bytes: more than are gathered

-- A server whose handlers all have a request before it says so. `body` is what they do with it.
local function server(body)
  return ([[
    local kio = require "kio"
    local COUNT, ANSWER = %d, %d
    local begun = 0
    local listener = assert(kio.net.listen "127.0.0.1:0")
    local function say(what)
      print(what)
      io.stdout:flush()
    end
    say(listener:address())
    local report = kio.run(function()
      kio.spawn { daemon = true, function()
        while listener:fd() do kio.sleep(0.01) end
        say "stopping"
      end }
      return listener:serve(function(stream)
        local request = assert(stream:read "l")
        begun = begun + 1
        if begun == COUNT then say "busy" end
        %s
      end, { stop_signals = { "TERM", "INT" }, drain_timeout = 3600 })
    end, { shutdown_timeout = 3600 })
    print(("%%d accepted, %%d cut"):format(report.accepted, report.cut))
    os.exit(report.cut == 0 and 0 or 3)]]):format(COUNT, ANSWER, body)
end

-- Calls f(address, kill, said) with a server in a process of its own: kill(signal) sends it one,
-- said(word) waits until that is what it says. Then what else it printed, and how it ended.
local function with_server(body, f)
  return child.with(server(body), "prlimit --nofile=" .. COUNT + 100, function(pipe, pid)
    f(pipe:read "l", function(signal) assert(os.execute(("kill -%s %s"):format(signal, pid))) end,
      function(word) assert.equal(word, pipe:read "l") end)
  end)
end

local function each_client(f)
  kio.scope(function(scope)
    for first = 1, CONNECTING do
      scope:spawn(function()
        for i = first, COUNT, CONNECTING do f(i) end
      end)
    end
  end)
end

-- A client for each: connected, its request sent.
local function ask_all(address)
  local streams = {}
  each_client(function(i)
    streams[i] = assert(kio.net.connect(address, { timeout = 60 }))
    assert(streams[i]:send(i, "\n"))
  end)
  return streams
end

describe("SIGTERM under many busy connections", function()
  it("loses no request, and the server ends with exit code 0", function()
    local able, reason = support.allow_descriptors(COUNT + 100)
    if not able then pending(reason) end
    local output, ended = with_server([[
      while listener:fd() do kio.sleep(0.01) end -- until the server stops
      stream:write((request .. " "):rep(ANSWER // (#request + 1)), "\n")]],
    function(address, kill, said)
      support.run(function()
        local streams = ask_all(address)
        said "busy"
        kill "TERM"
        said "stopping"
        local whole = 0
        for i = 1, COUNT do
          local answer, message = streams[i]:read("a", { timeout = 60 })
          local text = i .. " "
          assert.is_nil(message)
          assert.is_true(answer == text:rep(ANSWER // #text) .. "\n", "an answer is cut")
          whole = whole + 1
          streams[i]:close()
        end
        assert.equal(COUNT, whole)
      end)
    end)
    assert.equal(COUNT .. " accepted, 0 cut\n", output)
    assert.equal("exit 0", ended)
  end)

  it("and then INT ends handlers that hang", function()
    local able, reason = support.allow_descriptors(COUNT + 100)
    if not able then pending(reason) end
    local output, ended = with_server([[
      if tonumber(request) % 2 == 0 then pcall(kio.sleep, 1000) end
      kio.scope(function() kio.spawn(kio.sleep, 1000); stream:read "l" end)]],
    function(address, kill, said)
      support.run(function()
        local streams = ask_all(address)
        said "busy"
        kill "TERM"
        said "stopping"
        kill "INT"
        for i = 1, COUNT do
          local data, _, code = streams[i]:recv(1, { timeout = 60 })
          assert.is_true(not data and code ~= "ETIMEDOUT")
          streams[i]:close()
        end
      end)
    end)
    assert.equal(COUNT .. " accepted, " .. COUNT .. " cut\n", output)
    assert.equal("exit 3", ended)
  end)
end)
