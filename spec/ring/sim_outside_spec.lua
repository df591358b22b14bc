-- flavours: test asan hostile
-- The simulated ring and a peer in another process. (A shell cannot run below ThreadSanitizer.)
local kio = require "kio"
local support = require "spec.support"

describe("the clock of the simulated ring", function()
  it("does not move while a peer outside the process is waited for", function()
    local file <close> = assert(io.open("/proc/self/stat"))
    local pid = file:read("n")
    local took, text = support.run(function()
      local r, w = kio.pipe()
      assert(os.execute(("(sleep 0.05; echo hello > /proc/%d/fd/%d) &"):format(pid, w)))
      local start = kio.now()
      local text = kio.read(r, 100)
      local took = kio.now() - start
      kio.close(r)
      kio.close(w)
      return took, text
    end, { backend = "sim" })
    assert.equal("hello\n", text)
    assert.is_true(took < 0.001, took)
  end)
end)
