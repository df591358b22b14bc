-- Scopes: what belongs together ends together.
-- expect: three workers: 60
-- expect: one failed: no luck; the others cleaned up: 2
-- expect: too slow: ETIMEDOUT
-- expect: nested: the inner one ETIMEDOUT, the outer one in time
-- expect: farewell under a shield: goodbye
-- expect: reported: may pass
-- expect: the server goes on
-- expect: the helper ended with the rest
local kio = require "kio"

local function workers()
  local sum = 0
  kio.scope(function(scope)
    for i = 1, 3 do
      scope:spawn(function()
        kio.sleep(0.01 * i)
        sum = sum + 10 * i
      end)
    end
  end) -- all three have ended here
  print("three workers: " .. sum)
end

local function one_fails()
  local cleaned = 0
  local function careful()
    local _ <close> = setmetatable({}, { __close = function() cleaned = cleaned + 1 end })
    kio.sleep(60)
  end
  local _, err = pcall(kio.scope, function(scope)
    scope:spawn(careful)
    scope:spawn(careful)
    kio.sleep(0.01)
    error("no luck", 0)
  end)
  print(("one failed: %s; the others cleaned up: %d"):format(err, cleaned))
end

local function deadlines()
  local _, _, code = kio.timeout(0.01, kio.sleep, 60)
  print("too slow: " .. code)
  local inner
  local outer = kio.timeout(10, function()
    inner = select(3, kio.timeout(0.01, kio.sleep, 60))
    return "in time"
  end)
  print(("nested: the inner one %s, the outer one %s"):format(inner, outer))
end

-- Whatever happens to the task, the peer hears a farewell, for which there are 5 seconds.
local function polite(stream)
  local _ <close> = setmetatable({}, { __close = function()
    kio.shield(kio.timeout, 5, stream.send, stream, "goodbye\n")
  end })
  stream:read "l"
end

local function farewell()
  local listener <close> = assert(kio.net.listen "127.0.0.1:0")
  local task = kio.spawn(function()
    local stream <close> = assert(listener:accept())
    polite(stream)
  end)
  local stream <close> = assert(kio.net.connect(listener:address()))
  kio.sleep(0.01)
  task:cancel()
  print("farewell under a shield: " .. stream:read "l")
end

local function tasks_that_may_fail()
  kio.scope(function(scope)
    local function report(err) print("reported: " .. err) end
    scope:spawn { error, "may pass", 0, on_error = report }
    kio.sleep(0.01)
    print "the server goes on"
  end)
end

local function helpers()
  local state = "runs"
  kio.scope(function(scope)
    scope:spawn { daemon = true, name = "helper", function()
      local _ <close> = setmetatable({}, { __close = function() state = "ended with the rest" end })
      while true do kio.sleep(1) end
    end }
    scope:spawn(kio.sleep, 0.01)
  end)
  print("the helper " .. state)
end

kio.run(function()
  workers()
  one_fails()
  deadlines()
  farewell()
  tasks_that_may_fail()
  helpers()
end)
