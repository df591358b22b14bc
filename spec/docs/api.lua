-- What `require "kio"` offers, as a list; found by looking, not by keeping a second list.
local kio = require "kio"
local blocks = require "spec.docs.blocks"
local source = require "spec.tidy.source"

local api = {}

-- Not for users: the C half as a whole, and the helpers, which are in `kio` itself as well.
local INNER = { core = true, io = true }

local USERDATA = {
  "kio.Task", "kio.Scope", "kio.Stream", "kio.Listener", "kio.Udp", "kio.Buffer", "kio.Runtime",
  "kio.ThreadChannel", "kio.ThreadEvent",
}

local SYNC = { "mutex", "semaphore", "condition", "event", "waitgroup", "channel" }

-- Between the sync rooms themselves.
local PACKAGE = { is_mine = true, relock = true }

local function add(list, seen, entry)
  if seen[entry.f] then return end
  seen[entry.f] = true
  list[#list + 1] = entry
end

-- In the order of names, so that of two names for one function it is always the same that counts.
local function sorted(module)
  local names, i = {}, 0
  for name in pairs(module) do names[#names + 1] = name end
  table.sort(names)
  return function()
    i = i + 1
    return names[i], module[names[i]]
  end
end

local function add_functions(list, seen, prefix, module)
  for name, value in sorted(module) do
    if type(value) == "function" then
      add(list, seen, { name = prefix .. name, key = name, f = value })
    elseif type(value) == "table" and prefix == "kio." and not INNER[name] and name ~= "const" then
      add_functions(list, seen, prefix .. name .. ".", value)
    end
  end
end

local function add_methods(list, seen, type_name, methods)
  local class = type_name:match("[^.]+$")
  for name, value in sorted(methods) do
    local inner = name:match("^__") or (class == "File" and name == "open") or PACKAGE[name]
    if type(value) == "function" and not inner then
      add(list, seen, { name = class .. ":" .. name, key = name, f = value, method = true })
    end
  end
end

-- A list of { name = "kio.sleep" or "Stream:recv", key = its last part, f =, method = boolean }.
function api.list()
  local list, seen = {}, {}
  add_functions(list, seen, "kio.", kio)
  for _, name in ipairs(USERDATA) do
    local meta = debug.getregistry()[name]
    if meta then add_methods(list, seen, name, meta.__index) end
  end
  add_methods(list, seen, "kio.File", require "kio.fs.file".File)
  add_methods(list, seen, "kio.Process", require "kio.process.handle")
  local pool = getmetatable(kio.pool { connect = function() end })
  add_methods(list, seen, "kio.Pool", pool)
  add_methods(list, seen, "kio.Lease", require "kio.pool".Lease)
  for _, name in ipairs(SYNC) do
    local counts = name == "semaphore" or name == "channel"
    local class = getmetatable(kio.sync[name](counts and 0 or nil))
    add_methods(list, seen, class.__name, class)
  end
  table.sort(list, function(a, b) return a.name < b.name end)
  return list
end

-- All files that match the pattern, as one text.
function api.text(...)
  local parts = {}
  for _, pattern in ipairs { ... } do
    for _, path in ipairs(source.files(pattern)) do parts[#parts + 1] = source.read(path) end
  end
  return table.concat(parts, "\n")
end

-- The Lua programs in the pages, as one text.
function api.programs()
  local parts = {}
  for _, page in ipairs(source.files("^docs/.*%.md$")) do
    for _, block in ipairs(blocks.of(page)) do parts[#parts + 1] = block.text end
  end
  return table.concat(parts, "\n")
end

return api
