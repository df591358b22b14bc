-- What can be run, in the order in which it is shown.
--   kind "load":   interleaved rounds of timed runs; conns, size, depth (messages in flight per
--                  connection), message (servers send once per so many bytes, not per chunk), storm
--                  (every message goes over a connection of its own), rate (messages per second,
--                  timed from when they are due), seconds (of each run)
--   kind "workers": kio alone with several workers, see workers.lua; work: steps that each handler
--                  computes
--   kind "counts": one number per server: one long and one short run under a counting wrapper, see
--                  counts.lua; counter "idle": memory, see idle.lua
--   kind "programs": programs beside each other, see programs.lua; needs no server
--   kind "steps":   instructions of single steps of kio, see steps.lua
--   kind "epoll":  kio on epoll, see epoll.lua
--   kind "tls":    kio with TLS, see tls.lua
-- What is `extra` is run only when it, or a group that has it, is named.
local scenarios = {
  { name = "50x64", kind = "load", title = "50 connections, 64 bytes",
    conns = 50, size = 64, depth = 1 },
  { name = "500x64", kind = "load", title = "500 connections, 64 bytes",
    conns = 500, size = 64, depth = 1 },
  { name = "50x4096", kind = "load", title = "50 connections, 4 KiB",
    conns = 50, size = 4096, depth = 1 },
  { name = "50x64x16", kind = "load", title = "50 connections, 64 bytes, 16 in flight",
    conns = 50, size = 64, depth = 16 },
  { name = "1x64", kind = "load", title = "1 connection, 64 bytes",
    conns = 1, size = 64, depth = 1 },
  { name = "messages", kind = "load", title = "as 50x64x16, one write per message", extra = true,
    conns = 50, size = 64, depth = 16, message = 64 },
  { name = "storm", kind = "load", title = "a connection for every message, 64 at a time",
    extra = true, conns = 64, size = 64, depth = 1, storm = true },
  { name = "instructions", kind = "counts", counter = "instructions",
    title = "user-space instructions per request, 50x64",
    skip = { ["uring-again"] = true } },
  { name = "entries", kind = "counts", counter = "entries",
    title = "kernel entries (system calls) per request, 50x64",
    skip = { ["uring-again"] = true } },
  { name = "message-entries", kind = "counts", counter = "entries", extra = true, depth = 16,
    message = 64, title = "kernel entries (system calls) per message",
    skip = { ["uring-again"] = true } },
  { name = "idle", kind = "counts", counter = "idle", conns = 10000, size = 64,
    title = "resident bytes per idle connection, 10,000 of them",
    skip = { ["uring-again"] = true } },
  { name = "rate10k", kind = "load", title = "10,000 requests/s, 50 connections, 64 bytes",
    extra = true, conns = 50, size = 64, rate = 10000, seconds = 1 },
  { name = "rate40k", kind = "load", title = "40,000 requests/s, 50 connections, 64 bytes",
    extra = true, conns = 50, size = 64, rate = 40000, seconds = 1 },
  { name = "rate80k", kind = "load", title = "80,000 requests/s, 50 connections, 64 bytes",
    extra = true, conns = 50, size = 64, rate = 80000, seconds = 1 },
  { name = "steps", kind = "steps", title = "user-space instructions of single steps of kio",
    extra = true },
  { name = "threads", kind = "programs", cases = require "threads", extra = true,
    title = "messages between two threads, per message" },
  { name = "reads", kind = "programs", cases = require "reads", extra = true,
    title = "reads from a file in memory, per read" },
  { name = "bulk", kind = "programs", cases = require "bulk", extra = true, rounds_most = 9,
    title = "many bytes over one connection, per MiB" },
  { name = "http", kind = "programs", cases = require "http", extra = true, rounds_most = 9,
    title = "HTTP, one core each, 50 connections; ratios are to kio, per request" },
  { name = "http-steps", kind = "steps", names = { "http", "http-echo" }, extra = true,
    title = "user-space instructions of a request" },
  { name = "epoll", kind = "epoll", extra = true,
    title = "kio on epoll, beside a server in C that has nothing else" },
  { name = "tls", kind = "tls", extra = true,
    title = "TLS, beside a server in C with OpenSSL, and nginx" },
  { name = "workers", kind = "workers", extra = true, conns = 64, size = 64, work = 0,
    title = "64 connections, 64 bytes, served by 1 to 8 workers" },
  { name = "workers-heavy", kind = "workers", extra = true, conns = 16, size = 64, work = 10000,
    title = "16 connections, heavy handlers, on 1 to 8 workers" },
}

-- Names that stand for several.
local groups <const> = {
  latency = { "50x64", "rate10k", "rate40k", "rate80k" },
  table = require "bounds".scenarios,
  http = { "http", "http-steps" },
  charts = { "50x64", "500x64", "50x4096", "rate10k", "rate40k", "rate80k", "idle" },
}

for _, scenario in ipairs(scenarios) do scenarios[scenario.name] = scenario end

local function add(chosen, scenario)
  for _, other in ipairs(chosen) do
    if other == scenario then return end
  end
  chosen[#chosen + 1] = scenario
end

-- The scenarios and groups called `names`; "all" is everything that is not `extra`. Raises at a
-- wrong name.
function scenarios.select(names)
  local chosen = {}
  for _, name in ipairs(names) do
    for _, scenario in ipairs(name == "all" and scenarios or {}) do
      if not scenario.extra then add(chosen, scenario) end
    end
    for _, member in ipairs(name ~= "all" and (groups[name] or { name }) or {}) do
      add(chosen, scenarios[member] or error("no scenario is called " .. member, 0))
    end
  end
  return chosen
end

return scenarios
