-- Which specs look at which folder of csrc: those run first. What survives them meets all others.
local ROOMS = {
  base = { "spec/c/", "spec/task/t", "spec/run/[^/]+$" },
  system = { "spec/c/", "spec/net/", "spec/process/" },
  ring = {
    "spec/c/", "spec/ring/", "spec/run/testing/", "spec/task/t", "spec/run/[^/]+$", "spec/fault/",
    "spec/fs/fifo", "spec/net/accepts",
  },
  thread = { "spec/c/", "spec/op/offload", "spec/thread/", "spec/worker/" },
  task = { "spec/task/", "spec/run/[^/]+$", "spec/worker/inside", "spec/fault/", "spec/net/" },
  op = { "spec/op/", "spec/bytes/", "spec/hostile/arguments", "spec/fs/" },
  codec = { "spec/codec/", "spec/worker/" },
  net = { "spec/net/", "spec/bytes/", "spec/codec/move" },
  zlib = { "spec/zlib/" },
  http = { "spec/http/[^/]+$", "spec/c/" },
  process = { "spec/process/" },
  run = {
    "spec/run/", "spec/task/", "spec/sync/", "spec/thread/start",
  },
  worker = { "spec/worker/", "spec/codec/", "spec/thread/", "spec/process/signal/interrupt" },
}

-- The patterns for a file of csrc, in the order in which they are tried.
return function(path)
  local stem = path:match("([^/]+)%.c$")
  local list = { ("/%s_spec"):format(stem), ("spec/c/%s%%.c"):format(stem) }
  for _, pattern in ipairs(ROOMS[path:match("^csrc/(%w+)/")] or {}) do
    list[#list + 1] = pattern
  end
  return list
end
