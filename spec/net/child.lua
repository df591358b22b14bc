-- Runs a Lua program with kio in a process of its own: for limits, signals and exits.
local support = require "spec.support"

local child = {}

local function quote(word) return "'" .. word:gsub("'", "'\\''") .. "'" end

-- Starts `source`; a pipe that gives the process' number in a line, then what it prints.
local function start(source, prefix)
  local command = ("export LUA_PATH=%s LUA_CPATH=%s ASAN_OPTIONS=detect_leaks=0; "):format(
    quote "./lua/?.lua;./lua/?/init.lua;./?.lua", quote("./build/" .. support.build .. "/?.so"))
  return assert(io.popen(command .. ("echo $$; exec %s %s -e %s 2>&1"):format(
    prefix or "", support.lua, quote(source))))
end

-- Starts it and calls f(pipe, pid), which may read what it prints; what else it printed, and how it
-- ended. It is killed when f fails.
function child.with(source, prefix, f)
  local pipe = start(source, prefix)
  local pid = pipe:read "l"
  local ok, err = xpcall(f, debug.traceback, pipe, pid)
  if not ok then os.execute("kill -KILL " .. pid) end
  local output = pipe:read "a"
  local _, how, number = pipe:close()
  if not ok then error(err, 0) end
  return output, how .. " " .. number
end

-- Runs `source` behind `prefix` (a command that runs the one after it); what it printed, and how it
-- ended: "exit" or "signal", and the number. Sanitizers look for no leaks there.
function child.run(source, prefix)
  local pipe = start(source, prefix)
  pipe:read("l")
  local output = pipe:read("a")
  local _, how, number = pipe:close()
  return output, how, number
end

return child
