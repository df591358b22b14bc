---Why io_uring is refused, and what to do about it: sysctl, seccomp, memlock and an old kernel look
---alike by errno, so the facts of the machine decide. What each errno may mean: io_uring_setup(2),
---and docs/rationale.md.
local _ENV = require "kio.core".globals

local LINUX_FIRST = 5010 -- ring/uring.c opens none before
local LINUX_UNCHARGED, LINUX_CHARGED = 5012, 6014 -- from the first on, rings were free of memlock

-- The first whose io_uring has all that kio needs.
local NEWER = "run on Linux 5.10 or newer; kio runs on epoll until then"

local PROFILE = "add io_uring_setup, io_uring_enter and io_uring_register to what its seccomp "
  .. "profile allows (docs/install.md has a minimal profile)"

local EPOLL_PROFILE = "ask who starts this process to allow epoll_create1, epoll_ctl, epoll_wait "
  .. "and epoll_pwait2 in its seccomp profile, or to allow io_uring"

local refusal = {}

local text = string.format

-- 6001 is Linux 6.1; nil: unknown.
local function version(facts)
  local major, minor = string.match(facts.kernel, "^(%d+)%.(%d+)")
  return major and tonumber(major) * 1000 + tonumber(minor)
end

local function older(facts, than)
  local it = version(facts)
  return it and it < than
end

---The memory that such a ring takes, in bytes: what RLIMIT_MEMLOCK is charged.
function refusal.ring_size(facts)
  local PAGE, SQE, CQE, INDEX, HEAD = 4096, 64, 16, 4, 320
  local entries, cq_entries = facts.entries, facts.cq_entries
  if cq_entries < entries then cq_entries = entries * 2 end
  local queue = HEAD + cq_entries * CQE + entries * INDEX
  return (entries * SQE + PAGE - 1) // PAGE * PAGE + (queue + PAGE - 1) // PAGE * PAGE
end

---Whether this kernel charges rings to RLIMIT_MEMLOCK, and this process is not exempt.
function refusal.charged(facts)
  local free = older(facts, LINUX_CHARGED) and not older(facts, LINUX_UNCHARGED)
  return not free and not facts.rights.memlock_exempt and facts.memlock.soft ~= math.huge
end

---A limit in words, in units of so many bytes.
function refusal.limit(value, unit, name)
  return value == math.huge and "unlimited" or text("%d%s", value // unit, name)
end

-- ---- one function for each errno: the cause, a sentence without its full stop, and the cure ----

local function filtered(facts) return facts.seccomp == 2 end

local function filter(facts)
  local where = facts.container and "; it seems to run in " .. facts.container or ""
  local who = facts.container and "run the container with a profile of yours: "
    or "ask who starts this process to "
  return text("the seccomp filter of this process answers %s to io_uring%s", facts.code, where),
    who .. PROFILE
end

local function not_there(facts)
  if older(facts, LINUX_FIRST) then
    return text("this kernel, Linux %s, is older than 5.10 and has no io_uring that kio can use",
      facts.kernel), NEWER
  end
  if filtered(facts) then return filter(facts) end
  return text("this kernel, Linux %s, was built without io_uring (CONFIG_IO_URING), or a sandbox "
    .. "that stands in for a kernel (gVisor) lacks it", facts.kernel),
    "run on a kernel with io_uring, 5.10 or newer, outside of such a sandbox"
end

local function nobody()
  return "sysctl kernel.io_uring_disabled is 2: nobody on this machine may use io_uring, not even "
    .. "root", "as root on the host: sysctl -w kernel.io_uring_disabled=0"
end

local function not_these(facts)
  return text("sysctl kernel.io_uring_disabled is 1 and this process has neither CAP_SYS_ADMIN nor "
    .. "the group of sysctl kernel.io_uring_group (%d)", facts.io_uring_group or -1),
    text("as root on the host: sysctl -w kernel.io_uring_group=%s (a group of this process), or "
      .. "sysctl -w kernel.io_uring_disabled=0", facts.rights.group)
end

-- The sysctl is asked before seccomp: when both refuse, it is what must be changed first.
local function not_allowed(facts)
  local disabled, rights = facts.io_uring_disabled, facts.rights
  if facts.code == "EPERM" then
    if disabled == 2 then return nobody() end
    if disabled == 1 and not rights.admin and not rights.in_group then return not_these(facts) end
  end
  if filtered(facts) then return filter(facts) end
  return text("neither sysctl kernel.io_uring_disabled (%d) nor seccomp refuses io_uring here, so "
    .. "a security module (SELinux, AppArmor) or a sandbox does", disabled or -1),
    "look for the denial in the kernel's log (dmesg, the audit log) and allow io_uring there"
end

local function no_memory(facts)
  local size = refusal.ring_size(facts) // 1024
  if not refusal.charged(facts) then
    return text("no memory for a ring of %d entries (%d KiB): the machine, its control group or "
      .. "this process's address space (ulimit -v) has none left; locked memory is not what is "
      .. "short", facts.entries, size), "free memory, or raise that limit"
  end
  return text("the locked memory of this user is used up: RLIMIT_MEMLOCK is %s (hard limit %s) for "
    .. "all its processes together, and a ring of %d entries takes %d KiB",
    refusal.limit(facts.memlock.soft, 1024, " KiB"),
    refusal.limit(facts.memlock.hard, 1024, " KiB"), facts.entries, size),
    "raise it (ulimit -l, LimitMEMLOCK= in a systemd unit, --ulimit memlock=-1 for a container), "
      .. "or run with fewer `entries` and `cq_entries`"
end

local function no_descriptor(facts)
  return text("this process has as many open descriptors as it may: RLIMIT_NOFILE is %s (hard "
    .. "limit %s)", refusal.limit(facts.nofile.soft, 1, ""),
    refusal.limit(facts.nofile.hard, 1, "")),
    "close some, or raise it (ulimit -n, LimitNOFILE= in a systemd unit, --ulimit nofile=N for a "
      .. "container)"
end

local function no_file()
  return "the whole machine has as many open files as it may (sysctl fs.file-max)",
    "as root on the host: raise fs.file-max, or end what holds them"
end

local function not_understood(facts)
  return text("this kernel, Linux %s, accepts none of the setups kio knows with entries=%d "
    .. "cq_entries=%d%s", facts.kernel, facts.entries, facts.cq_entries, facts.extra),
    "run without options of the ring, or on a newer Linux"
end

local verdicts = {
  ENOSYS = not_there, EPERM = not_allowed, EACCES = not_allowed, ENOMEM = no_memory,
  EMFILE = no_descriptor, ENFILE = no_file, EINVAL = not_understood,
}

---What it means that an epoll ring is refused with `facts.code`: the cause, and the cure.
function refusal.explain_epoll(facts)
  local code = facts.code
  if code == "EMFILE" or code == "ENFILE" then return verdicts[code](facts) end
  if code == "ENOMEM" then
    return "no memory for a ring: the machine, its control group or this process's address space "
      .. "(ulimit -v) has none left", "free memory, or raise that limit"
  end
  if filtered(facts) then
    return text("the seccomp filter of this process answers %s to epoll", code), EPOLL_PROFILE
  end
  return "the kernel refuses a ring: " .. facts.reason, "see epoll_create1(2)"
end

---What a refusal with `facts.code` means on that machine: the cause, and the cure.
function refusal.explain(facts)
  local verdict = verdicts[facts.code]
  if verdict then return verdict(facts) end
  return "the kernel refuses a ring: " .. facts.reason, "see io_uring_setup(2)"
end

return refusal
