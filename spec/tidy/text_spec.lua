-- What every text file of the project keeps to.
local source = require "spec.tidy.source"

local CODE = "%.[ch]$ %.lua$ %.mk$ %.rockspec$ ^Makefile$ ^%.ci/ ^spec/runner/"
local PROSE = "%.md$ ^LICENSE$ %.json$ ^%."

local function files(patterns)
  local list, seen = {}, {}
  for pattern in patterns:gmatch("%S+") do
    for _, path in ipairs(source.files(pattern)) do
      if not seen[path] then list[#list + 1] = path end
      seen[path] = true
    end
  end
  return list
end

-- Collects what check(line, path) complains about, with its place.
local function complaints(patterns, check)
  local found = {}
  for _, path in ipairs(files(patterns)) do
    for n, line in ipairs(source.lines(source.read(path))) do
      local complaint = check(line, path)
      if complaint then found[#found + 1] = ("%s:%d: %s"):format(path, n, complaint) end
    end
  end
  return found
end

local function is_make(path) return path:match("Makefile$") or path:match("%.mk$") end

local function any(line, patterns)
  for _, pattern in ipairs(patterns) do
    if line:find(pattern) then return pattern end
  end
end

-- Built from pieces, so that this file does not find itself.
local MARKS = {}
for _, mark in ipairs { "TO" .. "DO", "FIX" .. "ME", "XX" .. "X", "HA" .. "CK" } do
  MARKS[#MARKS + 1] = "%f[%w]" .. mark .. "%f[%W]"
end
local PLACES = {}
for _, place in ipairs { "home", "work", "root", "Users" } do
  PLACES[#PLACES + 1] = "%f[/%w]/" .. place .. "/%w"
end
local REGISTRIES = {}
for _, host in ipairs {
  "luarocks%.", "pypi%.", "registry%.npmjs%.", "crates%.", "rubygems%.", "proxy%.golang%.",
  "deb%.debian%.", "ghcr%.", "docker%.",
} do
  REGISTRIES[#REGISTRIES + 1] = "%f[%w]" .. host .. "[oi][ro]g?%f[%W]"
end

-- Shapes that prose never has. Examples belong into `---` comments and the examples folder.
local DEAD_C = {
  "^[%w_>%.%-]+%(.*%);$", "^[%w_%[%]>%.%-]+ [%+%-|&]?= .*;$", "^return%f[%W].*;$",
  "^if %(.*%) ?{?$", "^}$", "^#%s*%l+",
}
local DEAD_LUA = {
  "^local [%w_, ]+ = ", "^local function ", "^if .+ then$", "^while .+ do$",
  "^for [%w_, ]+ in .+ do$", "^for %w+ = .+ do$", "^end%)?$", "^return [%w_%.]+%(.*%)$",
}

local function comment_c(line)
  return line:match("^%s*//%s*(.-)%s*$") or line:match("^%s*/?%*%s+(.-)%s*%*?/?$")
end

local function dead(line, path)
  if path:match("%.[ch]$") then
    local text = comment_c(line)
    return text and any(text, DEAD_C)
  end
  local text = path:match("%.lua$") and line:match("^%s*%-%-%s+(.-)%s*$")
  return text and any(text, DEAD_LUA)
end

describe("the text", function()
  it("fits in 100 columns", function()
    assert.same({}, complaints(CODE, function(line)
      local n = utf8.len(line) or #line
      return n > 100 and n .. " columns"
    end))
  end)

  it("has no tabs outside of makefiles", function()
    assert.same({}, complaints(CODE .. " " .. PROSE, function(line, path)
      return line:find("\t") and not is_make(path) and "a tab"
    end))
  end)

  it("has no trailing blanks and no carriage returns", function()
    assert.same({}, complaints(CODE .. " " .. PROSE, function(line)
      return line:find("[ \t\r]$") and "a trailing blank"
    end))
  end)

  it("ends with one newline", function()
    local found = {}
    for _, path in ipairs(files(CODE .. " " .. PROSE)) do
      local text = source.read(path)
      if text:sub(-1) ~= "\n" or text:sub(-2) == "\n\n" then found[#found + 1] = path end
    end
    assert.same({}, found)
  end)

  it("leaves nothing for later", function()
    assert.same({}, complaints(CODE .. " " .. PROSE, function(line) return any(line, MARKS) end))
  end)

  it("has no code in comments", function()
    assert.truthy(dead("  // foo(bar);", "a.c"))
    assert.truthy(dead(" * x->y = 3;", "a.c"))
    assert.falsy(dead("// The caller owns it; see foo().", "a.c"))
    assert.truthy(dead("-- local x = 3", "a.lua"))
    assert.falsy(dead("-- for all that we do", "a.lua"))
    assert.same({}, complaints(CODE, dead))
  end)

  it("names no folder of somebody's machine", function()
    assert.truthy(any("see /ho" .. "me/me/x", PLACES))
    assert.same({}, complaints(CODE .. " " .. PROSE, function(line) return any(line, PLACES) end))
  end)

  it("names no package registry", function()
    assert.truthy(any("https://luarocks" .. ".org/x", REGISTRIES))
    assert.same({}, complaints(CODE .. " " .. PROSE, function(line)
      return any(line, REGISTRIES)
    end))
  end)
end)
