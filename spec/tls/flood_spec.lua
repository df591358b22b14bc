-- Peers that ask for work without end, and never read; and those that stop in the middle.
-- flavours: test asan hostile
local kio = require "kio"
local connection = require "spec.net.connection"
local material = require "spec.tls.material"
local pair = require "spec.tls.pair"
local support = require "spec.support"

local function it_alone(name, f)
  it(name, function()
    if os.getenv "KIO_FILTER" then return pending("KIO_FILTER: it has a filter already") end
    if support.chunk then return pending("KIO_CHUNK: so many calls take too long") end
    support.run(f)
  end)
end

local HELD_MAX, RECORD = 65536, 16384 + 512 -- of answers; and what the last one adds at most

-- Sockets that hold little.
local function narrow(server, client)
  local small = { send_buffer = 4096 }
  return pair.open {
    how = { address = connection.abstract_name(), listen = small, connect = small },
    server = server, client = client,
  }
end

-- Lets the loop turn until the server holds so much that it stops, or all has come.
local function until_full(server, flood)
  local core = require "kio.tls.core"
  local most = 0
  repeat
    kio.yield()
    most = math.max(most, core.test_held(server))
  until most > HELD_MAX or flood:status() == "done"
  for _ = 1, 100 do
    kio.yield()
    most = math.max(most, core.test_held(server))
  end
  return most
end

-- What a reader is told of a peer that floods us.
local function assert_told(result)
  assert.is_nil(result[1])
  assert.equal("TLS_PROTOCOL", result[3], result[2])
  assert.matches("the peer asks on and on, and takes no answers$", result[2])
end

describe("a server's memory stays bounded when a client that never reads", function()
  local tls, why = material.find()
  if not tls then return it("is skipped", function() pending(why) end) end

  it_alone("asks for new keys without end", function()
    local client, server = narrow(material.options(nil, { min = "1.3" }))
    local flood = kio.spawn(function()
      for _ = 1, 11 do -- not all at once: it is to hold less than what stops it from reading
        require "kio.tls.core".test_key_updates(client, 1000)
        assert(client:send "x")
      end
      return true
    end)
    local reading = kio.spawn(function() return table.pack(server:read(11)) end)
    local most = until_full(server, flood)
    assert.is_true(most > HELD_MAX and most < HELD_MAX + RECORD, tostring(most))
    assert_told(reading:await())
    assert.equal("x", assert(server:recv()):match "^x+$":sub(1, 1)) -- what came before
    assert_told(table.pack(server:recv()))
    assert.equal("waiting", flood:status())
    local answers = kio.spawn(connection.receive_all, client) -- it reads after all
    assert(server:send "still here") -- reading has ended, and writing goes on
    flood:cancel()
    pcall(flood.await, flood)
    server:close()
    assert.equal("still here", answers:await())
    client:close()
  end)

  -- Both ask for so many keys at once, and both read: whether any of them is told of a flood.
  local function flood_each_other(count)
    local ends = table.pack(narrow(material.options(nil, { min = "1.3" })))
    local sending, reading, told = {}, {}, false
    for i, stream in ipairs(ends) do
      require "kio.tls.core".test_key_updates(stream, count)
      sending[i] = kio.spawn(function() stream:send "x" end)
      reading[i] = kio.spawn(function() return table.pack(stream:read(1, { timeout = 30 })) end)
    end
    for i in ipairs(ends) do
      local result = reading[i]:await()
      if result[1] ~= "x" then
        assert_told(result)
        told = true
      end
    end
    for i, stream in ipairs(ends) do
      sending[i]:cancel()
      pcall(sending[i].await, sending[i])
      stream:close { timeout = 0 }
    end
    return told
  end

  it_alone("does so at both ends at once: none of them waits for the other's reading", function()
    assert.is_false(flood_each_other(2000))
    assert.is_true(flood_each_other(3000))
  end)

  it_alone("asks for new handshakes without end", function()
    local suite = { ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256", max = "1.2" }
    local client, server = narrow(material.options(nil, suite))
    local hello = "\1\0\0\2\3\3" -- the server looks no further
    local sent = 1 -- Finished
    local records = require "kio.tls.core".test_records(client, 22, hello, sent, 12000)
    local flood = kio.spawn(function()
      local fd = client:fd()
      while #records > 0 do
        local n, message, code = kio.send(fd, records)
        if not n then return nil, message, code end
        records = records:sub(n + 1)
      end
      return true
    end)
    local reading = kio.spawn(function() return table.pack(server:read(11)) end)
    local most = until_full(server, flood)
    assert.is_true(most > HELD_MAX and most < HELD_MAX + RECORD, tostring(most))
    assert_told(reading:await())
    assert.equal("waiting", flood:status())
    flood:cancel()
    pcall(flood.await, flood)
    local fd = client:fd()
    local answers = kio.spawn(function()
      repeat until not kio.recv(fd, 65536)
    end)
    server:close() -- and what it holds goes out
    answers:cancel()
    pcall(answers.await, answers)
    client:close()
  end)
end)

-- Both handshakes with somebody between them who passes on so many bytes to each side (nil: all),
-- and then nothing: what each side has come to, and how many bytes went to each.
local function shake_between(context, limits, timeouts)
  local tls = require "kio.tls"
  local client, near = connection.pair { address = connection.abstract_name() }
  local server, far = connection.pair { address = connection.abstract_name() }
  local passed = { client = 0, server = 0 }
  local function pass(from, to, side)
    local data = from:recv()
    while data do
      data = data:sub(1, limits[side] and limits[side] - passed[side])
      passed[side] = passed[side] + #data
      if data ~= "" then to:send(data) end
      data = from:recv()
    end
    to:shutdown "write"
  end
  local passing = { kio.spawn(pass, near, far, "server"), kio.spawn(pass, far, near, "client") }
  local serving = kio.spawn(function()
    return table.pack(tls.server(server, context, { timeout = timeouts.server }))
  end)
  local ours = table.pack(tls.client(client, {
    name = "localhost", ca = material.ca(), timeout = timeouts.client,
  }))
  local theirs = serving:await()
  local sizes = { client = passed.client, server = passed.server } -- before the last words
  connection.close(client, server)
  for _, task in ipairs(passing) do task:await() end
  connection.close(near, far)
  return { client = ours, server = theirs }, sizes
end

describe("a handshake that stalls", function()
  local tls, why = material.find()
  if not tls then return it("is skipped", function() pending(why) end) end

  for _, version in ipairs { "1.2", "1.3" } do
    for _, side in ipairs { "client", "server" } do
      it_alone(("at any byte ends the %s's in time: TLS %s"):format(side, version), function()
        local context = assert(tls.context(material.options(nil, { max = version, tickets = 0 })))
        local fine, passed = shake_between(context, {}, {})
        assert.is_truthy(fine.client[1] and fine.server[1])
        local most = passed[side] - 8 -- signatures have not always the same length
        for size = 0, most, support.flavour == "test" and 5 or 61 do
          local results = shake_between(context, { [side] = size }, { [side] = 0.005 })
          local stream, message, code = table.unpack(results[side], 1, 3)
          assert.is_nil(stream)
          assert.equal("ETIMEDOUT", code, message)
        end
      end)
    end
  end
end)
