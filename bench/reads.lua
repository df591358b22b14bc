-- Reads of 4 KiB from a file in the page cache, 64 of them under way at a time.
local programs = require "programs"

local COUNT <const> = 100000

local function with(words, ...)
  return table.move({ ... }, 1, select("#", ...), #words + 1, words)
end

return function(plan)
  local kio = function(way) return with(programs.kio(plan, "reads_kio"), way) end
  local luv = { "lua5.4", plan.root .. "bench/reads_luv.lua" }
  return { {
    name = "reads",
    title = "a read of 4 KiB, 64 at a time",
    arguments = { COUNT },
    programs = {
      { name = "luv", label = "luv, fs_read", command = luv },
      { name = "string", label = "kio, file:pread", command = kio "string" },
      { name = "buffer", label = "kio, file:pread_into", command = kio "buffer" },
      { name = "pread", label = "pread(2) in C, one at a time",
        command = { plan.out .. "/reads_pread" } },
    },
  } }
end
