-- What users of other libraries have suffered from with signals: each of these would show here.
-- The processes that send them do not run under ThreadSanitizer:
-- flavours: test asan hostile
-- timeout: 120
local kio = require "kio"
local child = require "spec.net.child"
local processes = require "spec.process.common"
local support = require "spec.support"

local send = kio.core.send_signal

local function own_pid()
  local file <close> = assert(io.open "/proc/self/stat")
  return tostring(file:read "n")
end

-- A process that runs a line of shell, in which $0 is this process.
local function shell(script) return assert(processes.spawn { "sh", "-c", script, own_pid() }) end

-- Round trips over a connection and calls on names, for ever.
local function traffic(stream)
  for i = 1, math.maxinteger do
    stream:send(i, "\n")
    assert.equal(tostring(i), stream:read "l")
    assert.equal("directory", kio.fs.stat("/").type)
  end
end

describe("a storm of signals", function()
  it("disturbs nothing that goes on, and the last one is seen", function()
    local count = support.flavour == "test" and 3000 or 500
    support.run(function()
      local near, far = assert(kio.socketpair "stream")
      local one <close> = kio.stream(near)
      local other <close> = kio.stream(far)
      local answering = kio.spawn(function() for data in other:chunks() do other:send(data) end end)
      local asking = kio.spawn(traffic, one)
      local seen, next_signal, watch = 0, kio.signal.each("USR1", "USR2")
      local storm <close> = shell(("i=0; while [ $i -lt %d ]; do kill -USR1 $0; i=$((i+1)); done; "
        .. "kill -USR2 $0"):format(count))
      for name in next_signal, watch, nil, watch do
        if name == "USR2" then break end
        seen = seen + 1
      end
      assert.is_true(seen > 0 and seen <= count)
      assert.same({ code = 0 }, storm:wait())
      assert.is_true(asking:status() == "waiting" or asking:status() == "ready")
      for _, task in ipairs { asking, answering } do
        task:cancel()
        task:join()
      end
    end)
  end)
end)

describe("being stopped and continued", function()
  it("ends no wait, and loses nothing", function()
    local output, how, status = child.run [[
      local kio = require "kio"
      kio.run(function()
        local listener = assert(kio.net.listen "127.0.0.1:0")
        local serving = kio.spawn(function()
          for s in listener:accepts() do
            s:send(s:read "l", "\n")
            s:close()
          end
        end)
        local stat = io.open "/proc/self/stat"
        local pid = stat:read "n"
        stat:close()
        local script = "for i in $(seq 100); do kill -STOP $0; kill -CONT $0; done"
        local helper <close> = assert(kio.process.spawn {
          "sh", "-c", script, tostring(pid), env = { LD_PRELOAD = false },
        })
        local ending = kio.spawn(helper.wait, helper)
        repeat
          kio.sleep(0.001)
          local stream = assert(kio.net.connect(listener:address()))
          stream:send "ping\n"
          assert(stream:read "l" == "ping")
          stream:close()
          assert(#assert(kio.fs.readdir "/") > 0 and kio.fs.read_file "/proc/self/stat")
        until ending:status() ~= "waiting"
        assert(ending:await().code == 0)
        listener:close()
        serving:await()
        print "whole"
      end)]]
    assert.equal("whole\nexit 0", output .. how .. " " .. status)
  end)
end)

describe("a signal that is waited for", function()
  it("is not taken by a thread of kio's, whatever they do", function()
    support.run(function()
      local r, w = assert(kio.pipe())
      local job = kio.spawn(kio.spawn_blocking, os.execute, "sleep 0.5")
      local hung = kio.spawn(kio.core.wait_job, r)
      for _ = 1, 50 do
        local waiting = kio.spawn(kio.signal.wait, "TERM")
        for _ = 1, 4 do kio.spawn(kio.fs.stat, "/") end -- by threads of the kernel
        repeat kio.yield() until waiting:status() == "waiting"
        send "TERM"
        assert.equal("TERM", waiting:await())
      end
      kio.write(w, "x")
      hung:await()
      kio.close(r)
      kio.close(w)
      job:await()
    end)
  end)

  it("is not taken by another worker, where it cannot be waited for", function()
    support.run(function()
      local function refused(call)
        local ok, err = kio.thread.spawn_on(2, function()
          local signal = require("kio").signal
          if call == "on" then signal.on("USR1", print)
          elseif call == "each" then signal.each "USR1"
          else signal.wait "USR1" end
        end):join()
        assert.is_false(ok)
        assert.matches("signals are waited for on the first worker only", tostring(err))
      end
      for _, call in ipairs { "wait", "each", "on" } do refused(call) end
      for _ = 1, 20 do
        local waiting = kio.spawn(kio.signal.wait, "TERM")
        repeat kio.yield() until waiting:status() == "waiting"
        send "TERM"
        assert.equal("TERM", waiting:await())
      end
    end, { threads = 3 })
  end)

  it("and one that is not are two: the second has its usual effect", function()
    local output, how, status = child.run [[
      local kio = require "kio"
      kio.run(function()
        kio.spawn(kio.signal.wait, "USR1")
        kio.yield()
        kio.core.send_signal "TERM"
        kio.sleep(60)
      end)]]
    assert.equal("signal 15", output .. how .. " " .. status)
  end)
end)
