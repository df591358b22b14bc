-- A program and its test: a cache that forgets after an hour, tested without waiting for one.
-- expect: fetched in the first hour: 1
-- expect: and after it: 2
-- expect: a failing source is asked again: true
-- expect-match: found: kio.testing: 1 task was left behind when the test had returned
-- expect-match: task 2 "cleaner": waits for [%d.]+ s in sleep
local kio = require "kio"
local testing, HOUR = kio.testing, 3600

-- The program: values of `fetch` by key, each kept for an hour.
local function new_cache(fetch)
  local values = {}
  return {
    get = function(key)
      local entry = values[key]
      if entry and kio.now() < entry.due then return entry.value end
      local value, message, code = fetch(key)
      values[key] = value and { value = value, due = kio.now() + HOUR }
      return value, message, code
    end,
    start_cleaner = function() -- forgets all, which costs some fetches at most
      return kio.spawn { name = "cleaner", function()
        while true do
          kio.sleep(HOUR)
          values = {}
        end
      end }
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
  print("fetched in the first hour: " .. count)
  kio.sleep(60)
  cache.get "a"
  print("and after it: " .. count)
end, { timeout = 2 * HOUR })

testing.run(function()
  testing.faults { { op = "read", nth = 1, error = "EIO" } }
  local cache = new_cache(function(path) return kio.fs.read_file(path) end)
  assert(select(3, cache.get "/proc/sys/kernel/ostype") == "EIO")
  print("a failing source is asked again: " .. tostring(cache.get "/proc/sys/kernel/ostype" ~= nil))
end)

local _, err = pcall(testing.run, function() new_cache(print).start_cleaner() end)
print("found: " .. err:match "^[^\n]*\n[^\n]*")
