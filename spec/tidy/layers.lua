-- The layers of csrc, lowest first. A file may include the headers of its own line and of the lines
-- before it; an exact name wins over a pattern. A new file needs a place here.
local layers = {}

local THREADS = { thread = true, inbox = true, pool = true, runtime = true,
                  runtime_parts = true, runtime_jobs = true, remote = true, channel = true,
                  event = true }

layers.order = {
  "base config",
  "memory log",
  "list errname signame buffer block timer shuffle parcel seen",
  "request ring loans",
  "test_sim_call test_sim_script",
  "ring_uring ring_uring_prep ring_sim ring_rig machine diagnose address child sockopt socket",
  "thread inbox awaiter pool runtime runtime_parts runtime_jobs remote channel event",
  "desc",
  "scope task queue watchdog sched sched_tasks sched_inbox sched_end trace stream acceptor signals "
    .. "stream_plain interrupt",
  "op op_job ops check misuse",
  "lua_* op_* test_*",
}

-- The first layer that knows Lua.
layers.first_with_lua = "task"

-- System headers that only these files may include.
layers.reserved = {
  ["liburing.h"] = { ring_uring = true, ring_uring_prep = true },
  ["pthread.h"] = THREADS,
  ["stdatomic.h"] = THREADS,
}

layers.lua_headers = { ["lua.h"] = true, ["lauxlib.h"] = true, ["lualib.h"] = true }

-- The rank of a file, by its name without extension; nil when it has none.
function layers.rank(stem)
  local by_pattern
  for rank, line in ipairs(layers.order) do
    for entry in line:gmatch("%S+") do
      if entry == stem then return rank end
      local prefix = entry:match("^(.*)%*$")
      if prefix and stem:sub(1, #prefix) == prefix then by_pattern = rank end
    end
  end
  return by_pattern
end

return layers
