-- KIO_LOG=debug: what happens seldom is told on stderr, and nothing otherwise. What is late is in
-- spec/thread/late_spec. Starts programs, which ThreadSanitizer does not survive.
-- flavours: test asan hostile
local kio = require "kio"
local support = require "spec.support"

-- What a program writes to stderr, with KIO_LOG set to `level`.
local function log_of(program, level)
  local path = support.tmpdir() .. "/program.lua"
  local file <close> = assert(io.open(path, "w"))
  file:write('local kio = require "kio"\n', program)
  file:close()
  local env = { KIO_LOG = level or false, LUA_PATH = package.path, LUA_CPATH = package.cpath }
  local result = support.run(function()
    return assert(kio.process.run { support.lua, path, env = env })
  end)
  assert.equal(0, result.code, result.stderr)
  return result.stderr
end

-- Each with what its log has to say.
local programs = {
  ["a full submission queue"] = { [[
    kio.run(function()
      local r, w = kio.pipe()
      for _ = 1, 100 do kio.spawn(kio.poll, r, "r") end
      kio.yield()
      kio.write(w, "x")
    end, { entries = 1 })
  ]], "kio: the submission queue was full, requests wait %(1 so far%)\n" },
  ["a full completion queue"] = { [[
    kio.run(function()
      local r, w = kio.pipe()
      for _ = 1, 100 do kio.spawn(kio.poll, r, "r") end
      kio.sleep(0) -- now all are in the kernel, and end at once
      kio.write(w, "x")
    end, { entries = 1, cq_entries = 1 })
  ]], "kio: the completion queue was full %(1 so far%)\n" },
  ["a listener without descriptors"] = { [[
    kio.testing.run(function()
      local faults = kio.testing.faults { { op = "accept", error = "EMFILE" } }
      local listener <close> = assert(kio.net.listen "127.0.0.1:0")
      kio.spawn(function() for _ in listener:accepts() do error "accepted" end end)
      kio.sleep(1)
      faults:clear()
    end)
  ]], "kio: no descriptor is free, a listener waits for one\n" },
}

describe("KIO_LOG", function()
  for what, program in pairs(programs) do
    it("=debug tells of " .. what, function()
      assert.matches(program[2], log_of(program[1], "debug"))
      assert.equal("", log_of(program[1]))
      assert.equal("", log_of(program[1], "quiet"))
    end)
  end
end)
