-- Generators that read and sleep inside a task: each yields its own items to its own consumer.
-- expect: while generators sleep, others run
-- expect: words: the quick brown fox jumps
-- expect: numbered: 1 the, 2 quick, 3 brown
local kio = require "kio"

-- The words that arrive on a stream.
local function words(stream)
  return coroutine.wrap(function()
    for line in stream:lines() do
      for word in line:gmatch "%a+" do
        coroutine.yield(word)
        kio.sleep(0.0005)
      end
    end
  end)
end

-- A generator on top of a generator.
local function numbered(items)
  return coroutine.wrap(function()
    local n = 1
    for item in items do
      coroutine.yield(n .. " " .. item)
      n = n + 1
    end
  end)
end

local function join(items, most, between)
  local list = {}
  for item in items do
    list[#list + 1] = item
    if #list == most then break end
  end
  return table.concat(list, between)
end

local function serve(listener)
  for stream in listener:accepts() do
    stream:write("the quick\nbro")
    kio.sleep(0.001)
    stream:write("wn fox\njumps\n"):close()
  end
end

kio.run(function()
  local listener = assert(kio.net.listen("127.0.0.1:0"))
  kio.spawn(serve, listener)
  kio.spawn(function()
    kio.sleep(0.001)
    print "while generators sleep, others run"
  end)
  local first <close> = assert(kio.net.connect(listener:address()))
  print("words: " .. join(words(first), 5, " "))
  local second <close> = assert(kio.net.connect(listener:address()))
  print("numbered: " .. join(numbered(words(second)), 3, ", "))
  listener:close()
end)
