-- The servers that are compared, in the order in which they are shown.
local control = require "control"

local servers = {}

local BUSY_POLL <const> = "50e-6" -- of kio.run, in one of the servers

-- The most negative index of the program's `arg` is the interpreter that runs us.
local function interpreter()
  local i = 0
  while arg[i - 1] do i = i - 1 end
  return arg[i]
end

local lua <const> = interpreter()

-- What every comparison is relative to.
servers.yardstick = "uring"
-- What bounds every server that sends once per message: it echoes whole chunks.
servers.bound = "uring-chunks"

-- name, label, the words of the command without the arguments of the contract (load.c), the words
-- before it that set its environment; chunks: it is not told of messages, and runs only with them;
-- whole: it knows no messages, and never runs with them; only: the scenarios that it is for; needs:
-- the package without which it is not built; extra: it runs only when it is named; load: the
-- program that loads it.
function servers.list(root, core)
  local kio_path = ("LUA_PATH=%slua/?.lua;%slua/?/init.lua;;"):format(root, root)
  local kio_cpath = ("LUA_CPATH=%s/?.so;;"):format(core)
  local pem = ("TLS_PEM=%sbuild/bench/tls.pem"):format(root)
  local function program(name) return { root .. "build/bench/" .. name } end
  local function script(name) return { lua, root .. "bench/" .. name .. ".lua" } end
  return {
    { name = "uring", label = "raw io_uring, best (C)", command = program "echo_uring" },
    -- The same program a second time: how far it is from 1.00 is the noise of the run.
    { name = control.name, label = "raw io_uring, best, again", command = program "echo_uring" },
    { name = "uring-chunks", label = "raw io_uring, whole chunks (C)",
      command = program "echo_uring", chunks = true },
    { name = "uring-oneshot", label = "raw io_uring, one-shot (C)",
      command = program "echo_uring_oneshot" },
    { name = "epoll", label = "epoll (C)", command = program "echo_epoll" },
    { name = "epoll-again", label = "epoll (C), again", command = program "echo_epoll",
      extra = true },
    { name = "libuv", label = "libuv (C)", command = program "echo_libuv", needs = "libuv1-dev" },
    { name = "asio", label = "Boost.Asio, epoll (C++)", command = program "echo_asio",
      needs = "libboost1.81-dev" },
    { name = "asio-uring", label = "Boost.Asio, io_uring (C++)",
      command = program "echo_asio_uring", needs = "libboost1.81-dev" },
    { name = "tokio", label = "Tokio, one thread (Rust)", command = program "echo_tokio",
      needs = "librust-tokio-dev and cargo" },
    { name = "kio", label = "kio (Lua)", command = script "echo_kio",
      environment = { "env", kio_path, kio_cpath } },
    { name = "kio-epoll", label = "kio on epoll (Lua)", command = script "echo_kio",
      environment = { "env", "KIO_BACKEND=epoll", kio_path, kio_cpath }, extra = true },
    { name = "kio-buffer", label = "kio, buffers (Lua)", command = script "echo_kio_buffer",
      environment = { "env", kio_path, kio_cpath }, whole = true },
    { name = "kio-busy", label = "kio, busy_poll (Lua)", command = script "echo_kio",
      environment = { "env", kio_path, kio_cpath, "BUSY_POLL=" .. BUSY_POLL },
      only = { ["1x64"] = true, rate10k = true } },
    { name = "tls-epoll", label = "epoll, OpenSSL (C)", command = program "echo_tls_epoll",
      environment = { "env", pem }, needs = "libssl-dev", extra = true, load = "load_tls" },
    { name = "tls-again", label = "epoll, OpenSSL (C), again", command = program "echo_tls_epoll",
      environment = { "env", pem }, needs = "libssl-dev", extra = true, load = "load_tls" },
    { name = "tls-kio", label = "kio, TLS (Lua)", command = script "echo_tls_kio",
      environment = { "env", pem, kio_path, kio_cpath }, extra = true, load = "load_tls" },
    { name = "luv", label = "luv, callbacks (Lua)", command = script "echo_luv" },
    { name = "cqueues", label = "cqueues (Lua)", command = script "echo_cqueues" },
    { name = "copas", label = "copas (Lua)", command = script "echo_copas" },
  }
end

-- Whether a server takes part in a scenario.
function servers.takes_part(server, scenario)
  if scenario.skip and scenario.skip[server.name] then return false end
  if server.only and not server.only[scenario.name] then return false end
  if scenario.message then return not server.whole end
  return not server.chunks
end

-- Those that need not be named.
function servers.usual(list)
  local chosen = {}
  for _, server in ipairs(list) do
    if not server.extra then chosen[#chosen + 1] = server end
  end
  return chosen
end

-- Keeps those called `names`, and always the yardstick and its control; raises at a name that is
-- not there.
function servers.select(list, names)
  local wanted, chosen = { [servers.yardstick] = true, [control.name] = true }, {}
  for _, name in ipairs(names) do wanted[name] = true end
  for _, server in ipairs(list) do
    if wanted[server.name] then
      chosen[#chosen + 1] = server
      wanted[server.name] = nil
    end
  end
  if next(wanted) then error("no server is called " .. next(wanted), 0) end
  return chosen
end

return servers
