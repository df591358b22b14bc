-- Random programs on two streams that are connected with each other: reads of every kind, writes
-- that gather and wait, flushes, shutdowns, deadlines, cancellation and closing.
local kio = require "kio"
local program = require "spec.ring.random.program"

local streams = {}

local TRY <const> = { timeout = 0 }
local HUGE <const> = 500000 -- more than two sockets and the output of a stream hold

local function text(p) return ("ab\ncdef\ng"):sub(p.roll(3), p.roll(9)) end

-- ---- operations: the name, a function of a stream and options, and whether it takes none ----

local READS <const> = {
  function(p)
    local n = p.roll(9)
    return "recv", function(stream, options) return stream:recv(n, options) end
  end,
  function() return "recv all", function(stream, options) return stream:recv(nil, options) end end,
  function(p)
    local n = p.roll(9) - 1
    return "read n", function(stream, options) return stream:read(n, options) end
  end,
  function() return "read l", function(stream, options) return stream:read("l", options) end end,
  function(p)
    local ending = p:one_of { "\n", "ef" }
    return "read_until", function(stream, options) return stream:read_until(ending, options) end
  end,
  function(p)
    local n = p.roll(9)
    return "peek", function(stream, options) return stream:peek(n, options) end
  end,
  function(p)
    local n = p.roll(9)
    return "recv_into", function(stream, options)
      return stream:recv_into(kio.buffer(10), 1, n, options)
    end
  end,
}

local WRITES <const> = {
  function(p)
    local data = text(p)
    return "write", function(stream) return stream:write(data) end, true
  end,
  function(p)
    local data, more = text(p), text(p)
    return "send", function(stream) return stream:send(data, more) end, true
  end,
  function() return "flush", function(stream, options) return stream:flush(options) end end,
}

-- ---- steps ----

local function transfer(p, ways, key)
  local name = p:one_of(p.names)
  local what, f, waits = p:one_of(ways)(p)
  if p:is_busy(name .. key) then return end
  if waits or p.roll(2) == 1 then p:start(name .. " " .. what, { name .. key }, f, p.streams[name])
  else p:note(name .. " " .. what, f(p.streams[name], TRY)) end
end

local function read(p) transfer(p, READS, "reads") end
local function write(p) transfer(p, WRITES, "writes") end

-- More than fits, which waits for room again and again while the other one reads it. How much of it
-- has moved at some moment is not to be compared.
local function flood(p)
  local from = p:one_of(p.names)
  local to = from == "A" and "B" or "A"
  if p:is_busy(from .. "writes", to .. "reads") then return end
  local sender = kio.spawn(p.streams[from].send, p.streams[from], ("h"):rep(HUGE))
  local got = table.pack(p.streams[to]:read(HUGE, { timeout = 60 }))
  p:note("flood from " .. from .. " gives", table.unpack(got))
  p:note("flood from " .. from .. " ends", select(2, sender:join()))
end

local function shutdown(p)
  local name, how = p:one_of(p.names), p:one_of { "read", "write", "both" }
  if p:is_busy(name .. "writes") then return end
  local stream, keys = p.streams[name], { name .. "writes" } -- it waits until all has left
  p:start(name .. " shutdown " .. how, keys, stream.shutdown, stream, how)
end

local function close(p)
  local name = p:one_of(p.names)
  p:note("close " .. name, p.streams[name]:close(TRY))
end

local function cancel(p) p:cancel_one() end

local STEPS <const> = {
  read, read, read, read, read, read, read, read, flood, write, write, write, write, write, write,
  write, write, shutdown, cancel, cancel, close,
}

-- What the program of that number sees.
function streams.run(_, seed)
  local p = program.new(seed)
  local a, b = kio.socketpair()
  p.streams = { A = assert(kio.net.stream(a)), B = assert(kio.net.stream(b)) }
  p.names = { "A", "B" }
  for _ = 1, 3 + p.roll(9) do
    p:one_of(STEPS)(p)
    p:settle()
    for _ = 1, 3 do kio.yield() end -- what was written leaves
  end
  local seen = p:finish()
  for _, name in ipairs(p.names) do p.streams[name]:close(TRY) end
  return seen
end

return streams
