-- What can be run, in the order in which it is shown.
--   kind "load":   interleaved rounds of timed runs; conns, size, depth (messages in flight per
--                  connection), message (servers send once per so many bytes, not per chunk), storm
--                  (every message goes over a connection of its own)
--   kind "workers": kio alone with several workers, see workers.lua
--   kind "counts": one number per server: one long and one short run under a counting wrapper, see
--                  counts.lua; counter "idle": memory, see idle.lua
--   kind "epoll":  kio on epoll, see epoll.lua
--   kind "threads": messages between threads, see threads.lua; needs no server
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
  { name = "epoll", kind = "epoll", extra = true,
    title = "kio on epoll, beside a server in C that has nothing else" },
  { name = "threads", kind = "threads", title = "messages between two threads", extra = true },
  { name = "workers", kind = "workers", extra = true, conns = 64, size = 64,
    title = "64 connections, 64 bytes, served by 1 to 8 workers" },
}

for _, scenario in ipairs(scenarios) do scenarios[scenario.name] = scenario end

-- The scenarios called `names`; "all" is everything that is not `extra`. Raises at a wrong name.
function scenarios.select(names)
  local chosen = {}
  for _, name in ipairs(names) do
    if name == "all" then
      for _, scenario in ipairs(scenarios) do
        if not scenario.extra then chosen[#chosen + 1] = scenario end
      end
    else
      chosen[#chosen + 1] = scenarios[name] or error("no scenario is called " .. name, 0)
    end
  end
  return chosen
end

return scenarios
