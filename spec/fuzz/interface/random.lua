-- Numbers that a seed decides: the same on every machine, whatever the program draws itself.

-- A function r: r(n) is 1 to n. Each step of a seed has a stream of its own, so that a step draws
-- the same also when the steps before it are left out.
return function(seed, step)
  local state = seed * 0x9E3779B97F4A7C15 ~ step * 0xBF58476D1CE4E5B9
  return function(n)
    state = state + 0x9E3779B97F4A7C15
    local z = (state ~ state >> 30) * 0xBF58476D1CE4E5B9
    z = (z ~ z >> 27) * 0x94D049BB133111EB
    return ((z ~ z >> 31) >> 1) % n + 1
  end
end
