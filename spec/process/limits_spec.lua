-- Starting processes where things are short or strange: in processes of their own.
-- The shell that starts one does not run under ThreadSanitizer:
-- flavours: test asan hostile
local child = require "spec.net.child"

local function ended(source, prefix)
  local output, how, status = child.run([[
    local kio = require "kio"
    local common = require "spec.process.common"
    ]] .. source, prefix)
  return output .. how .. " " .. status
end

local ECHO = [[
  kio.run(function()
    local result = assert(common.run { "sh", "-c", "cat; echo err >&2", stdin = "in" })
    io.stderr:write(result.stdout, " ", result.stderr)
  end)]]

describe("a process is started", function()
  it("by a program whose own standard descriptors are closed", function()
    for _, closed in ipairs { "<&-", ">&-", "<&- >&-" } do
      assert.equal("in err\nexit 0",
        ended(ECHO, ("sh -c '(\"$@\" %s) 2>&1' sh"):format(closed)), closed)
    end
  end)

  it("with descriptors that are each other's numbers", function()
    assert.equal("1 to 2\n2 to 1\nexit 0", ended([[
      kio.run(function()
        local a <close> = assert(kio.stream(kio.openat(nil, os.tmpname(), kio.const.O_RDWR)))
        local p <close> = assert(common.spawn { "sh", "-c", "echo 1 to 2; echo 2 to 1 >&2",
          stdout = 2, stderr = 1 })
        p:wait()
        assert(a)
      end)]], "sh -c 'exec 2>&1; exec \"$@\"' sh"))
  end)

  it("or not, when descriptors run out: nothing is left behind", function()
    assert.equal("EMFILE\nok\nexit 0", ended([[
      kio.run(function()
        local held, seen = {}, nil
        repeat held[#held + 1] = kio.socket "udp4" until select(3, kio.socket "udp4") == "EMFILE"
        for _ = 1, 12 do
          local result, _, code = common.run { "echo", "ok", timeout = 10 }
          if result then break end
          seen = code
          assert(common.children() == "", common.children())
          kio.close(table.remove(held))
        end
        print(seen)
        while held[1] do kio.close(table.remove(held)) end
        io.write(assert(common.run { "echo", "ok" }).stdout)
      end)]], "prlimit --nofile=40"))
  end)

  it("by one that ignores SIGCHLD, whose ends the system takes away", function()
    local output = ended([[
      kio.run(function()
        local p <close> = assert(common.spawn { "true" })
        print(select(3, p:wait()))
        print(select(3, p:wait()))
      end)]], "env --ignore-signal=CHLD")
    assert.equal("ECHILD\nECHILD\nexit 0", output)
  end)

  it("and does not outlive the state that has it, when that is closed", function()
    assert.equal("gone\nexit 0", ended([[
      local pid
      kio.run(function()
        child = assert(common.spawn { "sleep", "1000", stdin = "null" })
        pid = child.pid
      end)
      child = nil
      collectgarbage()
      assert(not io.open("/proc/" .. pid .. "/stat"))
      print "gone"]]))
  end)
end)
