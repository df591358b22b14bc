-- The scenario `bulk` with kio: send|receive PORT BYTES SIZE, as bulk.c calls it.
local kio = require "kio"

local mode, port = arg[1], arg[2]
local bytes, size = math.tointeger(arg[3]), math.tointeger(arg[4])

local function send(stream)
  local data = ("x"):rep(size)
  for _ = 1, bytes // size do assert(stream:write(data)) end
  assert(stream:flush())
end

local function receive(stream)
  local left = bytes
  while left > 0 do left = left - #assert(stream:recv()) end
end

kio.run(function()
  local stream <close> = assert(kio.net.connect("127.0.0.1:" .. port))
  local real, cpu = kio.now(), os.clock()
  local work = mode == "send" and send or receive
  work(stream)
  real, cpu = kio.now() - real, os.clock() - cpu
  local per_mib = 1e9 * 1024 * 1024 / bytes
  print(("real=%.1f cpu=%.1f"):format(real * per_mib, cpu * per_mib))
end)
