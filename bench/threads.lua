-- Messages between two threads: kio's channels beside a queue in C.
local programs = require "programs"

local CASES <const> = {
  { mode = "stream", places = 1, count = 20000, title = "one way, 1 place" },
  { mode = "stream", places = 16, count = 100000, title = "one way, 16 places" },
  { mode = "stream", places = 1024, count = 200000, title = "one way, 1024 places" },
  { mode = "trip", places = 1, count = 10000, title = "there and back" },
}

return function(plan)
  local list = {}
  for i, case in ipairs(CASES) do
    list[i] = {
      name = case.mode .. case.places,
      title = case.title,
      arguments = { case.mode, case.places, case.count },
      programs = {
        { name = "queue", label = "a queue in C", command = { plan.out .. "/threads_queue" } },
        { name = "kio", label = "kio's channel", command = programs.kio(plan, "threads_kio") },
      },
    }
  end
  return list
end
