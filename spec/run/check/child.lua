-- Runs a program that uses kio in a process of its own, behind a prefix that refuses it io_uring in
-- some way; what it finds comes back as a table.
local lfs = require "lfs"
local support = require "spec.support"

local child = {}

-- Prints what kio.run and kio.check answer; it must get as far as the last line.
local ASK = [[
local kio = require "kio"
PREPARE
local ran, inside = pcall(kio.run, function() return kio.check().granted end, OPTIONS)
local tested, text = pcall(kio.testing.run, function() end, { leaks = false })
local runtime, message, its_code = kio.runtime()
if runtime then runtime:stop() end
local found = kio.check()
print("return " .. ("{ ran = %q, inside = %q, tested = %q, test_text = %q, runtime = %q, "
  .. "message = %q, runtime_code = %q, usable = %q, cause = %q, cure = %q, code = %q, "
  .. "report = %q, granted = %q, charged = %q }"):format(ran, inside, tested, text,
  runtime ~= nil, message, its_code, found.usable, found.cause, found.cure, found.code,
  found.text, found.granted, found.memlock_charged))
]]

local function quote(word) return "'" .. word:gsub("'", "'\\''") .. "'" end

local function path(name) return lfs.currentdir() .. "/" .. name end

function child.launcher()
  return path("build/" .. support.build .. "/c/seccomp")
end

-- The environment a child needs: absolute, because it may run as another user elsewhere.
local function environment()
  return ("env LUA_PATH=%s LUA_CPATH=%s"):format(
    quote(path("lua/?.lua") .. ";" .. path("lua/?/init.lua")),
    quote(path("build/" .. support.build .. "/?.so")))
end

-- Runs `source` behind `prefix`, on that ring (nil: io_uring); its output, and how it ended as
-- os.execute tells it.
function child.run(prefix, source, backend)
  local command = ("%s KIO_BACKEND=%s %s %s -e %s 2>&1"):format(environment(),
    backend or "uring", prefix, support.lua, quote(source))
  local pipe = assert(io.popen(command))
  local output = pipe:read("a")
  local _, how, status = pipe:close()
  return output, how, status
end

-- What kio says there. `how.prepare` is Lua code that runs once kio is loaded, `how.options` the
-- options of kio.run, as a text. Nil and the reason when this machine does not allow the prefix
-- itself, which tells so by status 77.
function child.ask(prefix, how)
  local source = ASK:gsub("%u%u+", {
    PREPARE = how and how.prepare or "",
    OPTIONS = how and how.options or "nil",
  })
  local output, ending, status = child.run(prefix, source)
  if status == 77 then return nil, output end
  if ending ~= "exit" or status ~= 0 then
    error(("the child ended with %s %d: %s"):format(ending, status, output), 2)
  end
  return assert(load(output, "=child", "t", {}))()
end

return child
