---The half of kio.zlib that is written in C; says clearly why it cannot be had.
local _ENV = require "kio.core".globals

local function why(text)
  if string.find(text, "^module 'kio%.zlib%.core' not found") then
    return "kio.zlib needs its shared object, kio/zlib/core.so, which the rock kio-zlib builds "
      .. "with zlib: "
  elseif string.find(text, "libz%.so") then
    return "kio.zlib needs zlib, which cannot be loaded: "
  end
  return ""
end

local found, core = pcall(require, "kio.zlib.core")
if not found then error(why(tostring(core)) .. tostring(core), 0) end
return core
