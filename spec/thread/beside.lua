-- Runs spec files in a Lua state that is not busted's, such as that of a blocking job: what busted
-- gives them, as far as the specs of this project use it, without its world check.
local beside = {}

local SKIP = {} -- raised by `pending`

local function joined(path, name) return path == "" and name or path .. " " .. name end

-- One level of `describe`: its name, and what runs before and after each test within.
local function new_block(parent, name)
  return { parent = parent, name = name, before = {}, after = {} }
end

local function run_before(block)
  if block.parent then run_before(block.parent) end
  for _, hook in ipairs(block.before) do hook() end
end

local function run_after(block)
  for _, hook in ipairs(block.after) do hook() end
  if block.parent then run_after(block.parent) end
end

local function traced(err) return err == SKIP and err or debug.traceback(tostring(err), 2) end

-- Why the test fails; nil: it does not.
local function run_test(block, body)
  local ok, err = xpcall(function()
    run_before(block)
    body()
  end, traced)
  local after_ok, after_err = xpcall(run_after, traced, block)
  require("spec.support").cleanup()
  if not ok and err ~= SKIP then return err end
  if not after_ok then return after_err end
end

-- The globals of a spec file. Its tests are given to `test` as they are met.
local function environment(test)
  local block = new_block(nil, "")
  local env = { assert = require "luassert" }
  function env.describe(name, body)
    block = new_block(block, joined(block.name, name))
    body()
    block = block.parent
  end
  function env.it(name, body) test(block, joined(block.name, name), body) end
  function env.pending() error(SKIP, 0) end
  function env.before_each(hook) table.insert(block.before, hook) end
  function env.after_each(hook) table.insert(block.after, hook) end
  function env.setup(hook) hook() end
  return setmetatable(env, { __index = _G })
end

-- Other threads have blocks and descriptors: what counts those of the process fails, always and not
-- only when they change meanwhile.
local function refuse_counting(module, name, is_counting)
  local original = module[name]
  module[name] = function(...)
    if is_counting(...) then error("what all threads have is counted: to be left out", 2) end
    return original(...)
  end
end

local function is_descriptors(path) return path == "/proc/self/fd" end

-- From now on kio.testing does not count descriptors, and nobody else does.
function beside.without_counts()
  local testing = require "kio.testing"
  local run = testing.run
  function testing.run(f, options)
    local new = { leaks = false }
    for name, value in pairs(options or {}) do new[name] = value end
    return run(f, new)
  end
  local kio = require "kio"
  refuse_counting(kio.core, "world", function() return true end)
  refuse_counting(kio.fs, "readdir", is_descriptors)
  refuse_counting(require "lfs", "dir", is_descriptors)
end

-- Runs a file but for the tests that are left_out(name). How many ran; texts are added to failures.
function beside.run(path, failures, left_out)
  local ran = 0
  local chunk = assert(loadfile(path, "t", environment(function(block, name, body)
    if left_out(name) then return end
    ran = ran + 1
    local err = run_test(block, body)
    if err then failures[#failures + 1] = ("%s: %s: %s"):format(path, name, err) end
  end)))
  local ok, err = xpcall(chunk, traced)
  if not ok then failures[#failures + 1] = ("%s: %s"):format(path, err) end
  return ran
end

return beside
