-- A server on two workers and its clients: those that talk, those that only connect, and one that
-- is too slow. Run like smoke.lua.
local kio = require "kio"

local CLIENTS, MESSAGES = 100, 10

local function handle(stream)
  for line in stream:lines() do stream:write(kio.thread.id(), " ", line, "\n") end
end

-- By which workers it was served.
local function talk(address, number, workers)
  local stream <close> = assert(kio.net.connect(address))
  for i = 1, MESSAGES do
    local text = ("client %d message %d"):format(number, i)
    stream:write(text, "\n")
    local worker, answer = stream:read():match("^(%d) (.*)$")
    assert(answer == text, answer)
    workers[worker] = true
  end
end

local function all(count, f, ...)
  local more = table.pack(...)
  kio.scope(function(scope)
    for i = 1, count do
      scope:spawn(function() f(more[1], i, table.unpack(more, 2, more.n)) end)
    end
  end)
end

local function serve_and_ask(options)
  local listener = assert(kio.net.listen("127.0.0.1:0", { backlog = CLIENTS }))
  local serving = kio.spawn(listener.serve, listener, handle, options)
  local workers = {}
  all(CLIENTS, talk, listener:address(), workers)
  listener:close()
  local report = assert(serving:await())
  assert(report.accepted == CLIENTS and report.failed == 0 and report.cut == 0)
  return workers
end

local function idle()
  local listener = assert(kio.net.listen("127.0.0.1:0"))
  local serving = kio.spawn(listener.serve, listener, handle, { idle_timeout = 0.05 })
  local slow <close> = assert(kio.net.connect(listener:address()))
  assert(slow:read() == nil)
  listener:close()
  assert(serving:await().idle == 1)
end

kio.run(function()
  serve_and_ask { max_connections = 7 }
  local workers = serve_and_ask { spread = true }
  assert(workers["1"] and workers["2"])
  idle()
  print(("server: %d clients on %s"):format(2 * CLIENTS + 1, kio.stats().backend))
end, { threads = 2 })
