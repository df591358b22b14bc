-- Several functions at once: the first of three mirrors that answers, all of them, a few at a time.
-- expect: the quickest: mirror 2
-- expect: all: mirror 1, mirror 2, mirror 3
-- expect: most at a time: 2, of 6
-- expect: unreachable: ECONNREFUSED
-- expect: as they end: 2 3 1
local kio = require "kio"

-- A server that takes its time to answer.
local function mirror(scope, name, seconds)
  local listener = assert(kio.net.listen "127.0.0.1:0")
  scope:spawn { daemon = true, name = name, function()
    local _ <close> = listener
    for accepted in listener:accepts() do
      scope:spawn { daemon = true, function()
        local stream <close> = accepted
        kio.sleep(seconds)
        stream:send(name .. "\n")
      end }
    end
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

-- Connects to all at once and keeps the first connection; one that came together with it is closed.
local function connect_first(addresses)
  local list = {}
  for i, address in ipairs(addresses) do
    list[i] = function() return assert(kio.net.connect(address)) end
  end
  return kio.race(list, { on_loser = function(_, stream) stream:close() end })
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

local function failures(addresses)
  local closed <close> = assert(kio.net.listen "127.0.0.1:0")
  local nobody = closed:address()
  closed:close()
  local streams, failed = kio.map({ addresses[1], nobody }, kio.net.connect)
  print("unreachable: " .. failed[2].code)
  streams[1]:close()
end

local function as_they_end(addresses)
  local order = {}
  for i in kio.as_completed(questions(addresses)) do order[#order + 1] = i end
  print("as they end: " .. table.concat(order, " "))
end

kio.run(function()
  kio.scope(function(scope)
    local addresses = {}
    for i, seconds in ipairs { 0.3, 0.01, 0.15 } do
      addresses[i] = mirror(scope, "mirror " .. i, seconds)
    end
    print("the quickest: " .. kio.race(questions(addresses)))
    print("all: " .. table.concat(kio.all(questions(addresses)), ", "))
    connect_first(addresses):close()
    a_few_at_a_time(addresses)
    failures(addresses)
    as_they_end(addresses)
  end)
end)
