-- Does the cases of step_cases.lua that are named, each a few times and then many times, under
-- steps.lua. os.difftime marks where a run begins and ends: callgrind writes a file at each call of
-- C's difftime, which nothing else calls.
local lua = { create = coroutine.create, resume = coroutine.resume } -- kio replaces them
package.path = arg[0]:gsub("[^/]*$", "?.lua;") .. package.path
local cases = require "step_cases"
local kio = require "kio"

local function mark() os.difftime(0, 0) end

local function run(case, n)
  kio.run(function()
    collectgarbage()
    mark()
    case.run(kio, n, lua)
    mark()
  end)
end

local wanted = {}
for _, name in ipairs(arg) do wanted[name] = true end
for _, case in ipairs(cases) do
  if wanted[case.name] then
    if case.module then require(case.module) end
    run(case, case.short)
    run(case, case.long)
  end
end
