-- What a person sees of an error that ends a program under the plain interpreter.
-- The shell that starts one does not run under ThreadSanitizer:
-- flavours: test asan hostile
local child = require "spec.net.child"
local support = require "spec.support"

local function ended(source)
  local output, how, status = child.run("local kio = require 'kio'\n" .. source)
  assert.same({ "exit", 1 }, { how, status }, output)
  return output
end

describe("an error that ends the program", function()
  it("is told with its fields and its traceback when it is a table", function()
    local output = ended [[
      local function deep() error { message = "no way", code = "ENOPE" } end
      kio.run(function() deep() return 1 end)]]
    assert.matches("^kio: the run failed: no way %(ENOPE%)\nstack traceback:\n", output)
    assert.matches("in upvalue 'deep'", output)
    assert.matches(support.lua .. ": %(error object is a table value%)", output)
  end)

  it("is told with its traceback when it has its own text", function()
    local output = ended [[
      local err = setmetatable({}, { __tostring = function() return "own words" end })
      kio.run(function() error(err) end)]]
    assert.matches("^kio: the run failed: own words\nstack traceback:\n.*" .. support.lua
      .. ": own words", output)
  end)

  it("names where a cancelled task was awaited", function()
    local output = ended [[
      kio.run(function()
        local task = kio.spawn(kio.sleep, 1)
        task:cancel()
        task:await()
      end)]]
    assert.matches("^kio: the run failed: kio.Cancelled\nstack traceback:\n.*:5: in function",
      output)
  end)

  it("is told once when it is a string", function()
    local output = ended [[kio.run(function() error "plain" end)]]
    assert.equal(1, select(2, output:gsub("plain", "")), output)
    assert.not_matches("the run failed", output)
  end)

  it("is not told when somebody catches it", function()
    for _, catch in ipairs {
      "pcall(kio.run, fail)",
      "xpcall(kio.run, debug.traceback, fail)",
      "coroutine.resume(coroutine.create(kio.run), fail)",
      "pcall(function() kio.run(fail) end)",
      "pcall(coroutine.wrap(function() kio.run(fail) end))",
    } do
      local output = ended(("local function fail() error { 1 } end\n%s\nos.exit(1)"):format(catch))
      assert.equal("", output, catch)
    end
  end)
end)
