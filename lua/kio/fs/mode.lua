---The modes of Lua's io.open, and "x", as flags of openat(2).
local _ENV = require "kio.core".globals
local const = require("kio.core").const

local mode = {}

local READ, WRITE, BOTH = const.O_RDONLY, const.O_WRONLY, const.O_RDWR

local first = {
  r = 0,
  w = const.O_CREAT | const.O_TRUNC,
  a = const.O_CREAT | const.O_APPEND,
  x = const.O_CREAT | const.O_EXCL,
}

---The flags of "r", "w", "a" or "x" and, in any order, at most one each of "+", "b" and (after "w"
---or "a") "x"; nil when it is no mode.
function mode.flags(text)
  local letter, rest = string.match(text, "^([rwax])([+bx]*)$")
  if not letter then return nil end
  local seen = {}
  for mark in string.gmatch(rest, ".") do
    if seen[mark] then return nil end
    seen[mark] = true
  end
  if seen.x and (letter == "r" or letter == "x") then return nil end
  local access = seen["+"] and BOTH or letter == "r" and READ or WRITE
  return first[letter] | access | (seen.x and const.O_EXCL or 0)
end

return mode
