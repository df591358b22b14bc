-- The verdicts about machines this one is not: each errno with the facts that tell its causes
-- apart. What this machine says is the business of check_spec.lua.
-- No ring is opened:
-- flavours: test
local machine = require "kio.run.machine"
local own = require "kio.core".own
local refusal = require "kio.run.refusal"

-- A machine without any obstacle, but for these facts.
local function healthy(facts)
  facts.kernel = facts.kernel or "6.18.0-test"
  facts.rights = facts.rights or {}
  facts.memlock = facts.memlock or { soft = 8 << 20, hard = 16 << 20 }
  facts.nofile = { soft = 1024, hard = 4096 }
  facts.entries, facts.cq_entries, facts.extra = 256, 4096, ""
  return facts
end

-- The verdict must contain each of the words, in its cause or its cure, and none of `never`.
local function expect(facts, cause, cure, never)
  local found, remedy = refusal.explain(healthy(facts))
  local both = "cause: " .. found .. "; cure: " .. remedy
  assert.is_truthy(found:find(cause, 1, true), both)
  assert.is_truthy(remedy:find(cure, 1, true), both)
  assert.is_nil(never and both:find(never, 1, true), both)
end

describe("why there is no ring", function()
  it("when the kernel has none", function()
    expect({ code = "ENOSYS" }, "built without io_uring", "5.10 or newer", "seccomp")
    expect({ code = "ENOSYS", seccomp = 2 }, "seccomp filter of this process answers ENOSYS",
      "io_uring_enter", "built")
    expect({ code = "ENOSYS", seccomp = 2, kernel = "4.19.0" },
      "Linux 4.19.0, is older than 5.10", "5.10 or newer", "seccomp")
  end)

  it("when it is forbidden", function()
    expect({ code = "EPERM" }, "security module", "dmesg", "seccomp filter")
    expect({ code = "EACCES" }, "security module", "dmesg", "seccomp filter")
    expect({ code = "EPERM", seccomp = 2 }, "seccomp filter of this process answers EPERM",
      "io_uring_setup", "sysctl -w")
    expect({ code = "EACCES", seccomp = 2 }, "seccomp filter of this process answers EACCES",
      "profile", "sysctl -w")
    expect({ code = "EPERM", seccomp = 2, container = "docker" }, "run in docker",
      "docs/install.md", "sysctl -w")
  end)

  it("when a sysctl forbids it", function()
    local function asked(disabled, rights)
      return { code = "EPERM", seccomp = 2, container = "docker", io_uring_disabled = disabled,
        rights = rights }
    end
    expect(asked(2), "io_uring_disabled is 2", "io_uring_disabled=0", "seccomp")
    expect(asked(1, { group = "7" }), "io_uring_disabled is 1", "io_uring_group=7", "seccomp")
    expect(asked(1, { in_group = true }), "seccomp filter", "profile", "sysctl -w")
    expect(asked(1, { admin = true }), "seccomp filter", "profile", "sysctl -w")
  end)

  it("when something is used up", function()
    expect({ code = "ENOMEM" }, "RLIMIT_MEMLOCK is 8192 KiB (hard limit 16384 KiB)", "memlock=-1")
    expect({ code = "ENOMEM" }, "a ring of 256 entries takes 84 KiB", "fewer")
    expect({ code = "EMFILE" }, "RLIMIT_NOFILE is 1024 (hard limit 4096)", "ulimit -n")
    expect({ code = "ENFILE" }, "fs.file-max", "fs.file-max")
  end)

  it("when memory is short, and none that is locked", function()
    local function expect_other(facts)
      facts.code = "ENOMEM"
      expect(facts, "locked memory is not what is short", "free memory", "RLIMIT")
    end
    expect_other { kernel = "6.1.0" } -- rings were not charged then
    expect_other { rights = { memlock_exempt = true } }
    expect_other { memlock = { soft = math.huge, hard = math.huge } }
  end)

  it("when the kernel does not understand", function()
    expect({ code = "EINVAL" }, "accepts none of the setups", "without options")
    expect({ code = "EIO", reason = "Input/output error" }, "Input/output error",
      "io_uring_setup(2)")
  end)
end)

describe("the facts of this machine", function()
  it("are found", function()
    local facts = machine.look(own.try_ring())
    assert.matches("^[3-9]%.%d+", facts.kernel)
    assert.is_true(facts.cpus > 0)
    assert.is_number(facts.seccomp)
    assert.matches("^%d+$", facts.rights.group)
  end)
end)

describe("without its Lua half", function()
  it("kio.run still tells by which errno a ring is refused", function()
    local child = require "spec.run.check.child"
    local output, how, status = child.run(child.launcher() .. " EPERM io_uring_setup",
      'print(pcall(require "kio.core".own.run, print, {}))')
    if status == 77 then return pending("not possible here: " .. output) end
    assert.same({ "exit", 0 }, { how, status })
    assert.equal("false\tkio.run: no ring here (uring: EPERM)\n", output)
  end)
end)
