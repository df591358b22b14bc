---Base64, as headers have it.
local _ENV = require "kio.core".globals

local ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

local function digit(value, shift)
  local at = (value >> shift & 63) + 1
  return string.sub(ALPHABET, at, at)
end

local function group(bytes)
  local a, b, c = string.byte(bytes, 1, 3)
  local value = a << 16 | (b or 0) << 8 | (c or 0)
  return digit(value, 18) .. digit(value, 12) .. (b and digit(value, 6) or "=")
    .. (c and digit(value, 0) or "=")
end

local base64 = {}

---@param bytes string
---@return string
function base64.encode(bytes) return (string.gsub(bytes, "..?.?", group)) end

return base64
