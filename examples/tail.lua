-- tail -f: prints what is added to a file, as it is added. Without an argument it shows itself at
-- work on a file that a task writes.
-- Run: lua5.4 examples/tail.lua [file]
-- expect: first line
-- expect: second line
-- expect: third, in two pieces
-- expect: the file is gone
local kio = require "kio"

-- Prints every line that is added to the file, until it is removed.
local function follow(path)
  local watch <close> = assert(kio.fs.watch(path))
  local file <close> = assert(kio.fs.open(path))
  local rest = ""
  for event in watch:events() do
    if event.kind == "modify" then
      rest = rest .. file:read("a")
      for line in rest:gmatch("([^\n]*)\n") do print(line) end
      rest = rest:match("[^\n]*$")
    end
    -- Its name is gone at once; the file itself is when nobody has it open any more.
    if event.kind == "attributes" and file:stat().nlink == 0 then break end
  end
end

local function write_slowly(path)
  local file <close> = assert(kio.fs.open(path, "a"))
  for _, piece in ipairs { "first line\nsec", "ond line\n", "third, in ", "two pieces\n" } do
    file:write(piece)
    kio.sleep(0.01)
  end
  kio.fs.unlink(path)
end

kio.run(function()
  local path = arg[1]
  if not path then
    path = os.tmpname()
    kio.spawn(write_slowly, path)
  end
  follow(path)
  print("the file is gone")
end)
