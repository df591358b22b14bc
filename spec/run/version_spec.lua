-- Versions of Lua that kio is not for, or was not built for, tell so in words.
-- flavours: test
local support = require "spec.support"

-- What a program that requires kio prints there, in its second line.
local function said(interpreter)
  local path = support.tmpdir() .. "/program.lua"
  local file <close> = assert(io.open(path, "w"))
  file:write("local function load()\nlocal kio = require 'kio'\nreturn kio\nend\nload()\n")
  file:close()
  local command = "LUA_PATH='./lua/?.lua;./lua/?/init.lua' LUA_CPATH='./build/%s/?.so' %s %s 2>&1"
  local pipe <close> = assert(io.popen(command:format(support.build, interpreter, path)))
  local text = pipe:read "a"
  return text:match("program%.lua:2: ([^\n]*)\n") or text
end

local function has(interpreter)
  return os.execute("command -v " .. interpreter .. " >/dev/null") == true
end

describe("an older version of Lua", function()
  for interpreter, name in pairs {
    ["lua5.1"] = "Lua 5.1", ["lua5.2"] = "Lua 5.2", ["lua5.3"] = "Lua 5.3",
    luajit = "LuaJIT [%w.%-]+ %(Lua 5%.1%)",
  } do
    it("such as " .. interpreter .. " is told what kio needs, where it is required", function()
      if not has(interpreter) then return pending(interpreter .. " is not installed") end
      assert.matches("^kio needs Lua 5%.4 or 5%.5, and this is " .. name .. "$", said(interpreter))
    end)
  end
end)

describe("a version of Lua that kio was not built for", function()
  it("is told so", function()
    local other = support.lua == "lua5.4" and "lua5.5" or "lua5.4"
    if not has(other) then return pending(other .. " is not installed: asked under lua55") end
    assert.matches("^kio%.core was built for another version of Lua than this, Lua 5%.%d: "
      .. "build it anew$", said(other))
  end)
end)
