-- The lists that must agree with the tree: the rockspec's files and the type definitions' names.
local source = require "spec.tidy.source"

-- The rocks: the module that is written in C, and which files belong to it.
local ROCKS = {
  ["rockspec/kio-scm-1.rockspec"] = { core = "kio.core" },
  ["rockspec/kio-tls-scm-1.rockspec"] = { core = "kio.tls.core", guest = "tls" },
}

local function rockspec(path)
  local env = {}
  assert(loadfile(path, "t", env))()
  return env
end

-- The guest that a file belongs to; nil: it is kio's.
local function guest_of(path)
  for _, rock in pairs(ROCKS) do
    local guest = rock.guest
    local beginning = guest and (path:match "^csrc/(%w+)/" or path:match "^lua/kio/(%w+)/")
    if guest and beginning == guest then return guest end
  end
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
    if not path:match("^csrc/test/") and not path:match("/test_[%w_]+%.c$") then
      for name in source.read(path):gmatch('{%s*"([%a][%w_]*)"%s*,%s*l_[%w_]+%s*}') do
        names[#names + 1] = { name = name, path = path }
      end
    end
  end
  return names
end

for file, rock in pairs(ROCKS) do
  describe(file, function()
    it("lists every C file but those for tests", function()
      local expected = {}
      for _, path in ipairs(source.files("^csrc/.*%.c$")) do
        local for_tests = path:match("^csrc/test/") or path:match("/test_[%w_]+%.c$")
        if not for_tests and guest_of(path) == rock.guest then expected[#expected + 1] = path end
      end
      assert.same(expected, sorted(rockspec(file).build.modules[rock.core].sources))
    end)

    it("lists every Lua module", function()
      local expected, listed = {}, {}
      for _, path in ipairs(source.files("^lua/kio/.*%.lua$")) do
        if guest_of(path) == rock.guest then expected[module_name(path)] = path end
      end
      for name, value in pairs(rockspec(file).build.modules) do
        if type(value) == "string" then listed[name] = value end
      end
      assert.same(expected, listed)
    end)
  end)
end

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
