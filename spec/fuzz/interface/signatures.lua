-- What a function says about its arguments: the annotations above it, of lua/types for the half in
-- C and of the modules themselves for the other. So what is new is called with what it takes.
local lfs = require "lfs"

local signatures = { fields = {} }

local by_name, by_line, parents = {}, {}, {}

local function files(folder, list)
  for name in lfs.dir(folder) do
    local path = folder .. "/" .. name
    if name:match("%.lua$") then list[#list + 1] = path
    elseif name:match("^%l+$") and lfs.attributes(path, "mode") == "directory" then
      files(path, list)
    end
  end
  return list
end

local function read_class(line)
  local name, above = line:match("^%-%-%-@class ([%w.]+):?%s*(.*)$")
  if not name then return nil end
  local fields = signatures.fields[name] or {}
  signatures.fields[name], parents[name] = fields, {}
  for parent in above:gmatch("[%w.]+") do table.insert(parents[name], parent) end
  return fields
end

local function inherit()
  for name, list in pairs(parents) do
    for _, parent in ipairs(list) do
      for key, kind in pairs(signatures.fields[parent] or {}) do
        signatures.fields[name][key] = signatures.fields[name][key] or kind
      end
    end
  end
end

-- Reads one file; `lib` is its path as debug.getinfo tells it.
local function read(path)
  local params, fields, n = {}, nil, 0
  for line in io.lines(path) do
    n = n + 1
    local param, optional, kind = line:match("^%-%-%-@param ([%w_.]+)(%??)%s+(.*)$")
    local field, field_kind = line:match("^%-%-%-@field ([%a_][%w_]*)%??%s+(.*)$")
    local called = line:match("^local function ([%w_.:]+)") or line:match("^function ([%w_.:]+)")
    fields = read_class(line) or fields
    if line:match("^%-%-%-@async") then params.async = true end
    if param then
      params[#params + 1] = { name = param, kind = kind, optional = optional == "?" }
    elseif field and fields then fields[field] = field_kind
    elseif called then
      by_name[called], by_line[path .. ":" .. n] = params, params
      params = {}
    elseif not line:match("^%-%-") then params, fields = {}, nil end
  end
end

function signatures.load(root)
  for _, path in ipairs(files(root .. "/lua", {})) do read(path) end
  inherit()
end

-- The parameters of f, which is called by this name ("kio.net.listen", "kio.Stream:recv"); with
-- `async`: it may wait.
function signatures.of(name, f)
  local info = debug.getinfo(f, "S")
  if info.what ~= "C" then
    local path = info.source:sub(2):gsub("/%./", "/")
    return by_line[path .. ":" .. info.linedefined] or {}
  end
  local last = name:match("[%w_]+$")
  return by_name[name:gsub("^kio%.(.+:)", "%1")] or by_name["kio." .. last]
    or by_name["kio." .. name:gsub("^kio%.", ""):gsub("%.", "_")] or {}
end

return signatures
