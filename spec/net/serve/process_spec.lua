-- What a server does that shows only outside of its process: what it prints.
-- The shell that starts one does not run under ThreadSanitizer:
-- flavours: test asan hostile
local child = require "spec.net.child"

describe("an error of a handler", function()
  it("of on_error itself is printed, with the first, and touches nobody", function()
    local output, how, status = child.run [[
      local kio = require "kio"
      kio.run(function()
        local listener = assert(kio.net.listen "127.0.0.1:0")
        local serving = kio.spawn(listener.serve, listener, function(stream)
          for line in stream:lines() do
            if line == "fail" then error("the first", 0) end
            stream:write(line, "\n")
          end
        end, { on_error = function() error("the second", 0) end })
        local good = kio.net.connect(listener:address())
        local bad = kio.net.connect(listener:address())
        bad:write "fail\n"
        bad:recv()
        good:write "still there\n"
        print(good:read "l")
        good:close()
        listener:close()
        print(serving:await().failed)
      end)]]
    assert.matches("the first.*the second", output)
    assert.matches("still there", output)
    assert.equal("exit 0", how .. " " .. status, output)
  end)

  it("is printed to stderr when nobody asked", function()
    for _, option in ipairs { "nil", "true" } do
      local output = child.run(([[
        local kio = require "kio"
        kio.run(function()
          local listener = assert(kio.net.listen "127.0.0.1:0")
          local serving = kio.spawn(listener.serve, listener, function() error "oh dear" end,
            { on_error = %s })
          local stream = kio.net.connect(listener:address())
          local own = stream:address()
          stream:recv()
          listener:close()
          serving:await()
          print(own)
        end)]]):format(option))
      local own = output:match "(127%.0%.0%.1:%d+)\n$"
      assert.truthy(output:find("the connection of " .. own .. " failed: ", 1, true), output)
      assert.matches("oh dear\nstack traceback:", output)
    end
  end)
end)
