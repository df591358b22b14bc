-- Order statistics of small samples; a run beside a noisy neighbour has outliers, so no means.
local stats = {}

local function sorted(list)
  local copy = table.move(list, 1, #list, 1, {})
  table.sort(copy)
  return copy
end

-- The value below which `share` (0..1) of the list lies, interpolated; nil for an empty list.
function stats.quantile(list, share)
  if #list == 0 then return nil end
  local values = sorted(list)
  local at = 1 + (#values - 1) * share
  local low = math.floor(at)
  local high = math.min(low + 1, #values)
  return values[low] + (values[high] - values[low]) * (at - low)
end

-- The three quartiles as { low, median, high }; nil for an empty list.
function stats.quartiles(list)
  if #list == 0 then return nil end
  return {
    low = stats.quantile(list, 0.25),
    median = stats.quantile(list, 0.5),
    high = stats.quantile(list, 0.75),
  }
end

-- A copy of the list in random order.
function stats.shuffled(list)
  local copy = table.move(list, 1, #list, 1, {})
  for i = #copy, 2, -1 do
    local j = math.random(i)
    copy[i], copy[j] = copy[j], copy[i]
  end
  return copy
end

return stats
