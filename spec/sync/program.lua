-- A program that uses every primitive of kio.sync, and tells afterwards whether all is as it should
-- be: no lock held, nobody left waiting, no value lost or doubled. It bears the cancellation of any
-- of its tasks at any moment.
local kio = require "kio"

local sync = kio.sync

local program = {}

local JOBS = 6

local function defer(f) return setmetatable({}, { __close = f }) end

local function new_state()
  return {
    jobs = sync.channel(2), results = sync.channel(), go = sync.event(), stop = sync.event(),
    mutex = sync.mutex(), condition = sync.condition(), permits = sync.semaphore(2),
    group = sync.waitgroup(),
    inside = 0, done = 0, most = 0, sent = {}, got = {}, told = {}, heard = {},
  }
end

-- The channel may have been closed by a closer that was cancelled.
local function send(s, job)
  local ok, sent = pcall(s.jobs.send, s.jobs, job, 40)
  if not ok and not tostring(sent):find "closed" then error(sent, 0) end
  if ok and sent then s.sent[job] = (s.sent[job] or 0) + 1 end
  return ok
end

local function producer(s, first)
  local _ <close> = defer(function() s.group:done() end)
  s.go:wait()
  for job = first, JOBS, 2 do
    if not send(s, job) then return end
  end
end

local function closer(s)
  local _ <close> = defer(function() s.jobs:close() end)
  s.group:wait()
end

local function work(s, job)
  local _ <close> = s.permits:acquire()
  s.inside = s.inside + 1
  s.most = math.max(s.most, s.inside)
  local _ <close> = defer(function() s.inside = s.inside - 1 end)
  kio.sleep(job)
end

local function worker(s)
  for job in s.jobs:iter() do
    s.got[job] = (s.got[job] or 0) + 1
    work(s, job)
    if kio.select { s.stop, { s.results, job } } == 1 then return end
    s.told[job] = (s.told[job] or 0) + 1
  end
end

-- The closer may have been cancelled: waiting for it raises then, as awaiting it would.
local function select_result(s, closing)
  local ok, i, job = pcall(kio.select, { s.results, s.stop, closing, timeout = 60 })
  if ok then return i, job end
  if closing and closing:status() == "cancelled" then return 3 end
  error(i, 0)
end

local function collector(s, closing)
  while true do
    local i, job = select_result(s, closing)
    if i == 1 then
      s.heard[job] = (s.heard[job] or 0) + 1
      local _ <close> = s.mutex:lock()
      s.done = s.done + 1
      s.condition:notify_all()
    elseif i == 3 then
      closing = nil
    else
      return
    end
  end
end

-- Waits until all is done, or until it takes too long.
local function watcher(s)
  local _ <close> = s.mutex:lock()
  while s.done < JOBS do
    if not s.condition:wait(s.mutex, 50) then return end
    kio.yield() -- so that the other one must wait for the mutex
  end
end

-- Runs it once; `ready(scope)` is called when its scope is open.
function program.run(ready)
  local s = new_state()
  kio.timeout(500, kio.scope, function(scope)
    if ready then ready(scope) end
    local watchers = {}
    for first = 1, 2 do
      s.group:add()
      scope:spawn(producer, s, first)
    end
    local closing = scope:spawn(closer, s)
    for _ = 1, 3 do scope:spawn(worker, s) end
    scope:spawn(collector, s, closing)
    for i = 1, 2 do watchers[i] = scope:spawn(watcher, s) end
    kio.yield()
    s.go:set()
    for _, task in ipairs(watchers) do task:join() end
    s.stop:set()
  end)
  return s
end

local function check_values(what, given, taken)
  for job = 1, JOBS do
    local a, b = given[job] or 0, taken[job] or 0
    assert(a == b and a <= 1, ("%s %d: given %d times, taken %d times"):format(what, job, a, b))
  end
end

-- Raises unless everything it used is free.
function program.check(s)
  for name, free in pairs {
    mutex = "^kio.Mutex %(free%)$", permits = "^kio.Semaphore %(2 free, 0 waiting%)$",
    condition = "%(0 waiting%)$", go = ", 0 waiting%)$", stop = ", 0 waiting%)$",
    jobs = " 0 sending, 0 receiving%)$", results = " 0 sending, 0 receiving%)$",
    group = " 0 waiting%)$",
  } do
    assert(tostring(s[name]):find(free), ("%s: %s"):format(name, tostring(s[name])))
  end
  assert(s.inside == 0 and s.most <= 2, "the semaphore let too many in")
  local left = s.jobs:try_receive()
  while left do
    s.got[left] = (s.got[left] or 0) + 1
    left = s.jobs:try_receive()
  end
  check_values("job", s.sent, s.got)
  check_values("result", s.told, s.heard)
end

return program
