-- kio.check where io_uring works: it must say so, and say it of this machine.
local kio = require "kio"

local function read(path)
  local file <close> = io.open(path)
  return file and file:read("a")
end

local function field(name)
  return tonumber(read("/proc/self/status"):match("\n" .. name .. ":%s*(%d+)"))
end

-- How many processors there are in a list like "0-3,8".
local function allowed_cpus()
  local count = 0
  local list = read("/proc/self/status"):match("\nCpus_allowed_list:%s*(%S+)")
  for first, last in list:gmatch("(%d+)%-?(%d*)") do
    count = count + (tonumber(last) or tonumber(first)) - tonumber(first) + 1
  end
  return count
end

describe("kio.check", function()
  it("says that io_uring is usable, and what it grants", function()
    local found = kio.check()
    assert.is_true(found.usable)
    assert.is_nil(found.code)
    assert.is_nil(found.cause)
    assert.is_nil(found.cure)
    assert.equal(require("spec.support").backend, found.backend)
    assert.matches("^liburing %d+%.%d+$", found.liburing)
    assert.matches("^sq=%d+ cq=%d+", found.granted)
  end)

  it("repeats the facts of the system", function()
    local found = kio.check()
    assert.equal(read("/proc/sys/kernel/osrelease"):match("%S+"), found.kernel)
    local disabled = read("/proc/sys/kernel/io_uring_disabled")
    assert.equal(disabled and tonumber(disabled), found.io_uring_disabled)
    assert.equal(field("Seccomp"), found.seccomp)
    assert.equal(field("NoNewPrivs") ~= 0, found.no_new_privs)
    local soft, hard = read("/proc/self/limits"):match("Max open files%s+(%S+)%s+(%S+)")
    assert.equal(tonumber(soft) or math.huge, found.nofile.soft)
    assert.equal(tonumber(hard) or math.huge, found.nofile.hard)
    soft, hard = read("/proc/self/limits"):match("Max locked memory%s+(%S+)%s+(%S+)")
    assert.equal(tonumber(soft) or math.huge, found.memlock.soft)
    assert.equal(tonumber(hard) or math.huge, found.memlock.hard)
    assert.equal(allowed_cpus(), found.cpus)
    assert.is_true(found.ring_size > 0 and found.entries > 0 and found.cq_entries > 0)
    assert.is_boolean(found.memlock_charged)
  end)

  it("puts it all into a text", function()
    local found = kio.check()
    local words = { "usable: sq=", found.kernel, found.liburing, "seccomp", "io_uring_disabled",
      "locked memory", "descriptors", "processors" }
    for _, word in ipairs(words) do
      assert.truthy(found.text:find(word, 1, true), word .. " is not in:\n" .. found.text)
    end
  end)

  it("describes the run's own ring within a run", function()
    local inside = kio.run(function() return kio.check() end, { entries = 8, cq_entries = 32 })
    assert.is_true(inside.usable)
    assert.matches("^sq=8 cq=32", inside.granted)
  end)

  it("tells of SQPOLL when it was asked for", function()
    local granted, text = kio.run(function() return kio.check().granted end, { sqpoll = 0.01 })
    assert.matches("SQPOLL", granted or text)
  end)
end)
