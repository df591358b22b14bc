-- What the specs of files share.
local support = require "spec.support"

local common = {}

-- A new file with the text in it, in a folder of its own; its path.
function common.file(text)
  local path = support.tmpdir() .. "/file"
  local file <close> = assert(io.open(path, "wb"))
  assert(file:write(text))
  return path
end

function common.content(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read("a")
end

-- The results of a call that must have failed with this code and this message. Returns what comes
-- after the code.
function common.failed(code, message, ...)
  local results = table.pack(...)
  if results[1] ~= nil or results[2] ~= message or results[3] ~= code then
    error(("expected nil, %s, %s, got: %s, %s, %s"):format(message, code, results[1], results[2],
      results[3]), 2)
  end
  return table.unpack(results, 4, results.n)
end

-- Lets tasks run until the one given waits for something.
function common.until_waiting(task)
  local kio = require "kio"
  repeat kio.yield() until task:status() == "waiting"
end

return common
