---What a request asks of a file beside its name: conditions and ranges (RFC 9110, 13 and 14). Pure
---functions of the request's fields and of what is known of the file.
local _ENV = require "kio.core".globals
local date = require "kio.http.date"

local conditional = {}

---@class kio.http.About
---@field type "file"|"directory"|"other"
---@field size integer
---@field etag string with its quotes: a tag for the file as it is now
---@field mtime integer seconds since 1970
---@field date string the same as HTTP writes it

-- ---- conditions ----

-- Whether a list of tags, or "*", names this one. Weak: "W/" does not matter.
local function names(list, etag, weak)
  if string.find(list, "^%s*%*%s*$") then return true end
  for mark, tag in string.gmatch(list, '([wW]?/?)("[^"]*")') do
    if tag == etag and (weak or mark == "") then return true end
  end
  return false
end

-- Whether it was changed after that date; nil: it is no date.
local function changed_since(text, mtime)
  local time = date.parse(text)
  return time and mtime > time
end

---The status that conditions lead to: 304, 412; nil: they do not stand in the way.
---@param headers table<string, string>
---@param about kio.http.About
---@return integer|nil
function conditional.status(headers, about)
  local match, none = headers["if-match"], headers["if-none-match"]
  if match then
    if not names(match, about.etag, false) then return 412 end
  elseif changed_since(headers["if-unmodified-since"], about.mtime) then return 412 end
  if none then
    if names(none, about.etag, true) then return 304 end
  elseif changed_since(headers["if-modified-since"], about.mtime) == false then return 304 end
  return nil
end

-- ---- ranges ----

-- Whether a range is of the file that the client has begun to get.
local function is_same(headers, about)
  local text = headers["if-range"]
  if not text then return true end
  if string.find(text, '"', 1, true) then return text == about.etag end
  return date.parse(text) == about.mtime
end

local function integer(text)
  if #text > 18 then return math.maxinteger end
  return math.tointeger(tonumber(text))
end

---The one range that is asked for: its offset and length. nil: the whole file, also for several
---ranges and what is written wrong; false: there is no such range.
---@param headers table<string, string>
---@param about kio.http.About
---@return integer|false|nil offset
---@return integer|nil count
function conditional.range(headers, about)
  local text = headers.range
  if not text or not is_same(headers, about) then return nil end
  local first, last = string.match(text, "^[bB][yY][tT][eE][sS]=%s*(%d*)%-(%d*)%s*$")
  if not first or first == "" and last == "" then return nil end
  local size = about.size
  if first == "" then
    local count = math.min(integer(last), size)
    if count == 0 then return false end
    return size - count, count
  end
  local from, to = integer(first), last == "" and math.maxinteger or integer(last)
  if to < from then return nil end
  if from >= size then return false end
  return from, math.min(to, size - 1) - from + 1
end

return conditional
