-- What kio costs where io_uring is not to be had: its echo server on epoll beside the one in C, in
-- interleaved rounds; what can be counted; and work of other kinds, of which nothing may be lost.
local beside = require "beside"
local counts = require "counts"
local idle = require "idle"
local loader = require "loader"

local epoll = {}

local COMPARISON <const> = {
  servers = { "epoll", "epoll-again", "kio", "kio-epoll" },
  yardstick = "epoll", control = "epoll-again", unit = "epoll (C)",
  loads = {
    { name = "epoll-50x64", conns = 50, size = 64, depth = 1 },
    { name = "epoll-500x64", conns = 500, size = 64, depth = 1 },
  },
  counted = {
    { name = "epoll-instructions", counter = "instructions", run = counts.run,
      unit = "per request" },
    { name = "epoll-entries", counter = "entries", run = counts.run, unit = "per request" },
    { name = "epoll-idle", counter = "idle", run = idle.run, unit = "bytes per connection",
      conns = 10000, size = 64 },
  },
}

local function work(plan, backend)
  local text, ok = loader.output { "env", "KIO_BACKEND=" .. backend,
    ("LUA_PATH=%slua/?.lua;%slua/?/init.lua;;"):format(plan.root, plan.root),
    ("LUA_CPATH=%s/?.so;;"):format(plan.core), "lua5.4", plan.root .. "bench/epoll_work.lua" }
  io.write("\n", text)
  if not ok then print("failed on " .. backend) end
end

-- plan as in rounds.lua; prints its tables.
function epoll.run(plan)
  beside.run(plan, COMPARISON)
  for _, backend in ipairs { "epoll", "uring" } do work(plan, backend) end
end

return epoll
