-- The scenario `reads` with luv: COUNT. 64 chains of callbacks, on libuv's pool of four threads.
local uv = require "luv"

local count = tonumber(arg[1])
local CHAINS <const>, CHUNK <const> = 64, 4096

local path = os.tmpname()
local made <close> = assert(io.open(path, "wb"))
made:write(("x"):rep(CHAINS * CHUNK))
made:flush()
local fd = assert(uv.fs_open(path, "r", 0))
os.remove(path)

local function chain(offset, left)
  local function on_read(err, data)
    assert(not err, err)
    assert(#data == CHUNK)
    left = left - 1
    if left > 0 then uv.fs_read(fd, CHUNK, offset, on_read) end
  end
  uv.fs_read(fd, CHUNK, offset, on_read)
end

local real, cpu = uv.hrtime(), os.clock()
for i = 1, CHAINS do chain((i - 1) * CHUNK, count // CHAINS) end
uv.run()
real, cpu = uv.hrtime() - real, os.clock() - cpu
print(("real=%.1f cpu=%.1f"):format(real / count, cpu / count * 1e9))
