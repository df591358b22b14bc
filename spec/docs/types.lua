-- What the annotations promise, read as lua-language-server reads them: the names of each class,
-- from its fields and from what is defined on the local that stands below it; of a module, those of
-- what it returns. Names that are only made at run time (by a loop) are not seen, as there.
local source = require "spec.tidy.source"

local types = {}

---@type table<string, { parents: string[], names: table<string, string> }>
local classes = {}
local modules = {} -- module name -> the class it returns

local function class_of(name)
  classes[name] = classes[name] or { parents = {}, names = {} }
  return classes[name]
end

local function add(class, name, kind)
  if not name:match "^__" then class_of(class).names[name] = kind end
end

-- "---@class a.B: c.D, userdata"
local function open_class(text)
  local name, parents = text:match "^([%w_.]+)%s*:?%s*(.*)$"
  for parent in parents:gmatch "kio[%w_.]*" do
    table.insert(class_of(name).parents, parent)
  end
  class_of(name)
  return name
end

-- "---@field package name? type"
local function add_field(class, text)
  local name, type = text:match "^([%w_]+)%??%s+(.*)$"
  if name == "package" or name == "private" then return end
  if name then add(class, name, type:match "^%(?async fun%(" and "function"
    or type:match "^%(?fun%(" and "function" or "field") end
end

-- The names that a table constructor gives: it begins in this text and ends with its brace.
local function add_constructor(class, text)
  for name in text:match "^%b{}":sub(2, -2):gsub("%b{}", "{}"):gmatch "%f[%w_]([%a_][%w_]*)%s*=" do
    add(class, name, "field")
  end
end

local function read(path)
  local text = source.read(path)
  local lines, at = source.lines(text), 1
  local bound, pending, offset = {}, nil, 1
  local function bind(var, class, value)
    bound[var] = class or ("local %s in %s"):format(var, path)
    if value:match "^{" then add_constructor(bound[var], text:sub(offset + #lines[at] - #value)) end
  end
  while at <= #lines do
    local line = lines[at]
    local var, value = line:match "^local ([%w_]+) = (.*)$"
    local owner, sign, name = line:match "^function ([%w_]+)([.:])([%w_]+)%("
    local target, field = line:match "^([%w_]+)%.([%w_]+) = "
    local returned = line:match "^return (.*)$"
    if line:match "^%-%-%-@class " then pending = open_class(line:match "^%-%-%-@class (.*)$")
    elseif line:match "^%-%-%-@field " and pending then
      add_field(pending, line:match "^%-%-%-@field (.*)$")
    elseif var then bind(var, pending, value)
    elseif owner and bound[owner] then add(bound[owner], name, sign and "function")
    elseif target and bound[target] then add(bound[target], field, "assigned")
    elseif returned then
      if returned:match "^{" then bind("returned", pending, returned) end
      modules[path] = bound[returned:match "^[%w_]+$" or "returned"]
    end
    if not line:match "^%-%-%-" then pending = nil end
    offset = offset + #line + 1
    at = at + 1
  end
end

local function load_all()
  for _, path in ipairs(source.files "^lua/.*%.lua$") do read(path) end
end

-- name -> "function", "assigned" or "field", those of the class and of its parents.
function types.of_class(name)
  if not next(classes) then load_all() end
  local all = {}
  local function take(class)
    for each, kind in pairs(class_of(class).names) do all[each] = kind end
    for _, parent in ipairs(class_of(class).parents) do take(parent) end
  end
  take(name)
  return all
end

-- The same of what the module in this file returns.
function types.of_module(path)
  if not next(classes) then load_all() end
  return types.of_class(assert(modules[path], path .. " returns nothing with a name"))
end

return types
