-- Many bytes over one connection: what sending them, or receiving them, costs the one end that is
-- looked at. The other end is always the same program in C, on a CPU of its own.
local programs = require "programs"

local KIB <const>, MIB <const> = 1024, 1024 * 1024

local CASES <const> = {
  { mode = "send", size = 64 * KIB, title = "sending, a MiB in writes of 64 KiB" },
  { mode = "send", size = MIB, title = "sending, a MiB in writes of 1 MiB" },
  { mode = "receive", size = 64 * KIB, title = "receiving, a MiB, up to 64 KiB at once in C" },
}

return function(plan)
  local list = {}
  for i, case in ipairs(CASES) do
    local function behind_peer(words, label, name)
      local command = { plan.out .. "/bulk", "peer", case.mode, plan.bytes, case.size }
      return { name = name, label = label, command = table.move(words, 1, #words, 6, command) }
    end
    list[i] = {
      name = case.mode .. case.size // KIB,
      title = case.title,
      arguments = {},
      programs = {
        behind_peer({ plan.out .. "/bulk", "end" }, "blocking calls in C", "c"),
        behind_peer({ plan.out .. "/bulk", "end" }, "the same again", "c-again"),
        behind_peer(programs.kio(plan, "bulk_kio"), "kio", "kio"),
      },
    }
  end
  return list
end
