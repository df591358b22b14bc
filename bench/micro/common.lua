-- What the small benchmarks share: rounds that alternate between the things compared, and a table.
local common = {}

local function median(list)
  table.sort(list)
  return list[#list // 2 + 1]
end

-- Nanoseconds of processor time that one of n calls within f(n) takes.
local function cost(f, n)
  local start = os.clock()
  f(n)
  return (os.clock() - start) / n * 1e9
end

-- The medians of all `cases`, a list of { name, f }, each called with n in each of the rounds.
function common.measure(cases, n, rounds)
  local samples, result = {}, {}
  for i = 1, #cases do samples[i] = {} end
  for round = 1, rounds do
    for i, case in ipairs(cases) do samples[i][round] = cost(case[2], n) end
  end
  for i, case in ipairs(cases) do result[case[1]] = median(samples[i]) end
  return result
end

function common.row(format, ...) print((format:format(...))) end

return common
