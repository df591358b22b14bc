-- System calls that are refused once a run has begun: the ring's, and signals to a child. Both are
-- told, by the name of what was refused, and nothing waits or loops for ever.
-- One thread only, and none starts below ThreadSanitizer:
-- flavours: test asan hostile
local child = require "spec.run.check.child"

-- What a refused ring may still write to is left to the kernel, on purpose.
local NO_LEAKS = 'env ASAN_OPTIONS="$ASAN_OPTIONS:detect_leaks=0"'

-- The output of the program behind the filter; nil when this machine does not allow one.
local function behind(call, source)
  local prefix = ("%s %s EPERM %s"):format(NO_LEAKS, child.launcher(), call)
  local output, how, status = child.run(prefix, source)
  if status == 77 then return pending("not possible here: " .. output) end
  assert.same({ "exit", 0 }, { how, status }, output)
  return output
end

describe("a ring that is refused after it was opened", function()
  it("ends the run, which says so, and no task waits on", function()
    local output = behind("io_uring_use", [[
      local kio = require "kio"
      local ok, err = pcall(kio.run, function()
        kio.spawn(function() kio.sleep(3600) end)
        local r = kio.pipe()
        kio.read(r, 1)
        print "went on"
      end)
      print(ok, err)
      print(os.clock() < 5 and "calm" or "spun")
      print(pcall(kio.run, function() return "again" end))
    ]])
    if not output then return end
    assert.matches("^false\tkio%.run: the kernel refuses the ring", output)
    assert.matches("io_uring_enter: Operation not permitted, EPERM", output)
    assert.matches("waits for %d[%d.]* s in read on fd", output)
    assert.matches("\ncalm\n", output)
    assert.not_matches("went on", output)
  end)

  it("is told by a clock that jumps, and with busy_poll", function()
    local output = behind("io_uring_use", [[
      local kio = require "kio"
      local function main()
        local r = kio.pipe()
        kio.read(r, 1)
      end
      print(pcall(kio.run, main, { busy_poll = 3600 }))
      print(pcall(require "kio.testing".run, main))
      print(os.clock() < 5 and "calm" or "spun")
    ]])
    if not output then return end
    local _, count = output:gsub("refuses the ring", "")
    assert.equal(2, count, output)
    assert.matches("\ncalm\n$", output)
  end)
end)

describe("a child that may not be signalled", function()
  -- cat ends when its input does, also without a signal.
  it("does not hold run{timeout} nor close, which say that it runs on", function()
    local output = behind("pidfd_send_signal", [[
      local kio = require "kio"
      kio.run(function()
        local r, w = kio.pipe()
        local function cat(more)
          local options = { "cat", stdin = r, env = { LD_PRELOAD = false } }
          for k, v in pairs(more) do options[k] = v end
          return options
        end
        print(kio.process.run(cat { timeout = 0.05 }))
        print(kio.process.run(cat { max = 1, timeout = 0.05 }))
        local running = assert(kio.process.spawn(cat {}))
        print(running:kill())
        print(running:close())
        print(select(3, running:wait { timeout = 0 }))
        local cancelled = kio.spawn(kio.process.run, cat {})
        kio.yield()
        kio.yield()
        cancelled:cancel()
        print(kio.is_cancelled(select(2, cancelled:join())))
        assert(kio.process.spawn(cat {}))
        collectgarbage()
        collectgarbage()
        print "collected"
        kio.close(w)
        kio.close(r)
        print(running:wait().code)
      end)
      assert(kio.process.spawn { "cat", stdin = "pipe", env = { LD_PRELOAD = false } })
      collectgarbage()
      collectgarbage()
      print "over"
    ]])
    if not output then return end
    local lines = {}
    for line in output:gmatch "[^\n]+" do lines[#lines + 1] = line:gsub("pid %d+", "pid N") end
    local on = "close cat (pid N): it may not be signalled, and runs on"
    assert.same({
      "nil\trun cat: the timeout has passed; " .. on .. "\tETIMEDOUT",
      "nil\trun cat: the timeout has passed; " .. on .. "\tETIMEDOUT",
      "nil\tkill cat (pid N): operation not permitted\tEPERM",
      "nil\t" .. on .. "\tEPERM",
      "ETIMEDOUT",
      "true",
      "collected",
      "0",
      "over",
    }, lines)
  end)
end)
