-- A worker that is told what to do by signals: HUP reloads its settings, USR1 reports, TERM ends it
-- when the job at hand is done. Here it sends them to itself.
-- expect: working with version 1
-- expect: reloaded: version 2
-- expect: USR1: the version is 2
-- expect: TERM: finishing job 3
-- expect: ended in peace
local kio = require "kio"

local version, jobs = 1, kio.sync.channel(8)

local function reload()
  version = version + 1
  print("reloaded: version " .. version)
end

local function report(name) print(("%s: the version is %d"):format(name, version)) end

-- Does jobs until the channel is closed; what is queued by then is still done.
local function work()
  local last
  for job in jobs:iter() do
    kio.sleep(0.001)
    last = job
  end
  return last
end

-- The shell's parent is this process.
local function send(name) assert(os.execute("kill -" .. name .. " $PPID")) end

local function script()
  for job = 1, 3 do jobs:send(job) end
  send "HUP"
  kio.sleep(0.05)
  send "USR1"
  kio.sleep(0.05)
  send "TERM"
end

kio.run(function()
  local stop = kio.spawn(kio.signal.wait, "TERM", "INT")
  kio.scope(function()
    kio.signal.on("HUP", reload)
    kio.signal.on("USR1", report)
    print("working with version " .. version)
    local worker = kio.spawn(work)
    kio.spawn(script)
    local name = stop:await()
    jobs:close()
    print(("%s: finishing job %d"):format(name, worker:await()))
  end)
  print "ended in peace"
end)
