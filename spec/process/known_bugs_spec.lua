-- What users of other libraries have suffered from with child processes: each of these would show
-- here.
-- flavours: test asan
-- without: lua55
local kio = require "kio"
local common = require "spec.process.common"
local support = require "spec.support"

local run, spawn = common.run, common.spawn

local function shell(script, options)
  local list = { "sh", "-c", script }
  for key, value in pairs(options or {}) do list[key] = value end
  return list
end

describe("a process", function()
  it("whose children hold its outputs open has ended all the same", function()
    support.run(function()
      local child <close> = assert(spawn(shell("exec 3<&0; cat <&3 & exit 7", {
        stdin = "pipe", stdout = "pipe",
      })))
      assert.same({ code = 7 }, child:wait())
      child.stdin:send("still read by the other one")
      assert.equal("still", child.stdout:read(5))
      child.stdin:close() -- which ends the other one
      assert.equal(" read by the other one", child.stdout:read "a")
    end)
  end)

  it("that reads no more is EPIPE for who writes, and a result for who runs it", function()
    support.run(function()
      local text = ("x"):rep(1 << 20)
      local child <close> = assert(spawn(shell("exec <&-; echo closed; read x", {
        stdin = "pipe", stdout = "pipe",
      })))
      assert.equal("closed", child.stdout:read "l")
      assert.equal("EPIPE", select(3, child.stdin:send(text)))
      assert.same({ stdout = "done\n", stderr = "", code = 3 },
        run(shell("exec <&-; echo done; exit 3", { stdin = text })))
    end)
  end)

  it("can be read to its end after it has been waited for", function()
    support.run(function()
      local child <close> = assert(spawn(shell("echo first; echo last", { stdout = "pipe" })))
      assert.same({ code = 0 }, child:wait())
      assert.equal("first\nlast\n", child.stdout:read "a")
    end)
  end)

  it("runs on while one of its streams is in use, though the handle is gone", function()
    support.run(function()
      local function output()
        local child = assert(spawn(shell("read x; echo $x; read x; echo $x", {
          stdin = "pipe", stdout = "pipe",
        })))
        child.stdin:send "one\n"
        local input = child.stdin
        kio.spawn(function()
          for _ = 1, 5 do
            collectgarbage()
            kio.yield()
          end
          input:send "two\n"
        end)
        return child.stdout
      end
      local lines = {}
      for line in output():lines() do
        collectgarbage()
        lines[#lines + 1] = line
      end
      assert.same({ "one", "two" }, lines)
    end)
    collectgarbage()
    assert.equal("", common.children())
  end)

  it("that is stopped has not ended", function()
    support.run(function()
      local child <close> = assert(spawn { "cat", stdin = "pipe", stdout = "pipe" })
      child.stdin:send "x"
      assert.equal("x", child.stdout:read(1))
      assert.is_true(child:kill "STOP")
      local path = ("/proc/%d/stat"):format(child.pid)
      repeat local state = kio.fs.read_file(path):match "%) (%u)" until state == "T"
      assert.equal("ETIMEDOUT", select(3, child:wait { timeout = 0 }))
      assert.is_true(child:kill "CONT")
      child.stdin:send "y"
      assert.equal("y", child.stdout:read(1))
      assert.is_true(child:kill "TERM")
      assert.same({ signal = "TERM" }, child:wait())
    end)
  end)

  it("takes its arguments and variables byte for byte", function()
    support.run(function()
      local odd = { "", " ", "a b", "new\nline", "-n", "*", "$HOME", "`id`", "'", "\"", "\\",
        "\255" }
      local script = "for x in \"$@\"; do printf '%s|' \"$x\"; done; printf %s \"$ODD\""
      local list = { "sh", "-c", script, "sh" }
      for _, word in ipairs(odd) do list[#list + 1] = word end
      list[#list + 1], list.env = 12, { ODD = "a=b\n\254" }
      assert.equal(table.concat(odd, "|") .. "|12|a=b\n\254", run(list).stdout)
    end)
  end)

  it("tells every exit code, and is not mistaken for a signal", function()
    support.run(function()
      for _, code in ipairs { 0, 1, 2, 126, 127, 128, 129, 130, 137, 143, 255 } do
        assert.same({ stdout = "", stderr = "", code = code }, run(shell("exit " .. code)))
      end
      assert.equal("KILL", run(shell "kill -KILL $$").signal)
      assert.equal("PIPE", run(shell "kill -PIPE $$").signal)
    end)
  end)

  it("that cannot be started is told at once, and leaves nothing behind", function()
    local script = support.tmpdir() .. "/script"
    support.run(function()
      assert(kio.fs.write_file(script, "echo without a first line\n", { mode = "755" }))
      local function fails(code, pattern, options)
        local child, message, errname = spawn(options)
        assert.is_nil(child)
        assert.equal(code, errname)
        assert.matches(pattern, message)
        assert.equal(code, select(3, run(options)))
      end
      fails("ENOENT", "spawn no%-such%-program: ", { "no-such-program", stdout = "pipe" })
      fails("EACCES", "spawn /tmp: ", { "/tmp", stdout = "pipe" })
      fails("ENOEXEC", "exec format error", { script, stderr = "pipe" })
      fails("ENOENT", "in /no/such/folder: ", { "true", cwd = "/no/such/folder" })
      fails("E2BIG", "argument list too long", { "true", ("x"):rep(4 << 20) })
      fails("EBADF", "bad file descriptor", { "true", stdin = 999 })
    end)
    assert.equal("", common.children())
  end)

  it("is started as soon as nobody writes to its file any more", function()
    local script = support.tmpdir() .. "/script"
    support.run(function()
      assert(kio.fs.write_file(script, "#!/bin/sh\nexit 3\n", { mode = "755" }))
      local writing = assert(io.open(script, "r+"))
      kio.spawn(function() writing:close() end) -- runs when this task waits, and not before
      local child <close> = assert(spawn { script })
      assert.same({ code = 3 }, child:wait())
    end)
  end)

  it("is not started while somebody writes to its file", function()
    local script = support.tmpdir() .. "/script"
    local writing <close> = assert(io.open(script, "w"))
    assert(os.execute("chmod 755 " .. script))
    assert.equal("ETXTBSY", select(3, spawn { script })) -- outside of a task: at once
    support.run(function()
      local turns, ended = 0, false
      kio.spawn(function() repeat turns = turns + 1; kio.sleep(0.001) until ended end)
      assert.equal("ETXTBSY", select(3, run { script }))
      ended = true
      assert.is_true(turns > 1) -- others went on
      local cancelled = kio.spawn(function()
        assert.is_false(pcall(kio.sleep, 60))
        return spawn { script }
      end)
      repeat kio.yield() until cancelled:status() == "waiting"
      cancelled:cancel()
      assert.equal("ETXTBSY", select(3, cancelled:await()))
    end)
    assert.is_truthy(writing)
  end)

  it("that was written through a kernel thread of ours runs at once", function()
    local script = support.tmpdir() .. "/script"
    support.run(function()
      for _ = 1, 200 do
        assert(kio.fs.write_file(script, "#!/bin/sh\n", { mode = "755" }))
        local child <close> = assert(spawn { script })
        assert.same({ code = 0 }, child:wait())
        assert(kio.fs.remove(script))
      end
    end, { sqpoll = 0.01 })
  end)

  it("holds no port, file or pipe of this one open", function()
    support.run(function()
      local listener = assert(kio.net.listen "127.0.0.1:0")
      local address = listener:address()
      local plain <close> = assert(io.open "/dev/null") -- which Lua does not close on exec
      local r, w = assert(kio.pipe())
      local child <close> = assert(spawn { "cat", stdin = "pipe", stdout = "pipe" })
      listener:close()
      local again <close> = assert(kio.net.listen(address))
      kio.close(w)
      assert.is_nil(kio.read(r, 1)) -- the end: nobody else has the other one
      kio.close(r)
      child.stdin:send "x" -- while it is loaded, its libraries are open
      assert.equal("x", child.stdout:read(1))
      local list = assert(kio.fs.readdir(("/proc/%d/fd"):format(child.pid)))
      assert.equal(3, #list)
      assert.is_truthy(again and plain)
    end)
  end)

  it("and others that are started otherwise do not take each other's ends", function()
    support.run(function()
      local child <close> = assert(spawn(shell "exit 3"))
      local pipe = io.popen "exit 4"
      assert.same({ nil, "exit", 4 }, { pipe:close() })
      assert.equal(5, select(3, os.execute "exit 5"))
      assert.same({ code = 3 }, child:wait())
    end)
  end)

  it("is told to who waits for CHLD as well", function()
    support.run(function()
      local watching = kio.spawn(kio.signal.wait, "CHLD")
      repeat kio.yield() until watching:status() == "waiting"
      local children = {}
      for i = 1, 20 do children[i] = assert(spawn(shell("exit " .. i))) end
      for i = 1, 20 do assert.same({ code = i }, children[i]:wait()) end
      assert.equal("CHLD", watching:await())
      for i = 1, 20 do children[i]:close() end
    end)
  end)
end)

describe("a crowd of processes", function()
  it("is reaped to the last one, each with its own output and end", function()
    local count = support.flavour == "test" and 300 or 60
    support.run(function()
      local numbers = {}
      for i = 1, count do numbers[i] = i end
      local results = kio.map(numbers, function(i)
        return assert(run(shell(("echo %d; exit %d"):format(i, i % 256))))
      end, { limit = 40 })
      for i = 1, count do
        assert.same({ stdout = i .. "\n", stderr = "", code = i % 256 }, results[i])
      end
    end)
    assert.equal("", common.children())
  end)
end)

describe("run", function()
  it("with linger does not wait for the children of its program", function()
    support.run(function()
      local stop, let_go = assert(kio.pipe())
      local script = "cat <&3 & echo started; echo oops >&2; exit 4"
      local function go(options)
        options.stdin = options.stdin or stop
        return run(shell("exec 3<&0; " .. script, options))
      end
      for _, seconds in ipairs { 0, 0.05 } do
        assert.same({ stdout = "started\n", stderr = "oops\n", code = 4 }, go { linger = seconds })
      end
      assert.equal("ETIMEDOUT", select(3, go { timeout = 0.2 }))
      local long = ("0123456789"):rep(20000)
      script = "cat <&3 & printf %s " .. ("0123456789"):rep(2000)
        .. "; for i in 1 2 3 4 5 6 7 8 9; do printf %s " .. ("0123456789"):rep(2000) .. "; done"
      assert.equal(long, go({ linger = 2 }).stdout)
      script = "cat <&3 2>/dev/null & exit 0" -- holds one of them
      assert.equal(0, go({ linger = 0, stdin = ("x"):rep(1 << 20) }).code)
      kio.close(let_go)
      kio.close(stop)
    end)
  end)

  it("with linger waits for who still writes", function()
    support.run(function()
      assert.same({ stdout = "early\nlate\n", stderr = "", code = 0 },
        run(shell("(sleep 0.05; echo late) & echo early", { linger = 30 })))
    end)
  end)
end)
