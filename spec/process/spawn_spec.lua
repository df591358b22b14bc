-- Processes: how they are started, spoken to, waited for and ended.
-- timeout: 120
local core = require "kio.core"
local kio = require "kio"
local support = require "spec.support"
local common = require "spec.process.common"

local spawn = common.spawn
local hostile = support.flavour == "hostile"

-- Nothing may be left of any process when the run is over.
local function run(f, opts)
  assert.equal("", common.children())
  local results = table.pack(support.run(f, opts))
  assert.equal("", common.children())
  return table.unpack(results, 1, results.n)
end

describe("a process", function()
  it("is spoken to through its pipes", function()
    run(function()
      local cat <close> = assert(spawn { "cat", stdin = "pipe", stdout = "pipe" })
      assert.is_nil(cat.stderr)
      cat.stdin:write("one\n", "two\n")
      assert.equal("one", cat.stdout:read())
      assert.equal("two", cat.stdout:read())
      assert(cat.stdin:shutdown "write")
      assert.is_nil(cat.stdout:read())
      assert.same({ code = 0 }, cat:wait())
    end)
  end)

  it("moves more than pipes hold, both ways at once", function()
    run(function()
      local cat <close> = assert(spawn { "cat", stdin = "pipe", stdout = "pipe" })
      local data = ("0123456789abcdef"):rep(hostile and 10000 or 100000)
      local writing = kio.spawn(function()
        assert(cat.stdin:send(data))
        assert(cat.stdin:close())
      end)
      assert.is_true(cat.stdout:read "a" == data)
      writing:await()
      assert.same({ code = 0 }, cat:wait())
    end)
  end)

  it("tells its exit code, or the signal that ended it, again and again", function()
    run(function()
      local child <close> = assert(spawn { "sh", "-c", "exit 42" })
      assert.same({ code = 42 }, child:wait())
      assert.same({ code = 42 }, child:wait { timeout = 0 })
      local killed <close> = assert(spawn { "sh", "-c", "kill -USR1 $$" })
      assert.same({ signal = "USR1" }, killed:wait())
      assert.same({ signal = "USR1" }, killed:wait())
    end)
  end)

  it("is waited for by several tasks, one of which gives up", function()
    run(function()
      local child <close> = assert(spawn { "cat", stdin = "pipe" })
      local tasks = {}
      for i = 1, 4 do tasks[i] = kio.spawn(child.wait, child) end
      kio.yield()
      tasks[2]:cancel()
      assert.is_true(kio.is_cancelled(select(2, tasks[2]:join())))
      local text = ("wait cat (pid %d): timed out"):format(child.pid)
      assert.same({ nil, text, "ETIMEDOUT" }, { child:wait { timeout = 0.01 } })
      child.stdin:close()
      for _, i in ipairs { 1, 3, 4 } do assert.same({ code = 0 }, tasks[i]:await()) end
    end)
  end)

  it("is waited for once more when a wait has found no memory, and let go of then", function()
    local codes = {}
    for n = 1, 5 do
      run(function()
        local before = #kio.fs.readdir "/proc/self/fd"
        local cat = assert(spawn { "cat", stdin = "pipe" })
        core.fail_memory(n)
        local _, _, code = cat:wait { timeout = 0 }
        core.fail_memory(0)
        codes[code] = true
        cat.stdin:close()
        assert.same({ code = 0 }, cat:wait())
        assert.equal(before, #kio.fs.readdir "/proc/self/fd")
        assert(cat:close())
      end)
    end
    assert.same({ ENOMEM = true, ETIMEDOUT = true }, codes)
  end)

  it("is sent signals, by name and number, until its end has been seen", function()
    run(function()
      for _, signal in ipairs { "HUP", 15, "KILL" } do
        local child <close> = assert(spawn { "sleep", "1000" })
        assert.matches("^kio.Process %(pid %d+, running, sleep%)$", tostring(child))
        assert.is_true(child:kill(signal))
        assert.same({ signal = signal == 15 and "TERM" or signal }, child:wait())
        local _, message, code = child:kill()
        assert.equal("ESRCH", code)
        assert.matches("^kill sleep %(pid %d+%): no such process$", message)
        assert.matches("ended", tostring(child))
      end
    end)
  end)

  it("is killed and reaped by <close>, by close, and by the collector", function()
    run(function()
      local pid
      do
        local child <close> = assert(spawn { "sleep", "1000", stdin = "pipe" })
        pid = child.pid
        assert.equal(tostring(pid), common.children())
      end
      assert.equal("", common.children())
      local child = assert(spawn { "sleep", "1000" })
      assert.is_true(child:close())
      assert.is_true(child:close())
      assert.same({ nil, "ESRCH" }, { child:kill(), select(3, child:kill()) })
      spawn { "sleep", "1000", stdin = "pipe", stdout = "pipe", stderr = "pipe" }
      collectgarbage()
      collectgarbage()
    end)
  end)

  it("is collected after the run in which it was started", function()
    local child
    support.run(function() child = assert(spawn { "sleep", "1000" }) end)
    assert.not_equal("", common.children())
    assert.is_true(child.pid > 0)
    child = nil -- luacheck: ignore
    collectgarbage()
    collectgarbage()
    assert.equal("", common.children())
  end)

  it("is waited for in a later run", function()
    local child
    support.run(function() child = assert(spawn { "sh", "-c", "exit 7" }) end)
    support.run(function() assert.same({ code = 7 }, child:wait()) end)
    assert.equal("", common.children())
  end)

  it("is reaped when its task is cancelled while it closes", function()
    run(function()
      local task = kio.spawn(function()
        local child <close> = assert(spawn { "sleep", "1000", stdin = "pipe" })
        child:wait()
      end)
      kio.yield()
      kio.yield()
      task:cancel()
      task:join()
      assert.equal("", common.children())
    end)
  end)

  it("works on the simulated ring, and beside it many others", function()
    run(function()
      local child <close> = assert(spawn { "cat", stdin = "pipe", stdout = "pipe" })
      child.stdin:send "x\n"
      assert.equal("x", child.stdout:read())
      child.stdin:close()
      assert.same({ code = 0 }, child:wait())
    end, { backend = "sim" })
    run(function()
      local tasks = {}
      for i = 1, 40 do
        tasks[i] = kio.spawn(function()
          local result = assert(common.run { "sh", "-c", "cat; exit " .. i, stdin = tostring(i) })
          assert.same({ stdout = tostring(i), stderr = "", code = i }, result)
        end)
      end
      for i = 1, 40 do tasks[i]:await() end
    end)
  end)
end)

describe("what a process is given", function()
  -- What a shell command prints.
  local function output(options, command)
    local all = { "sh", "-c", command }
    for key, value in pairs(options) do all[key] = value end
    local result = assert(common.run(all))
    assert.equal("", result.stderr or "")
    return result.stdout
  end

  it("is no descriptor but its three", function()
    run(function()
      -- One of the C library, which is not closed by an exec, and plenty of ours.
      local leaking <close> = assert(io.open "/dev/null")
      local listener <close> = assert(kio.net.listen "127.0.0.1:0")
      local from, to = kio.pipe()
      local list = output({ stdin = "inherit" }, "ls /proc/$$/fd")
      assert.equal("0\n1\n2\n", list)
      kio.close(from)
      kio.close(to)
      assert(leaking and listener)
    end)
  end)

  it("is a fresh signal mask, and the default for SIGPIPE", function()
    run(function()
      local _, watch <close> = kio.signal.each("USR1", "TERM")
      local status = assert(common.run { "cat", "/proc/self/status" }).stdout
      assert.equal(0, tonumber(status:match "SigBlk:%s*(%x+)", 16))
      assert.equal(0, tonumber(status:match "SigIgn:%s*(%x+)", 16) & 1 << 12)
      assert(watch)
    end)
  end)

  it("are its arguments, as they are", function()
    run(function()
      local result = assert(common.run { "printf", "<%s>", "a b", "$HOME", "*", "", "\xff\"'" })
      assert.equal("<a b><$HOME><*><><\xff\"'>", result.stdout)
    end)
  end)

  it("are the variables of this program, with some more and some fewer", function()
    run(function()
      local command = 'printf "%s %s %s" "$PATH" $KIO_X ${HOME-gone}'
      assert.equal(os.getenv "PATH" .. " 5 gone",
        output({ env = { KIO_X = 5, HOME = false } }, command))
      local result = kio.process.run { "/usr/bin/env", env = { A = "1=2" }, clear_env = true }
      assert.equal("A=1=2\n", assert(result).stdout)
    end)
  end)

  it("is a folder to start in", function()
    run(function()
      local folder = support.tmpdir()
      assert.equal(folder .. "\n", output({ cwd = folder }, "pwd -P"))
      local missing = ("spawn pwd in %s/no: cwd: no such file or directory"):format(folder)
      assert.same({ nil, missing, "ENOENT" }, { spawn { "pwd", cwd = folder .. "/no" } })
      assert.equal("ENOTDIR", select(3, spawn { "pwd", cwd = "/dev/null" }))
    end)
  end)

  it("are streams, files and descriptors of others", function()
    run(function()
      local path = support.tmpdir() .. "/out"
      local fd = assert(kio.openat(nil, path, kio.const.O_RDWR | kio.const.O_CREAT))
      local near, far = kio.socketpair()
      local stream <close>, peer = assert(kio.stream(near)), assert(kio.stream(far))
      local cat <close> = assert(spawn { "cat", stdin = peer, stdout = fd })
      peer:close()
      stream:send "through a socket"
      stream:shutdown "write"
      assert.same({ code = 0 }, cat:wait())
      assert.equal("through a socket", kio.pread(fd, 100, 0))
      kio.close(fd)
      local first <close> = assert(spawn { "echo", "piped", stdout = "pipe" })
      local second <close> = assert(spawn { "cat", stdin = first.stdout, stdout = "pipe" })
      assert.equal("piped\n", second.stdout:read "a")
      local sink <close> = assert(spawn { "cat", stdin = "pipe", stdout = "pipe" })
      local source <close> =
        assert(spawn { "sh", "-c", "yes | head -n 100000", stdout = sink.stdin })
      sink.stdin:close()
      assert.equal(200000, #sink.stdout:read "a")
      assert.same({ code = 0 }, source:wait())
    end)
  end)

  it("is one pipe for both outputs, or none", function()
    run(function()
      local both <close> = assert(spawn { "sh", "-c", "echo 1; echo 2 >&2; echo 3",
        stdout = "pipe", stderr = "stdout" })
      assert.equal("1\n2\n3\n", both.stdout:read "a")
      local none <close> = assert(spawn { "sh", "-c", "cat; echo x; echo y >&2",
        stdin = "null", stdout = "null", stderr = "null" })
      assert.same({ code = 0 }, none:wait())
      local swapped <close> =
        assert(spawn { "sh", "-c", "echo err >&2", stdout = 2, stderr = "pipe" })
      assert.equal("err\n", swapped.stderr:read "a")
    end)
  end)
end)

describe("kio.process.run", function()
  it("collects what it writes, with text to read", function()
    run(function()
      assert.same({ stdout = "HELLO", stderr = "oops\n", code = 3 }, common.run {
        "sh", "-c", "tr a-z A-Z; echo oops >&2; exit 3", stdin = "hello" })
      assert.same({ stdout = "", stderr = "", code = 0 }, common.run { "cat" })
      assert.same({ stdout = "", stderr = "", code = 0 }, common.run { "cat", stdin = "" })
      assert.same({ stdout = "a\n", code = 0 }, common.run { "echo", "a", stderr = "stdout" })
    end)
  end)

  it("reads both outputs at once, and a text longer than a pipe holds", function()
    run(function()
      local text = ("line of text\n"):rep(hostile and 6000 or 40000)
      local result = assert(common.run { "sh", "-c", "tee /dev/stderr", stdin = text })
      assert.is_true(result.stdout == text and result.stderr == text)
    end)
  end)

  it("does not mind a program that does not read", function()
    run(function()
      assert.equal(0, assert(common.run { "true", stdin = ("x"):rep(300000) }).code)
    end)
  end)

  it("kills what writes too much", function()
    run(function()
      local text = "run yes: stdout: read pipe: more bytes than the limit allows"
      assert.same({ nil, text, "EMSGSIZE" }, { common.run { "yes", max = 10000 } })
      assert.equal("EMSGSIZE", select(3, common.run { "sh", "-c", "yes >&2", max = 1 }))
      assert.equal(2, #assert(common.run { "printf", "ab", max = 2 }).stdout)
    end)
  end)

  it("kills what takes too long", function()
    run(function()
      assert.same({ nil, "run sleep: the timeout has passed", "ETIMEDOUT" },
        { common.run { "sleep", "1000", timeout = 0.02 } })
    end)
  end)

  it("leaves nothing behind wherever it is cancelled", function()
    run(function()
      for turns = 0, 25 do
        local task = kio.spawn(common.run,
          { "sh", "-c", "cat; echo done", stdin = ("x"):rep(5000) })
        for _ = 1, turns do kio.yield() end
        task:cancel()
        task:join()
        assert.equal("", common.children())
      end
    end)
  end)

  it("fails, raises or works whichever memory is out, and leaves nothing behind", function()
    run(function()
      local failures = 0
      for n = 1, 40 do
        kio.core.fail_memory(n)
        local ok, result = pcall(common.run, { "cat", stdin = "text" })
        kio.core.fail_memory(0)
        if not (ok and result) then failures = failures + 1 end
        collectgarbage()
      end
      assert.is_true(failures > 3)
      assert.equal("text", assert(common.run { "cat", stdin = "text" }).stdout)
    end)
  end)
end)

describe("a bad request", function()
  it("names the command that cannot be run", function()
    run(function()
      assert.same({ nil, "spawn kio-no-such-program: no such file or directory", "ENOENT" },
        { spawn { "kio-no-such-program" } })
      assert.same({ nil, "spawn /dev/null: permission denied", "EACCES" },
        { spawn { "/dev/null" } })
      assert.equal("EBADF", select(3, spawn { "true", stdin = 777 }))
      assert.equal("ENOENT", select(3, common.run { "kio-no-such-program", stdin = "x" }))
    end)
  end)

  it("is misuse", function()
    run(function()
      local closed, other = kio.socketpair()
      kio.close(other)
      closed = assert(kio.stream(closed))
      closed:close()
      local function refuses(pattern, options)
        support.expect_error(pattern, kio.process.spawn, options)
        support.expect_error(pattern, kio.process.run, options)
      end
      refuses("a list { command, argument, ... } expected, got nil", nil)
      refuses("no command is named", {})
      refuses("no command is named", { "" })
      refuses("argument 2 must be a string, got boolean", { "echo", true })
      refuses("argument 1 contains a zero byte", { "ec\0ho" })
      refuses("unknown option 'stdio'", { "true", stdio = 1 })
      refuses("unknown option '3'", { "true", [3] = "x" })
      refuses("option 'cwd' must be a string", { "true", cwd = 1 })
      refuses("option 'cwd' contains a zero byte", { "true", cwd = "\0" })
      refuses("option 'env' must be a table", { "true", env = "A=1" })
      refuses("'A=' is no name", { "true", env = { ["A="] = "1" } })
      refuses("'1' is no name", { "true", env = { "A=1" } })
      refuses("variable A must be a string", { "true", env = { A = {} } })
      refuses("variable A contains a zero byte", { "true", env = { A = "\0" } })
      refuses("option 'stdout' must be", { "true", stdout = "stdout" })
      refuses("option 'stdout' must be", { "true", stdout = closed })
      refuses("option 'stderr' must be", { "true", stderr = -1 })
      refuses("option 'stderr' must be", { "true", stderr = {} })
      support.expect_error("option 'stdin' must be", kio.process.spawn, { "true", stdin = "text" })
      support.expect_error("unknown option 'max'", kio.process.spawn, { "true", max = 1 })
      support.expect_error("'max' must be", kio.process.run, { "true", max = 0 })
      support.expect_error("'timeout' must be", kio.process.run, { "true", timeout = -1 })
      local child <close> = assert(spawn { "true" })
      support.expect_error("no such signal", child.kill, child, "SIGTERM")
      support.expect_error("no such signal", child.kill, child, 65)
      support.expect_error("unknown option 'time'", child.wait, child, { time = 1 })
    end)
    local ok, message = pcall(function() return (kio.process.spawn {}) end)
    assert.is_false(ok)
    assert.matches("^spec/process/spawn_spec.lua:%d+: kio.process: no command", message)
  end)

  it("is told outside a task by who waits", function()
    local child = assert(spawn { "true" })
    support.expect_error("outside a task", child.wait, child)
    assert.is_true(child:close())
    assert.equal("", common.children())
  end)
end)
