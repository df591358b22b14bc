-- Scopes: what belongs together ends together.
-- expect: three workers: 60
-- expect: one failed: no luck; the others cleaned up: 2
-- expect: farewell under a shield: goodbye
-- expect: may fail: too bad; the helper ended with the rest
local kio = require "kio"

local function at_end(f) return setmetatable({}, { __close = f }) end

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
    local _ <close> = at_end(function() cleaned = cleaned + 1 end)
    kio.sleep(60)
  end
  local _, err = pcall(kio.scope, function(scope)
    for _ = 1, 2 do scope:spawn(careful) end
    kio.sleep(0.01)
    error("no luck", 0)
  end)
  print(("one failed: %s; the others cleaned up: %d"):format(err, cleaned))
end

-- Whatever happens to the task, the peer hears a farewell, for which there are 5 seconds.
local function polite(peer)
  local _ <close> = at_end(function() kio.shield(kio.timeout, 5, peer.send, peer, "goodbye\n") end)
  peer:read "l"
end

local function helpers(scope)
  scope:spawn { error, "too bad", 0, on_error = function(err) io.write("may fail: ", err) end }
  scope:spawn { daemon = true, name = "helper", function()
    local _ <close> = at_end(function() print "; the helper ended with the rest" end)
    kio.sleep(math.huge)
  end }
  kio.sleep(0.01)
end

kio.run(function()
  for _, shown in ipairs { workers, one_fails } do shown() end
  local listener <close> = assert(kio.net.listen "unix:@")
  local stream <close> = assert(kio.net.connect(listener:address()))
  kio.timeout(0.01, polite, (listener:accept()))
  print("farewell under a shield: " .. stream:read "l")
  kio.scope(helpers)
end)
