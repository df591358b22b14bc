-- Several functions at once: the first of three mirrors that answers, all of them, a few at a time.
-- expect: the quickest: mirror 2
-- expect: all: mirror 1, mirror 2, mirror 3
-- expect: most at a time: 2, of 6
-- expect: unreachable: ECONNREFUSED
-- expect: as they end: 2 3 1
local kio = require "kio"

-- Starts a server that takes its time to answer.
local function mirror(scope, name, seconds)
  local listener = assert(kio.net.listen "127.0.0.1:0")
  scope:spawn { daemon = true, name = name, listener.serve, listener, function(stream)
    kio.sleep(seconds)
    stream:send(name .. "\n")
  end }
  return listener:address()
end

local function ask(address)
  local stream <close> = assert(kio.net.connect(address))
  return assert(stream:read "l")
end

-- ask, bound to each address.
local function questions(addresses)
  local list = {}
  for i, address in ipairs(addresses) do list[i] = function() return ask(address) end end
  return list
end

local function a_few_at_a_time(addresses)
  local running, most = 0, 0
  kio.map({ 1, 2, 3, 1, 2, 3 }, function(i)
    running = running + 1
    most = math.max(most, running)
    ask(addresses[i])
    running = running - 1
  end, { limit = 2 })
  print(("most at a time: %d, of 6"):format(most))
end

kio.run(function()
  kio.scope(function(scope)
    local addresses, order = {}, {}
    for i, seconds in ipairs { 0.3, 0.01, 0.15 } do
      addresses[i] = mirror(scope, "mirror " .. i, seconds)
    end
    print("the quickest: " .. kio.race(questions(addresses)))
    print("all: " .. table.concat(kio.all(questions(addresses)), ", "))
    a_few_at_a_time(addresses)
    local streams, failed = kio.map({ addresses[1], "127.0.0.1:1" }, kio.net.connect)
    print("unreachable: " .. failed[2].code)
    streams[1]:close()
    for i in kio.as_completed(questions(addresses)) do order[#order + 1] = i end
    print("as they end: " .. table.concat(order, " "))
  end)
end)
