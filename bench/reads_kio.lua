-- The scenario `reads` with kio: string|buffer COUNT. Prints real and processor time per read.
local kio = require "kio"

local way, count = arg[1], tonumber(arg[2])
local TASKS <const>, CHUNK <const> = 64, 4096

local function into_strings(file, offset, n)
  for _ = 1, n do assert(#file:pread(CHUNK, offset) == CHUNK) end
end

local function into_a_buffer(file, offset, n)
  local buffer = kio.buffer(CHUNK)
  for _ = 1, n do assert(file:pread_into(buffer, 1, CHUNK, offset) == CHUNK) end
end

local read = way == "buffer" and into_a_buffer or into_strings

kio.run(function()
  local path = os.tmpname()
  assert(kio.fs.write_file(path, ("x"):rep(TASKS * CHUNK)))
  local file <close> = assert(kio.fs.open(path))
  kio.fs.unlink(path)
  local real, cpu = kio.now(), os.clock()
  kio.scope(function(scope)
    for i = 1, TASKS do scope:spawn(read, file, (i - 1) * CHUNK, count // TASKS) end
  end)
  real, cpu = kio.now() - real, os.clock() - cpu
  print(("real=%.1f cpu=%.1f"):format(real / count * 1e9, cpu / count * 1e9))
end)
