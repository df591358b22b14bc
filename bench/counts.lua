-- Counts per echoed request: a long run minus a short one, divided by the difference of their
-- requests, so that start, connections and end cancel out. Instructions repeat to a few percent on
-- any machine; kernel entries depend on how many requests a turn finds, and so on the load's pace.
local loader = require "loader"
local servers = require "servers"

local counts = {}

local OPTIONS <const> = { conns = 50, size = 64, ["warm-requests"] = 0, seconds = 120,
  patience = 60, once = true }

local function read_all(path)
  local file = assert(io.open(path))
  local text = file:read "a"
  file:close()
  return text
end

-- perf sees every system call without stopping the server, but only where the kernel lets us;
-- strace stops it twice per call, which makes it slower and so its batches larger.
local function have_perf(path)
  local _, ok = loader.output { "perf", "stat", "-o", path, "-e", "raw_syscalls:sys_enter", "true" }
  return ok
end

local function sum_strace(text)
  local sum = 0
  for calls in text:gmatch "\n *[%d.]+ +[%d.]+ +%d+ +(%d+) [^\n]*" do sum = sum + calls end
  local total = text:match "\n100%.00 +[%d.]+ +%d+ +(%d+)[^\n]* total" or 0
  return sum - total
end

-- A counter: the tool's name, the words before the server's command, how to read the count from the
-- file, and the requests of the short and of the long run.
local function entries_counter(path)
  if have_perf(path) then
    return { tool = "perf stat -e raw_syscalls:sys_enter",
      wrapper = { "perf", "stat", "-x,", "-e", "raw_syscalls:sys_enter", "-o", path },
      read = function(text) return tonumber(text:match "\n(%d+),") end,
      short = 10000, long = 110000 }
  end
  return { tool = "strace -f -c", wrapper = { "strace", "-f", "-c", "-o", path },
    read = sum_strace, short = 2000, long = 22000 }
end

local function instructions_counter(path)
  return { tool = "valgrind --tool=callgrind",
    wrapper = { "valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null",
      "--log-file=" .. path },
    read = function(text) return tonumber(text:match "Collected : (%d+)") end,
    short = 2000, long = 12000 }
end

local makers <const> = { entries = entries_counter, instructions = instructions_counter }

local function count(root, counter, server, scenario, requests, path)
  local options = { requests = requests, depth = scenario.depth or 1 }
  local contract = { "once" }
  if scenario.message and not server.chunks then contract[2] = "message=" .. scenario.message end
  for name, value in pairs(OPTIONS) do options[name] = value end
  local result, message = loader.run(root, server, options, contract, counter.wrapper)
  if not result then return nil, message end
  local number = counter.read(read_all(path))
  if not number then return nil, "no count in " .. path end
  return number, result.total
end

local function per_request(root, counter, server, scenario, path)
  local short, short_total = count(root, counter, server, scenario, counter.short, path)
  if not short then return nil, short_total end
  local long, long_total = count(root, counter, server, scenario, counter.long, path)
  if not long then return nil, long_total end
  return (long - short) / (long_total - short_total)
end

-- plan as in rounds.lua. Gives the count per request by server name, and the tool that counted.
function counts.run(plan, scenario)
  local path = plan.out .. "/" .. scenario.counter .. ".txt"
  local counter = makers[scenario.counter](path)
  plan.note(("%s, by %s"):format(scenario.name, counter.tool))
  local figures = {}
  for _, server in ipairs(plan.servers) do
    if servers.takes_part(server, scenario) then
      local number, message = per_request(plan.root, counter, server, scenario, path)
      figures[server.name] = number
      if number then
        plan.record(("scenario=%s server=%s per_request=%.4f\n"):format(scenario.name, server.name,
          number))
      else
        plan.note(("%s: %s failed: %s"):format(scenario.name, server.name, message))
      end
    end
  end
  return figures, counter.tool
end

return counts
