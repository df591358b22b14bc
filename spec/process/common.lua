-- What the specs of kio.process share.
local kio = require "kio"

local common = {}

-- The processes this thread has started and nobody has reaped, zombies among them.
function common.children()
  local file <close> = io.open "/proc/thread-self/children"
  local list = file and file:read "a" or ""
  return (list:gsub("%s+$", ""))
end

-- Sanitizers stay with us.
local function plain(options)
  local copy = {}
  for key, value in pairs(options) do copy[key] = value end
  copy.env = { LD_PRELOAD = false }
  for name, value in pairs(options.env or {}) do copy.env[name] = value end
  return copy
end

function common.spawn(options) return kio.process.spawn(plain(options)) end

function common.run(options) return kio.process.run(plain(options)) end

return common
