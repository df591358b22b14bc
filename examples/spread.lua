-- One listener, all cores: connections go to the worker that has the fewest, which is how the four
-- clients below find one each. Every worker has a copy of the handler, and its own count. Errors,
-- limits and the report stay with the server.
-- expect: worker 1: clients 1, lines 2
-- expect: worker 2: clients 1, lines 2
-- expect: worker 3: clients 1, lines 2
-- expect: worker 4: clients 1, lines 2
-- expect: 4 connections, 0 failed, 0 cut off
local kio = require "kio"

local clients, lines = 0, 0 -- each worker's own

local function handler(stream)
  clients = clients + 1
  for _ in stream:lines() do
    lines = lines + 1
    stream:write(("worker %d: clients %d, lines %d\n"):format(kio.thread.id(), clients, lines))
  end
end

local function ask(stream, line)
  assert(stream:write(line, "\n"))
  return assert(stream:read("l"))
end

kio.run(function()
  local listener = assert(kio.net.listen("127.0.0.1:0"))
  local serving = kio.spawn(listener.serve, listener, handler, {
    spread = true, idle_timeout = 60, drain_timeout = 5,
  })
  local streams, answers = {}, {}
  for i = 1, kio.thread.count() do
    streams[i] = assert(kio.net.connect(listener:address()))
    ask(streams[i], "hello")
  end
  for i, stream in ipairs(streams) do answers[i] = ask(stream, "hello again") end
  table.sort(answers)
  for _, answer in ipairs(answers) do print(answer) end

  serving:cancel() -- accepts nothing more, and lets these finish
  for _, stream in ipairs(streams) do stream:close() end
  local report = serving:await()
  print(("%d connections, %d failed, %d cut off"):format(report.accepted, report.failed,
    report.cut))
end, { threads = 4 })
