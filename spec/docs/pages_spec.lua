-- The pages agree with the tree: links lead somewhere, commands exist, the map shows every room.
-- flavours: test
-- without: lua55
local source = require "spec.tidy.source"

local PAGES = source.files("%.md$")

local function exists(path)
  local file <close> = io.open(path)
  return file ~= nil
end

-- "docs/guide.md", "../lua/x.lua" -> "lua/x.lua"
local function resolve(page, target)
  local path = (page:match("^(.*/)") or "") .. target
  local n
  repeat path, n = path:gsub("[^/]+/%.%./", "", 1) until n == 0
  return path
end

-- Text without code blocks.
local function prose(path) return (source.read(path):gsub("\n```.-\n```", "")) end

describe("the pages", function()
  it("link to what is there", function()
    local dead = {}
    for _, page in ipairs(PAGES) do
      for target in prose(page):gmatch("%]%(([^)#]+)[^)]*%)") do
        local outside = target:match("^https?:")
        if not outside and not exists(resolve(page, target)) then
          dead[#dead + 1] = page .. ": " .. target
        end
      end
    end
    assert.same({}, dead)
  end)

  it("in docs are all listed in the index", function()
    local index = source.read("docs/index.md")
    for _, page in ipairs(source.files("^docs/.*%.md$")) do
      local name = page:match("[^/]+$")
      assert.is_truthy(name == "index.md" or index:find("](" .. name .. ")", 1, true), page)
    end
  end)

  it("list every example", function()
    local page, count = source.read("docs/examples.md"), 0
    for _, path in ipairs(source.files("^examples/[^/]+%.lua$")) do
      count = count + 1
      assert.is_truthy(page:find("](../" .. path .. ")", 1, true), path .. " is not listed")
    end
    assert.is_true(count >= 16, count .. " examples")
  end)

  it("name targets that the makefiles have", function()
    local makefiles = source.read("Makefile") .. source.read("bench/build.mk")
    local missing, count = {}, 0
    for _, page in ipairs(PAGES) do
      for target in source.read(page):gmatch("[`\n] *make ([%l-]+)") do
        count = count + 1
        local rule = "\n[%l%- ]*%f[%w]" .. target:gsub("%-", "%%-") .. "%f[^%w-][%l%- ]*:"
        local there = ("\n" .. makefiles):find(rule)
        if not there then missing[#missing + 1] = page .. ": " .. target end
      end
    end
    assert.same({}, missing)
    assert.is_true(count > 10)
  end)

  it("hold Lua that compiles", function()
    local blocks = require "spec.docs.blocks"
    for _, page in ipairs(PAGES) do
      for _, block in ipairs(blocks.of(page)) do
        assert(load(block.text, "@" .. page .. ":" .. block.line, "t"))
      end
    end
  end)

  it("tell where every C file is in the architecture", function()
    local map, missing = source.read("docs/architecture.md"), {}
    for _, path in ipairs(source.files("^csrc/.*%.c$")) do
      local name = path:match("^csrc/(.*)$")
      if not map:find("`" .. name .. "`", 1, true) then missing[#missing + 1] = name end
    end
    assert.same({}, missing)
  end)

  it("tell once where it is", function()
    local twice, seen = {}, {}
    for line in source.read("docs/architecture.md"):gmatch("\n%- ([^\n]*)") do
      for name in line:gmatch("`([%w_/]+%.c)`") do
        if seen[name] then twice[#twice + 1] = name end
        seen[name] = true
      end
    end
    assert.same({}, twice)
  end)

  it("tell where every module in Lua is in the architecture, or its folder", function()
    local map, missing = source.read("docs/architecture.md"), {}
    for _, path in ipairs(source.files("^lua/kio/.*%.lua$")) do
      local there = map:find("`" .. path .. "`", 1, true)
        or map:find("`" .. path:match("^.*/") .. "`", 1, true)
      if not there then missing[#missing + 1] = path end
    end
    assert.same({}, missing)
  end)

  it("name no C file in the architecture that is not there", function()
    for name in source.read("docs/architecture.md"):gmatch("`([%w_/]+%.[ch])`") do
      assert.is_true(exists("csrc/" .. name), name)
    end
  end)

  it("name no spec or source that is not there", function()
    local missing = {}
    for _, page in ipairs(PAGES) do
      for path in source.read(page):gmatch("`(%l+/[%w_/.-]+%.%l+)`") do
        local known = path:match("^lua/") or path:match("^spec/") or path:match("^csrc/")
          or path:match("^rockspec/") or path:match("^examples/") or path:match("^bench/")
        if known and not exists(path) then missing[#missing + 1] = page .. ": " .. path end
      end
    end
    assert.same({}, missing)
  end)
end)
