---Tables that are read once, when a function is called: what a program changes in them later, or in
---the middle of the call, changes nothing.
local _ENV = require "kio.core".globals

local once = {}

---The table's own fields as another table, which nobody else can change; metamethods do not run.
---What is no table stays as it is.
function once.copy(fields)
  if type(fields) ~= "table" then return fields end
  local copy = {}
  for key, value in next, fields do copy[key] = value end
  return copy
end

---The list as another one. What is no table stays so.
function once.copy_list(list)
  return type(list) == "table" and table.move(list, 1, #list, 1, {}) or list
end

return once
