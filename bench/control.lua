-- The control: the yardstick run a second time as if it were another server. How far it is from
-- 1.00 is what a run cannot tell apart, and past OFF_MAX its ratios are not to be quoted. Nor are
-- those of a fixed rate that the load could not keep.
local control = {}

control.name = "uring-again"

local OFF_MAX <const> = 0.03
local LATE_MAX <const> = 100 -- us, that 1 message of 100 may leave after it was due

local function ratio_of(figures)
  local f = figures[control.name]
  return f and f.ratio
end

-- By how many us the load was late in the worst case, itself: 0 where it keeps no rate.
local function lateness(figures)
  local worst = 0
  for name, f in pairs(figures) do
    if name ~= "ratios" then worst = math.max(worst, f.late_us) end
  end
  return worst
end

-- Whether a ratio of 1, as quartiles, is off by too much; also when it is not there.
function control.far(r) return not r or math.abs(r.median - 1) > OFF_MAX end

-- Why the ratios of a scenario, figures by server name, must not be quoted; nil when they may.
function control.complaint(figures)
  local r, late = ratio_of(figures), lateness(figures)
  if not r then return "the control did not run" end
  if control.far(r) then
    return ("the control is off by %.0f %%"):format(math.abs(r.median - 1) * 100)
  end
  return late > LATE_MAX and ("the load was late by %.0f us"):format(late) or nil
end

function control.off(figures) return control.complaint(figures) ~= nil end

-- What a heading says about it.
function control.text(figures)
  local r, why = ratio_of(figures), control.complaint(figures)
  local text = r and ("control %.2f [%.2f-%.2f]"):format(r.median, r.low, r.high) or "control"
  return why and ("%s: NOT TO BE QUOTED, %s"):format(text, why) or text
end

return control
