-- Signals that stop a server whose connections are on several workers, sent by another process.
-- The shell that starts one does not run under ThreadSanitizer:
-- flavours: test asan hostile
local child = require "spec.net.child"

-- Six clients are served, two by each worker, when it prints "up"; `rest` runs when a signal has
-- closed the listener.
local SERVER = [[
  local kio = require "kio"
  local function handle(stream)
    local farewell <close> = setmetatable({}, { __close = function(_, err)
      if err then kio.shield(stream.send, stream, "cut off\n") end
    end })
    stream:write(kio.thread.id(), "\n")
    stream:write("answer to ", stream:read "l", "\n")
    return farewell
  end
  kio.run(function()
    local listener = assert(kio.net.listen "127.0.0.1:0")
    local serving = kio.spawn(function()
      local options = { spread = true, stop_signals = { "TERM", "USR1" }, drain_timeout = 60 }
      return listener:serve(handle, options)
    end)
    local clients, of = {}, { 0, 0, 0 }
    for i = 1, 6 do
      clients[i] = assert(kio.net.connect(listener:address()))
      local worker = math.tointeger(tonumber((clients[i]:read "l")))
      of[worker] = of[worker] + 1
    end
    print("up", table.concat(of, " "))
    io.stdout:flush()
    repeat kio.yield() until not listener:fd()
    %s
    local report = serving:await()
    print(report.accepted, report.failed, report.cut)
  end, { threads = 3 })]]

local function term(pid) assert(os.execute("kill -TERM " .. pid)) end

describe("a signal for a server that spreads", function()
  it("lets the handlers on all workers finish", function()
    local output, how = child.with(SERVER:format [[
      for i, client in ipairs(clients) do
        client:write(i, "\n")
        print(client:read "a")
      end]], nil, function(pipe, pid)
      assert.equal("up\t2 2 2", pipe:read "l")
      term(pid)
    end)
    for i = 1, 6 do assert.matches("answer to " .. i .. "\n\n", output) end
    assert.matches("\n6\t0\t0\n$", output)
    assert.equal("exit 0", how)
  end)

  it("after another one cuts them off, on all workers", function()
    local output, how = child.with(SERVER:format [[
      print "draining"
      io.stdout:flush()
      for _, client in ipairs(clients) do print(client:read "a") end]], nil, function(pipe, pid)
      assert.equal("up\t2 2 2", pipe:read "l")
      term(pid)
      assert.equal("draining", pipe:read "l")
      assert(os.execute("kill -USR1 " .. pid))
    end)
    assert.equal(("cut off\n\n"):rep(6) .. "6\t0\t6\n", output)
    assert.equal("exit 0", how)
  end)
end)
