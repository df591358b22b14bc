-- Charts as SVG: panels side by side, in each one row per server, with bars or with dots.
local svg = {}

local ROW <const>, GAP <const>, PANEL <const>, LABEL <const>, TOP <const> = 20, 24, 280, 210, 70
local VALUE <const> = 130 -- room for what is written behind the dots
local FONT <const> = 'font-family="sans-serif" font-size="12"'
local STRONG <const>, PLAIN <const> = "#d9822b", "#7f9db9"

local function escaped(text)
  return (text:gsub("[&<>]", { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;" }))
end

local function text_at(x, y, text, more)
  return ('<text x="%.1f" y="%.1f" %s %s>%s</text>'):format(x, y, FONT, more or "", escaped(text))
end

local function line(x1, y1, x2, y2, more)
  return ('<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="#333" %s/>'):format(x1, y1, x2,
    y2, more or "")
end

local function bar(out, x, y, scale, value, strong)
  out[#out + 1] = ('<rect x="%.1f" y="%.1f" width="%.1f" height="%d" fill="%s"/>'):format(x, y + 3,
    value.median * scale, ROW - 6, strong and STRONG or PLAIN)
  local tip = value.median
  if value.low then
    local middle = y + ROW / 2
    out[#out + 1] = line(x + value.low * scale, middle, x + value.high * scale, middle)
    tip = math.max(tip, value.high)
  end
  out[#out + 1] = text_at(x + tip * scale + 4, y + ROW - 6, value.text)
end

local function bar_panel(out, chart, column, x)
  local longest = 0
  for _, value in pairs(column.values) do
    longest = math.max(longest, value.high or 0, value.median)
  end
  local scale = longest > 0 and (PANEL - 50) / longest or 0
  for i, row in ipairs(chart.rows) do
    local value = column.values[row.name]
    if value then bar(out, x, TOP + (i - 1) * ROW, scale, value, row.strong) end
  end
  if column.mark and column.mark <= longest then
    local at = x + column.mark * scale
    out[#out + 1] = line(at, TOP, at, TOP + #chart.rows * ROW, 'stroke-dasharray="2 3"')
  end
end

-- The smallest and the largest logarithm of the panel's values, apart.
local function log_range(column)
  local low, high = math.huge, -math.huge
  for _, value in pairs(column.values) do
    low = math.min(low, math.log(math.max(value[1], 1), 10))
    high = math.max(high, math.log(math.max(value[#value], 1), 10))
  end
  return low, math.max(high, low + 0.1)
end

local function dots(out, x, y, place, value, strong)
  local colour = strong and STRONG or PLAIN
  out[#out + 1] = line(x + place(value[1]), y, x + place(value[#value]), y)
  for _, v in ipairs(value) do
    out[#out + 1] = ('<circle cx="%.1f" cy="%.1f" r="4" fill="%s"/>'):format(x + place(v), y,
      colour)
  end
  out[#out + 1] = text_at(x + place(value[#value]) + 8, y + 4, value.text)
end

local function dot_panel(out, chart, column, x)
  local low, high = log_range(column)
  local function place(value)
    return 6 + (math.log(math.max(value, 1), 10) - low) / (high - low) * (PANEL - VALUE - 12)
  end
  for i, row in ipairs(chart.rows) do
    local value = column.values[row.name]
    if value then dots(out, x, TOP + (i - 0.5) * ROW, place, value, row.strong) end
  end
end

local function document(chart, panel)
  local width = math.max(LABEL + #chart.columns * (PANEL + GAP), 20 + 8 * #chart.title)
  local height = TOP + #chart.rows * ROW + GAP
  local out = {
    ('<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d">'):format(
      width, height, width, height),
    '<rect width="100%" height="100%" fill="white"/>',
    text_at(10, 24, chart.title, 'font-weight="bold"'),
  }
  for i, row in ipairs(chart.rows) do
    out[#out + 1] = text_at(LABEL - 8, TOP + i * ROW - 6, row.label, 'text-anchor="end"')
  end
  for i, column in ipairs(chart.columns) do
    local x = LABEL + (i - 1) * (PANEL + GAP)
    out[#out + 1] = text_at(x, TOP - 26, column.title)
    if column.warning then out[#out + 1] = text_at(x, TOP - 10, column.warning, 'fill="red"') end
    out[#out + 1] = line(x, TOP, x, TOP + #chart.rows * ROW)
    panel(out, chart, column, x)
  end
  out[#out + 1] = "</svg>\n"
  return table.concat(out, "\n")
end

-- chart: title, rows { name, label, strong }, columns { title, warning, mark, values };
-- values[row name] is { median, low, high, text }; a dashed line stands at the mark. Gives the
-- document as a string.
function svg.bars(chart) return document(chart, bar_panel) end

-- The same with values[row name] a list of ascending numbers with a field `text`: dots on a
-- logarithmic scale of the panel's own.
function svg.dots(chart) return document(chart, dot_panel) end

return svg
