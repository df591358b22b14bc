-- The Lua half as a graph: who requires whom. There is no circle in it, `require "kio"` reaches
-- every module, and none is required for what it does by the way.
local source = require "spec.tidy.source"

local FIRST = "kio"
local CORES = { ["kio.core"] = true, ["kio.http.core"] = true, ["kio.tls.core"] = true }

-- "lua/kio/net/init.lua" -> "kio.net"
local function module_name(path)
  return (path:gsub("^lua/", ""):gsub("%.lua$", ""):gsub("/init$", ""):gsub("/", "."))
end

-- Module name -> { module name = line } of those it requires; the core is written in C.
local function graph_of(files, read)
  local graph = {}
  for _, path in ipairs(files) do
    local wanted = {}
    for number, line in ipairs(source.lines(read(path))) do
      for name in line:gsub("^%s*%-%-.*$", ""):gmatch 'require%s*%(?%s*"(kio[%w_.]*)"' do
        if not CORES[name] then wanted[name] = number end
      end
    end
    graph[module_name(path)] = wanted
  end
  return graph
end

-- The modules of a circle that can be reached from `name`, in order; nil: there is none.
local function circle_from(graph, name, path, done)
  for i, each in ipairs(path) do
    if each == name then return table.concat(path, " -> ", i) .. " -> " .. name end
  end
  if done[name] then return nil end
  path[#path + 1] = name
  for wanted in pairs(graph[name] or {}) do
    local circle = circle_from(graph, wanted, path, done)
    if circle then return circle end
  end
  path[#path], done[name] = nil, true
end

local function circle(graph)
  local done = {}
  for name in pairs(graph) do
    local found = circle_from(graph, name, {}, done)
    if found then return found end
  end
end

-- The modules of other rocks, which are found when they are used.
local function found_later(files, read)
  local list = { "kio.http", "kio.tls" }
  for _, path in ipairs(files) do
    for name in read(path):gmatch 'optional%.find%s*"([%w_.]+)"' do
      list[#list + 1] = "kio." .. name
    end
  end
  return list
end

local function reached_from(graph, name, seen)
  if seen[name] or not graph[name] then return seen end
  seen[name] = true
  for wanted in pairs(graph[name]) do reached_from(graph, wanted, seen) end
  return seen
end

describe("the modules of the Lua half", function()
  local files = source.files("^lua/kio/.*%.lua$")
  local graph = graph_of(files, source.read)

  it("are found", function()
    assert.is_true(#files > 40)
    assert.is_truthy(graph["kio.net"]["kio.net.serve"])
  end)

  it("require what there is", function()
    local missing = {}
    for name, wanted in pairs(graph) do
      for each in pairs(wanted) do
        if not graph[each] then missing[#missing + 1] = name .. " requires " .. each end
      end
    end
    assert.same({}, missing)
  end)

  it("form no circle", function() assert.is_nil(circle(graph)) end)

  it("are all reached from kio", function()
    local seen, unreached = reached_from(graph, FIRST, {}), {}
    for _, name in ipairs(found_later(files, source.read)) do reached_from(graph, name, seen) end
    for name in pairs(graph) do
      if not seen[name] then unreached[#unreached + 1] = name end
    end
    assert.same({}, unreached)
  end)

  it("are required for what they return", function()
    local found = {}
    for _, path in ipairs(files) do
      for number, line in ipairs(source.lines(source.read(path))) do
        if line:match "^%s*require%f[%W]" then found[#found + 1] = path .. ":" .. number end
      end
    end
    assert.same({}, found)
  end)
end)

describe("misuse", function()
  -- An error that is passed on is raised with level 0, as it is; one about Lua itself by the module
  -- that is loaded first, for there is no core then.
  it("is raised by kio.check and the core, which find whom to blame by where kio's files lie",
    function()
      local found = {}
      for _, path in ipairs(source.files("^lua/kio/.*%.lua$")) do
        for number, line in ipairs(source.lines(source.read(path))) do
          local raises = line:gsub("%-%-.*$", ""):find "%f[%w_.]error%s*[%(\"']"
          local first = path == "lua/kio/init.lua" and line:find "^if wrong then error%(wrong, 3%)"
          local passed_on = line:find ", 0%)"
          local wrong = raises and not first and not passed_on
          if wrong then found[#found + 1] = path .. ":" .. number end
        end
      end
      assert.same({}, found)
    end)
end)

describe("what looks at them", function()
  it("sees a circle", function()
    local texts = {
      ["lua/kio/init.lua"] = 'local a = require "kio.a"',
      ["lua/kio/a.lua"] = 'return { b = require "kio.a.b" }',
      ["lua/kio/a/b.lua"] = '-- require "kio"\nlocal x = require("kio.a")',
    }
    local files = { "lua/kio/init.lua", "lua/kio/a.lua", "lua/kio/a/b.lua" }
    local graph = graph_of(files, function(path) return texts[path] end)
    assert.matches("kio%.a", circle(graph))
    texts["lua/kio/a/b.lua"] = '-- require "kio.a"\nlocal core = require "kio.core"'
    assert.is_nil(circle(graph_of(files, function(path) return texts[path] end)))
  end)
end)
