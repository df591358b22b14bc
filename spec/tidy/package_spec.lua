-- The lists that must agree with the tree: the rockspec's files and the type definitions' names.
local source = require "spec.tidy.source"

local ROCKSPEC = "rockspec/kio-scm-1.rockspec"

local function rockspec()
  local env = {}
  assert(loadfile(ROCKSPEC, "t", env))()
  return env
end

local function sorted(list)
  table.sort(list)
  return list
end

-- `lua/kio/net.lua` is the module `kio.net`, `lua/kio/init.lua` is `kio`.
local function module_name(path)
  local name = path:gsub("^lua/", ""):gsub("%.lua$", ""):gsub("/init$", "")
  return (name:gsub("/", "."))
end

-- The names in the luaL_Reg tables of csrc; metamethods are not called by name.
local function registered()
  local names = {}
  for _, path in ipairs(source.files("^csrc/.*%.c$")) do
    if not path:match("^csrc/test/") then
      for name in source.read(path):gmatch('{%s*"([%a][%w_]*)"%s*,%s*l_[%w_]+%s*}') do
        names[#names + 1] = { name = name, path = path }
      end
    end
  end
  return names
end

describe("the rockspec", function()
  it("lists every C file but those for tests", function()
    local expected = {}
    for _, path in ipairs(source.files("^csrc/.*%.c$")) do
      if not path:match("^csrc/test/") then
        expected[#expected + 1] = path
      end
    end
    assert.same(expected, sorted(rockspec().build.modules["kio.core"].sources))
  end)

  it("lists every Lua module", function()
    local expected, listed = {}, {}
    for _, path in ipairs(source.files("^lua/kio/.*%.lua$")) do
      expected[module_name(path)] = path
    end
    for name, value in pairs(rockspec().build.modules) do
      if type(value) == "string" then listed[name] = value end
    end
    assert.same(expected, listed)
  end)
end)

describe("the type definitions", function()
  it("mention every function that C registers", function()
    local parts, found = {}, {}
    for _, path in ipairs(source.files("^lua/types/.*%.d%.lua$")) do
      parts[#parts + 1] = source.read(path)
    end
    local text = table.concat(parts, "\n")
    for _, entry in ipairs(registered()) do
      if not text:find("%f[%w_]" .. entry.name .. "%f[^%w_]") then
        found[#found + 1] = ("%s: %s"):format(entry.path, entry.name)
      end
    end
    assert.same({}, found)
  end)
end)
