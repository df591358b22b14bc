-- Has a server of HTTP loaded, and prints what a request cost it as programs.lua wants that, and
-- the slowest of a hundred: real=NS cpu=NS p99=US. Arguments: wrk PATH SECONDS COMMAND...; or
-- by CLIENT COUNT COMMAND..., where CLIENT is a command that is given the port and the count, and
-- what it prints is the figure. The server's first line is "ready PORT"; it is ended by its pid.
local mode, subject, amount = arg[1], arg[2], tonumber(arg[3])
local CONNECTIONS <const>, PATIENCE <const>, WARM_SECONDS <const> = 50, 200, 1
local TICKS <const> = 100 -- of /proc/PID/stat, in a second

package.path = arg[0]:gsub("[^/]*$", "?.lua;") .. package.path
local loader = require "loader"

local JSON <const> = [[
local pad = ("x"):rep(1024 - #'{"text":""}')
wrk.method, wrk.body = "POST", '{"text":"' .. pad .. '"}'
wrk.headers["Content-Type"] = "application/json"
]]

local function give_up(text)
  print(text)
  os.exit(false)
end

local function output(text)
  local pipe = assert(io.popen(text))
  local printed = pipe:read "a"
  pipe:close()
  return printed
end

-- The CPUs that the server and its load have, one each; nil when there are not two.
local function processors()
  local list = {}
  for first, last in output "taskset -cp $$":match "list: (.*)":gmatch "(%d+)%-?(%d*)" do
    for cpu = first, last ~= "" and last or first do list[#list + 1] = math.tointeger(cpu) end
  end
  return list[1], list[2] or list[1]
end

local server_cpu, load_cpu = processors()

local function start(log)
  local command = loader.shell(table.move(arg, 4, #arg, 1, {}))
  local text = "taskset -c %d %s >%s 2>&1 & echo $!"
  return tonumber(output(text:format(server_cpu, command, log)))
end

local function read_all(path)
  local file = io.open(path)
  if not file then return "" end
  local text = file:read "a"
  file:close()
  return text
end

local function await_port(log)
  for _ = 1, PATIENCE do
    local port = read_all(log):match "ready (%d+)"
    local ask = port and ("curl -s -o /dev/null http://127.0.0.1:%s/hello"):format(port)
    if ask and os.execute(ask) then return port end
    os.execute "sleep 0.05"
  end
end

local function cpu_ns(pid)
  local user, system = read_all(("/proc/%d/stat"):format(pid)):match(
    "%) %S" .. (" %S+"):rep(10) .. " (%d+) (%d+)")
  return (user + system) * 1e9 / TICKS
end

local function wrk(port, seconds, script)
  local text = "taskset -c %d wrk -t1 -c%d -d%ds --latency %s http://127.0.0.1:%s%s 2>&1"
  return output(text:format(load_cpu, CONNECTIONS, seconds, script and "-s " .. script or "", port,
    subject))
end

local UNITS <const> = { us = 1, ms = 1e3, s = 1e6 }

local function by_wrk(pid, port)
  local script = subject == "/echo" and os.tmpname()
  if script then
    local file = assert(io.open(script, "w"))
    file:write(JSON)
    file:close()
  end
  wrk(port, WARM_SECONDS, script)
  local before = cpu_ns(pid)
  local text = wrk(port, amount, script)
  local cpu = cpu_ns(pid) - before
  if script then os.remove(script) end
  local requests, rate = text:match "(%d+) requests in", text:match "Requests/sec: +([%d.]+)"
  local p99, unit = text:match "99%% +([%d.]+)(%a+)"
  local wrong = text:match "Non%-2xx[^\n]*" or text:match "Socket errors[^\n]*"
  if not rate or wrong then return nil, wrong or text end
  return ("real=%.1f cpu=%.1f p99=%.1f"):format(1e9 / rate, cpu / requests, p99 * UNITS[unit])
end

local function by_client(_, port)
  local text = output(("taskset -c %d %s %s %d 2>&1"):format(load_cpu, subject, port, amount))
  return text:match "real=[^\n]*", text
end

if not os.execute "command -v wrk curl >/dev/null" then give_up "wrk or curl is missing" end
local log = os.tmpname()
local pid = start(log)
local port = pid and await_port(log)
local figures, wrong
if port then figures, wrong = (mode == "wrk" and by_wrk or by_client)(pid, port) end
if pid then os.execute("kill " .. pid .. " 2>/dev/null") end
wrong = wrong or read_all(log)
os.remove(log)
if not figures then give_up((wrong:match "[^\n]+" or "it did not start")) end
print(figures)
