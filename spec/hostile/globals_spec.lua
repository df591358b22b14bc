-- A program may remove or replace what it likes of Lua's standard functions once kio is loaded:
-- kio's own files have an environment of their own.
-- flavours: test
local common = require "spec.task.common"
local source = require "spec.tidy.source"
local support = require "spec.support"

local PROGRAM = "spec/hostile/globals_program.lua"

describe("kio works in a program that has", function()
  for what, title in pairs {
    globals = "removed every global", libraries = "emptied every library",
    replaced = "replaced every function", strings = "given strings other methods",
  } do
    it(title, function()
      local output, ok = common.child_file(PROGRAM, support.tmpdir(), what)
      assert.equal("all of it works\n", output)
      assert.is_true(ok)
    end)
  end

  it("no debug library when it loads kio", function()
    local output = common.child [[
      debug = nil
      local kio = require "kio"
      kio.run(function() print(pcall(kio.fs.open, 5)) end)
    ]]
    assert.matches("^false\t.*bad argument #1 to 'open'", output)
  end)
end)

describe("an argument error", function()
  it("cites the caller when one room alone was loaded", function()
    local output = common.child [[
      local fs = require "kio.fs"
      print(pcall(function() local _ = fs.open(5) end))
    ]]
    assert.matches("^false\t[^:]*:2: bad argument #1 to 'open'", output)
  end)
end)

-- Names that only strings have a method of.
local METHODS = { "byte", "find", "format", "gmatch", "gsub", "lower", "match", "rep", "upper" }

describe("every Lua file of kio", function()
  local files = source.files("^lua/kio/.*%.lua$")

  it("has the environment of the core's", function()
    assert.is_true(#files > 40)
    for _, path in ipairs(files) do
      -- The one that is loaded first looks at the version of Lua before that.
      local text = source.read(path):gsub("^.*\nif wrong then error%b()[^\n]*\n\n", "")
      local first = text:gsub("^%-%-[^\n]*\n", ""):gsub("^%-%-[^\n]*\n", "")
      while first:find "^%-%-" do first = first:gsub("^%-%-[^\n]*\n", "") end
      assert.equal('local _ENV = require "kio.core".globals', first:match "^[^\n]*", path)
    end
  end)

  it("calls no method of a string by way of the string", function()
    local found = {}
    for _, path in ipairs(files) do
      for number, line in ipairs(source.lines(source.read(path))) do
        local code = line:gsub("%-%-.*$", "")
        for _, method in ipairs(METHODS) do
          if code:find(":" .. method .. "%s*[%({\"']") then
            found[#found + 1] = path .. ":" .. number
          end
        end
      end
    end
    assert.same({}, found)
  end)
end)
