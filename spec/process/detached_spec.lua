-- Programs that outlive their handle: in a session of their own, left alone, and no zombie of ours.
-- The shells here do not run under ThreadSanitizer:
-- flavours: test asan hostile
local kio = require "kio"
local common = require "spec.process.common"
local net_child = require "spec.net.child"
local support = require "spec.support"

-- A program that has told that it runs and ends at the end of its input; what it says there is left
-- in the file `said`.
local SCRIPT = "echo ready; read line; echo $line > %s"

-- The fields of /proc/PID/stat behind the name: state, parent, group, session; nil: it is gone.
local function stat(pid)
  local file <close> = io.open(("/proc/%s/stat"):format(pid))
  local text = file and file:read "a"
  if not text then return nil end
  local list = {}
  for field in text:match("^.*%) (.*)$"):gmatch "%S+" do list[#list + 1] = field end
  return { state = list[1], parent = list[2], group = list[3], session = list[4] }
end

local function start(options)
  local said = support.tmpdir() .. "/said"
  local all = { "sh", "-c", SCRIPT:format(said), detached = true, stdin = "pipe", stdout = "pipe" }
  for key, value in pairs(options or {}) do all[key] = value end
  local child = assert(common.spawn(all))
  if child.stdout then assert.equal("ready", child.stdout:read "l") end
  return child, said
end

-- Waits for its end. When its parent takes that from the system is that one's affair.
local function gone(pid)
  local own, now = kio.fs.readlink "/proc/self", stat(pid)
  while now and now.state ~= "Z" do
    kio.sleep(0.005)
    now = stat(pid)
  end
  assert.not_equal(own, now and now.parent)
end

describe("a detached process", function()
  it("has a session and a group of its own, and is nobody's child here", function()
    support.run(function()
      local child <close> = start()
      local seen = stat(child.pid)
      assert.equal(tostring(child.pid), seen.session)
      assert.equal(tostring(child.pid), seen.group)
      assert.not_equal(kio.fs.readlink "/proc/self", seen.parent)
      assert.equal("", common.children())
      assert.is_true(child:kill "KILL")
      gone(child.pid)
    end)
  end)

  it("runs on when its handle is closed, and when that is collected", function()
    local r, w = assert(kio.pipe())
    support.run(function()
      for _, way in ipairs { "close", "collect" } do
        local pid, said = (function()
          local child, path = start { stdin = r, stdout = "null" }
          if way == "close" then child:close() end
          return child.pid, path
        end)()
        collectgarbage()
        collectgarbage()
        assert.is_truthy(stat(pid))
        assert(kio.write(w, way .. "\n"))
        gone(pid)
        assert.equal(way .. "\n", assert(kio.fs.read_file(said)))
      end
    end)
    support.run(function()
      kio.close(r)
      kio.close(w)
    end)
  end)

  it("can be signalled and waited for while there is a handle, and not behind that", function()
    support.run(function()
      local child = start()
      assert.matches("running, sh", tostring(child))
      assert.equal("ETIMEDOUT", select(3, child:wait { timeout = 0 }))
      local waiting = kio.spawn(child.wait, child)
      repeat kio.yield() until waiting:status() == "waiting"
      assert.is_true(child:kill "TERM")
      local _, message, code = waiting:await()
      assert.equal("ECHILD", code)
      assert.matches("^wait sh %(pid %d+%): it has ended; how is told to its parent", message)
      assert.equal("ECHILD", select(3, child:wait()))
      assert.equal("ESRCH", select(3, child:kill()))
      assert.matches("ended, sh", tostring(child))
      child:close()

      child = start { stdin = "null" } -- which ends it, or not yet
      child:close()
      child = start()
      waiting = kio.spawn(child.wait, child)
      repeat kio.yield() until waiting:status() == "waiting"
      assert.is_true(child:kill "STOP")
      child:close()
      assert.equal("EBADF", select(3, waiting:await()))
      assert.matches("detached, sh", tostring(child))
      assert.matches("it is detached, and its handle closed", select(2, child:wait()))
      assert.equal("EBADF", select(3, child:kill()))
      assert.is_true(child:close())
      assert(os.execute("kill -KILL " .. child.pid))
      gone(child.pid)
    end)
  end)

  it("outlives the run and the program", function()
    local said = support.tmpdir() .. "/said"
    assert(os.execute("mkfifo " .. said .. ".fifo"))
    local output, how = net_child.with(([[
      local kio = require "kio"
      local common = require "spec.process.common"
      kio.run(function()
        local child = assert(common.spawn { "sh", "-c", "read x < %s.fifo; echo out > %s",
          detached = true, stdin = "null", stdout = "null", stderr = "null" })
        print(child.pid)
      end)]]):format(said, said), nil, function(pipe)
      local pid = pipe:read "l"
      assert.equal("", pipe:read "a")
      assert.is_truthy(stat(pid))
      assert(os.execute(("echo go > %s.fifo"):format(said)))
      support.run(function() gone(pid) end)
    end)
    assert.same({ "", "exit 0" }, { output, how })
    assert.equal("out\n", io.open(said):read "a")
  end)

  it("is reaped by a process that adopts orphans", function()
    local output, how, status = net_child.run([[
      local kio = require "kio"
      local common = require "spec.process.common"
      kio.run(function()
        for _, way in ipairs { "wait", "close" } do
          local child = assert(common.spawn { "sh", "-c", "echo ready; read x; exit 3",
            detached = true, stdin = "pipe", stdout = "pipe" })
          assert(child.stdout:read "l" == "ready")
          local input = child.stdin
          if way == "wait" then
            input:close()
            print(child:wait().code)
            child:close()
          else
            child:close() -- its input ends with that
            while common.children() ~= "" do kio.sleep(0.01) end
          end
          print("children: " .. common.children())
        end
      end)]], "unshare --pid --fork --mount-proc")
    if output:find "unshare" then return pending("needs a namespace of its own: " .. output) end
    assert.equal("3\nchildren: \nchildren: \nexit 0", output .. how .. " " .. status)
  end)

  it("that cannot be started says why, and leaves nothing behind", function()
    support.run(function()
      for _ = 1, 20 do
        assert.equal("ENOENT", select(3, common.spawn { "kio-no-such", detached = true }))
        assert.equal("EACCES", select(3, common.spawn { "/tmp", detached = true, stdin = "pipe" }))
      end
      assert.equal("", common.children())
      support.expect_error("'detached' must be a boolean", kio.process.spawn,
        { "true", detached = 1 })
      support.expect_error("use spawn for 'detached'", kio.process.run,
        { "true", detached = true })
    end)
  end)
end)
