-- The smallest program: two tasks that wait side by side.
-- expect: hello
-- expect: world
-- expect: 2 tasks, done
local kio = require "kio"

local function say(word, seconds)
  kio.sleep(seconds)
  print(word)
  return 1
end

kio.run(function()
  local second = kio.spawn(say, "world", 0.1)
  local first = kio.spawn(say, "hello", 0.01)
  print(first:await() + second:await() .. " tasks, done")
end)
