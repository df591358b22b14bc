-- Boots an old kernel of Debian's in QEMU, without help from the processor, and runs programs on
-- it. What it needs is made once, and kept in build/kernels.
local Image = require "spec.kernels.image"

local boot = {}

local FOLDER = "build/kernels"
local LIMIT = 600 -- seconds that a boot may take beside others' work; it takes about 15

-- What programs there may start.
local PROGRAMS = { "lua5.4", "sh", "cat", "echo", "sleep", "mkfifo" }

local QEMU = "exec timeout --foreground -k 5 %d qemu-system-x86_64 -accel tcg -cpu max -m 512 "
  .. "-nodefaults -no-reboot -display none -serial stdio -kernel %s -initrd %s "
  .. "-append 'console=ttyS0 quiet panic=-1' </dev/null"

local function lines_of(command)
  local lines = {}
  local pipe <close> = assert(io.popen(command))
  for line in pipe:lines() do lines[#lines + 1] = line end
  return lines
end

local function whole(command)
  local pipe = assert(io.popen(command .. " 2>&1"))
  local text = pipe:read "a"
  return pipe:close(), text
end

local function path_of(program)
  local found = lines_of("readlink -f $(which " .. program .. ")")[1]
  return assert(found, program .. " is not here")
end

local function write_image(path, script, files)
  local image = Image.new()
  image:program("init", FOLDER .. "/init")
  for _, name in ipairs(PROGRAMS) do image:program("bin/" .. name, path_of(name)) end
  image:program("kio/kio/core.so", "build/release/kio/core.so")
  for _, file in ipairs(lines_of "find lua/kio -name '*.lua'") do
    image:copy("kio/" .. file:match "^lua/(.*)$", file)
  end
  for name, file in pairs(files) do image:copy(name, file) end
  image:add("runs", script)
  image:save(path)
end

-- The file of a suite's kernel; nil and why it cannot be had.
local function kernel_of(suite)
  local file = FOLDER .. "/" .. suite
  local there = io.open(file)
  if there then
    there:close()
    return file
  end
  local well, text = whole(("timeout 300 spec/kernels/fetch %s %s"):format(suite, file))
  if not well then return nil, text ~= "" and text:gsub("%s+$", "") or "it took too long" end
  return file
end

-- What the console says while `script` runs on the kernel of that suite, with `files` (name there:
-- file here) beside kio; nil and why that cannot be.
function boot.run(suite, script, files)
  if not whole "command -v qemu-system-x86_64" then return nil, "qemu-system-x86_64 is not here" end
  local kernel, why = kernel_of(suite)
  if not kernel then return nil, why end
  local image = ("%s/image-%s"):format(FOLDER, suite)
  local built, text = whole("make --no-print-directory " .. FOLDER .. "/init")
  assert(built, text)
  write_image(image, script, files)
  local _, console = whole(QEMU:format(LIMIT, kernel, image))
  os.remove(image)
  return (console:gsub("\r", ""))
end

return boot
