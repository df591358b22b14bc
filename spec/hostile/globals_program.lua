-- A program that removes what it can of Lua's standard functions once kio is loaded, and then uses
-- kio. Run by globals_spec.lua: arguments are a folder and what is to be removed.
local kio = require "kio"
local folder, what = arg[1], arg[2]

local _G, assert, tostring, print, format = _G, assert, tostring, print, string.format
local next, type, pcall, error = next, type, pcall, error
local setmetatable, is_nil = setmetatable, nil
local strings = getmetatable ""

local removals = {
  globals = function()
    for name in next, _G do _G[name] = nil end
  end,
  libraries = function()
    for _, library in next, { string, table, math, os, io, debug, coroutine, utf8 } do
      for name in next, library do library[name] = nil end
    end
  end,
  replaced = function() -- by functions that fail
    local function fail() error "a function of the program's was called by kio" end
    for name, value in next, _G do
      if type(value) == "function" then _G[name] = fail end
    end
    for _, library in next, { string, table, math, os, debug, coroutine } do
      for name in next, library do library[name] = fail end
    end
  end,
  strings = function()
    strings.__index = function() error "a method of a string was looked up" end
  end,
}

local function expect(wanted, got)
  if got ~= wanted then error(format("%s expected, got %s", tostring(wanted), tostring(got)), 2) end
end

-- The words with which a call is refused.
local function refused(f, ...)
  local ok, message = pcall(f, ...)
  expect(false, ok)
  expect("string", type(message))
end

local function streams()
  local listener = assert(kio.net.listen "127.0.0.1:0")
  local client = assert(kio.net.connect(listener:address()))
  local server = assert(listener:accept())
  client:send "one\ntwo\n"
  expect("one", server:lines()())
  client:close()
  for chunk in server:chunks() do expect("two\n", chunk) end
  refused(server.lines, server, 5.5)
  refused(server.lines, 5)
  server:close()
  local serving = kio.spawn(listener.serve, listener, function(stream) stream:write "served" end)
  local other = assert(kio.net.connect(listener:address(), { timeout = 10 }))
  expect("served", other:read "a")
  other:close()
  listener:close()
  expect(1, serving:await().accepted)
  refused(listener.serve, listener, function() end, { max_connections = 0 })
  expect("127.0.0.1:80", assert(kio.net.resolve "localhost:80")[1])
  expect(is_nil, (kio.net.resolve("300.1.1.1.1:5x")))
end

local function files()
  local path = folder .. "/file"
  assert(kio.fs.write_file(path, "1 two\nthree", { atomic = true }))
  expect("1 two\nthree", kio.fs.read_file(path))
  local file = assert(kio.fs.open(path, "r+"))
  expect(1, file:read "n")
  expect(" two", file:read "l")
  for line in file:lines() do expect("three", line) end
  assert(file:pwrite("x", 0))
  expect("x two", file:pread(5, 0))
  file:close()
  expect(is_nil, (file:read "a"))
  refused(kio.fs.open, path, "bad mode")
  refused(kio.fs.stat, path, { wrong = 1 })
  expect(is_nil, (kio.fs.stat(folder .. "/none")))
  assert(kio.fs.mkdir(folder .. "/a/b", nil, { parents = true }))
  assert(kio.fs.copy(path, folder .. "/a/b/copy"))
  assert(kio.fs.remove(folder .. "/a", { recursive = true }))
  assert(kio.fs.rename(path, folder .. "/other"))
  kio.fs.watch(folder):close()
  local r, w = assert(kio.pipe())
  expect(3, kio.write_all(w, "abc"))
  expect("ab", kio.read_exactly(r, 2))
  assert(kio.close(r) and kio.close(w))
  local buffer = kio.buffer(16)
  buffer:pack(1, "<i4", 77)
  expect(77, (buffer:unpack(1, "<i4")))
end

local function tasks()
  local mutex, channel, event = kio.sync.mutex(), kio.sync.channel(1), kio.sync.event()
  mutex:lock()
  mutex:unlock()
  refused(mutex.unlock, mutex)
  assert(channel:send(1))
  expect(1, (kio.select { channel, event }))
  refused(kio.select, channel)
  expect(is_nil, (event:wait(0)))
  expect(2, kio.map({ 1 }, function(n) return 2 * n end)[1])
  expect(5, kio.race { function() return 5 end })
  for _, value in kio.as_completed { function() return 6 end } do expect(6, value) end
  refused(kio.all, { 1 })
  expect(is_nil, (kio.timeout(0, kio.sleep, 10)))
  kio.scope(function(scope) scope:spawn(kio.yield) end)
  local ok, err = kio.spawn(function() error(setmetatable({}, {})) end):join()
  expect(false, ok)
  expect("table", type(err))
  expect(3, kio.spawn_blocking(function(a, b) return a + b end, 1, 2):await())
  tostring(mutex)
  tostring(channel)
end

local function programs()
  local result = assert(kio.process.run { "printf", "%s", "said", env = { X = "y" } })
  expect("said", result.stdout)
  refused(kio.process.spawn, {})
  refused(kio.process.spawn, { "true", wrong = 1 })
  local child = assert(kio.process.spawn { "cat", stdin = "pipe", stdout = "pipe" })
  child.stdin:close()
  expect(0, child:wait().code)
  tostring(child)
  child:close()
  refused(kio.signal.on, "TERM")
end

removals[what]()
for _, f in next, { streams, files, tasks, programs } do
  kio.run(function() f() end)
end
expect(7, kio.testing.run(function() return 7 end))
print "all of it works"
