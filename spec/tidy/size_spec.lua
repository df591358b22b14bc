-- Files that fit in an evening, functions that fit on a screen.
local source = require "spec.tidy.source"

local C_LINES, LUA_LINES, FUNCTION_LINES, EXAMPLE_LINES = 450, 400, 70, 59

local function too_long(pattern, limit)
  local found = {}
  for _, path in ipairs(source.files(pattern)) do
    local n = #source.lines(source.read(path))
    if n > limit and not path:match("_spec%.lua$") then
      found[#found + 1] = ("%s has %d lines, at most %d"):format(path, n, limit)
    end
  end
  return found
end

local function report(found, path, functions, skip)
  for _, f in ipairs(functions) do
    local n = f.last - f.first + 1
    if n > FUNCTION_LINES and not (skip and skip(f)) then
      found[#found + 1] = ("%s:%d: a function of %d lines"):format(path, f.first, n)
    end
  end
end

local C_FIXTURE = [[
#define LOOP(x) for (;;) { \
  x }
struct point { int x; };
static const int table[] = { 1, 2 };
int f(void) { return '{' + "}"[0]; } /* { */
static int
g(int a)
{
  if (a) { // }
    return 1;
  }
  return 0;
}
]]

describe("the size", function()
  it("of C files is limited", function()
    assert.same({}, too_long("%.[ch]$", C_LINES))
  end)

  it("of Lua modules is limited", function()
    assert.same({}, too_long("%.lua$", LUA_LINES))
  end)

  it("of examples is limited", function()
    assert.same({}, too_long("^examples/[^/]+%.lua$", EXAMPLE_LINES))
  end)

  it("of C functions is measured rightly", function()
    local expected = { { first = 5, last = 5 }, { first = 6, last = 13 } }
    assert.same(expected, source.c_functions(C_FIXTURE))
  end)

  it("of C functions is limited", function()
    local found = {}
    for _, path in ipairs(source.files("%.[ch]$")) do
      report(found, path, source.c_functions(source.read(path)))
    end
    assert.same({}, found)
  end)

  it("of Lua functions is measured rightly", function()
    local functions = source.lua_functions("spec/tidy/source.lua")
    assert.is_true(#functions >= 9)
    local text = source.lines(source.read("spec/tidy/source.lua"))
    for _, f in ipairs(functions) do
      assert.matches("function", text[f.first])
      assert.matches("end", text[f.last])
    end
  end)

  it("of Lua functions is limited, but for the blocks that group tests", function()
    local found = {}
    for _, path in ipairs(source.files("%.lua$")) do
      local text = source.lines(source.read(path))
      report(found, path, #text > FUNCTION_LINES and source.lua_functions(path) or {}, function(f)
        return text[f.first]:match("^%s*describe%(") or text[f.first]:match("^%s*insulate%(")
      end)
    end
    assert.same({}, found)
  end)
end)
