-- The figures as tables of text and as bar charts.
local svg = require "svg"

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
  local lines = { { "server", "requests/s", "CPU ns/req", "CPU ratio", "p50 us", "p99 us",
    "p99.9 us", "busy", "switches/req", "RSS KiB", "B/conn", "threads" } }
  for _, server in ipairs(servers) do
    local f = figures[server.name]
    if f then
      lines[#lines + 1] = { server.label, number("%.0f", f.rps), number("%.0f", f.cpu_ns), ratio(f),
        number("%.1f", f.p50_us), number("%.1f", f.p99_us), number("%.1f", f.p999_us),
        number("%.2f", f.busy), number("%.4f", f.switches), number("%.0f", f.rss_kib),
        number("%.0f", f.conn_bytes), number("%.0f", f.threads) }
    end
  end
  return ("\n%s (%s)\n"):format(scenario.title, scenario.name) .. aligned(lines)
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

-- One line per server, one column per scenario: the ratios, and the counts per request.
function report.overview(scenarios, servers, figures)
  local head = { "server" }
  for _, scenario in ipairs(scenarios) do head[#head + 1] = scenario.name end
  local lines = { head }
  for _, server in ipairs(servers) do
    local cells = { server.label }
    for _, scenario in ipairs(scenarios) do
      cells[#cells + 1] = cell(scenario, figures[scenario.name][server.name])
    end
    lines[#lines + 1] = cells
  end
  local title = "\nServer CPU per request as a ratio to raw io_uring; counts per request\n"
  return title .. aligned(lines)
end

local function value_of(scenario, figures)
  if not figures then return nil end
  if scenario.kind == "counts" then
    return { median = figures, text = cell(scenario, figures) }
  end
  local r = figures.ratio
  return r and { median = r.median, low = r.low, high = r.high, text = ("%.2f"):format(r.median) }
end

-- A server has a row when any of the columns has a figure for it; the bars of kio stand out.
local function chart_rows(columns, servers)
  local rows = {}
  for _, server in ipairs(servers) do
    local any = false
    for _, column in ipairs(columns) do any = any or column.values[server.name] end
    if any then
      rows[#rows + 1] = { name = server.name, label = server.label, strong = server.name == "kio" }
    end
  end
  return rows
end

-- Some scenarios as one chart in SVG: one column each, with a mark at the ratio 1.
function report.chart(title, scenarios, servers, figures)
  local columns = {}
  for i, scenario in ipairs(scenarios) do
    local values = {}
    for _, server in ipairs(servers) do
      values[server.name] = value_of(scenario, figures[scenario.name][server.name])
    end
    local timed = scenario.kind == "load"
    columns[i] = { title = timed and scenario.title or "", mark = timed and 1, values = values }
  end
  return svg.bars { title = title, rows = chart_rows(columns, servers), columns = columns }
end

return report
