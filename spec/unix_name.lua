-- Gives abstract Unix names that nobody else has: not another process, in which tables may lie at
-- the same addresses, nor another Lua state of this one. Needs nothing, so that the programs that
-- specs start may use it, too.
local file <close> = assert(io.open "/proc/self/stat")
local process, own, count = file:read "n", tostring({}):match "0x%x+", 0

return function()
  count = count + 1
  return ("unix:@kio-spec-%d-%s-%d"):format(process, own, count)
end
