---Dates as HTTP writes them: in Greenwich, whatever the locale.
local _ENV = require "kio.core".globals

local date = {}

local DAYS = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" }
local MONTHS = {
  "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
}
date.months = MONTHS

local number_of = {}
for i, month in ipairs(MONTHS) do number_of[month] = i end

---"Sun, 06 Nov 1994 08:49:37 GMT".
---@param time integer seconds since 1970
---@return string
function date.format(time)
  local t = os.date("!*t", time)
  return string.format("%s, %02d %s %d %02d:%02d:%02d GMT", DAYS[t.wday], t.day, MONTHS[t.month],
    t.year, t.hour, t.min, t.sec)
end

-- Days since 1970; its years begin in March, so that the odd day of leap years is their last.
local function days_of(year, month, day)
  if month <= 2 then year = year - 1 end
  local era_year, march = year % 400, (month + 9) % 12
  local of_era = era_year * 365 + era_year // 4 - era_year // 100 + (153 * march + 2) // 5 + day - 1
  return year // 400 * 146097 + of_era - 719468
end

local FORM = "^%a%a%a, (%d%d) (%a%a%a) (%d%d%d%d) (%d%d):(%d%d):(%d%d) GMT$"

---Seconds since 1970; nil for what is not written in that form.
---@param text string|nil
---@return integer|nil
function date.parse(text)
  if not text then return nil end
  local day, month, year, hour, minute, second = string.match(text, FORM)
  month = number_of[month]
  if not month then return nil end
  local fits = tonumber(day) <= 31 and tonumber(hour) < 24 and tonumber(minute) < 60
    and tonumber(second) <= 60
  if not fits then return nil end
  local days = days_of(math.tointeger(tonumber(year)), month, math.tointeger(tonumber(day)))
  return days * 86400 + math.tointeger(tonumber(hour)) * 3600
    + math.tointeger(tonumber(minute)) * 60 + math.tointeger(tonumber(second))
end

date.days = days_of

return date
