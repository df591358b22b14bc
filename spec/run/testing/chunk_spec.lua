-- KIO_CHUNK: every receive and send of a program moves so many bytes at most.
-- Starts programs, which the sanitizers make slow and ThreadSanitizer does not bear:
-- flavours: test hostile
local child = require "spec.net.child"

local PROGRAM = [[
  local kio = require "kio"
  print(pcall(kio.run, function()
    local a, b = kio.socketpair()
    local sent = kio.send(a, "0123456789")
    local read = kio.recv(b, 100)
    local listener <close> = assert(kio.net.listen("127.0.0.1:0"))
    local client <close> = assert(kio.net.connect(listener:address()))
    local server <close> = assert(listener:accept())
    client:send("0123456789")
    client:close()
    local longest, all = 0, {}
    for piece in server:chunks() do
      longest, all[#all + 1] = math.max(longest, #piece), piece
    end
    return sent, #read, longest, table.concat(all)
  end))]]

local function run(chunk)
  local output, how, status = child.run(PROGRAM, "env KIO_CHUNK=" .. chunk)
  assert.equal("exit 0", how .. " " .. status)
  return output
end

describe("KIO_CHUNK", function()
  it("bounds what a receive and a send move, and changes nothing else", function()
    assert.equal("true\t3\t3\t3\t0123456789\n", run("3"))
    assert.equal("true\t1\t1\t1\t0123456789\n", run("1"))
  end)

  it("is off when it is empty, and refused when it is no such number", function()
    assert.matches("^true\t10\t10\t", run(""))
    for _, bad in ipairs { "0", "-1", "x", "1x" } do
      assert.matches("KIO_CHUNK must be an integer of 1 or more, not '" .. bad .. "'", run(bad),
        1, true)
    end
  end)

  it("says so when it meets a run of several workers", function()
    local output = child.run('print(pcall(require "kio".run, print, { threads = 2 }))',
      "env KIO_CHUNK=1")
    assert.matches("'threads' must be 1 under kio.testing and KIO_CHUNK", output, 1, true)
  end)
end)
