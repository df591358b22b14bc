-- Kernels and security policies without some system calls, imitated by a filter: everything works
-- all the same, or says what it lacks.
-- No program starts below ThreadSanitizer:
-- flavours: asan
-- timeout: 120
local child = require "spec.run.check.child"

-- What a program says behind the filter; it must end well.
local function behind(err, call, source, backend)
  local prefix = ("%s %s %s"):format(child.launcher(), err, call)
  local output, how, status = child.run(prefix, source, backend)
  if status == 77 then return pending("not possible here: " .. output) end
  assert.same({ "exit", 0 }, { how, status }, output)
  return output
end

local function program(name) return ("dofile 'spec/kernels/%s.lua'"):format(name) end

describe("a kernel of 4.18, imitated,", function()
  local function on_4_18(source) return behind("ENOSYS", "linux-4.18", source, "auto") end

  it("has every operation, on epoll", function()
    assert.matches("^smoke: %d+ operations on epoll\n$", on_4_18(program "smoke"))
  end)

  it("serves", function()
    assert.matches("^server: %d+ clients on epoll\n$", on_4_18(program "server"))
  end)

  -- But for one test: who waits for a child lets its own descriptor go a moment after it has told.
  local SPEC = [[
    arg = { [0] = "busted", "--ignore-lua", "--output=TAP", "--filter-out=let go of then", %q }
    dofile "spec/runner/busted.lua"
  ]]

  for _, name in ipairs { "closed", "limits", "spawn", "standard", "words" } do
    local path = ("spec/process/%s_spec.lua"):format(name)
    it("starts programs as " .. path .. " has it", function()
      local own_paths = "linux-4.18 env -u LUA_PATH -u LUA_CPATH"
      local report = behind("ENOSYS", own_paths, SPEC:format(path), "epoll")
      assert.not_matches("not ok", report)
      assert.matches("\nok 2 ", report)
    end)
  end

  it("says why a program cannot be detached", function()
    local said = on_4_18 [[
      print(require("kio").process.spawn { "true", detached = true })
    ]]
    assert.equal("nil\tspawn true: a detached program needs pidfds, which came with Linux 5.4: "
      .. "function not implemented\tENOSYS\n", said)
  end)

  it("tells that there is no thread to wait for a program, and leaves none of both", function()
    local said = on_4_18 [[
      local kio, core = require "kio", require "kio.core"
      core.fail_thread(1)
      print(kio.process.spawn { "sleep", "60" })
      local children <close> = io.open "/proc/thread-self/children"
      print(#children:read "a", core.world().blocks)
    ]]
    assert.equal("nil\tspawn sleep: a new process: resource temporarily unavailable\tEAGAIN\n"
      .. "0\t0\n", said)
  end)

  it("reaps a program that nobody wants any more", function()
    local said = on_4_18 [[
      local kio = require "kio"
      local function children()
        local file <close> = io.open "/proc/thread-self/children"
        return file:read "a"
      end
      kio.run(function()
        do assert(kio.process.spawn { "sleep", "60" }) end
        assert(children() ~= "")
        collectgarbage()
        collectgarbage()
        repeat kio.sleep(0.001) until children() == ""
        local out = kio.process.spawn { "sleep", "60" }
        assert(out:close() and children() == "")
      end)
      print "reaped"
    ]]
    assert.equal("reaped\n", said)
  end)
end)

describe("io_uring, imitated,", function()
  -- What they refuse, and a kernel or a policy that does so.
  local LACKING = {
    { "EINVAL", "pidfd" }, -- Linux before 5.4
    { "EINVAL", "openat2" }, -- before 5.12: RESOLVE_CACHED
    { "EPERM", "openat2" }, -- a policy that does not know it
    { "ENOSYS", "close_range" }, -- before 5.9
    { "EPERM", "close_range" },
    { "EINVAL", "io_uring_register" }, -- nothing can be asked for: all that is new is missing
  }

  for _, lacking in ipairs(LACKING) do
    local err, call = table.unpack(lacking)
    it(("where %s answers %s, has every operation"):format(call, err), function()
      local said = behind(err, call, program "smoke", "uring")
      assert.matches("^smoke: %d+ operations on uring\n$", said)
    end)
  end
end)

describe("epoll, where epoll_pwait2 is refused by a policy that does not know it,", function()
  it("sleeps", function()
    local said = behind("EPERM", "epoll_pwait2", [=[
      local kio = require "kio"
      print(kio.run(function()
        kio.sleep(0.1)
        return kio.stats().enters < 20
      end))
    ]=], "epoll")
    assert.equal("true\n", said)
  end)
end)
