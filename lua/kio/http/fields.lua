---Header fields as programs give them: a table of values by name, or a list of names and values.
---Metamethods do not run; what is wrong with names and values is for those who write them to say.
local _ENV = require "kio.core".globals
local check = require "kio.check"

local fields = {}

---Whether it can be fields, or none.
function fields.fit(headers) return headers == nil or type(headers) == "table" end

---The fields as a list of names and values, which is the caller's. What is no table has none.
---@param headers any
---@return { [1]: string, [2]: string|number }[]
function fields.listed(headers)
  if type(headers) ~= "table" then return {} end
  if type(rawget(headers, 1)) == "table" then return check.copy_list(headers) end
  local list = {}
  for name, value in next, headers do
    if type(value) == "table" then
      for _, one in ipairs(check.copy_list(value)) do list[#list + 1] = { name, one } end
    else
      list[#list + 1] = { name, value }
    end
  end
  return list
end

---The name of a field of a list, in lower case; nil: it is none.
---@param field any
---@return string|nil
function fields.name(field)
  local name = type(field) == "table" and rawget(field, 1)
  return type(name) == "string" and string.lower(name) or nil
end

---The first of the fields whose name, in lower case, is among these.
---@param headers table|nil
---@param names table<string, any>
---@return string|nil name
function fields.find(headers, names)
  for _, field in ipairs(fields.listed(headers)) do
    local name = fields.name(field)
    if name and names[name] then return rawget(field, 1) end
  end
end

---Those of `headers`, and those of `added` that it does not name; Set-Cookie and its like come from
---both.
---@param added { [1]: string, [2]: string }[]
---@param headers table|nil
function fields.merged(added, headers)
  local list, set = fields.listed(headers), {}
  for _, field in ipairs(list) do set[fields.name(field) or ""] = true end
  for _, field in ipairs(added) do
    local name = string.lower(field[1])
    if not set[name] or name == "set-cookie" then list[#list + 1] = field end
  end
  return list
end

return fields
