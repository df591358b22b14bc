-- What an idle connection costs a server in memory: many connections, one message each, silence.
-- It is the growth of the server's resident memory (load.c, --idle), so the kernel's own memory for
-- sockets is not in it; that is the same for all servers.
local loader = require "loader"
local servers = require "servers"
local stats = require "stats"

local idle = {}

local RUNS <const> = 3
local SECONDS <const> = 30 -- for all of them to have their message echoed

local function bytes(plan, scenario, server)
  local sample = {}
  for i = 1, RUNS do
    local options = { conns = scenario.conns, size = scenario.size, idle = true,
      seconds = scenario.seconds or SECONDS }
    local result, message = loader.run(plan.root, server, options, {})
    if not result then return nil, message end
    plan.record(("scenario=%s server=%s run=%d %s\n"):format(scenario.name, server.name, i,
      result.line))
    sample[i] = result.conn_bytes
  end
  return stats.quantile(sample, 0.5)
end

-- plan as in rounds.lua. Gives the bytes per connection by server name, and where they come from.
function idle.run(plan, scenario)
  plan.note(scenario.name)
  local figures = {}
  for _, server in ipairs(plan.servers) do
    if servers.takes_part(server, scenario) then
      local message
      figures[server.name], message = bytes(plan, scenario, server)
      if message then
        plan.note(("%s: %s failed: %s"):format(scenario.name, server.name, message))
      end
    end
  end
  return figures, "/proc/PID/smaps_rollup"
end

return idle
