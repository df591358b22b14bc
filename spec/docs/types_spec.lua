-- The type annotations and the library have the same names, both ways: functions, methods of every
-- kind of handle, constants. So an editor offers what is there, and nothing that is nil.
-- flavours: test
local kio = require "kio"
local source = require "spec.tidy.source"
local types = require "spec.docs.types"

-- The names in which the two differ, as texts.
local function differences(promised, there)
  local list = {}
  for name in pairs(promised) do
    if there[name] == nil then list[#list + 1] = name .. " is nil" end
  end
  for name in pairs(there) do
    if not promised[name] then list[#list + 1] = name .. " is missing in the types" end
  end
  table.sort(list)
  return list
end

-- What only test builds have.
local function without_hooks(module)
  local hooks, names = {}, {}
  for _, path in ipairs(source.files "^csrc/.*test.*%.c$") do
    for name in source.read(path):gmatch '{"([%w_]+)", l_' do hooks[name] = true end
  end
  for name, value in pairs(module) do
    if not hooks[name] then names[name] = value end
  end
  return names
end

describe("the types", function()
  local MODULES = {
    ["kio"] = "lua/kio/init.lua", ["kio.fs"] = "lua/kio/fs/init.lua",
    ["kio.net"] = "lua/kio/net/init.lua", ["kio.sync"] = "lua/kio/sync/init.lua",
    ["kio.process"] = "lua/kio/process/init.lua", ["kio.signal"] = "lua/kio/signal.lua",
    ["kio.testing"] = "lua/kio/testing.lua", ["kio.thread"] = "lua/kio/thread.lua",
    ["kio.io"] = "lua/kio/bytes/exact.lua",
    ["kio.core"] = "lua/types/kio.d.lua",
  }

  it("cover every table of functions in kio", function()
    for name, value in pairs(kio) do
      local module = type(value) == "table" and name ~= "const"
      assert.is_true(not module or MODULES["kio." .. name] ~= nil, name)
    end
  end)

  for name, path in pairs(MODULES) do
    it("of " .. name .. " name what it has", function()
      local module = name == "kio" and kio or kio[name:match "[^.]+$"]
      assert.same({}, differences(types.of_module(path), without_hooks(module)))
    end)
  end

  it("of the core's own functions name what there is", function()
    assert.same({}, differences(types.of_class "kio.Own", kio.core.own))
  end)

  it("of kio.core have nothing that kio has not, but for kio's own files", function()
    local found = {}
    for name, value in pairs(without_hooks(kio.core)) do
      if name ~= "own" and name ~= "globals" and kio[name] ~= value then
        found[#found + 1] = name
      end
    end
    assert.same({}, found)
  end)

  it("of the constants name what there is", function()
    assert.same({}, differences(types.of_class "kio.Const", kio.const))
  end)
end)

describe("the types of a handle", function()
  local function of_userdata(name) return debug.getregistry()[name].__index end
  local function of_sync(name, ...) return getmetatable(kio.sync[name](...)) end

  -- Methods by class. Those of userdata are found by the names of their metatables.
  local CLASSES = {
    ["kio.File"] = require "kio.fs.file".File,
    ["kio.Process"] = require "kio.process.handle",
    ["kio.Mutex"] = of_sync "mutex", ["kio.Semaphore"] = of_sync("semaphore", 0),
    ["kio.Condition"] = of_sync "condition", ["kio.Event"] = of_sync "event",
    ["kio.Waitgroup"] = of_sync "waitgroup", ["kio.Channel"] = of_sync "channel",
  }
  for name, meta in pairs(debug.getregistry()) do
    local public = type(name) == "string" and name:match "^kio%.%u" and type(meta) == "table"
    if public and type(meta.__index) == "table" then CLASSES[name] = meta.__index end
  end
  local watch -- needs a descriptor: its metatable is that of the one it makes
  setup(function()
    kio.run(function()
      watch = assert(kio.fs.watch ".")
      watch:close()
    end)
  end)

  local function compare(class, methods)
    local promised, there = {}, {}
    for name, kind in pairs(types.of_class(class)) do
      if kind ~= "field" then promised[name] = true end
    end
    for name, value in pairs(methods) do
      if type(value) == "function" and not name:match "^__" then there[name] = true end
    end
    assert.same({}, differences(promised, there))
  end

  for name, methods in pairs(CLASSES) do
    it(name .. " name its methods", function() compare(name, methods) end)
  end

  it("kio.Watch name its methods", function() compare("kio.Watch", getmetatable(watch)) end)

  it("are compared for all kinds", function()
    for _, name in ipairs { "Task", "Scope", "Stream", "Listener", "Udp", "Buffer", "Runtime",
      "ThreadChannel", "ThreadEvent", "Queue" } do
      assert.is_table(CLASSES["kio." .. name], name)
      assert.is_table(of_userdata("kio." .. name), name)
    end
  end)
end)
