-- A port scanner: tries many ports of a host, 50 at a time, and waits a second for each at most.
-- Given an address, the first port and the last it tells the open ones there; else it scans some
-- of its own: open ones, closed ones, and one whose owner is too busy to answer.
-- expect: open: 3
-- expect: refused: 100
-- expect: no answer: 1
local kio = require "kio"

local AT_ONCE, PATIENCE = 50, 1

-- "open", or the reason why not: "ECONNREFUSED" (nobody listens), "ETIMEDOUT" (no answer), ...
local function probe(address)
  local stream, _, code = kio.net.connect(address, { timeout = PATIENCE })
  if not stream then return code end
  stream:close()
  return "open"
end

local function scan(host, first, last)
  local addresses = {}
  for port = first, last do addresses[#addresses + 1] = ("%s:%d"):format(host, port) end
  local states = kio.map(addresses, probe, { limit = AT_ONCE })
  for i, state in ipairs(states) do
    if state == "open" then print(addresses[i]) end
  end
end

local function count(states, wanted)
  local n = 0
  for _, state in ipairs(states) do n = n + (state == wanted and 1 or 0) end
  return n
end

-- A port that is taken, though nobody listens there.
local function closed_port()
  local fd = kio.socket "tcp4"
  assert(kio.bind(fd, "127.0.0.1:0"))
  return kio.getsockname(fd), fd
end

local function scan_own_ports()
  local addresses, listeners, fds = {}, {}, {}
  for i = 1, 4 do
    listeners[i] = assert(kio.net.listen("127.0.0.1:0", { backlog = 0 }))
    addresses[i] = listeners[i]:address()
  end
  for i = 5, 104 do addresses[i], fds[#fds + 1] = closed_port() end
  local _ <close> = assert(kio.net.connect(addresses[4])) -- fills the queue of the busy one
  local states = kio.map(addresses, probe, { limit = AT_ONCE })
  print("open: " .. count(states, "open"))
  print("refused: " .. count(states, "ECONNREFUSED"))
  print("no answer: " .. count(states, "ETIMEDOUT"))
  for _, fd in ipairs(fds) do kio.close(fd) end
end

kio.run(function()
  if arg[1] then return scan(arg[1], tonumber(arg[2]), tonumber(arg[3])) end
  scan_own_ports()
end)
