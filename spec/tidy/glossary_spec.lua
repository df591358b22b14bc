-- The glossary in docs/architecture.md: few nouns, each a plain sentence and a place that exists.
local source = require "spec.tidy.source"

local PAGE, MOST = "docs/architecture.md", 25

-- The rows of the table: list of { noun, sentence, place }.
local function entries()
  local section = source.read(PAGE):match("\n## Glossary\n(.-)\n## ")
  local list = {}
  for noun, sentence, place in section:gmatch("\n| (.-) | (.-) | (.-) |%f[\n]") do
    if noun ~= "noun" and noun ~= "---" then list[#list + 1] = { noun, sentence, place } end
  end
  return list
end

-- Places in C are told below csrc.
local function exists(path)
  local file <close> = io.open(path:match("^lua/") and path or "csrc/" .. path)
  return file ~= nil
end

describe("the glossary", function()
  it("has at most " .. MOST .. " nouns, each once", function()
    local list, seen = entries(), {}
    assert.is_true(#list > 10 and #list <= MOST, #list .. " nouns")
    for _, entry in ipairs(list) do
      assert.is_nil(seen[entry[1]], entry[1] .. " stands there twice")
      seen[entry[1]] = true
    end
  end)

  it("says what each is in a sentence", function()
    for _, entry in ipairs(entries()) do
      assert.is_truthy(entry[2]:match("^%u.*%.$"), entry[1] .. ": " .. entry[2])
    end
  end)

  it("names places that exist", function()
    for _, entry in ipairs(entries()) do
      local count = 0
      for path in entry[3]:gmatch("`(.-)`") do
        count = count + 1
        assert.is_true(exists(path), entry[1] .. ": there is no " .. path)
      end
      assert.is_true(count > 0, entry[1] .. " has no place")
    end
  end)
end)

describe("the essays", function()
  it("stand in files that exist", function()
    local section = source.read(PAGE):match("\n## Essays\n(.-)\n## ")
    local count = 0
    for path in section:gmatch("`(%l+/.-)`") do
      count = count + 1
      assert.is_true(exists(path), "there is no " .. path)
    end
    assert.is_true(count > 0)
  end)
end)
