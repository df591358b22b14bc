-- The figures as tables of text.
local control = require "control"

local report = {}

local MISSING <const> = "-"

local function number(pattern, value)
  return value and pattern:format(value) or MISSING
end

local function ratio(figures)
  local r = figures and figures.ratio
  return r and ("%.2f [%.2f-%.2f]"):format(r.median, r.low, r.high) or MISSING
end

-- Lines of cells as text, the first column to the left, the others to the right.
local function aligned(lines)
  local width = {}
  for _, cells in ipairs(lines) do
    for i, cell in ipairs(cells) do width[i] = math.max(width[i] or 0, utf8.len(cell)) end
  end
  local out = {}
  for _, cells in ipairs(lines) do
    local padded = {}
    for i, cell in ipairs(cells) do
      local blank = (" "):rep(width[i] - utf8.len(cell))
      padded[i] = i == 1 and cell .. blank or blank .. cell
    end
    out[#out + 1] = table.concat(padded, "  "):gsub(" +$", "") .. "\n"
  end
  return table.concat(out)
end

-- Everything that one load scenario measured.
function report.details(scenario, servers, figures)
  local lines = { { "server", "requests/s", "CPU ns/req", "user ns", "system ns", "CPU ratio",
    "p50 us", "p99 us", "p99.9 us", "late us", "busy", "switches/req", "RSS KiB", "B/conn",
    "threads" } }
  for _, server in ipairs(servers) do
    local f = figures[server.name]
    if f then
      lines[#lines + 1] = { server.label, number("%.0f", f.rps), number("%.0f", f.cpu_ns),
        number("%.0f", f.user_ns), number("%.0f", f.system_ns), ratio(f),
        number("%.1f", f.p50_us), number("%.1f", f.p99_us), number("%.1f", f.p999_us),
        scenario.rate and number("%.1f", f.late_us) or MISSING,
        number("%.2f", f.busy), number("%.4f", f.switches), number("%.0f", f.rss_kib),
        number("%.0f", f.conn_bytes), number("%.0f", f.threads) }
    end
  end
  return ("\n%s (%s); %s\n"):format(scenario.title, scenario.name, control.text(figures))
    .. aligned(lines)
end

-- How many messages per second, beside the yardstick and the bound.
function report.speeds(scenario, servers, figures)
  local lines = { { "server", "x yardstick", "of the bound" } }
  for _, server in ipairs(servers) do
    local f = figures[server.name]
    if f then
      lines[#lines + 1] = { server.label, number("%.2f", f.speed), number("%.2f", f.of_bound) }
    end
  end
  return ("\nmessages per second (%s)\n"):format(scenario.name) .. aligned(lines)
end

local count_pattern <const> = { instructions = "%.0f", entries = "%.3f", idle = "%.0f" }

local function cell(scenario, figures)
  if scenario.kind == "load" then return ratio(figures) end
  return number(count_pattern[scenario.counter], figures)
end

-- Names the columns whose control is off.
local function warning(scenarios, figures)
  local names = {}
  for _, scenario in ipairs(scenarios) do
    if scenario.kind == "load" and control.off(figures[scenario.name]) then
      names[#names + 1] = scenario.name
    end
  end
  if #names == 0 then return "" end
  return "NOT TO BE QUOTED, for the control is off: " .. table.concat(names, ", ") .. "\n"
end

-- One line per server, one column per scenario: the ratios, and the counts per request.
function report.overview(scenarios, servers, figures)
  local head = { "server" }
  for _, scenario in ipairs(scenarios) do head[#head + 1] = scenario.name end
  local lines = { head }
  for _, server in ipairs(servers) do
    local cells, any = { server.label }, false
    for _, scenario in ipairs(scenarios) do
      local f = figures[scenario.name][server.name]
      cells[#cells + 1] = cell(scenario, f)
      any = any or f
    end
    if any then lines[#lines + 1] = cells end
  end
  local title = "\nServer CPU per request as a ratio to raw io_uring; counts per request\n"
  return title .. aligned(lines) .. warning(scenarios, figures)
end

return report
