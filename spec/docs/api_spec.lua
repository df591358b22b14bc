-- Every public function is defined for tools, described for people, and shown in a program that
-- is run.
-- flavours: test
-- without: lua55
local api = require "spec.docs.api"
local kio = require "kio"
local source = require "spec.tidy.source"

local TYPES = api.text("^lua/types/.*%.d%.lua$")
local PAGES = api.text("^docs/.*%.md$", "^README%.md$")

local function complaints(check)
  local found = {}
  for _, entry in ipairs(api.list()) do
    local complaint = check(entry)
    if complaint then found[#found + 1] = entry.name .. complaint end
  end
  return found
end

-- A word as such: not a part of a longer one.
local function mentions(text, word) return text:find("%f[%w_]" .. word .. "%f[^%w_]") ~= nil end

describe("a public function", function()
  it("is found at all", function()
    local names = {}
    for _, entry in ipairs(api.list()) do names[entry.name] = true end
    for _, name in ipairs { "kio.run", "kio.pread", "kio.net.listen", "kio.fs.open", "Stream:recv",
      "Task:await", "Listener:accepts", "File:seek", "Scope:spawn" } do
      assert.is_true(names[name], name)
    end
  end)

  it("written in C has a definition with what it returns", function()
    assert.same({}, complaints(function(entry)
      if debug.getinfo(entry.f, "S").what ~= "C" then return nil end
      local name = entry.method and entry.name or "kio." .. entry.key
      local pattern = "\nfunction " .. name:gsub("%p", "%%%0") .. "%("
      local area = entry.name:match("^kio%.(%l+)%.")
      if area then pattern = ("\nfunction kio%%.%s_%s%%("):format(area, entry.key) end
      if not TYPES:find(pattern) then return ": not in lua/types" end
    end))
  end)

  it("written in Lua has an annotation above it", function()
    assert.same({}, complaints(function(entry)
      local info = debug.getinfo(entry.f, "S")
      if info.what == "C" then return nil end
      local above = source.lines(source.read(info.short_src))[info.linedefined - 1] or ""
      if not above:match("^%-%-%-") then return ": no annotation in " .. info.short_src end
    end))
  end)

  it("has a place in the documentation", function()
    assert.same({}, complaints(function(entry)
      local found
      if entry.method then found = PAGES:find("[:`]" .. entry.key .. "%f[^%w_]")
      else found = mentions(PAGES, (entry.name:gsub("%.", "%%."))) end
      if not found then return ": in no page of docs/" end
    end))
  end)

  it("is used by an example or a program in the pages, which are run", function()
    local used = api.text("^examples/.*%.lua$") .. api.programs()
    assert.same({}, complaints(function(entry)
      if not used:find("[.:]" .. entry.key .. "%f[^%w_]") then return ": used nowhere" end
    end))
  end)
end)

describe("a constant", function()
  it("has a definition", function()
    for name in pairs(kio.const) do
      assert.is_true(mentions(TYPES, name), name .. " is not in lua/types")
    end
  end)
end)

describe("a field", function()
  local OPERATIONS = source.read("docs/operations.md")

  it("of kio.stats has a definition and a place in the documentation", function()
    for name in pairs(kio.run(kio.stats)) do
      assert.is_true(mentions(TYPES, name), name .. " is not in lua/types")
      assert.is_true(mentions(OPERATIONS, name), name .. " is not in docs/operations.md")
    end
  end)

  it("of kio.check has a definition", function()
    for name in pairs(kio.check()) do
      assert.is_truthy(TYPES:find("---@field " .. name .. "%??%s"), name)
    end
  end)

  it("of kio.run's options has a definition and a place in the documentation", function()
    local known = source.read("lua/kio/run/options.lua"):match("known = (%b{})")
    local count = 0
    for name in known:gmatch('([%w_]+) = ') do
      count = count + 1
      assert.is_truthy(TYPES:find("---@field " .. name .. "%? "), name)
      assert.is_truthy(OPERATIONS:find("| `" .. name .. "` |", 1, true), name)
    end
    assert.is_true(count >= 6)
  end)
end)
