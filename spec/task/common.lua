-- What the specs of tasks share.
local kio = require "kio"
local support = require "spec.support"

local common = {}

-- Lets the loop turn until the task waits for something.
function common.until_waiting(task)
  while task:status() == "ready" do kio.yield() end
  assert(task:status() == "waiting", "the task has ended: it is " .. task:status())
  return task
end

-- The same, and then until the kernel has seen what it waits for: that takes one turn.
function common.until_in_kernel(task)
  common.until_waiting(task)
  local turns = kio.stats().turns
  while kio.stats().turns < turns + 2 do kio.yield() end
  return task
end

-- Two connected streams.
function common.stream_pair()
  local listener <close> = assert(kio.net.listen("127.0.0.1:0"))
  local connecting = kio.spawn(function() return assert(kio.net.connect(listener:address())) end)
  local accepted = assert(listener:accept())
  return connecting:await(), accepted
end

local function quote(text) return "'" .. text:gsub("'", "'\\''") .. "'" end

-- Runs a file in a fresh Lua process that finds the same kio: what it prints, and whether it ends
-- well.
function common.child_file(path, ...)
  local words = { "LUA_PATH=%s LUA_CPATH=%s %s" }
  for _, word in ipairs { path, ... } do words[#words + 1] = quote(word) end
  words[1] = words[1]:format(quote(package.path), quote(package.cpath), support.lua)
  local pipe <close> = assert(io.popen(table.concat(words, " ") .. " 2>&1"))
  local output = pipe:read("a")
  return output, pipe:close()
end

-- The same with the text of a program.
function common.child(text)
  local path = support.tmpdir() .. "/program.lua"
  local file <close> = assert(io.open(path, "w"))
  file:write(text)
  file:close()
  return common.child_file(path)
end

return common
