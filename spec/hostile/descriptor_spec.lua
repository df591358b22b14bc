-- 64 descriptors and 200 clients: those who are served notice nothing, the others wait in the
-- kernel's queue, the server sleeps meanwhile, and everybody gets an answer in the end.
-- The shell that starts the server does not run under ThreadSanitizer:
-- flavours: test asan hostile
local kio = require "kio"
local support = require "spec.support"
local child = require "spec.net.child"
local common = require "spec.net.serve.common"

local CLIENTS, LIMIT = 200, 64
local ENTERS = support.chunk and 100 or 3 -- for a question and its answer
local PAUSES = 9 -- of 5 ms to a second; from then on it is one a second

local SERVER = [[
  local kio = require "kio"
  local listener = assert(kio.net.listen "127.0.0.1:0")
  print(listener:address())
  io.stdout:flush()
  local report = kio.run(function()
    return listener:serve(function(stream)
      for line in stream:lines() do
        if line == "stop" then listener:close() end
        local stats = kio.stats()
        stream:write(line, " ", stats.ops.accept, " ", stats.enters, " ", kio.now(), "\n")
      end
    end)
  end)
  print(report.accepted, report.failed, report.cut)]]

-- One question: attempts to accept so far, kernel entries, and the server's clock.
local function question(stream, text)
  local answer = assert(common.ask(stream, text))
  local echo, accepts, enters, now = answer:match "^(%S+) (%d+) (%d+) ([%d.]+)$"
  assert.equal(text, echo)
  return tonumber(accepts), tonumber(enters), tonumber(now)
end

-- The clients' numbers, in the order in which the server answers them for the first time.
local function connect_all(address, served)
  local streams = {}
  for i = 1, CLIENTS do
    streams[i] = common.client(address)
    streams[i]:send("client", i, "\n")
    kio.spawn(function()
      local line = streams[i]:read("l", { timeout = 60 })
      if line then served:send(i) end
    end)
  end
  return streams
end

local function few_descriptors(address)
  local served = kio.sync.channel(CLIENTS)
  local streams = connect_all(address, served)
  local inside = {}
  repeat -- as many as there are descriptors for
    local i = served:receive { timeout = 1 }
    inside[#inside + 1] = i
  until not i
  assert.is_true(#inside > LIMIT - 20 and #inside < LIMIT, #inside)

  -- Those who are served are not hurt, and the server tries no more often than it says.
  local first = streams[inside[1]]
  local accepts, enters, began = question(first, "begin")
  for _ = 1, 3 do
    for _, i in ipairs(inside) do question(streams[i], "again") end
    kio.sleep(0.1)
  end
  local accepts_later, enters_later, ended = question(first, "end")
  local pauses = PAUSES + math.ceil(ended - began)
  assert.is_true(accepts_later - accepts <= pauses, accepts_later - accepts)
  local most = ENTERS * 3 * #inside + 3 * pauses
  assert.is_true(enters_later - enters <= most, enters_later - enters)

  -- Each one that goes makes room for one that waits.
  local count = #inside
  for at = 1, CLIENTS - 1 do
    streams[inside[at]]:close()
    if count < CLIENTS then
      inside[count + 1] = assert(served:receive { timeout = 30 })
      count = count + 1
    end
  end
  question(streams[inside[CLIENTS]], "stop")
  streams[inside[CLIENTS]]:close()
end

describe("a server with few descriptors", function()
  it("serves all of many clients, one after the other, and sleeps in between", function()
    local output, ended = child.with(SERVER, "prlimit --nofile=" .. LIMIT, function(pipe)
      local address = pipe:read "l"
      support.run(function() few_descriptors(address) end)
    end)
    assert.equal(CLIENTS .. "\t0\t0\n", output)
    assert.equal("exit 0", ended)
  end)
end)
