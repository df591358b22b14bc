-- What the specs of file operations share.
local kio = require "kio"
local support = require "spec.support"

local files = {}

-- A new file with the text in it; its descriptor, for reading and writing, and its path.
function files.with(text)
  local c = kio.const
  local path = support.tmpdir() .. "/file"
  local fd = assert(kio.openat(nil, path, c.O_RDWR | c.O_CREAT | c.O_EXCL))
  if text ~= "" then assert(kio.pwrite(fd, text, 0) == #text) end
  return fd, path
end

-- All that is in it.
function files.content(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read("a")
end

-- A descriptor number that nothing has.
files.NOBODY = 4000

-- The results of a call that must have failed with this code and a message that begins so.
function files.failed(code, beginning, ...)
  local results = table.pack(...)
  local text = ("%s, %s, %s"):format(results[1], results[2], results[3])
  if results[1] ~= nil or results[3] ~= code then
    error(("expected nil, message, %s, got: %s"):format(code, text), 2)
  elseif results[2]:sub(1, #beginning) ~= beginning then
    error(("expected a message that begins with %q, got: %s"):format(beginning, text), 2)
  end
  return table.unpack(results, 4, results.n)
end

-- The results of a call that must have met the end: nil and nothing else.
function files.ended(...)
  local n = select("#", ...)
  if n ~= 1 or ... ~= nil then
    error(("expected nil alone, got: %s and %d more"):format(tostring((...)), n - 1), 2)
  end
end

return files
