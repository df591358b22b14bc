-- The lists that must agree with the tree: the rockspec's files and the type definitions' names.
local source = require "spec.tidy.source"

-- The rocks: the modules that are written in C, each with the folder of csrc that it is made of;
-- kio.core is made of all that are nobody's. `guest`: the folder of its Lua modules, if it has one.
local ROCKS = {
  ["rockspec/kio-scm-1.rockspec"] = { cores = { [false] = "kio.core", http = "kio.http.core" } },
  ["rockspec/kio-tls-scm-1.rockspec"] = { cores = { tls = "kio.tls.core" }, guest = "tls" },
  ["rockspec/kio-zlib-scm-1.rockspec"] = { cores = { zlib = "kio.zlib.core" }, guest = "zlib" },
}

local function rockspec(path)
  local env = {}
  assert(loadfile(path, "t", env))()
  return env
end

-- The guest that a Lua module belongs to; nil: it is kio's.
local function guest_of(path)
  for _, rock in pairs(ROCKS) do
    if rock.guest and path:match "^lua/kio/(%w+)/" == rock.guest then return rock.guest end
  end
end

-- The folder of csrc that is a shared object of its own and that a file is in; false: none.
local function object_of(path)
  for _, rock in pairs(ROCKS) do
    local folder = path:match "^csrc/(%w+)/"
    if rock.cores[folder or false] and folder then return folder end
  end
  return false
end

local function sources_of(folder)
  local list = {}
  for _, path in ipairs(source.files("^csrc/.*%.c$")) do
    local for_tests = path:match("^csrc/test/") or path:match("/test_[%w_]+%.c$")
    if not for_tests and object_of(path) == folder then list[#list + 1] = path end
  end
  return list
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
      for folder, module in pairs(rock.cores) do
        assert.same(sources_of(folder), sorted(rockspec(file).build.modules[module].sources))
      end
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
