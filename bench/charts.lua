-- The figures as charts: what a run has no figures for is not drawn.
local control = require "control"
local svg = require "svg"

local charts = {}

-- A server has a row when any of the columns has a value for it; what is kio stands out.
local function rows_of(columns, servers)
  local rows = {}
  for _, server in ipairs(servers) do
    local any = false
    for _, column in ipairs(columns) do any = any or column.values[server.name] end
    if any then
      rows[#rows + 1] = { name = server.name, label = server.label,
        strong = server.name:match "^kio" ~= nil }
    end
  end
  return rows
end

local function columns_of(list, servers, figures, value_of)
  local columns = {}
  for i, scenario in ipairs(list) do
    local values, of_scenario = {}, figures[scenario.name]
    for _, server in ipairs(servers) do
      local f = of_scenario[server.name]
      values[server.name] = f and value_of(f)
    end
    local why = scenario.kind == "load" and control.complaint(of_scenario)
    columns[i] = { title = scenario.title, values = values,
      warning = why and "not to be quoted: " .. why }
  end
  return columns
end

local function ratio(f)
  local r = f.ratio
  return r and { median = r.median, low = r.low, high = r.high, text = ("%.2f"):format(r.median) }
end

local function latency(f)
  local text = ("%.0f / %.0f / %.0f"):format(f.p50_us, f.p99_us, f.p999_us)
  return { f.p50_us, f.p99_us, f.p999_us, text = text }
end

local function plain(pattern)
  return function(value) return { median = value, text = pattern:format(value) } end
end

local function chosen(list, test)
  local found = {}
  for _, scenario in ipairs(list) do
    if test(scenario) then found[#found + 1] = scenario end
  end
  return found
end

-- Each chart: file, title, which scenarios are its columns, what of a server's figures is shown,
-- how it is drawn, and where a mark stands.
local all <const> = {
  { file = "echo", title = "Server CPU per request, ratio to raw io_uring, line: quartiles "
      .. "(shorter is better)",
    test = function(s) return s.kind == "load" and not s.rate end, value = ratio,
    draw = svg.bars, mark = 1 },
  { file = "latency", title = "Time from when a request was due to its echo, in us, on a "
      .. "logarithmic scale: p50 / p99 / p99.9",
    test = function(s) return s.rate end, value = latency, draw = svg.dots },
  { file = "instructions", title = "User-space instructions per request (shorter is better)",
    test = function(s) return s.counter == "instructions" end, value = plain "%.0f",
    draw = svg.bars },
  { file = "entries", title = "System calls per request (shorter is better)",
    test = function(s) return s.counter == "entries" and not s.message end,
    value = plain "%.3f", draw = svg.bars },
  { file = "idle", title = "Resident memory of the server per idle connection, in bytes",
    test = function(s) return s.counter == "idle" end, value = plain "%.0f", draw = svg.bars },
}

-- Draws what there are figures for: write(name, document) for each chart.
function charts.draw(list, servers, figures, write)
  for _, chart in ipairs(all) do
    local columns = columns_of(chosen(list, chart.test), servers, figures, chart.value)
    for _, column in ipairs(columns) do column.mark = chart.mark end
    if #columns > 0 then
      write(chart.file, chart.draw { title = chart.title, rows = rows_of(columns, servers),
        columns = columns })
    end
  end
end

return charts
