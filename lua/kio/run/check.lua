---kio.check, and the words kio.run fails with when io_uring is refused.
local _ENV = require "kio.core".globals
local check = require "kio.check"
local machine = require "kio.run.machine"
local own = require "kio.core".own
local options = require "kio.run.options"
local refusal = require "kio.run.refusal"

local SECCOMP = { [0] = "none", "strict", "a filter" }

local function fact(value)
  if type(value) == "boolean" then return value and "1" or "0" end
  return value and tostring(value) or "-"
end

local function ring(facts)
  if not facts.code then return "io_uring  usable: " .. facts.granted end
  return string.format("io_uring  refused: %s\ncause     %s\ncure      %s", facts.code,
    refusal.explain(facts))
end

-- What may refuse io_uring.
local function policy(facts)
  return string.format("policy    sysctl io_uring_disabled %s, io_uring_group %s; seccomp %s; "
    .. "no_new_privs %s", fact(facts.io_uring_disabled), fact(facts.io_uring_group),
    SECCOMP[facts.seccomp] or "-", fact(facts.no_new_privs))
end

local function limits(facts)
  return string.format("limits    locked memory %s, hard limit %s (a ring takes %d KiB, %s); "
    .. "descriptors %s, hard limit %s",
    refusal.limit(facts.memlock.soft, 1024, " KiB"),
    refusal.limit(facts.memlock.hard, 1024, " KiB"),
    refusal.ring_size(facts) // 1024,
    refusal.charged(facts) and "charged to it" or "not charged here",
    refusal.limit(facts.nofile.soft, 1, ""), refusal.limit(facts.nofile.hard, 1, ""))
end

local function report(facts)
  return table.concat({
    ring(facts),
    string.format("backend   %s", facts.backend or "KIO_BACKEND names none of this build"),
    string.format("kernel    Linux %s, built with %s", facts.kernel, facts.liburing),
    policy(facts),
    limits(facts),
    string.format("machine   %d processors, container: %s", facts.cpus,
      facts.container or "none seen"),
  }, "\n")
end

-- The run was to have epoll. Whether it could have io_uring is told, too.
local function no_epoll(facts, whole)
  local cause, cure = refusal.explain_epoll(facts)
  if not whole then return string.format("no epoll here (%s): %s; %s", facts.code, cause, cure) end
  local uring = machine.look(own.try_ring())
  uring.backend = facts.backend
  return string.format("no epoll here\nepoll     refused: %s\ncause     %s\ncure      %s\n%s",
    facts.code, cause, cure, report(uring))
end

-- For kio.run, which fails with them.
own.refusal_words(function(facts, whole)
  machine.look(facts)
  if facts.backend == "epoll" then return no_epoll(facts, whole) end
  if whole then return "no io_uring here\n" .. report(facts) end
  return string.format("no io_uring here (%s): %s; %s", facts.code, refusal.explain(facts))
end)

---@class kio.Checks
local checks = {}

---What this machine grants, and when io_uring is refused the cause and the cure. Opens a ring for
---that, unless it is called in a run, which is described then. Never raises; may block for 0.3 s
---when memory is short.
---@return kio.Check
function checks.check(...)
  check.no_more(0, "check", ...)
  local found = machine.look(own.try_ring())
  found.backend = own.ring_here() or options.usual_ring()
  found.usable = found.code == nil
  if found.code then found.cause, found.cure = refusal.explain(found) end
  found.ring_size, found.memlock_charged = refusal.ring_size(found), refusal.charged(found)
  found.text = report(found)
  found.rights, found.reason, found.extra = nil, nil, nil
  return found
end

return checks
