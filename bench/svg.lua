-- A bar chart as SVG: panels side by side, in each one horizontal bar per row.
local svg = {}

local ROW <const>, GAP <const>, PANEL <const>, LABEL <const>, TOP <const> = 20, 24, 250, 190, 70
local FONT <const> = 'font-family="sans-serif" font-size="12"'

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
    value.median * scale, ROW - 6, strong and "#d9822b" or "#7f9db9")
  local tip = value.median
  if value.low then
    local middle = y + ROW / 2
    out[#out + 1] = line(x + value.low * scale, middle, x + value.high * scale, middle)
    tip = math.max(tip, value.high)
  end
  out[#out + 1] = text_at(x + tip * scale + 4, y + ROW - 6, value.text)
end

local function panel(out, chart, column, x)
  local longest = 0
  for _, row in ipairs(chart.rows) do
    local value = column.values[row.name]
    if value then longest = math.max(longest, value.high or 0, value.median) end
  end
  local scale = longest > 0 and (PANEL - 50) / longest or 0
  out[#out + 1] = text_at(x, TOP - 12, column.title)
  for i, row in ipairs(chart.rows) do
    local value = column.values[row.name]
    if value then bar(out, x, TOP + (i - 1) * ROW, scale, value, row.strong) end
  end
  local bottom = TOP + #chart.rows * ROW
  out[#out + 1] = line(x, TOP, x, bottom)
  if column.mark and column.mark <= longest then
    local at = x + column.mark * scale
    out[#out + 1] = line(at, TOP, at, bottom, 'stroke-dasharray="2 3"')
  end
end

-- chart: title, rows { name, label, strong }, columns { title, mark, values }; values[row name] is
-- { median, low, high, text }; a dashed line stands at the mark. Gives the document as a string.
function svg.bars(chart)
  local width = LABEL + #chart.columns * (PANEL + GAP)
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
    panel(out, chart, column, LABEL + (i - 1) * (PANEL + GAP))
  end
  out[#out + 1] = "</svg>\n"
  return table.concat(out, "\n")
end

return svg
