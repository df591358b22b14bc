-- Runs a Lua program with kio in a process of its own: for limits, signals and exits.
local support = require "spec.support"

local child = {}

local function quote(word) return "'" .. word:gsub("'", "'\\''") .. "'" end

-- Runs `source` behind `prefix` (a command that runs the one after it); what it printed, and how it
-- ended: "exit" or "signal", and the number. Sanitizers look for no leaks there.
function child.run(source, prefix)
  local command = ("export LUA_PATH=%s LUA_CPATH=%s ASAN_OPTIONS=detect_leaks=0; "):format(
    quote "./lua/?.lua;./lua/?/init.lua;./?.lua", quote("./build/" .. support.flavour .. "/?.so"))
  command = command .. ("exec %s lua5.4 -e %s 2>&1"):format(prefix or "", quote(source))
  local pipe = assert(io.popen(command))
  local output = pipe:read("a")
  local _, how, number = pipe:close()
  return output, how, number
end

return child
