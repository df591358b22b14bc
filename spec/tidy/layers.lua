-- The layers of csrc: its folders, lowest first. A file may include and call its own folder and
-- those before it.
local layers = {}

layers.order = {
  "base", -- what every room uses: memory, lists, time, names of errors
  "system", -- addresses, sockets, children
  "ring", -- requests and the engines that do them
  "thread", -- threads, inboxes, the pool, the runtime, channels
  "task", -- tasks, scopes, and the loop
  "op", -- one operation: checked, sent down, taken up
  "codec", -- Lua values from one state to another
  "net", -- streams, listeners, messages, names
  "process", -- programs and signals
  "run", -- kio.run: options, tasks and scopes as Lua sees them, reports, the rig
  "worker", -- functions, channels and events between workers
  "test", -- what only specs need
  "core", -- the door
  "http", -- a shared object of its own: the half of kio.http that is written in C
  "tls", -- and another one: kio.tls
  "zlib", -- and another one: kio.zlib
}

-- Shared objects of their own, which see nothing of kio but its public headers.
layers.guests = { http = true, tls = true, zlib = true }
layers.public = {
  ["base/base.h"] = true, ["net/filter.h"] = true, ["net/guest.h"] = true,
  ["net/reader.h"] = true, ["op/type.h"] = true,
}

-- What has the headers of a guest's library.
layers.libraries = { tls = "openssl >= 3", zlib = "zlib" }

-- The first layer that knows Lua.
layers.first_with_lua = "task"

-- System headers that only files of these names may include.
layers.reserved = {
  ["liburing.h"] = "^ring/uring",
  ["pthread.h"] = "^thread/",
  ["stdatomic.h"] = "^thread/",
}

layers.lua_headers = { ["lua.h"] = true, ["lauxlib.h"] = true, ["lualib.h"] = true }

-- The rank of a file by its path below csrc; nil when its folder has none.
function layers.rank(path)
  local folder = path:match("^(%w+)/") or path:match("^(%w+)%.")
  for rank, name in ipairs(layers.order) do
    if name == folder then return rank end
  end
end

return layers
