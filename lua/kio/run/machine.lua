---What this machine says of itself as far as io_uring is concerned: policy, and what may be done.
---Only reads; what cannot be read (no descriptor left, no /proc) stays unknown. Sources: proc(5),
---capabilities(7), user_namespaces(7), Documentation/admin-guide/sysctl/kernel.rst of Linux.
local _ENV = require "kio.core".globals

local SYS_ADMIN, IPC_LOCK = 1 << 21, 1 << 14 -- capabilities

local machine = {}

local function read(path)
  local file <close> = io.open(path)
  return file and file:read("a") or ""
end

local function exists(path)
  local file <close> = io.open(path)
  return file ~= nil
end

local function number(path) return tonumber((string.match(read(path), "^%s*(%-?%d+)"))) end

-- The text after "name:" at the start of a line.
local function field(text, name)
  return string.match("\n" .. text, "\n" .. name .. ":%s*([^\n]*)")
end

-- A capability counts for io_uring only outside of user namespaces: there the map of user ids is
-- the whole range onto itself.
local function in_first_namespace()
  return string.find(read "/proc/self/uid_map", "^%s*0%s+0%s+4294967295%s") ~= nil
end

-- What the policy asks about this process.
local function rights(status, group)
  local caps = in_first_namespace() and tonumber(field(status, "CapEff") or "0", 16) or 0
  local own_group = string.match(field(status, "Gid") or "", "^%d+%s+(%d+)")
  local groups = string.format(" %s %s ", field(status, "Groups") or "", own_group)
  return {
    admin = caps & SYS_ADMIN ~= 0,
    memlock_exempt = caps & IPC_LOCK ~= 0,
    in_group = group ~= nil and string.find(groups, " " .. group .. " ", 1, true) ~= nil,
    group = own_group,
  }
end

-- A hint, no proof: what the usual runtimes leave to be seen from within.
local function container()
  local named = os.getenv "container" -- systemd's convention; LXC and Podman follow it
  if os.getenv "KUBERNETES_SERVICE_HOST" then return "kubernetes" end
  if exists "/run/.containerenv" then return "podman" end
  if exists "/.dockerenv" then return "docker" end
  if named == "lxc" then return "lxc" end
  return named and named ~= "" and "container" or nil
end

---Adds to the facts that the core tells.
function machine.look(facts)
  local status = read "/proc/self/status"
  local privileges = tonumber(field(status, "NoNewPrivs"))
  local group = number "/proc/sys/kernel/io_uring_group"
  facts.io_uring_disabled = number "/proc/sys/kernel/io_uring_disabled"
  facts.io_uring_group = group ~= -1 and group or nil
  facts.seccomp = tonumber(field(status, "Seccomp"))
  if privileges then facts.no_new_privs = privileges ~= 0 end
  facts.rights = rights(status, facts.io_uring_group)
  facts.container = container()
  return facts
end

return machine
