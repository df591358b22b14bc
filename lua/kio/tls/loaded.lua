---The half of kio.tls that is written in C; says clearly why it cannot be had.
require "kio"
local _ENV = require "kio.core".globals

local found, core = pcall(require, "kio.tls.core")
if found then return core end

local text = tostring(core)
if string.find(text, "lib[cs][rs][yl][%w.]*so", 1) then
  error("kio.tls needs OpenSSL 3, which cannot be loaded: " .. text, 0)
elseif string.find(text, "^module 'kio%.tls%.core' not found") then
  error("kio.tls needs its shared object, kio/tls/core.so, which the rock kio-tls builds with "
    .. "OpenSSL 3: " .. text, 0)
end
error(text, 0)
