-- Ctrl-C, at every moment: in processes of their own.
-- The shell that starts one does not run under ThreadSanitizer:
-- flavours: test asan hostile
local child = require "spec.net.child"
local kio = require "kio"
local support = require "spec.support"

local INT = 2

-- Runs the program; what it printed and how it ended. `send` sends SIGINT to itself; `when_idle`
-- has it sent from outside as soon as the process sleeps.
local function ended(source, prefix)
  local output, how, status = child.run([[
    io.stdout:setvbuf "no"
    local kio = require "kio"
    local function send() kio.core.send_signal "INT" end
    local function when_idle()
      io.popen "until grep -q 'State:.S' /proc/$PPID/status; do :; done; kill -INT $PPID"
    end
    ]] .. source, prefix)
  return output:gsub("\nstack traceback:.*", "\n") .. how .. " " .. status
end

local LUA = support.lua
local INTERRUPTED = LUA .. ": interrupted!\nexit 1"

describe("Ctrl-C", function()
  it("ends a run whose tasks sleep, with and without a deadline", function()
    assert.equal("cleaned up\n" .. INTERRUPTED, ended [[
      kio.run(function()
        local closing <close> = setmetatable({}, { __close = function() print "cleaned up" end })
        kio.spawn(kio.sleep, 1000)
        when_idle()
        kio.sleep(1000)
      end)]])
    assert.equal(INTERRUPTED, ended [[
      kio.run(function()
        local r = kio.pipe()
        when_idle()
        kio.read(r, 1)
      end)]])
  end)

  it("ends a run that computes without end, in a task and in a coroutine inside one", function()
    assert.equal(INTERRUPTED, ended [[
      kio.run(function()
        kio.spawn(kio.sleep, 1000)
        send()
        while true do end
      end)]])
    assert.equal(INTERRUPTED, ended [[
      kio.run(function()
        local generator = coroutine.wrap(function() while true do coroutine.yield() end end)
        coroutine.wrap(function()
          send()
          while true do generator() end
        end)()
      end)]])
  end)

  it("raises Cancelled where the task computes, which unwinds in peace", function()
    assert.equal("true\nlast words\n" .. INTERRUPTED, ended [[
      kio.run(function()
        local ok, err = pcall(function()
          send()
          while true do end
        end)
        print(kio.is_cancelled(err))
        for _ = 1, 100000 do end
        kio.shield(function()
          kio.sleep(0.001)
          print "last words"
        end)
      end)]])
  end)

  it("does not end what is shielded, nor a task that has caught it and returns", function()
    assert.equal("shielded\n" .. INTERRUPTED, ended [[
      kio.run(function()
        kio.shield(function()
          send()
          for _ = 1, 100000 do end
          print "shielded"
        end)
        return "a result"
      end)]])
  end)

  it("ends by force after shutdown_timeout what catches everything", function()
    for _, body in ipairs {
      "pcall(kio.sleep, 1)",
      "pcall(function() while true do end end)",
      "coroutine.resume(coroutine.create(function() while true do end end))",
      "kio.shield(function() while true do end end)",
    } do
      assert.equal(INTERRUPTED, ended(([[
        kio.run(function()
          send()
          while true do %s end
        end, { shutdown_timeout = 0.05 })]]):format(body)), body)
    end
  end)

  it("ends by force an endless cleanup, in a task that slept", function()
    assert.equal(INTERRUPTED, ended [[
      kio.run(function()
        local closing <close> = setmetatable({}, { __close = function() while true do end end })
        when_idle()
        kio.sleep(1000)
      end, { shutdown_timeout = 0.05 })]])
  end)

  it("tells of tasks that could not be ended", function()
    assert.matches("^" .. LUA .. ": interrupted!\nkio.run: then tasks did not end within", (ended [[
      kio.run(function()
        kio.shield(function()
          send()
          kio.sleep(1000)
        end)
      end, { shutdown_timeout = 0.05 })]]))
  end)

  it("ends the wait for a runtime's function, when that has unwound", function()
    assert.matches("^cleaned up\n" .. LUA .. ": [^\n]* interrupted!\nexit 1$", ended [[
      local runtime = assert(kio.runtime { threads = 1 })
      runtime:block_on(function()
        local closing <close> = setmetatable({}, { __close = function() print "cleaned up" end })
        kio.core.send_signal "INT"
        kio.sleep(30)
        print "not interrupted"
      end)]])
  end)

  it("for the second time ends the process", function()
    assert.equal("unwinding\nsignal " .. INT, ended [[
      kio.run(function()
        local closing <close> = setmetatable({}, { __close = function()
          print "unwinding"
          send()
          print "not reached"
        end })
        send()
        kio.sleep(1000)
      end)]])
  end)

  it("tells what failed while it unwound", function()
    local output = ended [[
      kio.run(function()
        local closing <close> = setmetatable({}, { __close = function() error "oops" end })
        send()
        kio.sleep(1000)
      end)]]
    assert.matches("^" .. LUA .. ": interrupted!\nand while the tasks were ended, one failed: ",
      output)
    assert.matches("oops", output)
  end)

  it("comes to the task that waits for INT instead", function()
    assert.equal("INT\nended in peace\nexit 0", ended [[
      kio.run(function()
        when_idle()
        print(kio.signal.wait "INT")
        print "ended in peace"
      end)]])
  end)

  it("after such a wait ends the run again", function()
    assert.equal("INT\n" .. INTERRUPTED, ended [[
      kio.run(function()
        when_idle()
        print(kio.signal.wait "INT")
        send()
        kio.sleep(1000)
      end)]])
  end)

  it("that was pending when INT stopped being watched ends the run", function()
    assert.equal(INTERRUPTED, ended [[
      kio.run(function()
        do
          local _, watch <close> = kio.signal.each "INT"
          send()
        end
        kio.sleep(1000)
      end)]])
  end)

  it("is left alone by interrupt = false, and when it is ignored", function()
    -- The interpreter's own handler asks its main coroutine to stop: that happens when the run is
    -- over.
    assert.equal("slept\n" .. INTERRUPTED, ended [[
      kio.run(function()
        send()
        kio.sleep(0.001)
        print "slept"
      end, { interrupt = false })]])
    assert.equal("slept\nexit 0", ended([[
      kio.run(function()
        os.execute "kill -INT $PPID"
        kio.sleep(0.001)
        print "slept"
      end)]], [[perl -e '$SIG{INT} = "IGNORE"; exec @ARGV' env]]):gsub("^.*slept", "slept"))
  end)

  it("gives the handler back that was there before", function()
    local expected = "^true\tnil\nfalse\tinterrupted!\n" .. LUA .. ": .*: interrupted!\nexit 1$"
    assert.matches(expected, (ended [[
        print(pcall(kio.run, kio.yield), nil)
        print(pcall(kio.run, function()
          send()
          kio.sleep(1000)
        end))
        send() -- to the interpreter's own
        for _ = 1, 1000 do end]]))
  end)

  it("is not lost when it comes just before the loop sleeps", function()
    for _, backend in ipairs { "uring", "sim" } do
      assert.equal(INTERRUPTED, ended(([[
        -- Told of a task that has let go, the report runs in the loop itself: no task will see it.
        local function report(hog)
          assert(not hog.running)
          send()
        end
        kio.run(function()
          local r = kio.pipe()
          os.execute "sleep 0.01"
          kio.read(r, 1)
        end, { backend = %q, watchdog = 0.001, on_watchdog = report })]]):format(backend)), backend)
    end
  end)

  it("is not lost whenever it comes", function()
    local rounds = support.flavour == "asan" and 100 or 400
    assert.equal("all\nexit 0", ended(([[
      local pipe <close> = io.popen("while read line; do kill -INT $PPID; done", "w")
      pipe:setvbuf "no"
      for i = 1, %d do
        local r, w
        local ok, err = pcall(kio.run, function()
          r, w = kio.pipe()
          pipe:write "\n"
          for _ = 1, math.random(0, 20000) do end
          kio.read(r, 1)
        end)
        assert(err == "interrupted!", err)
        kio.run(function()
          kio.close(r)
          kio.close(w)
        end)
      end
      print "all"]]):format(rounds)))
  end)

  it("works on every backend, with SQPOLL and while busy polling", function()
    for _, options in ipairs { "backend = 'sim'", "backend = 'epoll'",
      "backend = 'uring', sqpoll = true", "busy_poll = 0.01",
      "testing = { clock = 'virtual' }" } do
      assert.equal(INTERRUPTED, ended(([[
        kio.run(function()
          local r = kio.pipe()
          when_idle()
          kio.read(r, 1)
        end, { %s })]]):format(options)), options)
    end
  end)
end)

describe("the option `interrupt`", function()
  it("is a boolean", function()
    support.expect_error("option 'interrupt' must be true or false", kio.run, print,
      { interrupt = 1 })
  end)
end)
