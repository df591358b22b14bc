-- A program and its test: a cache that forgets after an hour, tested without waiting for one.
-- expect: fetched 1 time in the first hour
-- expect: fetched 2 times after it
-- expect: a failing source is asked again: true
-- expect-match: found: kio.testing: 1 task was left behind when the test had returned
-- expect-match: and where: task 2 "cleaner": waits for [%d.]+ s in sleep
local kio = require "kio"
local testing = kio.testing

local HOUR = 3600

-- The program: values of `fetch` by key, each kept for an hour.
local function new_cache(fetch)
  local values = {}
  return {
    get = function(key)
      local entry = values[key]
      if entry and kio.now() < entry.due then return entry.value end
      local value, message, code = fetch(key)
      if value then values[key] = { value = value, due = kio.now() + HOUR } end
      return value, message, code
    end,
    start_cleaner = function()
      return kio.spawn{ function()
        while true do
          kio.sleep(HOUR)
          for key, entry in pairs(values) do
            if kio.now() >= entry.due then values[key] = nil end
          end
        end
      end, name = "cleaner" }
    end,
  }
end

-- The tests.
testing.run(function()
  local count = 0
  local cache = new_cache(function(key)
    count = count + 1
    kio.sleep(0.2)
    return key:upper()
  end)
  for _ = 1, 59 do
    assert(cache.get "a" == "A")
    kio.sleep(60)
  end
  print(("fetched %d time in the first hour"):format(count))
  kio.sleep(60)
  cache.get "a"
  print(("fetched %d times after it"):format(count))
end, { timeout = 2 * HOUR })

testing.run(function()
  testing.faults { { op = "read", nth = 1, error = "EIO" } }
  local cache = new_cache(function(path) return kio.fs.read_file(path) end)
  local _, _, code = cache.get "/proc/sys/kernel/ostype"
  assert(code == "EIO")
  local again = cache.get "/proc/sys/kernel/ostype" == "Linux\n"
  print("a failing source is asked again: " .. tostring(again))
end)

local _, err = pcall(testing.run, function()
  new_cache(function() end).start_cleaner()
end)
print("found: " .. err:match "^[^\n]*")
print("and where: " .. err:match "\n([^\n]*)")
