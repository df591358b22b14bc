---The half of kio.tls that is written in C; says clearly why it cannot be had.
local _ENV = require "kio.core".globals

local function why(text)
  if string.find(text, "^module 'kio%.tls%.core' not found") then
    return "kio.tls needs its shared object, kio/tls/core.so, which the rock kio-tls builds with "
      .. "OpenSSL 3: "
  elseif string.find(text, "libssl%.so") or string.find(text, "libcrypto%.so") then
    return "kio.tls needs OpenSSL 3, which cannot be loaded: "
  end
  return ""
end

local found, core = pcall(require, "kio.tls.core")
if not found then error(why(tostring(core)) .. tostring(core), 0) end
return core
