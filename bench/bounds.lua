-- The figures that kio is held to, as one table: what was measured, the bound, and whether it is
-- kept. Ratios need a quiet machine: where the control of a scenario is off they are doubtful.
local control = require "control"

local bounds = {}

bounds.scenarios = { "50x64", "500x64", "50x4096", "1x64", "rate10k", "messages", "instructions",
  "message-entries", "idle", "steps", "reads", "bulk", "threads" }
bounds.servers = { "uring-again", "uring-chunks", "epoll", "kio", "kio-buffer", "kio-busy" }

-- A value is a number, or quartiles { low, median, high }; nil when it could not be measured.
local function ratio(scenario, server)
  return function(figures)
    local f = figures[scenario] and figures[scenario][server]
    return f and f.ratio
  end
end

local function against(scenario, metric, server, other)
  return function(figures)
    local list = figures[scenario] and figures[scenario].ratios
    return list and list(metric, server, other)
  end
end

local function count(scenario, name)
  return function(figures) return figures[scenario] and figures[scenario][name] end
end

local function field(scenario, server, name)
  return function(figures)
    local f = figures[scenario] and figures[scenario][server]
    return f and f[name]
  end
end

-- How many times less than the base of the case.
local function times_less(scenario, case, program)
  return function(figures)
    local r = figures[scenario] and figures[scenario][case] and figures[scenario][case][program]
    r = r and r.cpu_ratio
    return r and { low = 1 / r.high, median = 1 / r.median, high = 1 / r.low }
  end
end

local function of_program(scenario, case, program, what)
  return function(figures)
    local r = figures[scenario] and figures[scenario][case] and figures[scenario][case][program]
    return r and r[what]
  end
end

-- Whether C against itself was off in a case of `bulk`.
local function bulk_off(case)
  local again = of_program("bulk", case, "c-again", "cpu_ratio")
  return function(figures) return control.far(again(figures)) end
end

local function load_off(scenario)
  return function(figures)
    return not figures[scenario] or control.off(figures[scenario])
  end
end

-- title, value(figures), and the bound: `most` or `least`; off(figures): whether the control says
-- that the ratio means nothing.
local lines <const> = {
  { "instructions per echo of 64 bytes, strings", count("instructions", "kio"), most = 2000 },
  { "the same with a buffer", count("instructions", "kio-buffer"), most = 1400 },
  { "CPU per echo over raw io_uring, 50x64", ratio("50x64", "kio"), most = 1.10,
    off = load_off("50x64") },
  { "the same, 500x64", ratio("500x64", "kio"), most = 1.10, off = load_off("500x64") },
  { "the same, 50x4096", ratio("50x4096", "kio"), most = 1.15, off = load_off("50x4096") },
  { "CPU per echo over epoll in C, 50x64", against("50x64", "cpu_ns", "kio", "epoll"), most = 1,
    off = load_off("50x64") },
  { "instructions of file:pread_into, 4 KiB", count("steps", "pread-into"), most = 2400 },
  { "instructions of file:pread, 4 KiB", count("steps", "pread"), most = 4300 },
  { "file:pread_into, times less CPU than luv", times_less("reads", "reads", "buffer"),
    least = 8 },
  { "file:pread, times less CPU than luv", times_less("reads", "reads", "string"), least = 4 },
  { "instructions of kio.spawn + await", count("steps", "spawn"), most = 4500 },
  { "  a bare coroutine, for comparison", count("steps", "coroutine") },
  { "instructions of kio.all of two functions", count("steps", "all"), most = 11000 },
  { "instructions of kio.yield, 64 tasks", count("steps", "yield"), most = 700 },
  { "instructions of kio.pread of one byte", count("steps", "byte"), most = 1400 },
  { "messages/s, share of echoing whole chunks", field("messages", "kio", "of_bound"),
    least = 0.80, off = load_off("messages") },
  { "messages/s, times raw io_uring's", field("messages", "kio", "speed"), least = 8,
    off = load_off("messages") },
  { "system calls per message", count("message-entries", "kio"), most = 0.05 },
  { "bytes per idle connection", count("idle", "kio"), most = 2300 },
  { "CPU of sending over C, writes of 64 KiB", of_program("bulk", "send64", "kio", "cpu_ratio"),
    most = 1.1, off = bulk_off "send64" },
  { "  C against itself", of_program("bulk", "send64", "c-again", "cpu_ratio") },
  { "the same, writes of 1 MiB", of_program("bulk", "send1024", "kio", "cpu_ratio"), most = 1.1,
    off = bulk_off "send1024" },
  { "CPU of receiving over C", of_program("bulk", "receive64", "kio", "cpu_ratio"), most = 1.1,
    off = bulk_off "receive64" },
  { "requests/s of one connection over epoll, busy_poll", against("1x64", "rps", "kio-busy",
    "epoll"), least = 3, off = load_off "1x64" },
  { "  without busy_poll", against("1x64", "rps", "kio", "epoll") },
  { "CPU at 10,000 requests/s, busy_poll over without", against("rate10k", "cpu_ns", "kio-busy",
    "kio"), most = 1, off = load_off("rate10k") },
  { "ns per message between workers, 1024 places", of_program("threads", "stream1024", "kio",
    "real"), most = 250 },
}

local function middle(value) return type(value) == "table" and value.median or value end

local function number_text(value)
  local size = math.abs(value)
  return (size >= 100 and "%.0f" or size >= 10 and "%.1f" or "%.3g"):format(value)
end

local function value_text(value)
  if not value then return "-" end
  if type(value) ~= "table" then return number_text(value) end
  return ("%s [%s-%s]"):format(number_text(value.median), number_text(value.low),
    number_text(value.high))
end

local function verdict(line, value, figures)
  if not (line.most or line.least) then return "" end
  if not value then return "not measured" end
  local kept = middle(value) <= (line.most or math.huge) and middle(value) >= (line.least or 0)
  local doubtful = line.off and line.off(figures)
  return (kept and "yes" or "NO") .. (doubtful and ", doubtful: the control is off" or "")
end

-- Prints the table; gives how many bounds are not kept.
function bounds.print(figures)
  local missed = 0
  print(("\n%-54s %-22s %-10s %s"):format("figure", "measured", "bound", "kept"))
  for _, line in ipairs(lines) do
    local value = line[2](figures)
    local text = verdict(line, value, figures)
    local bound = line.most and "<= " .. line.most or line.least and ">= " .. line.least or ""
    if text:match "^NO" or text == "not measured" then missed = missed + 1 end
    print(("%-54s %-22s %-10s %s"):format(line[1], value_text(value), bound, text))
  end
  print(missed == 0 and "all bounds are kept" or missed .. " bounds are not kept")
  return missed
end

return bounds
