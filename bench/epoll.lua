-- What kio costs where io_uring is not to be had: its echo server on epoll beside the one in C, in
-- interleaved rounds; what can be counted; and work of other kinds, of which nothing may be lost.
local counts = require "counts"
local idle = require "idle"
local loader = require "loader"
local rounds = require "rounds"
local servers = require "servers"

local epoll = {}

local NAMES <const> = { "epoll", "epoll-again", "kio", "kio-epoll" }
local YARDSTICK <const> = "epoll"
local LOADS <const> = {
  { name = "epoll-50x64", conns = 50, size = 64, depth = 1 },
  { name = "epoll-500x64", conns = 500, size = 64, depth = 1 },
}
local COUNTED <const> = {
  { name = "epoll-instructions", counter = "instructions", run = counts.run, unit = "per request" },
  { name = "epoll-entries", counter = "entries", run = counts.run, unit = "per request" },
  { name = "epoll-idle", counter = "idle", run = idle.run, unit = "bytes per connection",
    conns = 10000, size = 64 },
}

local function own_plan(plan)
  local list = {}
  for _, server in ipairs(servers.list(plan.root, plan.core)) do
    for _, name in ipairs(NAMES) do
      if server.name == name then list[#list + 1] = server end
    end
  end
  return setmetatable({ servers = list, yardstick = YARDSTICK }, { __index = plan })
end

local function print_load(plan, load, figures)
  print(("\n%d connections, %d bytes (%s)"):format(load.conns, load.size, load.name))
  print(("%-22s %9s %7s  %s"):format("server", "req/s", "CPU ns", "x epoll (C) [quartiles]"))
  for _, server in ipairs(plan.servers) do
    local f = figures[load.name][server.name]
    if f and f.ratio then
      print(("%-22s %9.0f %7.0f  %.2f [%.2f-%.2f]"):format(server.label, f.rps, f.cpu_ns,
        f.ratio.median, f.ratio.low, f.ratio.high))
    end
  end
end

local function print_counts(plan, scenario)
  local figures, tool = scenario.run(plan, scenario)
  print(("\n%s, %s, by %s"):format(scenario.name, scenario.unit, tool))
  for _, server in ipairs(plan.servers) do
    local figure = figures[server.name]
    if figure and server.name ~= "epoll-again" then
      print(("%-22s %9.2f"):format(server.label, figure))
    end
  end
end

local function work(plan, backend)
  local text, ok = loader.output { "env", "KIO_BACKEND=" .. backend,
    ("LUA_PATH=%slua/?.lua;%slua/?/init.lua;;"):format(plan.root, plan.root),
    ("LUA_CPATH=%s/?.so;;"):format(plan.core), "lua5.4", plan.root .. "bench/epoll_work.lua" }
  io.write("\n", text)
  if not ok then print("failed on " .. backend) end
end

-- plan as in rounds.lua; prints its tables.
function epoll.run(plan)
  local mine = own_plan(plan)
  local figures = rounds.run(mine, LOADS)
  for _, load in ipairs(LOADS) do print_load(mine, load, figures) end
  for _, scenario in ipairs(COUNTED) do print_counts(mine, scenario) end
  for _, backend in ipairs { "epoll", "uring" } do work(plan, backend) end
end

return epoll
