-- Files: lines and numbers, positions and offsets, whole files, several readers at once.
-- expect: line 1: kio reads ahead
-- expect: line 2: 6 * 7 = 42
-- expect: sum 10.5
-- expect: position 5, and after a pread still 5
-- expect: settings { colour = "green" }
-- expect: 1024 KiB read at once, in 64 parts
-- expect: open nowhere/at/all: no such file or directory (ENOENT)
-- expect: nothing is left
local kio = require "kio"
local fs = kio.fs

local function lines(path)
  assert(fs.write_file(path, "kio reads ahead\n6 * 7 = 42\n1 2.5\n0x7\n"))
  local file <close> = assert(fs.open(path))
  for i = 1, 2 do print(("line %d: %s"):format(i, file:read())) end
  local a, b, c = file:read("n", "n", "n")
  print("sum " .. a + b + c)
end

local function positions(path)
  local file <close> = assert(fs.open(path, "w+"))
  assert(file:write("hello", " ", "world"))
  file:seek("set", 5)
  local before = file:seek()
  file:pread(5, 0)
  print(("position %d, and after a pread still %d"):format(before, file:seek()))
end

-- Whoever reads the settings finds the old ones or the new ones, also after a crash.
local function settings(path)
  assert(fs.write_file(path, '{ colour = "red" }', { atomic = true }))
  assert(fs.write_file(path, '{ colour = "green" }', { atomic = true }))
  print("settings " .. fs.read_file(path))
end

local function parts(path)
  local size, count = 1 << 14, 64
  assert(fs.write_file(path, ("x"):rep(size * count)))
  local file <close> = assert(fs.open(path))
  local tasks, total = {}, 0
  for i = 1, count do tasks[i] = kio.spawn(file.pread, file, size, (i - 1) * size) end
  for i = 1, count do total = total + #tasks[i]:await() end
  print(("%d KiB read at once, in %d parts"):format(total >> 10, count))
end

kio.run(function()
  local folder = os.tmpname()
  assert(fs.unlink(folder) and fs.mkdir(folder, "700"))
  lines(folder .. "/lines")
  positions(folder .. "/positions")
  settings(folder .. "/settings")
  parts(folder .. "/parts")
  local _, message, code = fs.open("nowhere/at/all")
  print(("%s (%s)"):format(message, code))
  for _, entry in ipairs(fs.readdir(folder)) do fs.unlink(folder .. "/" .. entry.name) end
  print(fs.rmdir(folder) and "nothing is left")
end)
