-- The control: the yardstick run a second time as if it were another server. How far it is from 1.00
-- is what a run cannot tell apart, and past OFF_MAX its ratios are not to be quoted.
local control = {}

control.name = "uring-again"

local OFF_MAX <const> = 0.03

local function ratio_of(figures)
  local f = figures[control.name]
  return f and f.ratio
end

-- Whether the ratios of a scenario, figures by server name, must not be quoted.
function control.off(figures)
  local r = ratio_of(figures)
  return not r or math.abs(r.median - 1) > OFF_MAX
end

-- What a heading says about it.
function control.text(figures)
  local r = ratio_of(figures)
  if not r then return "no control: NOT TO BE QUOTED" end
  local text = ("control %.2f [%.2f-%.2f]"):format(r.median, r.low, r.high)
  if not control.off(figures) then return text end
  return ("%s: NOT TO BE QUOTED, it is off by %.0f %%"):format(text, math.abs(r.median - 1) * 100)
end

return control
