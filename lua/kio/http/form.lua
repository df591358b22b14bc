---Fields of forms and queries, application/x-www-form-urlencoded: read as browsers write them, and
---written. Pure functions of strings.
local _ENV = require "kio.core".globals
local check = require "kio.check"

---@class kio.http.form
local form = {}

local FIELDS_MAX = 1000

local function byte_of(hex) return string.char(tonumber(hex, 16)) end

---The text with its percent signs decoded; those before no two hexadecimal digits stay.
---@param text string
---@return string
function form.decode(text, ...)
  check.type(text, "string", 1, "decode")
  check.no_more(1, "decode", ...)
  if not string.find(text, "%", 1, true) then return text end
  return (string.gsub(text, "%%(%x%x)", byte_of))
end

local function percent(byte) return string.format("%%%02X", string.byte(byte)) end

---The text with all but letters, digits and "-._~" percent-encoded: a part of a path or a query.
---@param text string
---@return string
function form.escape(text, ...)
  check.type(text, "string", 1, "escape")
  check.no_more(1, "escape", ...)
  return (string.gsub(text, "[^A-Za-z0-9%-%._~]", percent))
end

local function plain(text) return form.decode((string.gsub(text, "+", " "))) end

---The fields of a query or of the body of a form. A name without "=" has the value "".
---@param text string|nil nil: none
---@param options? { max: integer? } fields at most (1000)
---@return table<string, string>|nil fields the first value of each name
---@return { [1]: string, [2]: string }[]|string list all of them in order; of a failure the message
---@return string? code "EMSGSIZE"
function form.parse(text, options, ...)
  options = check.options(options, 2, "parse", { max = "number" }, ...)
  if text == nil then return {}, {} end
  check.type(text, "string", 1, "parse")
  local max, fields, list = options and options.max or FIELDS_MAX, {}, {}
  if max ~= math.huge then check.count(max, 2, "parse", "option 'max'") end
  for pair in string.gmatch(text, "[^&]+") do
    if #list >= max then return nil, string.format("more than %d fields", max), "EMSGSIZE" end
    local name, value = string.match(pair, "^([^=]*)=(.*)$")
    name, value = plain(name or pair), plain(value or "")
    list[#list + 1] = { name, value }
    if fields[name] == nil then fields[name] = value end
  end
  return fields, list
end

local function written(text) return (string.gsub(form.escape(text), "%%20", "+")) end

local function add(parts, name, value)
  local is_text = type(value) == "string" or type(value) == "number"
  if type(name) ~= "string" or not is_text then
    check.refuse(1, "encode", "names and values must be strings")
  end
  parts[#parts + 1] = written(name) .. "=" .. written(tostring(value))
end

local function sorted_names(fields)
  local names = {}
  for name in next, fields do
    if type(name) ~= "string" then check.refuse(1, "encode", "names must be strings") end
    names[#names + 1] = name
  end
  table.sort(names)
  return names
end

---The same the other way: values by name, in the order of names, or a list of names and values.
---@param fields table<string, string|number|string[]>|{ [1]: string, [2]: string|number }[]
---@return string
function form.encode(fields, ...)
  check.type(fields, "table", 1, "encode", "a table of fields")
  check.no_more(1, "encode", ...)
  local parts = {}
  if type(rawget(fields, 1)) == "table" then
    for _, field in ipairs(check.copy_list(fields)) do
      check.type(field, "table", 1, "encode", "a list of names and values")
      add(parts, rawget(field, 1), rawget(field, 2))
    end
    return table.concat(parts, "&")
  end
  for _, name in ipairs(sorted_names(fields)) do
    local value = rawget(fields, name)
    if type(value) ~= "table" then add(parts, name, value)
    else
      for _, each in ipairs(check.copy_list(value)) do add(parts, name, each) end
    end
  end
  return table.concat(parts, "&")
end

return form
