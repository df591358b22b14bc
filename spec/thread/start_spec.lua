-- A start that lacks descriptors tells which step lacked one, and the errno of that. Programs do
-- not start under ThreadSanitizer:
-- flavours: test asan hostile
local child = require "spec.net.child"

-- Starts one other thread, so that it lacks the same in every run; prints "ran", or the message
-- and, where there is one, the code.
local STARTS = {
  run = [[print(select(2, pcall(kio.run, function() return "ran" end, { threads = 2 })))]],
  runtime = [[
    local runtime <close>, message, code = kio.runtime { threads = 1 }
    print(runtime and "ran" or message, code)]],
}

-- What the program says that may have descriptors below this one from then on.
local function started(how, limit)
  local source = [[
    local kio = require "kio"
    assert(os.execute "prlimit --pid $PPID --nofile=%d:")
    ]]
  local output, ending, status = child.run(source:format(limit) .. STARTS[how])
  assert.same({ "exit", 0 }, { ending, status }, output)
  return output
end

describe("a start without descriptors", function()
  for how in pairs(STARTS) do
    it("of kio." .. how .. " names what it lacked them for", function()
      local seen, limit = {}, 3
      local output
      repeat
        output = started(how, limit)
        if output:match "no inbox: [tT]oo many" then seen.inbox = true end
        if output:match "worker %d: it cannot load kio: Too many" then seen.kio = true end
        if output:match "kio.run: no [%w_]+ here\n[%w_]+ +refused: EMFILE" then
          seen.own = how == "run"
        end
        assert.truthy(output:match "EMFILE" or output:match "^ran", output)
        limit = limit + 1
      until output:match "^ran"
      assert.same({ inbox = true, kio = true, own = how == "run" or nil }, seen)
    end)
  end
end)
