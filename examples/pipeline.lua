-- A pipeline of programs, as a shell builds it: tr | tr | sort, three processes whose output goes
-- straight into the next one, and only the ends are ours.
-- expect: 3 the
-- expect: 2 fox
-- expect: 1 lazy
-- expect: all three ended: 0 0 0
-- expect: by a shell: 25 words
local kio = require "kio"

local TEXT = "The quick fox saw the lazy dog, the other fox slept\n"

-- Starts each program with the output of the one before; the first one reads a pipe of ours.
local function pipeline(commands)
  local list, input = {}, "pipe"
  for i, command in ipairs(commands) do
    command.stdin, command.stdout = input, "pipe"
    list[i] = assert(kio.process.spawn(command))
    if i > 1 then input:close() end -- it is the program's now
    input = list[i].stdout
  end
  return list
end

kio.run(function()
  kio.stderr():write("sorting ", #TEXT, " bytes\n")
  local programs = pipeline {
    { "tr", "-cs", "A-Za-z", "\n" },
    { "tr", "A-Z", "a-z" },
    { "sort" },
  }
  kio.spawn(function()
    programs[1].stdin:write(TEXT)
    programs[1].stdin:close()
  end)
  local counts = {}
  for word in programs[3].stdout:lines() do counts[word] = (counts[word] or 0) + 1 end
  for _, word in ipairs { "the", "fox", "lazy" } do print(counts[word] .. " " .. word) end
  local codes = kio.map(programs, function(program)
    local status <const> = program:wait()
    program:close()
    return status.code
  end)
  print("all three ended: " .. table.concat(codes, " "))
  local text = TEXT:rep(2) .. "a b c"
  local result = assert(kio.process.run { "sh", "-c", "wc -w | tr -d ' \n'", stdin = text })
  print(("by a shell: %s words"):format(result.stdout))
end)
