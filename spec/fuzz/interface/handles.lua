-- Handles of every kind, and the states they can be in. Runs in a task.
local http_handles = require "spec.fuzz.interface.http_handles"
local kio = require "kio"
local pool = require "spec.fuzz.interface.pool"

local handles = {}

local core = kio.core
local count = 0

local function fresh(name)
  count = count + 1
  return ("%s-%d-%s"):format(name, kio.thread.id(), count)
end

-- Beside us, and nobody's trouble when it fails.
local function beside(...)
  local spawned = { ... } -- all of them, which they would not be in front of another field
  spawned.on_error = function() end
  return kio.spawn(spawned)
end
handles.beside = beside

-- A stream that owns the descriptor; when there is none, whoever looks for leaks knows that.
local function adopted(fd)
  local ok, stream = pcall(kio.stream, fd)
  if ok and stream then return stream end
  pool.note(fd)
end

-- Two ends of a connection.
local function pair()
  local near, far = kio.socketpair()
  if not near then return nil end
  local one, other = adopted(near), adopted(far)
  pool.add(other)
  return one, other
end

local function streams()
  local one, other = pair()
  if other then other:send "hello\nworld\n12 0x1p4\n" end
  return one
end

local function connection()
  local listener <close> = kio.net.listen "127.0.0.1:0"
  if not listener then return nil end
  local client = kio.net.connect(listener:address())
  pool.add(listener:accept { timeout = 1 })
  return client
end

local function udp()
  local one, other = kio.net.udp "127.0.0.1:0", kio.net.udp "127.0.0.1:0"
  if not (one and other) then return one end
  other:send_to("datagram", one:address())
  one:connect(other:address())
  pool.add(other)
  return one
end

local function file()
  local handle = kio.fs.open(fresh "file", "w+")
  if not handle then return nil end
  handle:write "hello\nworld\n0x1p4 12\n"
  handle:seek("set", 0)
  return handle
end

local function scope()
  local given
  beside(kio.scope, function(own)
    given = own
    kio.sleep(0.02)
  end)
  for _ = 1, 3 do kio.yield() end
  return given
end

local function program()
  if os.getenv "KIO_FLAVOUR" == "tsan" then return nil end
  local argv = { "cat", stdin = "pipe", stdout = "pipe", env = { LD_PRELOAD = false } }
  local process = kio.process.spawn(argv)
  if process then
    pool.add(process.stdin)
    pool.add(process.stdout)
  end
  return process
end

local function child()
  local process = program()
  return process and rawget(process, "child")
end

local function failing() error "on purpose" end

-- By class; some have several ways to come about.
local MAKERS = {
  ["kio.Stream"] = { streams, streams, connection },
  ["kio.Listener"] = {
    function() return (kio.net.listen "127.0.0.1:0") end,
    function() return (kio.net.listen("unix:" .. fresh "door")) end,
  },
  ["kio.Udp"] = { udp },
  ["kio.File"] = { file, file, function() return (kio.fs.open("fifo", "r+")) end },
  ["kio.Buffer"] = {
    function() return kio.buffer "0123456789" end,
    function() return kio.buffer(5000):slice(5, 4000) end,
    function() return kio.buffer(1 << 20) end,
  },
  ["kio.Task"] = {
    function() return beside(kio.sleep, 0.02) end,
    function() return beside(failing) end,
    function() return beside(kio.yield) end,
  },
  ["kio.Scope"] = { scope },
  ["kio.Process"] = { program },
  ["kio.Child"] = { child },
  ["kio.Runtime"] = { function() return kio.runtime { threads = 1 } end },
  ["kio.Queue"] = { function() return core.own.queue "fuzz" end },
  ["kio.ThreadChannel"] = { function() return kio.thread.channel(2) end },
  ["kio.ThreadEvent"] = { kio.thread.event },
  ["kio.Watch"] = { function() return (kio.fs.watch ".") end },
  ["kio.SignalWatch"] = { function() return (core.own.signal_each "USR2") end },
  ["kio.Faults"] = { function() return core.own.rig_faults { { op = "nop" } } end },
  ["kio.Mutex"] = { kio.sync.mutex },
  ["kio.Semaphore"] = { function() return kio.sync.semaphore(1) end },
  ["kio.Condition"] = { function() return kio.sync.condition(kio.sync.mutex()) end },
  ["kio.Event"] = { kio.sync.event },
  ["kio.Waitgroup"] = { kio.sync.waitgroup },
  ["kio.Channel"] = { function() return kio.sync.channel(1) end },
  ["kio.Cancelled"] = { function() return kio.Cancelled end },
  ["FILE*"] = { function() return io.open(fresh "plain", "w+") end },
  thread = { function() return coroutine.create(kio.yield) end },
}

for class, makers in pairs(http_handles(pair, beside)) do MAKERS[class] = makers end

local classes = {}
for class in pairs(MAKERS) do classes[#classes + 1] = class end
table.sort(classes)

function handles.classes() return classes end

-- A new handle of the class; nil when there is no way to make one here.
function handles.make(class, random)
  local makers = MAKERS[class]
  if not makers then return nil end
  local ok, handle = pcall(makers[random(#makers)])
  if not ok or handle == nil then return nil end
  pool.add(handle)
  return handle
end

-- Under way while a call is made, and not for good.
local function meanwhile(f, ...) beside(kio.timeout, 0.05, f, ...) end

-- What can be under way on a handle, or have happened to it, when it is used.
local STATES = {
  function(h) h:close() end,
  function(h) meanwhile(h.close, h) end,
  function(h)
    meanwhile(h.close, h)
    kio.yield()
  end,
  function(h) meanwhile(h.recv or h.receive or h.accept or h.read or h.wait or h.join, h) end,
  function(h)
    meanwhile(h.read or h.receive or h.accept or h.await or h.lock, h)
    kio.yield()
  end,
  function(h) meanwhile(h.write or h.send or h.set, h, ("x"):rep(300000)) end,
  function(h) h:shutdown() end,
  function(h) h:cancel() end,
  function(h) debug.getmetatable(h).__gc(h) end,
  function(h) kio.close(h:fd()) end,
  function(h) meanwhile(kio.close, h:fd()) end,
  function(h) kio.thread.channel(1):try_send(h) end,
  function(h)
    local channel = kio.thread.channel(1)
    channel:try_send(h)
    pool.add(channel:try_receive())
  end,
  function(h) meanwhile(kio.thread.spawn, function(x) kio.sleep(0.001) return x end, h) end,
}

function handles.disturb(handle, random) pcall(STATES[random(#STATES)], handle) end

return handles
