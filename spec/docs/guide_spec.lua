-- The programs in the pages run and print what the pages say; the server in the README serves.
-- Looking for pages starts programs, which ThreadSanitizer does not bear:
-- flavours: test asan hostile
local blocks = require "spec.docs.blocks"
local kio = require "kio"
local programs = require "spec.process.common"
local served = require "spec.docs.served"
local source = require "spec.tidy.source"

-- kio, but a sanitizer that is preloaded here does not judge the programs that a page starts.
local process = { spawn = programs.spawn, run = programs.run }
local paged_kio = setmetatable({ process = process }, { __index = kio })

local GUIDE, README = "docs/guide.md", "README.md"

local pages = source.files("^docs/.*%.md$")

for _, page in ipairs(pages) do
  local list = blocks.of(page)
  describe(page, function()
    for _, block in ipairs(list) do
      it(("prints what it says in line %d"):format(block.line), function()
        if block.text:find 'require "kio.zlib"' and not pcall(require, "kio.zlib") then
          return pending "kio.zlib is not built: it needs zlib"
        end
        assert.same(block.expected, blocks.run(page, block, { kio = paged_kio }))
      end)
    end
  end)
end

describe("the guide", function()
  it("has programs that print something", function()
    assert.is_true(#pages > 1)
    local list, expected = blocks.of(GUIDE), 0
    for _, block in ipairs(list) do expected = expected + #block.expected end
    assert.is_true(#list >= 10 and expected >= 2 * #list, #list .. " programs")
  end)
end)

describe("the README", function()
  it("shows a server of about ten lines that echoes", function()
    local block = blocks.of(README)[1]
    local _, lines = block.text:gsub("\n", "\n")
    assert.is_true(lines <= 16, lines .. " lines")
    local echoed
    local fake = served(function(stream)
      assert(stream:send("hello"))
      echoed = stream:recv()
    end)
    blocks.run(README, block, { require = function() return fake end })
    assert.equal("hello", echoed)
  end)
end)
