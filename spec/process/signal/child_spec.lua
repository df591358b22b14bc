-- Signals that end a process, or would: in processes of their own.
-- The shell that starts one does not run under ThreadSanitizer:
-- flavours: test asan hostile
local child = require "spec.net.child"

local function ended(source)
  local output, how, status = child.run([[
    local kio = require "kio"
    local send = kio.core.send_signal
    ]] .. source)
  return output .. how .. " " .. status
end

local USR1, USR2, TERM = 10, 12, 15

describe("a signal", function()
  it("ends the process when nobody waits for it any more", function()
    assert.equal("TERM\nsignal " .. TERM, ended [[
      kio.run(function()
        local task = kio.spawn(kio.signal.wait, "TERM")
        kio.yield()
        send "TERM"
        print(task:await())
        io.stdout:flush()
        send "TERM"
        print "not reached"
      end)]])
  end)

  it("that came while it was watched and was not taken is delivered when the loop ends", function()
    assert.equal("before\nsignal " .. USR1, ended [[
      kio.run(function()
        local _, watch <close> = kio.signal.each "USR1"
        send "USR1"
        print "before"
        io.stdout:flush()
      end)
      print "not reached"]])
  end)

  it("that was not taken is delivered at the end of the run at the latest", function()
    assert.equal("before\nsignal " .. USR1, ended [[
      kio.run(function()
        kio.signal.each "USR1"
        send "USR1"
        print "before"
        io.stdout:flush()
      end)
      print "not reached"]])
  end)

  it("that came together with the one taken is delivered when the wait is over", function()
    assert.equal("sent\nsignal " .. USR2, ended [[
      kio.run(function()
        local task = kio.spawn(kio.signal.wait, "USR1", "USR2")
        kio.yield()
        send("USR1", "USR2")
        print "sent"
        io.stdout:flush()
        task:await()
        print "not reached"
      end)]])
  end)

  it("that came together with the one taken is for the next who waits", function()
    assert.equal("USR1 USR2\nexit 0", ended [[
      kio.run(function()
        local hold, watch <close> = kio.signal.each("USR2")
        local task = kio.spawn(kio.signal.wait, "USR1", "USR2")
        kio.yield()
        send("USR1", "USR2")
        print(task:await() .. " " .. hold(watch))
      end)]])
  end)

  it("stays blocked after the run if it was blocked before", function()
    -- env(1) of coreutils blocks it for the program it runs
    local output, how, status = child.run([[
      local kio = require "kio"
      kio.run(function()
        local task = kio.spawn(kio.signal.wait, "USR1")
        kio.yield()
        kio.core.send_signal "USR1"
        print(task:await())
      end)
      kio.core.send_signal "USR1"
      print "still blocked"]], "env --block-signal=USR1")
    assert.equal("USR1\nstill blocked\nexit 0", output .. how .. " " .. status)
  end)

  it("that is ignored comes to those who wait all the same", function()
    local output, how, status = child.run([[
      local kio = require "kio"
      kio.run(function()
        local task = kio.spawn(kio.signal.wait, "HUP")
        kio.yield()
        kio.core.send_signal "HUP"
        print(task:await())
        kio.core.send_signal "HUP"
      end)]], "env --ignore-signal=HUP")
    assert.equal("HUP\nexit 0", output .. how .. " " .. status)
  end)

  it("comes from another process", function()
    assert.equal("TERM\nexit 0", ended [[
      kio.run(function()
        local task = kio.spawn(kio.signal.wait, "TERM")
        kio.yield()
        os.execute "kill -TERM $PPID"
        print(task:await())
      end)]])
  end)
end)
