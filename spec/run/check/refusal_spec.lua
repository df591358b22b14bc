-- Refusals of io_uring as they happen to people, each in a process of its own: kio.run raises what
-- kio.check tells, the cause, the cure and the errno's name among it. Never a crash, nor a program
-- that does nothing and says nothing.
-- One thread only, and prlimit does not run under ThreadSanitizer:
-- flavours: test asan hostile
-- timeout: 120
local child = require "spec.run.check.child"

local function launcher(err, call) return ("%s %s %s"):format(child.launcher(), err, call) end

-- Asks behind the prefix; a prefix that this machine does not allow skips the test.
local function ask(prefix, how)
  local found, reason = child.ask(prefix, how)
  if not found then return pending("not possible here: " .. reason) end
  return found
end

local function assert_refused(found, code, cause, cure)
  assert.is_false(found.ran)
  assert.equal("kio.run: no io_uring here\n" .. found.report, found.inside)
  assert.is_false(found.tested)
  assert.truthy(found.test_text:find(found.inside, 1, true), found.test_text)
  assert.is_false(found.runtime)
  assert.matches("^kio%.runtime start: ", found.message)
  assert.equal(code, found.runtime_code)
  assert.truthy(found.report:find(code, 1, true), found.report)
  assert.is_false(found.usable)
  assert.equal(code, found.code)
  assert.matches(cause, found.cause)
  assert.matches(cure, found.cure)
  assert.is_nil(found.granted)
  assert.truthy(found.report:find(found.cause, 1, true), found.report)
  assert.truthy(found.report:find(found.cure, 1, true), found.report)
end

-- Where the sysctl forbids it too, that is the cause to name first.
local function sysctl_value()
  local file <close> = io.open("/proc/sys/kernel/io_uring_disabled")
  return file and file:read("n") or 0
end

describe("io_uring refused", function()
  it("by a seccomp filter that answers EPERM", function()
    if sysctl_value() ~= 0 then return pending("sysctl kernel.io_uring_disabled is not 0 here") end
    local found = ask(launcher("EPERM", "io_uring_setup"))
    assert_refused(found, "EPERM", "seccomp filter of this process answers EPERM", "profile")
    assert.matches("worker 1: no io_uring here %(EPERM%): the seccomp filter", found.message)
  end)

  it("ends a program that does not look, with a failure and the line of its kio.run", function()
    local output, how, status = child.run(launcher("EPERM", "io_uring_setup"),
      'local kio = require "kio"\nkio.run(print)\nprint "went on"')
    if status == 77 then return pending("not possible here: " .. output) end
    assert.same({ "exit", 1 }, { how, status })
    assert.matches("%(command line%):2: kio%.run: no io_uring here\nio_uring  refused: EPERM",
      output)
    assert.not_matches("went on", output)
  end)

  it("by a seccomp filter that answers ENOSYS", function()
    local found = ask(launcher("ENOSYS", "io_uring_setup"))
    assert_refused(found, "ENOSYS", "seccomp filter of this process answers ENOSYS", "profile")
  end)

  it("by a filter that lets the setup pass and refuses the enter", function()
    local found = ask(launcher("EPERM", "io_uring_enter"))
    assert_refused(found, "EPERM", "seccomp filter", "io_uring_enter")
  end)

  it("for want of descriptors", function()
    local found = ask("prlimit --nofile=32:64", { prepare = [[
      HELD = {}
      while true do
        local file = io.open("/dev/null")
        if not file then break end
        HELD[#HELD + 1] = file
      end
    ]] })
    assert_refused(found, "EMFILE", "RLIMIT_NOFILE is 32 %(hard limit 64%)", "ulimit %-n")
  end)
end)

-- A user of our own, so that nobody else's rings are charged to the same account.
local function ask_as_user(memlock, how)
  local uid = 30000 + math.random(30000)
  local change = ("setpriv --reuid=%d --regid=%d --clear-groups"):format(uid, uid)
  if not os.execute(change .. ' test -r "$PWD/lua/kio/init.lua" 2>/dev/null') then
    return pending("needs root to become another user, and a folder that user may read")
  end
  local found = ask(("prlimit --memlock=%s %s"):format(memlock, change), how)
  return found.charged and found or pending("this kernel charges no ring to RLIMIT_MEMLOCK")
end

describe("locked memory", function()
  it("that suffices for no ring is named with its numbers", function()
    local found = ask_as_user("4096:8192")
    assert_refused(found, "ENOMEM", "RLIMIT_MEMLOCK is 4 KiB %(hard limit 8 KiB%)", "ulimit %-l")
  end)

  it("that suffices for a smaller ring gives that", function()
    local found = ask_as_user("65536", { options = "{ entries = 256, cq_entries = 4096 }" })
    assert.is_true(found.ran)
    assert.matches("^sq=%d+", found.inside)
    assert.is_true(tonumber(found.inside:match("sq=(%d+)")) < 256, found.inside)
  end)
end)

describe("io_uring_register refused", function()
  it("costs some speed and nothing else", function()
    local found = ask(launcher("EPERM", "io_uring_register"))
    assert.is_true(found.ran)
    assert.matches("^sq=", found.inside)
    assert.is_true(found.usable)
  end)
end)
